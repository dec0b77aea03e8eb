//! Programs: `exec`, scripts, and waiting for children.

use crate::fcntl::open_at;
use crate::stdlib::env;
use crate::sys;
use crate::{c, errno};
use core::ffi::{CStr, c_char, c_int};
use relibc_core::consts::{AT_FDCWD, O_CLOEXEC, O_RDONLY, PATH_MAX};
use relibc_core::errno::{E2BIG, EACCES, ENAMETOOLONG, ENOENT, ENOEXEC, ENOTDIR, Errno, Result};
use relibc_core::{script, search};

/// C's list of arguments: ends with null.
type List = *const *const c_char;

/// Scripts that interpret scripts, at most.
const INTERPRETERS: usize = 4;
/// Arguments that a script can be started with.
const ARGUMENTS: usize = 1024;

/// Runs the program `name`; returns only what went wrong.
///
/// # Safety
///
/// Both lists are arrays of C strings that end with null.
unsafe fn run(name: &CStr, argv: List, env: List, depth: usize) -> Errno {
    // SAFETY: a C string.
    let opened = unsafe { open_at(AT_FDCWD, name.as_ptr(), O_RDONLY | O_CLOEXEC, 0) };
    let fd = match opened {
        Ok(fd) => c::int(fd),
        Err(errno) => return errno,
    };
    let mut head = [0_u8; script::HEAD];
    // SAFETY: `head` is that long.
    let length = match unsafe { sys::pread(fd, head.as_mut_ptr(), head.len(), 0) } {
        Ok(length) => length,
        Err(errno) => return close(fd, errno),
    };
    let head = head.get(..length).unwrap_or_default();
    match script::parse(head) {
        Some(_) if depth == INTERPRETERS => close(fd, ENOEXEC),
        // SAFETY: the caller's promise.
        Some(found) => close(fd, unsafe { interpret(&found, name, (argv, env), depth) }),
        // SAFETY: the caller's promise.
        None => close(fd, unsafe { sys::exec(fd, argv, env) }),
    }
}

/// Closes the program that could not be started; its error is the one that counts.
fn close(fd: c_int, errno: Errno) -> Errno {
    let _closed = sys::close(fd);
    errno
}

/// Runs a script's interpreter: its argument, the script, then the arguments but the first.
///
/// # Safety
///
/// As [`run`].
unsafe fn interpret(
    found: &script::Script<'_>,
    name: &CStr,
    (argv, env): (List, List),
    depth: usize,
) -> Errno {
    // SAFETY: the caller's promise.
    let inner = |interpreter: &CStr, list: &[*const c_char]| unsafe {
        run(interpreter, list.as_ptr(), env, depth.saturating_add(1))
    };
    let mut interpreter = [0_u8; script::HEAD];
    let mut argument = [0_u8; script::HEAD];
    let mut list = [core::ptr::null(); ARGUMENTS];
    let fits = relibc_core::text::put(&mut interpreter, found.interpreter)
        && relibc_core::text::put(&mut argument, found.argument.unwrap_or_default());
    let Some(path) = CStr::from_bytes_until_nul(&interpreter).ok().filter(|_| fits) else {
        return ENOEXEC;
    };
    let own = [path.as_ptr(), argument.as_ptr().cast(), name.as_ptr()];
    let own = own.iter().enumerate().filter(|(index, _)| *index != 1 || found.argument.is_some());
    // SAFETY: the list ends with null, and nothing is read past that.
    let rest = (1..).map(|index| unsafe { argv.add(index) });
    // SAFETY: as above; an empty list has no second entry to look at.
    let is_empty = unsafe { (*argv).is_null() };
    // SAFETY: as above.
    let rest =
        rest.map(|entry| unsafe { *entry }).take_while(|entry| !is_empty && !entry.is_null());
    let (last, room) = match list.split_last_mut() {
        Some(both) => both,
        None => return E2BIG,
    };
    *last = core::ptr::null();
    let mut places = room.iter_mut();
    for argument in own.map(|(_, argument)| *argument).chain(rest) {
        let Some(place) = places.next() else { return E2BIG };
        *place = argument;
    }
    inner(path, &list)
}

