//! `netdb.h`: without a network no name can be looked up.

use core::ffi::{c_char, c_int, c_void};

/// "Temporary failure in name resolution", which is what it is.
const EAI_AGAIN: c_int = -3;

/// POSIX `getaddrinfo`.
#[unsafe(no_mangle)]
extern "C" fn getaddrinfo(
    _node: *const c_char,
    _service: *const c_char,
    _hints: *const c_void,
    _to: *mut *mut c_void,
) -> c_int {
    EAI_AGAIN
}

/// POSIX `freeaddrinfo`: `getaddrinfo` has never given anything.
#[unsafe(no_mangle)]
extern "C" fn freeaddrinfo(_list: *mut c_void) {}

/// POSIX `gai_strerror`.
#[unsafe(no_mangle)]
extern "C" fn gai_strerror(code: c_int) -> *const c_char {
    let text = match code {
        -1 => c"Bad value for flags",
        -2 => c"Name or service not known",
        EAI_AGAIN => c"Temporary failure in name resolution",
        -4 => c"Non-recoverable failure in name resolution",
        -6 => c"Address family not supported",
        -7 => c"Socket type not supported",
        -8 => c"Service not supported for socket type",
        -10 => c"Memory allocation failure",
        -11 => c"System error",
        _ => c"Unknown error",
    };
    text.as_ptr()
}
