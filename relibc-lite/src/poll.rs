//! `poll.h`.

use crate::{errno, sys};
use core::ffi::{c_int, c_ulong};
use relibc_core::abi::Pollfd;
use relibc_core::errno::EINVAL;

/// POSIX `poll`.
#[unsafe(no_mangle)]
unsafe extern "C" fn poll(fds: *mut Pollfd, count: c_ulong, timeout: c_int) -> c_int {
    let count = crate::c::narrow(count);
    if count > 1024 {
        return errno::status(Err(EINVAL));
    }
    let fds = if count == 0 {
        &mut []
    } else {
        // SAFETY: C contract.
        unsafe { core::slice::from_raw_parts_mut(fds, count) }
    };
    errno::int(sys::poll(fds, timeout))
}
