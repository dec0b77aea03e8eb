//! `exec`: the args object, and programs that lie in no memory object yet.

use super::raw::call;
use crate::c::{int, word};
use crate::path::cwd;
use anode_abi::number::{NONE, SYS_EXEC, SYS_OPENAT};
use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::Ordering;
use relibc_core::args::{self, Facts};
use relibc_core::consts::{O_CLOEXEC, O_RDWR, PATH_MAX, S_IFMT, S_IFREG};
use relibc_core::errno::{E2BIG, EACCES, EINVAL, ENODEV, ENOEXEC, ENOMEM, Errno, Result};

/// C's list of strings: ends with null.
type List = *const *const c_char;

/// Replaces the program by the open file `fd`; returns only what went wrong.
///
/// # Safety
///
/// Both lists are arrays of C strings that end with null.
pub(crate) unsafe fn exec(fd: c_int, argv: List, env: List) -> Errno {
    // SAFETY: the caller's promise.
    unsafe { try_exec(fd, argv, env) }.err().unwrap_or(Errno(0))
}

/// # Safety
///
/// As [`exec`].
unsafe fn try_exec(fd: c_int, argv: List, env: List) -> Result<()> {
    let stat = super::fstat(fd)?;
    let is_plain = stat.st_mode & S_IFMT == S_IFREG;
    let (uid, gid) = (super::id(crate::sys::Id::User), super::id(crate::sys::Id::Group));
    if is_plain && !relibc_core::anode::may(&stat, uid, gid, 1) {
        return Err(EACCES);
    }
    let mut name = [0_u8; PATH_MAX];
    let length = super::fpath(fd, &mut name)?;
    let name = name.get(..length).unwrap_or_default();
    let mut path = [0_u8; PATH_MAX];
    let length = cwd::path(&mut path)?;
    let handle = cwd::for_exec()?;
    let facts = Facts {
        cwd: path.get(..length).unwrap_or_default(),
        cwd_handle: handle,
        umask: super::process::UMASK.load(Ordering::Relaxed),
        ignored: crate::signal::ignored(),
        blocked: super::mask(),
    };
    // SAFETY: the caller's promise.
    let result = unsafe { pack(argv, env, &facts) }.and_then(|args| {
        let result = run(fd, name, args);
        super::close(args).and(result)
    });
    if let Some(handle) = handle {
        super::close(handle)?;
    }
    result
}

/// Asks the kernel; a file that has no memory object is copied into one first.
fn run(fd: c_int, name: &[u8], args: c_int) -> Result<()> {
    let ask = |object: c_int| {
        let arguments = [word(object), name.as_ptr().addr(), name.len(), word(args)];
        // SAFETY: name and handles are valid; on success nothing of this program is left.
        unsafe { call(SYS_EXEC, arguments) }.map(drop)
    };
    match ask(fd) {
        Err(ENODEV) => {
            let object = copy(fd)?;
            let result = ask(object);
            super::close(object).and(result)
        }
        result => result,
    }
}

/// A fresh memory object of `size` bytes.
fn object(size: usize) -> Result<c_int> {
    let (name, flags) = ("/scheme/memory", word(O_RDWR | O_CLOEXEC));
    // SAFETY: the name is valid.
    let fd = int(unsafe { call(SYS_OPENAT, [NONE, name.as_ptr().addr(), name.len(), flags]) }?);
    let size = i64::try_from(size).ok().ok_or(ENOMEM);
    size.and_then(|size| super::ftruncate(fd, size)).map(|()| fd).inspect_err(|_| {
        // It is ours alone.
        let _closed = super::close(fd);
    })
}

/// Fills a fresh object through a mapping of it.
fn filled(size: usize, fill: impl FnOnce(*mut u8) -> Result<()>) -> Result<c_int> {
    let fd = object(size)?;
    let done = super::memory::map_object(fd, size).and_then(|start| {
        let filled = fill(start);
        // SAFETY: mapped above, and used by nobody else.
        unsafe { super::unmap(start.addr(), size) }.and(filled)
    });
    done.map(|()| fd).inspect_err(|_| {
        // It is ours alone.
        let _closed = super::close(fd);
    })
}

/// A memory object with the contents of a file.
fn copy(fd: c_int) -> Result<c_int> {
    let size = usize::try_from(super::fstat(fd)?.st_size).ok().ok_or(EINVAL)?;
    if size == 0 {
        return Err(ENOEXEC);
    }
    // SAFETY: the mapping holds `size` bytes.
    filled(size, |start| unsafe { super::memory::fill(start, size, (fd, 0)) })
}

/// The strings of a list, each with its NUL.
///
/// # Safety
///
/// `list` is an array of C strings that ends with null, or null; it outlives `'a`.
unsafe fn strings<'a>(list: List) -> impl Iterator<Item = &'a [u8]> + Clone {
    let count = if list.is_null() { 0 } else { usize::MAX };
    // SAFETY: the caller's promise; nothing is read past the null.
    let entries = (0..count).map(move |index| unsafe { *list.add(index) });
    let entries = entries.take_while(|entry| !entry.is_null());
    // SAFETY: the caller's promise.
    entries.map(|entry| unsafe { CStr::from_ptr(entry) }.to_bytes_with_nul())
}

/// Bytes of all strings.
fn sum<'a>(mut strings: impl Iterator<Item = &'a [u8]>) -> Result<usize> {
    strings.try_fold(0_usize, |sum, text| sum.checked_add(text.len())).ok_or(E2BIG)
}

/// A memory object that is the args object.
///
/// # Safety
///
/// As [`exec`].
unsafe fn pack(argv: List, env: List, facts: &Facts<'_>) -> Result<c_int> {
    // SAFETY: the caller's promise, twice.
    let (argv, env) = unsafe { (strings(argv), strings(env)) };
    let argv_bytes = sum(argv.clone())?;
    let env_bytes = sum(env.clone())?;
    let size = args::size(argv_bytes, env_bytes, facts.cwd).ok_or(E2BIG)?;
    filled(size, |start| {
        // SAFETY: the mapping holds `size` bytes and is ours.
        let buffer = unsafe { core::slice::from_raw_parts_mut(start, size) };
        args::pack(buffer, argv, env, facts).ok_or(E2BIG)
    })
}
