//! From C's paths to what a back-end takes: schemes, devices, and links that leave a scheme.

use crate::c;
use crate::sys::{self, At, Last};
use core::ffi::{CStr, c_char, c_int};
use relibc_core::consts::{AT_FDCWD, PATH_MAX, SYMLOOP_MAX};
use relibc_core::errno::{EINVAL, ELOOP, ENAMETOOLONG, ENOENT, EXDEV, Errno, Result};
use relibc_core::path::{self, Leads, Place};

pub(crate) mod cwd;

/// Does `action` on what `path` names, seen from the directory `dir`.
///
/// A scheme answers `EXDEV` where a link leads out of it: then the link is followed here and
/// `action` is done again on what remains. With [`Last::Keep`] a link at the very end is meant
/// itself, so it is never followed.
///
/// # Safety
///
/// C contract: `path` is a C string or null.
pub(crate) unsafe fn with<T>(
    dir: c_int,
    path: *const c_char,
    last: Last,
    mut action: impl FnMut(&At<'_>) -> Result<T>,
) -> Result<T> {
    // SAFETY: the caller's promise.
    let path = unsafe { c::string(path) }?;
    let path = match path::place(path)? {
        Place::Absolute(path) => path,
        Place::Relative(path) if path.to_bytes().contains(&b':') => {
            return in_directory(dir, path, last, action);
        }
        Place::Relative(path) => path,
        Place::Maybe { name, whole } => match action(&At { dir: AT_FDCWD, path: whole }) {
            Err(ENOENT) if !sys::is_scheme(name) => return in_directory(dir, whole, last, action),
            result => return result,
        },
        Place::Stream(fd) => return on_stream(fd, &mut action),
    };
    act(&At { dir, path }, last, &mut action)
}

fn act<T>(at: &At<'_>, last: Last, action: &mut impl FnMut(&At<'_>) -> Result<T>) -> Result<T> {
    match action(at) {
        Err(EXDEV) => follow(at, last, action),
        result => result,
    }
}

/// A relative name with a colon in it, written so that nobody takes it for a scheme's.
fn in_directory<T>(
    dir: c_int,
    path: &CStr,
    last: Last,
    mut action: impl FnMut(&At<'_>) -> Result<T>,
) -> Result<T> {
    let mut buffer = [0_u8; PATH_MAX];
    let path =
        path::follow(path.to_bytes(), 0, Leads::Away, b"./", &mut buffer).ok_or(ENAMETOOLONG)?;
    act(&At { dir, path }, last, &mut action)
}

/// `/dev/stdout` and the like: another name for an open handle.
fn on_stream<T>(fd: c_int, action: &mut impl FnMut(&At<'_>) -> Result<T>) -> Result<T> {
    let mut buffer = [0_u8; PATH_MAX];
    let length = sys::fpath(fd, buffer.split_last_mut().ok_or(EINVAL)?.1)?;
    *buffer.get_mut(length).ok_or(ENAMETOOLONG)? = 0;
    let path = CStr::from_bytes_until_nul(&buffer).ok().ok_or(EINVAL)?;
    action(&At { dir: AT_FDCWD, path })
}

/// Replaces links by their targets, one after another, until `action` is content.
#[cold]
fn follow<T>(at: &At<'_>, last: Last, action: &mut impl FnMut(&At<'_>) -> Result<T>) -> Result<T> {
    let mut path = [0_u8; PATH_MAX];
    let bytes = at.path.to_bytes_with_nul();
    path.get_mut(..bytes.len()).ok_or(ENAMETOOLONG)?.copy_from_slice(bytes);
    for _ in 0..SYMLOOP_MAX {
        let mut next = [0_u8; PATH_MAX];
        step(at.dir, &path, last, &mut next)?;
        path = next;
        let path = CStr::from_bytes_until_nul(&path).ok().ok_or(EINVAL)?;
        match action(&At { dir: at.dir, path }) {
            Err(EXDEV) => {}
            result => return result,
        }
    }
    Err(ELOOP)
}

/// Finds the first link in `path` and writes what the path becomes without it.
fn step(dir: c_int, path: &[u8], last: Last, next: &mut [u8]) -> Result<()> {
    let path = CStr::from_bytes_until_nul(path).ok().ok_or(EINVAL)?.to_bytes();
    for end in path::prefixes(path) {
        if last == Last::Keep && end == path.len() {
            break;
        }
        let mut prefix = [0_u8; PATH_MAX];
        prefix.get_mut(..end).ok_or(EINVAL)?.copy_from_slice(path.get(..end).ok_or(EINVAL)?);
        let link = CStr::from_bytes_until_nul(&prefix).ok().ok_or(EINVAL)?;
        let mut target = [0_u8; PATH_MAX];
        let Ok(length) = sys::readlink(&At { dir, path: link }, &mut target) else { continue };
        let target = target.get(..length).unwrap_or_default();
        let in_scheme = path::scheme_prefix(target).is_some_and(sys::is_scheme);
        let leads = if target.starts_with(b"/") || in_scheme { Leads::Away } else { Leads::Near };
        return path::follow(path, end, leads, target, next).map(drop).ok_or(ENAMETOOLONG);
    }
    // No link is left: the operation itself crosses schemes.
    Err(EXDEV)
}

/// Writes the canonical path of what `fd` has open, and a NUL; gives the length without it.
pub(crate) fn of_handle(fd: c_int, buffer: &mut [u8]) -> Result<usize> {
    let (end, room) = buffer.split_last_mut().ok_or(Errno(34))?;
    let length = sys::fpath(fd, room)?;
    *room.get_mut(length).unwrap_or(end) = 0;
    Ok(length)
}
