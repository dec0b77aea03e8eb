//! `sys/mman.h`: mappings.

use crate::{errno, sys};
use core::ffi::{c_int, c_void};
use relibc_core::consts::PAGE;
use relibc_core::errno::{EINVAL, Result};

/// POSIX `mmap`; -1 as a pointer on failure.
#[unsafe(no_mangle)]
unsafe extern "C" fn mmap(
    address: *mut c_void,
    length: usize,
    prot: c_int,
    flags: c_int,
    fd: c_int,
    offset: i64,
) -> *mut c_void {
    let aligned = usize::try_from(offset).is_ok_and(|offset| offset.is_multiple_of(PAGE));
    let mapped = if length == 0 || !aligned {
        Err(EINVAL)
    } else {
        // SAFETY: C contract.
        unsafe { sys::map(address.addr(), length, prot, flags, (fd, offset)) }
    };
    match mapped {
        Ok(start) => start.cast(),
        Err(errno) => {
            errno::set(errno);
            core::ptr::without_provenance_mut(usize::MAX)
        }
    }
}

fn page(address: *const c_void) -> Result<usize> {
    let address = address.addr();
    if address.is_multiple_of(PAGE) { Ok(address) } else { Err(EINVAL) }
}

/// POSIX `munmap`.
#[unsafe(no_mangle)]
unsafe extern "C" fn munmap(address: *mut c_void, length: usize) -> c_int {
    // SAFETY: C contract.
    errno::status(page(address).and_then(|start| unsafe { sys::unmap(start, length) }))
}

/// POSIX `mprotect`.
#[unsafe(no_mangle)]
unsafe extern "C" fn mprotect(address: *mut c_void, length: usize, prot: c_int) -> c_int {
    // SAFETY: C contract.
    errno::status(page(address).and_then(|start| unsafe { sys::protect(start, length, prot) }))
}

/// POSIX `msync`.
#[unsafe(no_mangle)]
unsafe extern "C" fn msync(address: *mut c_void, length: usize, flags: c_int) -> c_int {
    // SAFETY: C contract.
    errno::status(page(address).and_then(|start| unsafe { sys::sync(start, length, flags) }))
}

/// BSD `madvise`.
#[unsafe(no_mangle)]
unsafe extern "C" fn madvise(address: *mut c_void, length: usize, advice: c_int) -> c_int {
    // SAFETY: C contract.
    errno::status(page(address).and_then(|start| unsafe { sys::advise(start, length, advice) }))
}

/// POSIX `posix_madvise`: as `madvise`, but nothing is ever dropped.
#[unsafe(no_mangle)]
extern "C" fn posix_madvise(_address: *mut c_void, _length: usize, advice: c_int) -> c_int {
    if (0..=4).contains(&advice) { 0 } else { EINVAL.0 }
}
