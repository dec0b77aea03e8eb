//! `sys/stat.h`, `sys/statvfs.h`: facts about files, and making directories and pipes.

use crate::sys::{self, At, Last};
use crate::{errno, path};
use core::ffi::{c_char, c_int};
use relibc_core::abi::{Stat, Statvfs, Timespec};
use relibc_core::consts::{AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_CLOEXEC, O_PATH, S_IFIFO};
use relibc_core::errno::Result;

/// Whether the flags of an `…at` function ask for the link itself.
pub(crate) fn last(flags: c_int) -> Last {
    if flags & AT_SYMLINK_NOFOLLOW == 0 { Last::Follow } else { Last::Keep }
}

/// # Safety
///
/// C contract: `name` is a C string or null, `to` a writable struct.
unsafe fn stat_at(dir: c_int, name: *const c_char, to: *mut Stat, last: Last) -> Result<()> {
    // SAFETY: the caller's promise.
    let stat = unsafe { path::with(dir, name, last, |at| sys::stat(at, last)) }?;
    // SAFETY: the caller's promise.
    unsafe { to.write(stat) };
    Ok(())
}

/// POSIX `stat`.
#[unsafe(no_mangle)]
unsafe extern "C" fn stat(name: *const c_char, to: *mut Stat) -> c_int {
    // SAFETY: C contract.
    errno::status(unsafe { stat_at(AT_FDCWD, name, to, Last::Follow) })
}

/// POSIX `lstat`.
#[unsafe(no_mangle)]
unsafe extern "C" fn lstat(name: *const c_char, to: *mut Stat) -> c_int {
    // SAFETY: C contract.
    errno::status(unsafe { stat_at(AT_FDCWD, name, to, Last::Keep) })
}

/// POSIX `fstatat`.
#[unsafe(no_mangle)]
unsafe extern "C" fn fstatat(
    dir: c_int,
    name: *const c_char,
    to: *mut Stat,
    flags: c_int,
) -> c_int {
    // SAFETY: C contract.
    errno::status(unsafe { stat_at(dir, name, to, last(flags)) })
}

/// POSIX `fstat`.
#[unsafe(no_mangle)]
unsafe extern "C" fn fstat(fd: c_int, to: *mut Stat) -> c_int {
    // SAFETY: C contract.
    errno::status(sys::fstat(fd).map(|stat| unsafe { to.write(stat) }))
}

/// POSIX `fstatvfs`.
#[unsafe(no_mangle)]
unsafe extern "C" fn fstatvfs(fd: c_int, to: *mut Statvfs) -> c_int {
    // SAFETY: C contract.
    errno::status(sys::fstatvfs(fd).map(|stat| unsafe { to.write(stat) }))
}

/// POSIX `statvfs`.
#[unsafe(no_mangle)]
unsafe extern "C" fn statvfs(name: *const c_char, to: *mut Statvfs) -> c_int {
    let of = |at: &At<'_>| {
        let fd = sys::open(at, O_PATH | O_CLOEXEC, 0)?;
        let stat = sys::fstatvfs(fd);
        sys::close(fd)?;
        stat
    };
    // SAFETY: C contract.
    let stat = unsafe { path::with(AT_FDCWD, name, Last::Follow, of) };
    // SAFETY: C contract.
    errno::status(stat.map(|stat| unsafe { to.write(stat) }))
}

/// POSIX `mkdir`.
#[unsafe(no_mangle)]
unsafe extern "C" fn mkdir(name: *const c_char, mode: c_int) -> c_int {
    // SAFETY: C contract.
    unsafe { mkdirat(AT_FDCWD, name, mode) }
}

/// POSIX `mkdirat`.
#[unsafe(no_mangle)]
unsafe extern "C" fn mkdirat(dir: c_int, name: *const c_char, mode: c_int) -> c_int {
    // SAFETY: C contract.
    errno::status(unsafe { path::with(dir, name, Last::Keep, |at| sys::mkdir(at, mode)) })
}

/// POSIX `mkfifo`.
#[unsafe(no_mangle)]
unsafe extern "C" fn mkfifo(name: *const c_char, mode: c_int) -> c_int {
    // SAFETY: C contract.
    unsafe { mknodat(AT_FDCWD, name, mode | S_IFIFO, 0) }
}

/// POSIX `mknod`.
#[unsafe(no_mangle)]
unsafe extern "C" fn mknod(name: *const c_char, mode: c_int, device: u64) -> c_int {
    // SAFETY: C contract.
    unsafe { mknodat(AT_FDCWD, name, mode, device) }
}

/// POSIX `mknodat`.
#[unsafe(no_mangle)]
unsafe extern "C" fn mknodat(dir: c_int, name: *const c_char, mode: c_int, device: u64) -> c_int {
    // SAFETY: C contract.
    errno::status(unsafe { path::with(dir, name, Last::Keep, |at| sys::mknod(at, mode, device)) })
}

/// POSIX `chmod`.
#[unsafe(no_mangle)]
unsafe extern "C" fn chmod(name: *const c_char, mode: c_int) -> c_int {
    // SAFETY: C contract.
    unsafe { fchmodat(AT_FDCWD, name, mode, 0) }
}

/// POSIX `fchmodat`; links have no mode of their own.
#[unsafe(no_mangle)]
unsafe extern "C" fn fchmodat(
    dir: c_int,
    name: *const c_char,
    mode: c_int,
    _flags: c_int,
) -> c_int {
    // SAFETY: C contract.
    errno::status(unsafe { path::with(dir, name, Last::Follow, |at| sys::chmod(at, mode)) })
}

/// POSIX `fchmod`.
#[unsafe(no_mangle)]
extern "C" fn fchmod(fd: c_int, mode: c_int) -> c_int {
    errno::status(sys::fchmod(fd, mode))
}

/// POSIX `umask`.
#[unsafe(no_mangle)]
extern "C" fn umask(mask: c_int) -> c_int {
    sys::umask(mask & 0o777)
}

/// The two times that `utimensat` sets; null is now for both.
///
/// # Safety
///
/// C contract: `times` is null or points to two structs.
unsafe fn both(times: *const [Timespec; 2]) -> Result<[Timespec; 2]> {
    // SAFETY: the caller's promise.
    if let Some(times) = unsafe { times.as_ref() } {
        return Ok(*times);
    }
    let now = sys::clock_gettime(relibc_core::consts::CLOCK_REALTIME)?;
    Ok([now, now])
}

/// POSIX `utimensat`.
#[unsafe(no_mangle)]
unsafe extern "C" fn utimensat(
    dir: c_int,
    name: *const c_char,
    times: *const [Timespec; 2],
    flags: c_int,
) -> c_int {
    let last = last(flags);
    // SAFETY: C contract.
    let times = unsafe { both(times) };
    // SAFETY: C contract.
    errno::status(times.and_then(|times| unsafe {
        path::with(dir, name, last, |at| sys::utimens(at, &times, last))
    }))
}

/// POSIX `futimens`.
#[unsafe(no_mangle)]
unsafe extern "C" fn futimens(fd: c_int, times: *const [Timespec; 2]) -> c_int {
    // SAFETY: C contract.
    errno::status(unsafe { both(times) }.and_then(|times| sys::futimens(fd, &times)))
}
