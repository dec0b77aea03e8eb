//! Names in the file tree (`unistd.h`, `stdio.h`).

use crate::stat::last;
use crate::sys::{self, At, Last};
use crate::{c, errno, path};
use core::ffi::{c_char, c_int, c_uint};
use relibc_core::consts::{AT_FDCWD, AT_REMOVEDIR, O_CLOEXEC, O_DIRECTORY, O_PATH, PATH_MAX};
use relibc_core::errno::{EINVAL, ERANGE, Errno, Result};

/// POSIX `unlink`.
#[unsafe(no_mangle)]
unsafe extern "C" fn unlink(name: *const c_char) -> c_int {
    // SAFETY: C contract.
    unsafe { unlinkat(AT_FDCWD, name, 0) }
}

/// POSIX `rmdir`.
#[unsafe(no_mangle)]
unsafe extern "C" fn rmdir(name: *const c_char) -> c_int {
    // SAFETY: C contract.
    unsafe { unlinkat(AT_FDCWD, name, AT_REMOVEDIR) }
}

/// POSIX `unlinkat`.
#[unsafe(no_mangle)]
unsafe extern "C" fn unlinkat(dir: c_int, name: *const c_char, flags: c_int) -> c_int {
    // SAFETY: C contract.
    errno::status(unsafe { path::with(dir, name, Last::Keep, |at| sys::unlink(at, flags)) })
}

/// C `remove`.
#[unsafe(no_mangle)]
unsafe extern "C" fn remove(name: *const c_char) -> c_int {
    // SAFETY: C contract.
    match unsafe { path::with(AT_FDCWD, name, Last::Keep, |at| sys::unlink(at, 0)) } {
        // SAFETY: C contract.
        Err(Errno(1 | 21)) => unsafe { rmdir(name) },
        result => errno::status(result),
    }
}

/// Does `action` on two paths, of which neither's last link is followed.
///
/// # Safety
///
/// C contract: both names are C strings or null.
unsafe fn with_two(
    from: (c_int, *const c_char, Last),
    to: (c_int, *const c_char),
    action: impl Fn(&At<'_>, &At<'_>) -> Result<()>,
) -> c_int {
    // SAFETY: the caller's promise, twice.
    errno::status(unsafe {
        path::with(from.0, from.1, from.2, |from| {
            path::with(to.0, to.1, Last::Keep, |to| action(from, to))
        })
    })
}

/// C `rename`.
#[unsafe(no_mangle)]
unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: C contract.
    unsafe { renameat2(AT_FDCWD, from, AT_FDCWD, to, 0) }
}

/// POSIX `renameat`.
#[unsafe(no_mangle)]
unsafe extern "C" fn renameat(
    from_dir: c_int,
    from: *const c_char,
    to_dir: c_int,
    to: *const c_char,
) -> c_int {
    // SAFETY: C contract.
    unsafe { renameat2(from_dir, from, to_dir, to, 0) }
}

/// Linux `renameat2`; `RENAME_NOREPLACE` (1) is the one flag.
#[unsafe(no_mangle)]
unsafe extern "C" fn renameat2(
    from_dir: c_int,
    from: *const c_char,
    to_dir: c_int,
    to: *const c_char,
    flags: c_uint,
) -> c_int {
    if flags > 1 {
        return errno::status(Err(EINVAL));
    }
    // SAFETY: C contract.
    unsafe {
        with_two((from_dir, from, Last::Keep), (to_dir, to), |from, to| {
            sys::rename(from, to, flags)
        })
    }
}

/// POSIX `link`.
#[unsafe(no_mangle)]
unsafe extern "C" fn link(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: C contract.
    unsafe { linkat(AT_FDCWD, from, AT_FDCWD, to, 0) }
}

/// POSIX `linkat`.
#[unsafe(no_mangle)]
unsafe extern "C" fn linkat(
    from_dir: c_int,
    from: *const c_char,
    to_dir: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    let last = if flags & 0x400 == 0 { Last::Keep } else { Last::Follow };
    // SAFETY: C contract.
    unsafe { with_two((from_dir, from, last), (to_dir, to), |from, to| sys::link(from, to, last)) }
}

/// POSIX `symlink`.
#[unsafe(no_mangle)]
unsafe extern "C" fn symlink(target: *const c_char, name: *const c_char) -> c_int {
    // SAFETY: C contract.
    unsafe { symlinkat(target, AT_FDCWD, name) }
}

/// POSIX `symlinkat`.
#[unsafe(no_mangle)]
unsafe extern "C" fn symlinkat(target: *const c_char, dir: c_int, name: *const c_char) -> c_int {
    // SAFETY: C contract, twice.
    errno::status(unsafe { c::string(target) }.and_then(|target| unsafe {
        path::with(dir, name, Last::Keep, |at| sys::symlink(target, at))
    }))
}

