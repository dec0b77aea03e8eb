//! `errno`, and how results become C's return values.

use crate::{c, string, thread};
use core::ffi::{c_char, c_int};
use relibc_core::errno::{EINVAL, ERANGE, Errno, Result};

/// Sets the calling thread's `errno`.
pub(crate) fn set(errno: Errno) {
    thread::current().errno.set(errno.0);
}

/// 0, or -1 and errno.
pub(crate) fn status(result: Result<()>) -> c_int {
    int(result.map(|()| 0))
}

/// A small number, or -1 and errno.
pub(crate) fn int(result: Result<usize>) -> c_int {
    match result {
        Ok(value) => c::int(value),
        Err(errno) => {
            set(errno);
            -1
        }
    }
}

/// A count or offset, or -1 and errno.
pub(crate) fn size(result: Result<usize>) -> isize {
    match result {
        Ok(value) => value.cast_signed(),
        Err(errno) => {
            set(errno);
            -1
        }
    }
}

/// A pointer, or null and errno.
pub(crate) fn pointer<T>(result: Result<*mut T>) -> *mut T {
    result.unwrap_or_else(|errno| {
        set(errno);
        core::ptr::null_mut()
    })
}

/// 0, or the error number itself, as the pthread functions give it.
pub(crate) fn code(result: Result<()>) -> c_int {
    result.map_or_else(|errno| errno.0, |()| 0)
}

/// The address of the calling thread's `errno`, by the name that `std` knows.
#[unsafe(no_mangle)]
extern "C" fn __errno() -> *mut c_int {
    thread::current().errno.as_ptr()
}

/// The same, by the name that the `libc` crate knows.
#[unsafe(no_mangle)]
extern "C" fn __errno_location() -> *mut c_int {
    __errno()
}

/// POSIX `strerror_r`.
#[unsafe(no_mangle)]
unsafe extern "C" fn strerror_r(number: c_int, buffer: *mut c_char, length: usize) -> c_int {
    // SAFETY: C contract.
    let buffer = unsafe { c::bytes_mut(buffer, length) };
    let text = relibc_core::errno::text(number);
    let fits = relibc_core::text::put(buffer, text.unwrap_or("Unknown error").as_bytes());
    match (text, fits) {
        (None, _) => EINVAL.0,
        (Some(_), false) => ERANGE.0,
        (Some(_), true) => 0,
    }
}

/// POSIX `strerror`: a text that no one may change.
#[unsafe(no_mangle)]
extern "C" fn strerror(number: c_int) -> *mut c_char {
    let text = relibc_core::errno::text(number).unwrap_or("Unknown error");
    string::keep(thread::current(), text.as_bytes())
}
