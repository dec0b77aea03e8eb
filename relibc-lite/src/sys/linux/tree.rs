//! Paths.

use super::raw::{self, call};
use crate::c::word;
use crate::sys::{At, Last};
use core::ffi::{CStr, c_int};
use relibc_core::abi::{Stat, Timespec};
use relibc_core::consts;
use relibc_core::errno::{ENOENT, Result};
use relibc_core::linux::{self, LinuxStat};
use relibc_core::path;

const LINUX_NOFOLLOW: usize = 0x100;
const LINUX_FOLLOW: usize = 0x400;

/// Schemes that have a like on Linux, and the file that it is.
const SCHEMES: [(&[u8], &CStr, &CStr); 4] = [
    (b"rand", c"", c"/dev/urandom"),
    (b"null", c"", c"/dev/null"),
    (b"zero", c"", c"/dev/zero"),
    (b"tty", c"", c"/dev/tty"),
];

/// The directory and the path as Linux takes them.
fn host<'a>(at: &At<'a>) -> Result<(usize, &'a CStr)> {
    let Some((name, rest)) = path::in_scheme(at.path) else {
        return Ok((word(at.dir), at.path));
    };
    let found = SCHEMES.iter().find(|(scheme, beneath, _)| (*scheme, *beneath) == (name, rest));
    match found {
        Some((_, _, file)) => Ok((word(at.dir), file)),
        None => Err(ENOENT),
    }
}

/// Whether the namespace has a scheme of this name.
pub(crate) fn is_scheme(name: &[u8]) -> bool {
    name == b"sys" || SCHEMES.iter().any(|(scheme, _, _)| *scheme == name)
}

pub(crate) fn open(at: &At<'_>, flags: c_int, mode: c_int) -> Result<c_int> {
    if path::in_scheme(at.path) == Some((b"sys", c"exe")) {
        return open_exe(flags);
    }
    let (dir, path) = host(at)?;
    let flags = word(linux::open_flags(flags));
    // SAFETY: the path ends in NUL.
    let fd = unsafe { call(raw::OPENAT, [dir, path.as_ptr().addr(), flags, word(mode)]) }?;
    Ok(crate::c::int(fd))
}

/// A pipe that holds the program's own path, as `sys:exe` reads.
fn open_exe(flags: c_int) -> Result<c_int> {
    let mut buffer = [0_u8; 1024];
    let at = At { dir: consts::AT_FDCWD, path: c"/proc/self/exe" };
    let length = readlink(&at, &mut buffer)?;
    let [reader, writer] = super::pipe(flags)?;
    // SAFETY: `readlink` gives at most the buffer's length, and a pipe takes that at once.
    unsafe { super::write(writer, buffer.as_ptr(), length.min(buffer.len())) }?;
    super::close(writer)?;
    Ok(reader)
}

pub(crate) fn stat(at: &At<'_>, last: Last) -> Result<Stat> {
    let (dir, path) = host(at)?;
    let mut stat = LinuxStat::default();
    let flags = if last == Last::Keep { LINUX_NOFOLLOW } else { 0 };
    let buffer = (&raw mut stat).addr();
    // SAFETY: the path ends in NUL; the struct is Linux's own.
    unsafe { call(raw::NEWFSTATAT, [dir, path.as_ptr().addr(), buffer, flags]) }?;
    Ok(linux::stat(&stat))
}

pub(crate) fn unlink(at: &At<'_>, flags: c_int) -> Result<()> {
    let (dir, path) = host(at)?;
    let flags = word(flags & consts::AT_REMOVEDIR);
    // SAFETY: the path ends in NUL.
    unsafe { call(raw::UNLINKAT, [dir, path.as_ptr().addr(), flags]) }.map(drop)
}

pub(crate) fn mkdir(at: &At<'_>, mode: c_int) -> Result<()> {
    let (dir, path) = host(at)?;
    // SAFETY: the path ends in NUL.
    unsafe { call(raw::MKDIRAT, [dir, path.as_ptr().addr(), word(mode)]) }.map(drop)
}

/// A file of a special kind; only named pipes are of any use here.
pub(crate) fn mknod(at: &At<'_>, mode: c_int, device: u64) -> Result<()> {
    let (dir, path) = host(at)?;
    let device = crate::c::narrow(device);
    // SAFETY: the path ends in NUL.
    unsafe { call(raw::MKNODAT, [dir, path.as_ptr().addr(), word(mode), device]) }.map(drop)
}

