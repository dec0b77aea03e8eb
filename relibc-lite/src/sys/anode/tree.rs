//! Paths: almost all is `openat` and a call on the handle.

use super::raw::{call, sleeping, whole};
use crate::c::{int, word};
use crate::path::cwd;
use crate::sys::{At, Id, Last};
use anode_abi::number::{
    NONE, SYS_DUP, SYS_FLINK, SYS_FPATH, SYS_FRENAME, SYS_NS_BIND, SYS_NS_ENTER, SYS_NS_NEW,
    SYS_OPENAT, SYS_UNLINKAT,
};
use core::ffi::{CStr, c_int};
use core::sync::atomic::Ordering;
use relibc_core::abi::{Stat, Timespec};
use relibc_core::consts::{
    AT_FDCWD, AT_REMOVEDIR, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_PATH, O_RDONLY, O_SYMLINK,
    O_WRONLY, S_IFLNK, S_IFMT,
};
use relibc_core::errno::{EACCES, EINVAL, EPERM, Result};
use relibc_core::{dirent, path};

/// The bits of `openat`'s flags that are the mode of a new file.
const MODE: usize = 0xfff;

/// The directory handle that the kernel wants beside the path.
fn dir(at: &At<'_>) -> Result<usize> {
    let bytes = at.path.to_bytes();
    if bytes.starts_with(b"/") || path::scheme_prefix(bytes).is_some() {
        return Ok(NONE);
    }
    if at.dir == AT_FDCWD { cwd::handle().map(word) } else { Ok(word(at.dir)) }
}

/// The four words that name a path in a call: directory, address, length, flags.
fn words(at: &At<'_>, flags: usize) -> Result<[usize; 4]> {
    Ok([dir(at)?, at.path.as_ptr().addr(), at.path.to_bytes().len(), flags])
}

pub(crate) fn open(at: &At<'_>, flags: c_int, mode: c_int) -> Result<c_int> {
    let allowed = mode & 0o7777 & !super::process::UMASK.load(Ordering::Relaxed);
    let mode = if flags & O_CREAT == 0 { 0 } else { word(allowed) };
    let flags = (word(flags.cast_unsigned()) & !MODE) | mode;
    // SAFETY: the path is a string.
    unsafe { sleeping(SYS_OPENAT, words(at, flags)?) }.map(int)
}

/// Opens, does `action` on the handle, closes.
fn with<T>(at: &At<'_>, flags: c_int, action: impl FnOnce(c_int) -> Result<T>) -> Result<T> {
    let fd = open(at, flags | O_CLOEXEC, 0)?;
    let result = action(fd);
    super::close(fd).and(result)
}

/// Flags to reach a thing without reading or writing it.
fn reach(last: Last) -> c_int {
    if last == Last::Keep { O_PATH | O_SYMLINK } else { O_PATH }
}

/// Whether the namespace has a scheme of this name.
pub(crate) fn is_scheme(name: &[u8]) -> bool {
    let schemes = At { dir: AT_FDCWD, path: c"/scheme" };
    with(&schemes, O_RDONLY | O_DIRECTORY, |fd| any_entry(fd, |entry| Ok(entry == name)))
        .unwrap_or(false)
}

/// Whether `found` is true of one of a directory's names.
fn any_entry(fd: c_int, mut found: impl FnMut(&[u8]) -> Result<bool>) -> Result<bool> {
    let mut buffer = [0_u8; 2048];
    let mut position = 0;
    loop {
        let length = super::getdents(fd, &mut buffer, position)?;
        let mut rest = buffer.get(..length).unwrap_or_default();
        if rest.is_empty() {
            return Ok(false);
        }
        while let Some(entry) = dirent::read(rest)? {
            if found(entry.name)? {
                return Ok(true);
            }
            position = entry.next;
            rest = rest.get(entry.length..).unwrap_or_default();
        }
    }
}

pub(crate) fn stat(at: &At<'_>, last: Last) -> Result<Stat> {
    with(at, reach(last), super::fstat)
}

pub(crate) fn unlink(at: &At<'_>, flags: c_int) -> Result<()> {
    let words = words(at, word(flags & AT_REMOVEDIR))?;
    // SAFETY: the path is a string.
    unsafe { call(SYS_UNLINKAT, words) }.map(drop)
}

pub(crate) fn mkdir(at: &At<'_>, mode: c_int) -> Result<()> {
    let flags = O_CREAT | O_DIRECTORY | O_EXCL | O_RDONLY | O_CLOEXEC;
    super::close(open(at, flags, mode)?)
}

/// A file of a special kind: there are none on disk.
pub(crate) fn mknod(_at: &At<'_>, _mode: c_int, _device: u64) -> Result<()> {
    Err(EPERM)
}

