//! `sys/utsname.h`, `sys/random.h`: what system this is, and random bytes.

use crate::{c, errno, sys};
use core::ffi::{c_char, c_int, c_uint};
use relibc_core::abi::Utsname;

/// Nothing filled in.
pub(crate) const EMPTY: Utsname = Utsname {
    sysname: [0; 65],
    nodename: [0; 65],
    release: [0; 65],
    version: [0; 65],
    machine: [0; 65],
    domainname: [0; 65],
};

/// POSIX `uname`.
#[unsafe(no_mangle)]
unsafe extern "C" fn uname(to: *mut Utsname) -> c_int {
    let mut name = EMPTY;
    // SAFETY: C contract.
    errno::status(sys::uname(&mut name).map(|()| unsafe { to.write(name) }))
}

/// Linux `getrandom`; the bytes never block, so the flags change nothing.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(to: *mut c_char, length: usize, _flags: c_uint) -> isize {
    // SAFETY: C contract.
    errno::size(sys::random(unsafe { c::bytes_mut(to, length) }))
}

/// BSD `getentropy`.
#[unsafe(no_mangle)]
unsafe extern "C" fn getentropy(to: *mut c_char, length: usize) -> c_int {
    if length > 256 {
        return errno::status(Err(relibc_core::errno::EIO));
    }
    // SAFETY: C contract.
    errno::status(sys::random(unsafe { c::bytes_mut(to, length) }).map(drop))
}
