//! `fcntl.h`: opening files.
//!
//! `open`, `openat` and `fcntl` are variadic in C; their one optional argument is an integer
//! or pointer and arrives in the same register as a fixed one (System V ABI, x86-64).

use crate::sys::{self, Last};
use crate::{c, errno, path};
use core::ffi::{c_char, c_int};
use relibc_core::consts::{
    AT_FDCWD, F_GETLK, F_SETLK, F_SETLKW, O_CREAT, O_EXCL, O_NOFOLLOW, O_SYMLINK, O_TRUNC, O_WRONLY,
};
use relibc_core::errno::Result;

/// Whether a link at the end is opened itself, or is what makes the open fail.
fn last(flags: c_int) -> Last {
    let is_kept = flags & (O_SYMLINK | O_NOFOLLOW) != 0 || flags & O_EXCL != 0;
    if is_kept { Last::Keep } else { Last::Follow }
}

/// # Safety
///
/// C contract: `name` is a C string or null.
pub(crate) unsafe fn open_at(
    dir: c_int,
    name: *const c_char,
    flags: c_int,
    mode: c_int,
) -> Result<usize> {
    let mode = if flags & O_CREAT == 0 { 0 } else { mode };
    // SAFETY: the caller's promise.
    let fd = unsafe { path::with(dir, name, last(flags), |at| sys::open(at, flags, mode)) };
    fd.and_then(c::length)
}

/// POSIX `open`.
#[unsafe(no_mangle)]
unsafe extern "C" fn open(name: *const c_char, flags: c_int, mode: c_int) -> c_int {
    // SAFETY: C contract.
    errno::int(unsafe { open_at(AT_FDCWD, name, flags, mode) })
}

/// POSIX `openat`.
#[unsafe(no_mangle)]
unsafe extern "C" fn openat(dir: c_int, name: *const c_char, flags: c_int, mode: c_int) -> c_int {
    // SAFETY: C contract.
    errno::int(unsafe { open_at(dir, name, flags, mode) })
}

/// POSIX `creat`.
#[unsafe(no_mangle)]
unsafe extern "C" fn creat(name: *const c_char, mode: c_int) -> c_int {
    // SAFETY: C contract.
    errno::int(unsafe { open_at(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, mode) })
}

/// POSIX `fcntl`. There are no record locks: they are `ENOLCK`.
#[unsafe(no_mangle)]
extern "C" fn fcntl(fd: c_int, command: c_int, argument: usize) -> c_int {
    match command {
        F_GETLK | F_SETLK | F_SETLKW => errno::status(Err(relibc_core::errno::ENOLCK)),
        _ => errno::int(sys::fcntl(fd, command, argument)),
    }
}
