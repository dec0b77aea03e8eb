//! `pwd.h`: who a user is, from `/etc/passwd`.

use crate::fcntl::open_at;
use crate::{c, sys};
use core::ffi::{CStr, c_char, c_int};
use core::ptr;
use relibc_core::consts::{AT_FDCWD, O_CLOEXEC, O_RDONLY};
use relibc_core::errno::{ENOENT, ERANGE, Result};
use relibc_core::passwd::{self, Wanted};

/// `struct passwd`.
#[repr(C)]
#[derive(Debug)]
struct Passwd {
    name: *mut c_char,
    password: *mut c_char,
    uid: c_int,
    gid: c_int,
    gecos: *mut c_char,
    dir: *mut c_char,
    shell: *mut c_char,
}

const _: () = assert!(size_of::<Passwd>() == 48);

/// Reads all of a small file, as much as fits.
fn read_file(name: &CStr, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: a C string.
    let fd = c::int(unsafe { open_at(AT_FDCWD, name.as_ptr(), O_RDONLY | O_CLOEXEC, 0) }?);
    let mut length = 0_usize;
    let result = loop {
        let room = buffer.get_mut(length..).unwrap_or_default();
        // SAFETY: `room` is a slice.
        match unsafe { sys::read(fd, room.as_mut_ptr(), room.len()) } {
            Ok(0) => break Ok(length),
            Ok(more) => length = length.saturating_add(more),
            Err(errno) => break Err(errno),
        }
    };
    sys::close(fd).and(result)
}

/// # Safety
///
/// C contract of the `_r` functions.
unsafe fn look_up(
    wanted: Wanted<'_>,
    to: *mut Passwd,
    (buffer, length): (*mut c_char, usize),
    found: *mut *mut Passwd,
) -> c_int {
    // SAFETY: the caller's promise.
    let buffer = unsafe { c::bytes_mut(buffer, length) };
    // SAFETY: the caller's promise.
    unsafe { found.write(ptr::null_mut()) };
    match entry(wanted, buffer) {
        // SAFETY: the caller's promise.
        Ok(Some(entry)) => unsafe {
            to.write(entry);
            found.write(to);
            0
        },
        Ok(None) | Err(ENOENT) => 0,
        Err(errno) => errno.0,
    }
}

/// Finds the entry; its texts lie in `buffer`.
fn entry(wanted: Wanted<'_>, buffer: &mut [u8]) -> Result<Option<Passwd>> {
    let mut file = [0_u8; 8192];
    let length = read_file(c"/etc/passwd", &mut file)?;
    let file = file.get(..length).unwrap_or_default();
    let Some(entry) = passwd::find(file, wanted) else { return Ok(None) };
    let mut rest = buffer;
    let mut keep = |text: &[u8]| -> Result<*mut c_char> {
        let end = text.len().checked_add(1).ok_or(ERANGE)?;
        let (own, left) = core::mem::take(&mut rest).split_at_mut_checked(end).ok_or(ERANGE)?;
        rest = left;
        // It was split off with room for text and NUL.
        let _fits = relibc_core::text::put(own, text);
        Ok(own.as_mut_ptr().cast())
    };
    Ok(Some(Passwd {
        name: keep(entry.name)?,
        password: keep(b"x")?,
        uid: entry.uid,
        gid: entry.gid,
        gecos: keep(entry.gecos)?,
        dir: keep(entry.home)?,
        shell: keep(entry.shell)?,
    }))
}

/// POSIX `getpwuid_r`.
#[unsafe(no_mangle)]
unsafe extern "C" fn getpwuid_r(
    uid: c_int,
    to: *mut Passwd,
    buffer: *mut c_char,
    length: usize,
    found: *mut *mut Passwd,
) -> c_int {
    // SAFETY: C contract.
    unsafe { look_up(Wanted::Uid(uid), to, (buffer, length), found) }
}

/// POSIX `getpwnam_r`.
#[unsafe(no_mangle)]
unsafe extern "C" fn getpwnam_r(
    name: *const c_char,
    to: *mut Passwd,
    buffer: *mut c_char,
    length: usize,
    found: *mut *mut Passwd,
) -> c_int {
    // SAFETY: C contract.
    let name = unsafe { c::string(name) }.unwrap_or_default().to_bytes();
    // SAFETY: C contract.
    unsafe { look_up(Wanted::Name(name), to, (buffer, length), found) }
}