pub(crate) fn symlink(target: &CStr, at: &At<'_>) -> Result<()> {
    let (dir, path) = host(at)?;
    // SAFETY: both paths end in NUL.
    unsafe { call(raw::SYMLINKAT, [target.as_ptr().addr(), dir, path.as_ptr().addr()]) }.map(drop)
}

pub(crate) fn readlink(at: &At<'_>, buffer: &mut [u8]) -> Result<usize> {
    let (dir, path) = host(at)?;
    let to = buffer.as_mut_ptr().addr();
    // SAFETY: the path ends in NUL; Linux writes at most the buffer's length.
    unsafe { call(raw::READLINKAT, [dir, path.as_ptr().addr(), to, buffer.len()]) }
}

pub(crate) fn rename(from: &At<'_>, to: &At<'_>, flags: u32) -> Result<()> {
    let (from_dir, from) = host(from)?;
    let (to_dir, to) = host(to)?;
    let paths = [from_dir, from.as_ptr().addr(), to_dir, to.as_ptr().addr(), word(flags)];
    // SAFETY: both paths end in NUL.
    unsafe { call(raw::RENAMEAT2, paths) }.map(drop)
}

pub(crate) fn link(from: &At<'_>, to: &At<'_>, last: Last) -> Result<()> {
    let (from_dir, from) = host(from)?;
    let (to_dir, to) = host(to)?;
    let flags = if last == Last::Follow { LINUX_FOLLOW } else { 0 };
    let paths = [from_dir, from.as_ptr().addr(), to_dir, to.as_ptr().addr(), flags];
    // SAFETY: both paths end in NUL.
    unsafe { call(raw::LINKAT, paths) }.map(drop)
}

pub(crate) fn chmod(at: &At<'_>, mode: c_int) -> Result<()> {
    let (dir, path) = host(at)?;
    // SAFETY: the path ends in NUL.
    unsafe { call(raw::FCHMODAT, [dir, path.as_ptr().addr(), word(mode)]) }.map(drop)
}

pub(crate) fn chown(at: &At<'_>, uid: c_int, gid: c_int, last: Last) -> Result<()> {
    let (dir, path) = host(at)?;
    let flags = if last == Last::Keep { LINUX_NOFOLLOW } else { 0 };
    let owner = [dir, path.as_ptr().addr(), word(uid), word(gid), flags];
    // SAFETY: the path ends in NUL.
    unsafe { call(raw::FCHOWNAT, owner) }.map(drop)
}

pub(crate) fn utimens(at: &At<'_>, times: &[Timespec; 2], last: Last) -> Result<()> {
    let (dir, path) = host(at)?;
    let flags = if last == Last::Keep { LINUX_NOFOLLOW } else { 0 };
    // SAFETY: the path ends in NUL; the two structs are Linux's.
    unsafe { call(raw::UTIMENSAT, [dir, path.as_ptr().addr(), times.as_ptr().addr(), flags]) }
        .map(drop)
}

/// Whether the process may `mode` (R 4, W 2, X 1) the file; Linux's bits are the same.
pub(crate) fn access(at: &At<'_>, mode: c_int) -> Result<()> {
    let (dir, path) = host(at)?;
    // SAFETY: the path ends in NUL.
    unsafe { call(raw::FACCESSAT, [dir, path.as_ptr().addr(), word(mode)]) }.map(drop)
}

/// The canonical path of an open file, without NUL.
pub(crate) fn fpath(fd: c_int, buffer: &mut [u8]) -> Result<usize> {
    use core::fmt::Write as _;
    let mut link = relibc_core::text::Line::<32>::default();
    write!(link, "/proc/self/fd/{fd}\0").ok().ok_or(ENOENT)?;
    let path = CStr::from_bytes_with_nul(link.as_bytes()).ok().ok_or(ENOENT)?;
    readlink(&At { dir: consts::AT_FDCWD, path }, buffer)
}

/// The current directory becomes that of `fd`, so that programs we start have it too.
pub(crate) fn enter(fd: c_int) -> Result<()> {
    // SAFETY: no memory is touched.
    unsafe { call(raw::FCHDIR, [word(fd)]) }.map(drop)
}

pub(crate) fn chroot(at: &At<'_>) -> Result<()> {
    let (_, path) = host(at)?;
    // SAFETY: the path ends in NUL.
    unsafe { call(raw::CHROOT, [path.as_ptr().addr()]) }.map(drop)
}
