//! Open files.

use super::raw::{call, sleeping, whole};
use crate::c::{int, word};
use anode_abi::number::{
    NONE, SYS_CALL, SYS_CLOSE, SYS_DUP, SYS_FCHMOD, SYS_FCHOWN, SYS_FCNTL, SYS_FSTAT, SYS_FSTATVFS,
    SYS_FSYNC, SYS_FTRUNCATE, SYS_FUTIMENS, SYS_GETDENTS, SYS_LSEEK, SYS_OPENAT, SYS_READ,
    SYS_READ2, SYS_WRITE, SYS_WRITE2,
};
use core::ffi::{c_int, c_void};
use relibc_core::abi::{Stat, Statvfs, Termios, Timespec, Winsize};
use relibc_core::consts;
use relibc_core::errno::{EINVAL, ENOTTY, EOVERFLOW, Result};

/// `dup` to the lowest free number, close-on-exec.
const LOWEST_CLOEXEC: usize = NONE - 1;
/// Bit of a number given to `dup`: close-on-exec.
const AT_CLOEXEC: usize = 1 << 32;
/// From where `lseek` counts: the start, and the end, which the kernel does not know.
const SEEK_SET: c_int = 0;
const SEEK_END: c_int = 2;
/// Writes of several buffers up to this many bytes go out as one.
const GATHER: usize = 4096;

/// One buffer of `readv` and `writev`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Iovec {
    base: *mut u8,
    length: usize,
}

/// # Safety
///
/// `buffer` is valid for writes of `length` bytes.
pub(crate) unsafe fn read(fd: c_int, buffer: *mut u8, length: usize) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { sleeping(SYS_READ, [word(fd), buffer.addr(), length]) }
}

/// # Safety
///
/// `buffer` is valid for reads of `length` bytes.
pub(crate) unsafe fn write(fd: c_int, buffer: *const u8, length: usize) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { sleeping(SYS_WRITE, [word(fd), buffer.addr(), length]) }
}

/// # Safety
///
/// As [`read`].
pub(crate) unsafe fn pread(fd: c_int, buffer: *mut u8, length: usize, at: i64) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { sleeping(SYS_READ2, [word(fd), buffer.addr(), length, word(at), 0]) }
}

/// # Safety
///
/// As [`write`].
pub(crate) unsafe fn pwrite(fd: c_int, buffer: *const u8, length: usize, at: i64) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { sleeping(SYS_WRITE2, [word(fd), buffer.addr(), length, word(at), 0]) }
}

/// # Safety
///
/// `vector` points to `count` iovecs.
unsafe fn buffers<'a>(vector: *const c_void, count: usize) -> &'a [Iovec] {
    if count == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(vector.cast(), count) }
}

