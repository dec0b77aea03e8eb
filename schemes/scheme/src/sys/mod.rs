//! The system calls, as safe functions.
//!
//! This folder holds the crate's raw calls and, with `map.rs`, all of its unsafe code. What
//! each call means is in `mk/book/abi.md`. Away from Anode every call answers `ENOSYS`, so
//! that daemons build and their logic is tested on any host.
//!
//! # Safety
//!
//! A call is sound for any arguments but addresses. For those:
//!
//! 1. The kernel reads or writes only the range that it is told, while the call lasts, so a
//!    range taken from a slice that lives across the call is enough.
//! 2. Handles that the kernel gives are new: no one else owns their numbers.

mod file;
mod info;
mod memory;
mod process;
mod ring;
mod start;

pub use file::{
    call, dup, dup_number, event_subscribe, event_wait, getdents, open, openat, part, pipe, read,
    read_at, sendfd, stat, truncate, write, write_at,
};
pub use info::{
    ProcessInfo, info, info_bytes, info_words, process, process_name, processes, reboot,
};
pub use memory::{map, memory, unmap};
pub use process::{
    Spawn, get_id, kill, ns_bind, ns_enter, ns_new, scheme_new, set_id, spawn, waitpid,
};
pub use ring::{ring_copy_in, ring_copy_out, ring_new, ring_take, ring_wait};
pub use start::{map_image, monotonic, wall_time};

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use anode_abi::number::NONE;
use redox::error::{EBADF, EINVAL, Error, Result};

/// Makes a call and sorts its result into value and errno.
///
/// # Safety
///
/// Every argument that the call takes for an address must be one that it may use as the
/// call's description says.
unsafe fn raw(number: usize, arguments: [usize; 5]) -> Result<usize> {
    // SAFETY: the caller keeps the contract of this very call.
    let value = unsafe { trap(number, arguments) };
    match value.wrapping_neg() {
        errno @ 1..=4095 => Err(Error::new(i32::try_from(errno).unwrap_or(i32::MAX))),
        _ => Ok(value),
    }
}

/// The instruction itself.
///
/// # Safety
///
/// As for [`raw`].
#[cfg(target_os = "redox")]
unsafe fn trap(number: usize, [a, b, c, d, e]: [usize; 5]) -> usize {
    let value;
    // SAFETY: registers as in `mk/book/abi.md`: all but rax, rcx and r11 survive. The memory
    // that the kernel may touch is the caller's to vouch for.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number => value,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            in("r10") d,
            in("r8") e,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    value
}

/// Away from Anode there is nobody to ask.
///
/// # Safety
///
/// None is needed; the signature is that of the real one.
#[cfg(not(target_os = "redox"))]
unsafe fn trap(_number: usize, _arguments: [usize; 5]) -> usize {
    usize::try_from(redox::error::ENOSYS).unwrap_or(0).wrapping_neg()
}

/// A handle as an argument. Borrowed: a handle that was given away would be closed before the
/// call that it is an argument of.
fn number(handle: &impl AsFd) -> usize {
    usize::try_from(handle.as_fd().as_raw_fd()).unwrap_or(NONE)
}

/// A handle that may be missing.
fn number_or_none(handle: Option<BorrowedFd<'_>>) -> usize {
    handle.map_or(NONE, |handle| number(&handle))
}

/// Takes a handle that a call gave.
fn owned(value: usize) -> Result<OwnedFd> {
    let number = RawFd::try_from(value).map_err(|_too_big| Error::new(EBADF))?;
    // SAFETY: point 2: the callers pass on what the kernel just gave.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// The arguments for a slice that the kernel reads: address and length.
fn input(bytes: &[u8]) -> (usize, usize) {
    (bytes.as_ptr().expose_provenance(), bytes.len())
}

/// The arguments for a slice that the kernel writes.
fn output(bytes: &mut [u8]) -> (usize, usize) {
    (bytes.as_mut_ptr().expose_provenance(), bytes.len())
}

/// A 64-bit value as an argument.
fn word(value: u64) -> Result<usize> {
    usize::try_from(value).map_err(|_too_wide| Error::new(EINVAL))
}