/// POSIX `readlink`.
#[unsafe(no_mangle)]
unsafe extern "C" fn readlink(name: *const c_char, to: *mut c_char, length: usize) -> isize {
    // SAFETY: C contract.
    unsafe { readlinkat(AT_FDCWD, name, to, length) }
}

/// POSIX `readlinkat`.
#[unsafe(no_mangle)]
unsafe extern "C" fn readlinkat(
    dir: c_int,
    name: *const c_char,
    to: *mut c_char,
    length: usize,
) -> isize {
    // SAFETY: C contract.
    let buffer = unsafe { c::bytes_mut(to, length) };
    // SAFETY: C contract.
    errno::size(unsafe { path::with(dir, name, Last::Keep, |at| sys::readlink(at, buffer)) })
}

/// POSIX `access`.
#[unsafe(no_mangle)]
unsafe extern "C" fn access(name: *const c_char, mode: c_int) -> c_int {
    // SAFETY: C contract.
    unsafe { faccessat(AT_FDCWD, name, mode, 0) }
}

/// POSIX `faccessat`.
#[unsafe(no_mangle)]
unsafe extern "C" fn faccessat(
    dir: c_int,
    name: *const c_char,
    mode: c_int,
    _flags: c_int,
) -> c_int {
    // SAFETY: C contract.
    errno::status(unsafe { path::with(dir, name, Last::Follow, |at| sys::access(at, mode)) })
}

/// POSIX `chown`.
#[unsafe(no_mangle)]
unsafe extern "C" fn chown(name: *const c_char, uid: c_int, gid: c_int) -> c_int {
    // SAFETY: C contract.
    unsafe { fchownat(AT_FDCWD, name, uid, gid, 0) }
}

/// POSIX `lchown`.
#[unsafe(no_mangle)]
unsafe extern "C" fn lchown(name: *const c_char, uid: c_int, gid: c_int) -> c_int {
    // SAFETY: C contract.
    unsafe { fchownat(AT_FDCWD, name, uid, gid, relibc_core::consts::AT_SYMLINK_NOFOLLOW) }
}

/// POSIX `fchownat`.
#[unsafe(no_mangle)]
unsafe extern "C" fn fchownat(
    dir: c_int,
    name: *const c_char,
    uid: c_int,
    gid: c_int,
    flags: c_int,
) -> c_int {
    let last = last(flags);
    // SAFETY: C contract.
    errno::status(unsafe { path::with(dir, name, last, |at| sys::chown(at, uid, gid, last)) })
}

/// POSIX `fchown`.
#[unsafe(no_mangle)]
extern "C" fn fchown(fd: c_int, uid: c_int, gid: c_int) -> c_int {
    errno::status(sys::fchown(fd, uid, gid))
}

/// POSIX `chdir`.
#[unsafe(no_mangle)]
unsafe extern "C" fn chdir(name: *const c_char) -> c_int {
    let flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    // SAFETY: C contract.
    let fd = unsafe { path::with(AT_FDCWD, name, Last::Follow, |at| sys::open(at, flags, 0)) };
    errno::status(fd.and_then(|fd| {
        let entered = path::cwd::enter(fd);
        sys::close(fd).and(entered)
    }))
}

/// POSIX `fchdir`.
#[unsafe(no_mangle)]
extern "C" fn fchdir(fd: c_int) -> c_int {
    errno::status(path::cwd::enter(fd))
}

/// POSIX `getcwd`; with a null buffer, one of the length that is asked for is allocated.
#[unsafe(no_mangle)]
unsafe extern "C" fn getcwd(to: *mut c_char, length: usize) -> *mut c_char {
    if to.is_null() {
        let length = if length == 0 { PATH_MAX } else { length };
        let block = crate::malloc::allocate(length);
        let Some(block) = block else { return errno::pointer(Err(relibc_core::errno::ENOMEM)) };
        // SAFETY: the block is new and that long.
        return unsafe { getcwd(block.as_ptr().cast(), length) };
    }
    // SAFETY: C contract.
    let buffer = unsafe { c::bytes_mut(to, length) };
    let copied = if length == 0 { Err(EINVAL) } else { path::cwd::path(buffer) };
    errno::pointer(copied.map(|_| to).map_err(|errno| if errno == EINVAL { errno } else { ERANGE }))
}

/// BSD `chroot`.
#[unsafe(no_mangle)]
unsafe extern "C" fn chroot(name: *const c_char) -> c_int {
    // SAFETY: C contract.
    errno::status(unsafe { path::with(AT_FDCWD, name, Last::Follow, sys::chroot) })
}