/// Does `action` on one buffer after another, until one is not done whole.
fn each(buffers: &[Iovec], action: impl Fn(&Iovec) -> Result<usize>) -> Result<usize> {
    let mut done = 0_usize;
    for buffer in buffers.iter().filter(|buffer| buffer.length > 0) {
        match action(buffer) {
            Ok(count) => {
                done = done.saturating_add(count);
                if count < buffer.length {
                    break;
                }
            }
            // What is done is done; the error will come again.
            Err(_) if done > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(done)
}

/// # Safety
///
/// `vector` points to `count` iovecs, each valid for writes.
pub(crate) unsafe fn readv(fd: c_int, vector: *const c_void, count: usize) -> Result<usize> {
    // SAFETY: the caller's promise.
    let buffers = unsafe { buffers(vector, count) };
    // SAFETY: the caller's promise.
    each(buffers, |buffer| unsafe { read(fd, buffer.base, buffer.length) })
}

/// # Safety
///
/// `vector` points to `count` iovecs, each valid for reads.
pub(crate) unsafe fn writev(fd: c_int, vector: *const c_void, count: usize) -> Result<usize> {
    // SAFETY: the caller's promise.
    let buffers = unsafe { buffers(vector, count) };
    let total = buffers.iter().fold(0_usize, |sum, buffer| sum.saturating_add(buffer.length));
    if total > GATHER {
        // SAFETY: the caller's promise.
        return each(buffers, |buffer| unsafe { write(fd, buffer.base, buffer.length) });
    }
    // One write, so that what is said at once arrives at once (pipes, terminals).
    let mut whole = [0_u8; GATHER];
    let mut at = whole.as_mut_ptr();
    for buffer in buffers {
        // SAFETY: the caller's promise; the sum of all lengths fits.
        unsafe { at.copy_from_nonoverlapping(buffer.base, buffer.length) };
        at = at.wrapping_add(buffer.length);
    }
    // SAFETY: `total` bytes were written above.
    unsafe { write(fd, whole.as_ptr(), total) }
}

pub(crate) fn close(fd: c_int) -> Result<()> {
    // SAFETY: no memory is touched.
    unsafe { call(SYS_CLOSE, [word(fd)]) }.map(drop)
}

pub(crate) fn lseek(fd: c_int, offset: i64, whence: c_int) -> Result<usize> {
    let (offset, whence) = match whence {
        SEEK_END => {
            let end = fstat(fd)?.st_size.checked_add(offset);
            (end.ok_or(EOVERFLOW)?, SEEK_SET)
        }
        _ => (offset, whence),
    };
    // SAFETY: no memory is touched.
    unsafe { call(SYS_LSEEK, [word(fd), word(offset), word(whence)]) }
}

pub(crate) fn dup(fd: c_int) -> Result<usize> {
    // SAFETY: no memory is touched.
    unsafe { call(SYS_DUP, [word(fd), 0, 0, NONE]) }
}

pub(crate) fn dup_to(old: c_int, new: c_int, flags: c_int) -> Result<usize> {
    let number = usize::try_from(new).ok().ok_or(relibc_core::errno::EBADF)?;
    let cloexec = if flags & consts::O_CLOEXEC == 0 { 0 } else { AT_CLOEXEC };
    // SAFETY: no memory is touched.
    unsafe { call(SYS_DUP, [word(old), 0, 0, number | cloexec]) }
}

pub(crate) fn fcntl(fd: c_int, command: c_int, argument: usize) -> Result<usize> {
    // SAFETY: the kernel's commands touch no memory.
    unsafe { call(SYS_FCNTL, [word(fd), word(command), argument]) }
}

pub(crate) fn ftruncate(fd: c_int, length: i64) -> Result<()> {
    // SAFETY: no memory is touched.
    unsafe { sleeping(SYS_FTRUNCATE, [word(fd), word(length)]) }.map(drop)
}

pub(crate) fn fsync(fd: c_int) -> Result<()> {
    // SAFETY: no memory is touched.
    unsafe { sleeping(SYS_FSYNC, [word(fd)]) }.map(drop)
}

pub(crate) fn fstat(fd: c_int) -> Result<Stat> {
    let mut stat = redox::data::Stat::default();
    let length = size_of_val(&stat);
    // SAFETY: the struct is the kernel's own, and ours to fill.
    unsafe { whole(SYS_FSTAT, [word(fd), (&raw mut stat).addr(), length]) }?;
    Ok(relibc_core::anode::stat(&stat))
}

pub(crate) fn fstatvfs(fd: c_int) -> Result<Statvfs> {
    let mut stat = redox::data::StatVfs::default();
    let length = size_of_val(&stat);
    // SAFETY: the struct is the kernel's own, and ours to fill.
    unsafe { whole(SYS_FSTATVFS, [word(fd), (&raw mut stat).addr(), length]) }?;
    Ok(relibc_core::anode::statvfs(&stat))
}

pub(crate) fn fchmod(fd: c_int, mode: c_int) -> Result<()> {
    // SAFETY: no memory is touched.
    unsafe { sleeping(SYS_FCHMOD, [word(fd), word(mode & 0o7777)]) }.map(drop)
}

pub(crate) fn fchown(fd: c_int, uid: c_int, gid: c_int) -> Result<()> {
    let id = |id: c_int| word(id.cast_unsigned());
    // SAFETY: no memory is touched.
    unsafe { sleeping(SYS_FCHOWN, [word(fd), id(uid), id(gid)]) }.map(drop)
}

/// `UTIME_NOW` and `UTIME_OMIT`: the kernel knows neither, so they become times here.
const UTIME_NOW: i64 = 0x3fff_ffff;
const UTIME_OMIT: i64 = 0x3fff_fffe;

pub(crate) fn futimens(fd: c_int, times: &[Timespec; 2]) -> Result<()> {
    let [mut accessed, mut modified] = *times;
    if times.iter().any(|time| time.tv_nsec == UTIME_OMIT) {
        let now = fstat(fd)?;
        keep(&mut accessed, now.st_atime);
        keep(&mut modified, now.st_mtime);
    }
    let now = super::clock_gettime(consts::CLOCK_REALTIME)?;
    let resolve = |time: Timespec| if time.tv_nsec == UTIME_NOW { now } else { time };
    let times = [resolve(accessed), resolve(modified)];
    let length = size_of_val(&times);
    // SAFETY: two 16-byte structs; the kernel's 32-bit nanoseconds are the low half of ours.
    unsafe { whole(SYS_FUTIMENS, [word(fd), times.as_ptr().addr(), length]) }.map(drop)
}

fn keep(time: &mut Timespec, now: Timespec) {
    if time.tv_nsec == UTIME_OMIT {
        *time = now;
    }
}

/// Records from `position` on, each as [`relibc_core::dirent`] reads it.
pub(crate) fn getdents(fd: c_int, buffer: &mut [u8], position: u64) -> Result<usize> {
    let (to, length) = (buffer.as_mut_ptr().addr(), buffer.len());
    // SAFETY: the kernel writes at most the buffer's length into it.
    unsafe { whole(SYS_GETDENTS, [word(fd), to, length, crate::c::narrow(position)]) }
}

/// A new pipe: read end, write end.
pub(crate) fn pipe(flags: c_int) -> Result<[c_int; 2]> {
    let flags = flags & (consts::O_CLOEXEC | consts::O_NONBLOCK);
    let name = "/scheme/pipe";
    let reading = word(consts::O_RDONLY | flags);
    // SAFETY: the name is valid.
    let reader = unsafe { call(SYS_OPENAT, [NONE, name.as_ptr().addr(), name.len(), reading]) }?;
    let reader = int(reader);
    let end = "write";
    let number = if flags & consts::O_CLOEXEC == 0 { NONE } else { LOWEST_CLOEXEC };
    // SAFETY: the name is valid.
    let writer = unsafe { call(SYS_DUP, [word(reader), end.as_ptr().addr(), end.len(), number]) };
    let writer = writer.map(int).inspect_err(|_| {
        // The pipe is ours alone.
        let _closed = close(reader);
    })?;
    if flags & consts::O_NONBLOCK != 0 {
        fcntl(writer, consts::F_SETFL, word(consts::O_WRONLY | consts::O_NONBLOCK))?;
    }
    Ok([reader, writer])
}

/// # Safety
///
/// `argument` is what the request wants: a number, or a pointer to its struct.
pub(crate) unsafe fn ioctl(fd: c_int, request: u64, argument: *mut c_void) -> Result<usize> {
    let length = match request {
        consts::TCGETS | consts::TCSETS | consts::TCSETSW | consts::TCSETSF => size_of::<Termios>(),
        consts::TIOCGWINSZ | consts::TIOCSWINSZ => size_of::<Winsize>(),
        consts::TIOCGPGRP | consts::TIOCSPGRP | consts::FIONREAD => size_of::<c_int>(),
        // Their argument is a number, not the address of one.
        consts::TCFLSH | consts::TCXONC | consts::TCSBRK | consts::TIOCSCTTY => {
            let mut number = int(argument.addr());
            // SAFETY: an int of our own.
            return unsafe { ask(fd, request, (&raw mut number).cast(), size_of::<c_int>()) };
        }
        // SAFETY: the caller passes an int.
        consts::FIONBIO => return set_nonblocking(fd, unsafe { *argument.cast() }),
        consts::FIOCLEX => return fcntl(fd, consts::F_SETFD, word(consts::FD_CLOEXEC)),
        _ => return Err(ENOTTY),
    };
    // SAFETY: the caller's promise.
    unsafe { ask(fd, request, argument, length) }
}

/// # Safety
///
/// `buffer` is valid for reads and writes of `length` bytes.
unsafe fn ask(fd: c_int, request: u64, buffer: *mut c_void, length: usize) -> Result<usize> {
    if buffer.is_null() {
        return Err(EINVAL);
    }
    let meta = [request, 0, 0];
    let meta = meta.as_ptr().addr();
    // SAFETY: the caller's promise. What a driver answers beyond "done" means nothing here.
    unsafe { sleeping(SYS_CALL, [word(fd), buffer.addr(), length, 0, meta]) }.map(|_| 0)
}

/// 0 makes calls wait, all else makes them not.
fn set_nonblocking(fd: c_int, on: c_int) -> Result<usize> {
    let flags = fcntl(fd, consts::F_GETFL, 0)?;
    let nonblock = word(consts::O_NONBLOCK);
    let flags = if on == 0 { flags & !nonblock } else { flags | nonblock };
    fcntl(fd, consts::F_SETFL, flags)
}