pub(crate) fn symlink(target: &CStr, at: &At<'_>) -> Result<()> {
    let target = target.to_bytes();
    let fd = open(at, O_CREAT | O_SYMLINK | O_EXCL | O_WRONLY | O_CLOEXEC, 0o777)?;
    // SAFETY: the slice is valid.
    let written = unsafe { super::write(fd, target.as_ptr(), target.len()) };
    super::close(fd).and(written).map(drop)
}

pub(crate) fn readlink(at: &At<'_>, buffer: &mut [u8]) -> Result<usize> {
    with(at, O_SYMLINK | O_RDONLY, |fd| {
        if super::fstat(fd)?.st_mode & S_IFMT != S_IFLNK {
            return Err(EINVAL);
        }
        // SAFETY: the slice is valid.
        unsafe { super::read(fd, buffer.as_mut_ptr(), buffer.len()) }
    })
}

/// `frename` or `flink`: gives what `fd` names the name `to`.
fn name(number: usize, fd: c_int, to: &At<'_>) -> Result<()> {
    let [dir, path, length, _] = words(to, 0)?;
    // SAFETY: the path is a string.
    unsafe { call(number, [word(fd), path, length, dir]) }.map(drop)
}

pub(crate) fn rename(from: &At<'_>, to: &At<'_>, flags: u32) -> Result<()> {
    if flags != 0 {
        // No scheme can refuse to replace in one step.
        return Err(EINVAL);
    }
    with(from, reach(Last::Keep), |fd| name(SYS_FRENAME, fd, to))
}

pub(crate) fn link(from: &At<'_>, to: &At<'_>, last: Last) -> Result<()> {
    with(from, reach(last), |fd| name(SYS_FLINK, fd, to))
}

pub(crate) fn chmod(at: &At<'_>, mode: c_int) -> Result<()> {
    with(at, O_PATH, |fd| super::fchmod(fd, mode))
}

pub(crate) fn chown(at: &At<'_>, uid: c_int, gid: c_int, last: Last) -> Result<()> {
    with(at, reach(last), |fd| super::fchown(fd, uid, gid))
}

pub(crate) fn utimens(at: &At<'_>, times: &[Timespec; 2], last: Last) -> Result<()> {
    with(at, reach(last), |fd| super::futimens(fd, times))
}

/// Whether the process may `mode` (R 4, W 2, X 1) the file.
pub(crate) fn access(at: &At<'_>, mode: c_int) -> Result<()> {
    let stat = stat(at, Last::Follow)?;
    let (uid, gid) = (super::id(Id::User), super::id(Id::Group));
    if relibc_core::anode::may(&stat, uid, gid, mode) { Ok(()) } else { Err(EACCES) }
}

/// The canonical path of an open file, without NUL.
pub(crate) fn fpath(fd: c_int, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes at most the buffer's length.
    unsafe { whole(SYS_FPATH, [word(fd), buffer.as_mut_ptr().addr(), buffer.len()]) }
}

/// The current directory is the library's own affair.
pub(crate) fn enter(_fd: c_int) -> Result<()> {
    Ok(())
}

/// Binds a name in a namespace to a directory, or to what it is bound to in our own.
fn bind(space: c_int, name: &[u8], source: usize) -> Result<()> {
    let arguments = [word(space), name.as_ptr().addr(), name.len(), source];
    // SAFETY: the name is a slice.
    unsafe { call(SYS_NS_BIND, arguments) }.map(drop)
}

/// The source of everything but the root.
fn source(root: c_int, name: &[u8]) -> usize {
    if name == b"file" { word(root) } else { NONE }
}

/// The directory as one that its scheme keeps all within that is opened from it.
fn as_root(directory: c_int) -> Result<c_int> {
    const NAME: &[u8] = b"root";
    let close_on_exec = NONE.wrapping_sub(1);
    // SAFETY: the name is a slice.
    let root = unsafe {
        call(SYS_DUP, [word(directory), NAME.as_ptr().addr(), NAME.len(), close_on_exec])
    };
    root.map(int)
}

/// Moves to a namespace that is the caller's own but for `file`, which begins at `at`.
pub(crate) fn chroot(at: &At<'_>) -> Result<()> {
    let root = with(at, O_PATH | O_DIRECTORY, as_root)?;
    let moved = enter_root(root);
    super::close(root).and(moved)
}

fn enter_root(root: c_int) -> Result<()> {
    // SAFETY: no memory is touched.
    let space = int(unsafe { call(SYS_NS_NEW, []) }?);
    let schemes = At { dir: AT_FDCWD, path: c"/scheme" };
    let bound = with(&schemes, O_RDONLY | O_DIRECTORY, |fd| {
        any_entry(fd, |name| bind(space, name, source(root, name)).map(|()| false))
    });
    // SAFETY: no memory is touched.
    let entered = bound.and_then(|_| unsafe { call(SYS_NS_ENTER, [word(space)]) });
    super::close(space).and(entered).map(drop)
}
