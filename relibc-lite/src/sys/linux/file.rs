//! Open files.

use super::raw::{self, call};
use crate::c::{int, word};
use core::ffi::{c_int, c_void};
use relibc_core::abi::{Pollfd, Stat, Statvfs, Termios, Timespec};
use relibc_core::consts;
use relibc_core::errno::{EINVAL, ENOTTY, Errno, Result};
use relibc_core::linux::{self, LinuxStat, termios};

/// Linux's `O_CLOEXEC`, and `FD_CLOEXEC`.
const LINUX_CLOEXEC: usize = 0o200_0000;
const LINUX_FD_CLOEXEC: usize = 1;
/// Linux's `F_DUPFD_CLOEXEC`.
const LINUX_DUPFD_CLOEXEC: usize = 1030;

/// # Safety
///
/// `buffer` is valid for writes of `length` bytes.
pub(crate) unsafe fn read(fd: c_int, buffer: *mut u8, length: usize) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { call(raw::READ, [word(fd), buffer.addr(), length]) }
}

/// # Safety
///
/// `buffer` is valid for reads of `length` bytes.
pub(crate) unsafe fn write(fd: c_int, buffer: *const u8, length: usize) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { call(raw::WRITE, [word(fd), buffer.addr(), length]) }
}

/// # Safety
///
/// As [`read`].
pub(crate) unsafe fn pread(fd: c_int, buffer: *mut u8, length: usize, at: i64) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { call(raw::PREAD, [word(fd), buffer.addr(), length, word(at)]) }
}

/// # Safety
///
/// As [`write`].
pub(crate) unsafe fn pwrite(fd: c_int, buffer: *const u8, length: usize, at: i64) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { call(raw::PWRITE, [word(fd), buffer.addr(), length, word(at)]) }
}

/// # Safety
///
/// `vector` points to `count` iovecs, each valid for writes.
pub(crate) unsafe fn readv(fd: c_int, vector: *const c_void, count: usize) -> Result<usize> {
    // SAFETY: the caller's promise; the struct is the same for both.
    unsafe { call(raw::READV, [word(fd), vector.addr(), count]) }
}

/// # Safety
///
/// `vector` points to `count` iovecs, each valid for reads.
pub(crate) unsafe fn writev(fd: c_int, vector: *const c_void, count: usize) -> Result<usize> {
    // SAFETY: the caller's promise; the struct is the same for both.
    unsafe { call(raw::WRITEV, [word(fd), vector.addr(), count]) }
}

pub(crate) fn close(fd: c_int) -> Result<()> {
    // SAFETY: no memory is touched.
    unsafe { call(raw::CLOSE, [word(fd)]) }.map(drop)
}

pub(crate) fn lseek(fd: c_int, offset: i64, whence: c_int) -> Result<usize> {
    // SAFETY: no memory is touched.
    unsafe { call(raw::LSEEK, [word(fd), word(offset), word(whence)]) }
}

pub(crate) fn dup(fd: c_int) -> Result<usize> {
    // SAFETY: no memory is touched.
    unsafe { call(raw::DUP, [word(fd)]) }
}

pub(crate) fn dup_to(old: c_int, new: c_int, flags: c_int) -> Result<usize> {
    let flags = word(linux::open_flags(flags & consts::O_CLOEXEC));
    // SAFETY: no memory is touched.
    unsafe { call(raw::DUP3, [word(old), word(new), flags]) }
}

pub(crate) fn fcntl(fd: c_int, command: c_int, argument: usize) -> Result<usize> {
    let cloexec = argument & word(consts::FD_CLOEXEC) != 0;
    let flag = |linux| if cloexec { linux } else { 0 };
    let plain = |command: usize, argument: usize| {
        // SAFETY: none of the commands below touches memory.
        unsafe { call(raw::FCNTL, [word(fd), command, argument]) }
    };
    match command {
        consts::F_DUPFD => {
            let start = argument & !word(consts::FD_CLOEXEC);
            plain(if cloexec { LINUX_DUPFD_CLOEXEC } else { 0 }, start)
        }
        consts::F_GETFD => {
            let flags = plain(1, 0)?;
            Ok(if flags & LINUX_FD_CLOEXEC == 0 { 0 } else { word(consts::FD_CLOEXEC) })
        }
        consts::F_SETFD => plain(2, flag(LINUX_FD_CLOEXEC)),
        consts::F_GETFL => {
            let flags = plain(3, 0)?;
            Ok(word(linux::open_flags_back(int(flags))))
        }
        consts::F_SETFL => {
            let flags = c_int::try_from(argument & 0x7fff_ffff).unwrap_or(0);
            plain(4, word(linux::open_flags(flags) & !3) & !LINUX_CLOEXEC)
        }
        _ => Err(EINVAL),
    }
}

pub(crate) fn ftruncate(fd: c_int, length: i64) -> Result<()> {
    // SAFETY: no memory is touched.
    unsafe { call(raw::FTRUNCATE, [word(fd), word(length)]) }.map(drop)
}

pub(crate) fn fsync(fd: c_int) -> Result<()> {
    // SAFETY: no memory is touched.
    unsafe { call(raw::FSYNC, [word(fd)]) }.map(drop)
}

pub(crate) fn fstat(fd: c_int) -> Result<Stat> {
    let mut stat = LinuxStat::default();
    // SAFETY: the struct is Linux's own, and ours to fill.
    unsafe { call(raw::FSTAT, [word(fd), (&raw mut stat).addr()]) }?;
    Ok(linux::stat(&stat))
}

