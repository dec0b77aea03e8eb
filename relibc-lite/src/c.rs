//! From C's arguments to Rust's values and back.

use core::ffi::{CStr, c_char, c_int};
use relibc_core::errno::{EFAULT, EINVAL, Result};

/// A C string argument.
///
/// # Safety
///
/// C contract: `text` is null or points to a NUL-terminated string that outlives `'a`.
///
/// # Errors
///
/// - `EFAULT`: the pointer is null.
pub(crate) unsafe fn string<'a>(text: *const c_char) -> Result<&'a CStr> {
    if text.is_null() {
        return Err(EFAULT);
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { CStr::from_ptr(text) })
}

/// A buffer argument to fill; null is an empty buffer.
///
/// # Safety
///
/// C contract: `buffer` is null or points to `length` writable bytes that nothing else uses.
pub(crate) unsafe fn bytes_mut<'a>(buffer: *mut c_char, length: usize) -> &'a mut [u8] {
    if buffer.is_null() {
        return &mut [];
    }
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts_mut(buffer.cast(), length) }
}

/// A length that C passes signed.
///
/// # Errors
///
/// - `EINVAL`: it is negative.
pub(crate) fn length(signed: impl TryInto<usize>) -> Result<usize> {
    signed.try_into().ok().ok_or(EINVAL)
}

/// A small result (a handle, a pid, a count) as C's `int`.
pub(crate) fn int(value: usize) -> c_int {
    c_int::try_from(value).unwrap_or(c_int::MAX)
}

/// A signed number as the word that a system call takes.
pub(crate) fn word(value: impl Into<i64>) -> usize {
    usize::try_from(value.into().cast_unsigned()).unwrap_or(0)
}

/// A word of a system call as `u64`.
pub(crate) fn wide(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// A `u64` as a word; the machine has 64 bits.
pub(crate) fn narrow(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// Writes through a pointer that C may leave null.
///
/// # Safety
///
/// C contract: `to` is null or points to a writable `T`.
pub(crate) unsafe fn put<T>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: the caller's promise.
        unsafe { to.write(value) };
    }
}
