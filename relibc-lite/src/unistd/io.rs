//! Reading, writing and sharing open files (`unistd.h`, `sys/uio.h`, `sys/ioctl.h`).

use crate::{c, errno, sys};
use core::ffi::{c_int, c_ulong, c_void};
use relibc_core::errno::{EINVAL, Result};

/// Buffers of one `readv` or `writev`.
const IOV_MAX: usize = 1024;

/// POSIX `read`.
#[unsafe(no_mangle)]
unsafe extern "C" fn read(fd: c_int, buffer: *mut c_void, length: usize) -> isize {
    // SAFETY: C contract.
    errno::size(unsafe { sys::read(fd, buffer.cast(), length) })
}

/// POSIX `write`.
#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: c_int, buffer: *const c_void, length: usize) -> isize {
    // SAFETY: C contract.
    errno::size(unsafe { sys::write(fd, buffer.cast(), length) })
}

/// POSIX `pread`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pread(fd: c_int, buffer: *mut c_void, length: usize, at: i64) -> isize {
    // SAFETY: C contract.
    errno::size(offset(at).and_then(|at| unsafe { sys::pread(fd, buffer.cast(), length, at) }))
}

/// POSIX `pwrite`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite(fd: c_int, buffer: *const c_void, length: usize, at: i64) -> isize {
    // SAFETY: C contract.
    errno::size(offset(at).and_then(|at| unsafe { sys::pwrite(fd, buffer.cast(), length, at) }))
}

fn offset(at: i64) -> Result<i64> {
    if at < 0 { Err(EINVAL) } else { Ok(at) }
}

fn count(of: c_int) -> Result<usize> {
    let count = c::length(of)?;
    if count <= IOV_MAX { Ok(count) } else { Err(EINVAL) }
}

/// POSIX `readv`.
#[unsafe(no_mangle)]
unsafe extern "C" fn readv(fd: c_int, vector: *const c_void, length: c_int) -> isize {
    // SAFETY: C contract.
    errno::size(count(length).and_then(|count| unsafe { sys::readv(fd, vector, count) }))
}

/// POSIX `writev`.
#[unsafe(no_mangle)]
unsafe extern "C" fn writev(fd: c_int, vector: *const c_void, length: c_int) -> isize {
    // SAFETY: C contract.
    errno::size(count(length).and_then(|count| unsafe { sys::writev(fd, vector, count) }))
}

/// POSIX `close`.
#[unsafe(no_mangle)]
extern "C" fn close(fd: c_int) -> c_int {
    errno::status(sys::close(fd))
}

/// POSIX `lseek`.
#[unsafe(no_mangle)]
extern "C" fn lseek(fd: c_int, offset: i64, whence: c_int) -> i64 {
    i64::try_from(errno::size(sys::lseek(fd, offset, whence))).unwrap_or(-1)
}

/// POSIX `dup`.
#[unsafe(no_mangle)]
extern "C" fn dup(fd: c_int) -> c_int {
    errno::int(sys::dup(fd))
}

/// POSIX `dup2`.
#[unsafe(no_mangle)]
extern "C" fn dup2(old: c_int, new: c_int) -> c_int {
    if old == new {
        // No copy is made, but the handle must be open.
        return errno::int(
            sys::fcntl(old, relibc_core::consts::F_GETFD, 0).and_then(|_| c::length(old)),
        );
    }
    errno::int(sys::dup_to(old, new, 0))
}

/// POSIX `dup3`.
#[unsafe(no_mangle)]
extern "C" fn dup3(old: c_int, new: c_int, flags: c_int) -> c_int {
    errno::int(if old == new { Err(EINVAL) } else { sys::dup_to(old, new, flags) })
}

/// POSIX `pipe2`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pipe2(to: *mut [c_int; 2], flags: c_int) -> c_int {
    // SAFETY: C contract.
    errno::status(sys::pipe(flags).map(|ends| unsafe { to.write(ends) }))
}

/// POSIX `pipe`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pipe(to: *mut [c_int; 2]) -> c_int {
    // SAFETY: C contract.
    unsafe { pipe2(to, 0) }
}

/// POSIX `ftruncate`.
#[unsafe(no_mangle)]
extern "C" fn ftruncate(fd: c_int, length: i64) -> c_int {
    errno::status(offset(length).and_then(|length| sys::ftruncate(fd, length)))
}

/// POSIX `fsync`.
#[unsafe(no_mangle)]
extern "C" fn fsync(fd: c_int) -> c_int {
    errno::status(sys::fsync(fd))
}

/// POSIX `fdatasync`.
#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    errno::status(sys::fsync(fd))
}

/// `ioctl`, variadic in C: the third argument is a number or pointer (see `fcntl`).
#[unsafe(no_mangle)]
unsafe extern "C" fn ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> c_int {
    // SAFETY: C contract.
    errno::int(unsafe { sys::ioctl(fd, request, argument) })
}
