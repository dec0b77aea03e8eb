//! Ids of processes, users and groups (`unistd.h`).

use crate::sys::{self, Id};
use crate::{c, errno};
use core::ffi::c_int;
use relibc_core::errno::{EPERM, Result};

fn number(id: Result<c_int>) -> c_int {
    errno::int(id.and_then(c::length))
}

/// POSIX `getpid`.
#[unsafe(no_mangle)]
extern "C" fn getpid() -> c_int {
    sys::id(Id::Process)
}

/// POSIX `getppid`.
#[unsafe(no_mangle)]
extern "C" fn getppid() -> c_int {
    sys::id(Id::Parent)
}

/// Linux `gettid`.
#[unsafe(no_mangle)]
extern "C" fn gettid() -> c_int {
    c_int::try_from(crate::thread::current().id()).unwrap_or(c_int::MAX)
}

/// POSIX `getuid`. There is one user id: real, effective and saved are the same.
#[unsafe(no_mangle)]
extern "C" fn getuid() -> c_int {
    sys::id(Id::User)
}

/// POSIX `geteuid`.
#[unsafe(no_mangle)]
extern "C" fn geteuid() -> c_int {
    sys::id(Id::User)
}

/// POSIX `getgid`.
#[unsafe(no_mangle)]
extern "C" fn getgid() -> c_int {
    sys::id(Id::Group)
}

/// POSIX `getegid`.
#[unsafe(no_mangle)]
extern "C" fn getegid() -> c_int {
    sys::id(Id::Group)
}

/// POSIX `setuid`.
#[unsafe(no_mangle)]
extern "C" fn setuid(uid: c_int) -> c_int {
    errno::status(sys::set_id(Id::User, uid))
}

/// POSIX `setgid`.
#[unsafe(no_mangle)]
extern "C" fn setgid(gid: c_int) -> c_int {
    errno::status(sys::set_id(Id::Group, gid))
}

/// POSIX `getgroups`: there are no supplementary groups.
#[unsafe(no_mangle)]
extern "C" fn getgroups(_count: c_int, _to: *mut c_int) -> c_int {
    0
}

/// BSD `setgroups`: only the empty set, which everyone has.
#[unsafe(no_mangle)]
extern "C" fn setgroups(count: usize, _groups: *const c_int) -> c_int {
    errno::status(if count == 0 { Ok(()) } else { Err(EPERM) })
}

/// POSIX `setsid`.
#[unsafe(no_mangle)]
extern "C" fn setsid() -> c_int {
    number(sys::new_session())
}

/// POSIX `getsid`.
#[unsafe(no_mangle)]
extern "C" fn getsid(pid: c_int) -> c_int {
    number(sys::session_of(pid))
}

/// POSIX `setpgid`.
#[unsafe(no_mangle)]
extern "C" fn setpgid(pid: c_int, group: c_int) -> c_int {
    errno::status(sys::set_group(pid, group))
}

/// POSIX `getpgid`.
#[unsafe(no_mangle)]
extern "C" fn getpgid(pid: c_int) -> c_int {
    number(sys::group_of(pid))
}

/// POSIX `getpgrp`.
#[unsafe(no_mangle)]
extern "C" fn getpgrp() -> c_int {
    number(sys::group_of(0))
}
