//! `sys/socket.h`: there is no network yet, so there is no kind of address.

use crate::errno;
use core::ffi::{c_int, c_void};
use relibc_core::errno::{EAFNOSUPPORT, EBADF, ENOTSOCK};

/// POSIX `socket`.
#[unsafe(no_mangle)]
extern "C" fn socket(_family: c_int, _kind: c_int, _protocol: c_int) -> c_int {
    errno::status(Err(EAFNOSUPPORT))
}

/// POSIX `socketpair`.
#[unsafe(no_mangle)]
extern "C" fn socketpair(
    _family: c_int,
    _kind: c_int,
    _protocol: c_int,
    _to: *mut [c_int; 2],
) -> c_int {
    errno::status(Err(EAFNOSUPPORT))
}

/// What is open is no socket.
fn no_socket(fd: c_int) -> c_int {
    errno::status(Err(if crate::sys::fstat(fd).is_ok() { ENOTSOCK } else { EBADF }))
}

macro_rules! on_sockets {
    ($($name:ident($($type:ty),*) -> $result:ty;)*) => { $(
        #[doc = concat!("POSIX `", stringify!($name), "`.")]
        #[unsafe(no_mangle)]
        extern "C" fn $name(fd: c_int, $(_: $type),*) -> $result {
            <$result>::from(no_socket(fd))
        }
    )* };
}

/// `ssize_t`, which is made from an `int` here.
#[repr(transparent)]
struct Size(isize);

impl From<c_int> for Size {
    fn from(value: c_int) -> Self {
        Self(if value < 0 { -1 } else { 0 })
    }
}

on_sockets! {
    bind(*const c_void, u32) -> c_int;
    connect(*const c_void, u32) -> c_int;
    listen(c_int) -> c_int;
    accept(*mut c_void, *mut u32) -> c_int;
    shutdown(c_int) -> c_int;
    getsockname(*mut c_void, *mut u32) -> c_int;
    getpeername(*mut c_void, *mut u32) -> c_int;
    getsockopt(c_int, c_int, *mut c_void, *mut u32) -> c_int;
    setsockopt(c_int, c_int, *const c_void, u32) -> c_int;
    send(*const c_void, usize, c_int) -> Size;
    sendto(*const c_void, usize, c_int, *const c_void, u32) -> Size;
    sendmsg(*const c_void, c_int) -> Size;
    recv(*mut c_void, usize, c_int) -> Size;
    recvfrom(*mut c_void, usize, c_int, *mut c_void, *mut u32) -> Size;
    recvmsg(*mut c_void, c_int) -> Size;
}