pub(crate) fn fstatvfs(fd: c_int) -> Result<Statvfs> {
    let mut raw = [0_u64; 15];
    // SAFETY: `struct statfs` of x86-64 is 120 bytes.
    unsafe { call(raw::FSTATFS, [word(fd), raw.as_mut_ptr().addr()]) }?;
    let [_kind, bsize, blocks, bfree, bavail, files, ffree, fsid, namelen, frsize, flags, ..] = raw;
    Ok(Statvfs {
        f_bsize: bsize,
        f_frsize: frsize,
        f_blocks: blocks,
        f_bfree: bfree,
        f_bavail: bavail,
        f_files: files,
        f_ffree: ffree,
        f_favail: ffree,
        f_fsid: fsid,
        f_flag: flags,
        f_namemax: namelen,
    })
}

pub(crate) fn fchmod(fd: c_int, mode: c_int) -> Result<()> {
    // SAFETY: no memory is touched.
    unsafe { call(raw::FCHMOD, [word(fd), word(mode)]) }.map(drop)
}

pub(crate) fn fchown(fd: c_int, uid: c_int, gid: c_int) -> Result<()> {
    // SAFETY: no memory is touched.
    unsafe { call(raw::FCHOWN, [word(fd), word(uid), word(gid)]) }.map(drop)
}

pub(crate) fn futimens(fd: c_int, times: &[Timespec; 2]) -> Result<()> {
    // SAFETY: the two structs are Linux's; path 0 means the handle itself.
    unsafe { call(raw::UTIMENSAT, [word(fd), 0, times.as_ptr().addr(), 0]) }.map(drop)
}

/// Records from `position` on, each as [`relibc_core::dirent`] reads it.
pub(crate) fn getdents(fd: c_int, buffer: &mut [u8], position: u64) -> Result<usize> {
    lseek(fd, position.cast_signed(), 0)?;
    // SAFETY: Linux writes at most the buffer's length into it.
    unsafe { call(raw::GETDENTS64, [word(fd), buffer.as_mut_ptr().addr(), buffer.len()]) }
}

/// A new pipe: read end, write end.
pub(crate) fn pipe(flags: c_int) -> Result<[c_int; 2]> {
    let mut ends = [0; 2];
    let flags = linux::open_flags(flags & (consts::O_CLOEXEC | consts::O_NONBLOCK));
    // SAFETY: Linux writes two ints.
    unsafe { call(raw::PIPE2, [ends.as_mut_ptr().addr(), word(flags)]) }?;
    Ok(ends)
}

/// Waits at most `timeout` milliseconds (for ever if negative) for one of `fds`.
pub(crate) fn poll(fds: &mut [Pollfd], timeout: c_int) -> Result<usize> {
    // SAFETY: the struct and its bits are the same for both.
    unsafe { call(raw::POLL, [fds.as_mut_ptr().addr(), fds.len(), word(timeout)]) }
}

/// # Safety
///
/// `argument` is what the request wants: a number, or a pointer to its struct.
pub(crate) unsafe fn ioctl(fd: c_int, request: u64, argument: *mut c_void) -> Result<usize> {
    let how = match request {
        // SAFETY: the caller passes a `struct termios`.
        consts::TCGETS => return unsafe { get_termios(fd, argument.cast()) },
        consts::TCSETS | consts::TCSETSW | consts::TCSETSF => {
            // SAFETY: as above.
            return unsafe { set_termios(fd, request, argument.cast()) };
        }
        consts::FIONREAD
        | consts::FIONBIO
        | consts::FIOCLEX
        | consts::TCSBRK
        | consts::TCXONC
        | consts::TCFLSH
        | consts::TIOCSCTTY
        | consts::TIOCGPGRP
        | consts::TIOCSPGRP
        | consts::TIOCGWINSZ
        | consts::TIOCSWINSZ => crate::c::narrow(request),
        _ => return Err(ENOTTY),
    };
    // SAFETY: the caller's promise; these requests and their structs are Linux's own.
    unsafe { call(raw::IOCTL, [word(fd), how, argument.addr()]) }
}

fn linux_termios(fd: c_int) -> Result<termios::LinuxTermios> {
    let mut now = termios::LinuxTermios::default();
    let request = crate::c::narrow(consts::TCGETS);
    // SAFETY: the struct is Linux's own.
    unsafe { call(raw::IOCTL, [word(fd), request, (&raw mut now).addr()]) }?;
    Ok(now)
}

/// # Safety
///
/// `to` points to a writable `struct termios`.
unsafe fn get_termios(fd: c_int, to: *mut Termios) -> Result<usize> {
    let now = linux_termios(fd)?;
    // SAFETY: the caller's promise.
    unsafe { crate::c::put(to, termios::from_linux(&now)) };
    Ok(0)
}

/// # Safety
///
/// `from` points to a `struct termios`.
unsafe fn set_termios(fd: c_int, request: u64, from: *const Termios) -> Result<usize> {
    // SAFETY: the caller's promise.
    let wanted = unsafe { from.as_ref() }.ok_or(Errno(14))?;
    let next = termios::into_linux(wanted, &linux_termios(fd)?);
    // SAFETY: the struct is Linux's own.
    unsafe { call(raw::IOCTL, [word(fd), crate::c::narrow(request), (&raw const next).addr()]) }
}