/// Looks for `name` in `PATH` and runs the first that can be.
///
/// # Safety
///
/// As [`run`].
unsafe fn search_and_run(name: &CStr, argv: List, env: List) -> Errno {
    if name.is_empty() {
        return ENOENT;
    }
    if !search::is_searched(name.to_bytes()) {
        // SAFETY: the caller's promise.
        return unsafe { run_or_shell(name, argv, env) };
    }
    // SAFETY: the environment holds C strings.
    let path = env::lookup(b"PATH").map(|path| unsafe { CStr::from_ptr(path) }.to_bytes());
    let mut worst = ENOENT;
    for candidate in search::candidates(path.unwrap_or(search::DEFAULT_PATH), name.to_bytes()) {
        let mut buffer = [0_u8; PATH_MAX];
        let Some(path) = candidate.write(&mut buffer) else {
            worst = ENAMETOOLONG;
            continue;
        };
        // SAFETY: the caller's promise.
        match unsafe { run_or_shell(path, argv, env) } {
            ENOENT | ENOTDIR => {}
            EACCES => worst = EACCES,
            errno => return errno,
        }
    }
    worst
}

/// A file that is no program is given to the shell, as POSIX wants of `execvp`.
///
/// # Safety
///
/// As [`run`].
unsafe fn run_or_shell(name: &CStr, argv: List, env: List) -> Errno {
    // SAFETY: the caller's promise.
    match unsafe { run(name, argv, env, 0) } {
        ENOEXEC => {
            let shell = script::Script { interpreter: b"/bin/sh", argument: None };
            // SAFETY: the caller's promise.
            match unsafe { interpret(&shell, name, (argv, env), INTERPRETERS) } {
                ENOENT => ENOEXEC,
                errno => errno,
            }
        }
        errno => errno,
    }
}

fn failed(errno: Errno) -> c_int {
    errno::status(Err(errno))
}

/// POSIX `execve`.
#[unsafe(no_mangle)]
unsafe extern "C" fn execve(name: *const c_char, argv: List, env: List) -> c_int {
    // SAFETY: C contract.
    failed(match unsafe { c::string(name) } {
        // SAFETY: C contract.
        Ok(name) => unsafe { run(name, argv, env, 0) },
        Err(errno) => errno,
    })
}

/// POSIX `execv`.
#[unsafe(no_mangle)]
unsafe extern "C" fn execv(name: *const c_char, argv: List) -> c_int {
    // SAFETY: C contract.
    unsafe { execve(name, argv, env::list().cast_const().cast()) }
}

/// POSIX `execvp`.
#[unsafe(no_mangle)]
unsafe extern "C" fn execvp(name: *const c_char, argv: List) -> c_int {
    // SAFETY: C contract.
    unsafe { execvpe(name, argv, env::list().cast_const().cast()) }
}

/// GNU `execvpe`.
#[unsafe(no_mangle)]
unsafe extern "C" fn execvpe(name: *const c_char, argv: List, env: List) -> c_int {
    // SAFETY: C contract.
    failed(match unsafe { c::string(name) } {
        // SAFETY: C contract.
        Ok(name) => unsafe { search_and_run(name, argv, env) },
        Err(errno) => errno,
    })
}

/// POSIX `waitpid`.
#[unsafe(no_mangle)]
unsafe extern "C" fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int {
    let ended: Result<usize> = sys::wait(pid, options).and_then(|ended| {
        // SAFETY: C contract.
        unsafe { c::put(status, ended.status) };
        c::length(ended.pid)
    });
    errno::int(ended)
}

/// POSIX `wait`.
#[unsafe(no_mangle)]
unsafe extern "C" fn wait(status: *mut c_int) -> c_int {
    // SAFETY: C contract.
    unsafe { waitpid(-1, status, 0) }
}
