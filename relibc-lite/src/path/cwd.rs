//! The current directory: a handle on it, and its canonical path.

use crate::lock::Lock;
use crate::signal::Quiet;
use crate::sys;
#[cfg(not(feature = "hosted"))]
use crate::sys::At;
use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering};
#[cfg(not(feature = "hosted"))]
use relibc_core::consts::{AT_FDCWD, O_DIRECTORY, O_PATH};
use relibc_core::consts::{F_DUPFD, FD_CLOEXEC, O_CLOEXEC, PATH_MAX};
use relibc_core::errno::{ERANGE, Result};

/// Handles from here on are out of the way of programs that count on low numbers.
const LOWEST: usize = 512;

/// The canonical path of the directory in which relative paths start.
#[derive(Debug)]
struct Cwd {
    path: [u8; PATH_MAX],
    length: usize,
}

/// Changing it changes the handle, too. POSIX lets signal handlers open files, so whoever takes
/// the lock keeps them away ([`Quiet`]).
static CWD: Lock<Cwd> = Lock::new(Cwd { path: [0; PATH_MAX], length: 0 });
/// The handle: once there is one, its number stays, whatever directory it leads to.
static HANDLE: AtomicI32 = AtomicI32::new(NONE);
const NONE: c_int = -1;

fn known() -> Option<c_int> {
    Some(HANDLE.load(Ordering::Acquire)).filter(|handle| *handle != NONE)
}

/// The lock, for `fork`.
pub(crate) fn lock() -> &'static crate::lock::RawLock {
    CWD.raw()
}

/// What the program was started in: at most a path's length, and the handle if there is one.
pub(crate) fn begin(path: &[u8], handle: Option<c_int>) {
    let mut cwd = CWD.lock();
    let path = if path.is_empty() { b"/" } else { path };
    cwd.length = path.len().min(PATH_MAX);
    for (to, from) in cwd.path.iter_mut().zip(path) {
        *to = *from;
    }
    HANDLE.store(handle.unwrap_or(NONE), Ordering::Release);
}

/// The handle on the current directory, opened now if there is none yet.
#[cfg(not(feature = "hosted"))]
pub(crate) fn handle() -> Result<c_int> {
    if let Some(handle) = known() {
        return Ok(handle);
    }
    let _quiet = Quiet::begin();
    let _cwd = CWD.lock();
    if let Some(handle) = known() {
        return Ok(handle);
    }
    let root = At { dir: AT_FDCWD, path: c"/" };
    let handle = out_of_the_way(sys::open(&root, O_PATH | O_DIRECTORY | O_CLOEXEC, 0)?);
    HANDLE.store(handle, Ordering::Release);
    Ok(handle)
}

/// A duplicate of the handle that stays open over `exec`; `None` if there is no handle yet.
#[cfg(not(feature = "hosted"))]
pub(crate) fn for_exec() -> Result<Option<c_int>> {
    known().map(|handle| sys::fcntl(handle, F_DUPFD, LOWEST).map(crate::c::int)).transpose()
}

/// Makes the open directory `fd` the current one. `fd` stays the caller's.
pub(crate) fn enter(fd: c_int) -> Result<()> {
    sys::enter(fd)?;
    let mut path = [0; PATH_MAX];
    let length = sys::fpath(fd, &mut path)?;
    let _quiet = Quiet::begin();
    let mut cwd = CWD.lock();
    match known() {
        // In one step: another thread may just be opening something beneath it.
        Some(handle) => sys::dup_to(fd, handle, O_CLOEXEC).map(drop)?,
        None => {
            let own = sys::fcntl(fd, F_DUPFD, crate::c::word(FD_CLOEXEC)).map(crate::c::int)?;
            HANDLE.store(out_of_the_way(own), Ordering::Release);
        }
    }
    (cwd.path, cwd.length) = (path, length);
    Ok(())
}

/// Copies the path and a NUL.
///
/// # Errors
///
/// - `ERANGE`: the buffer is too small.
pub(crate) fn path(buffer: &mut [u8]) -> Result<usize> {
    let _quiet = Quiet::begin();
    let cwd = CWD.lock();
    let path = cwd.path.get(..cwd.length).unwrap_or_default();
    if relibc_core::text::put(buffer, path) { Ok(path.len()) } else { Err(ERANGE) }
}

/// Moves a handle to a high number; with a low limit of handles it stays where it is.
fn out_of_the_way(fd: c_int) -> c_int {
    let high = sys::fcntl(fd, F_DUPFD, LOWEST | crate::c::word(FD_CLOEXEC));
    match high {
        Ok(high) => {
            // The duplicate is open: nothing is lost with this one.
            let _closed = sys::close(fd);
            crate::c::int(high)
        }
        Err(_) => fd,
    }
}
