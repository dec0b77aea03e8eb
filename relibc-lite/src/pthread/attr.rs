//! Attributes of threads.

use core::ffi::{c_int, c_void};
use relibc_core::errno::EINVAL;

/// Stack of a thread that asked for none in particular, in bytes.
const DEFAULT_STACK: usize = 2 * 1024 * 1024;
const STACK_MIN: usize = 4096;

/// `pthread_attr_t`: 32 bytes, of which zeroes are the defaults.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attr {
    stack: usize,
    guard: usize,
    detached: c_int,
    reserved: [u32; 3],
}

const _: () = assert!(size_of::<Attr>() == 32);

impl Attr {
    pub(crate) fn stack_size(self) -> usize {
        if self.stack == 0 { DEFAULT_STACK } else { self.stack }
    }

    pub(crate) fn is_detached(self) -> bool {
        self.detached != 0
    }
}

/// POSIX `pthread_attr_init`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_attr_init(attr: *mut Attr) -> c_int {
    // SAFETY: C contract.
    unsafe { attr.write(Attr::default()) };
    0
}

/// POSIX `pthread_attr_destroy`.
#[unsafe(no_mangle)]
extern "C" fn pthread_attr_destroy(_attr: *mut Attr) -> c_int {
    0
}

/// POSIX `pthread_attr_setstacksize`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_attr_setstacksize(attr: *mut Attr, size: usize) -> c_int {
    if size < STACK_MIN {
        return EINVAL.0;
    }
    // SAFETY: C contract.
    unsafe { (*attr).stack = size };
    0
}

/// POSIX `pthread_attr_getstacksize`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_attr_getstacksize(attr: *const Attr, to: *mut usize) -> c_int {
    // SAFETY: C contract.
    unsafe { to.write((*attr).stack_size()) };
    0
}

/// POSIX `pthread_attr_setdetachstate`: 1 is detached.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_attr_setdetachstate(attr: *mut Attr, state: c_int) -> c_int {
    if !(0..=1).contains(&state) {
        return EINVAL.0;
    }
    // SAFETY: C contract.
    unsafe { (*attr).detached = state };
    0
}

/// POSIX `pthread_attr_setguardsize`: one page is always kept.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_attr_setguardsize(attr: *mut Attr, size: usize) -> c_int {
    // SAFETY: C contract.
    unsafe { (*attr).guard = size };
    0
}

/// POSIX `pthread_setname_np` as Linux has it; names are for debuggers, which we have none of.
#[unsafe(no_mangle)]
extern "C" fn pthread_setname_np(_thread: *const c_void, _name: *const c_void) -> c_int {
    0
}
