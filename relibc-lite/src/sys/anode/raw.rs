//! The `syscall` instruction.

use crate::thread;
use relibc_core::errno::{EINTR, Result, demux};

/// One system call.
///
/// # Safety
///
/// The arguments are what the kernel wants of this call: pointers that it reads or writes are
/// valid for it, and what it changes (mappings, handles, threads) is the caller's to change.
///
/// # Errors
///
/// The kernel's own error number.
pub(super) unsafe fn call<const N: usize>(number: usize, arguments: [usize; N]) -> Result<usize> {
    let mut words = [0_usize; 5];
    for (word, argument) in words.iter_mut().zip(arguments) {
        *word = argument;
    }
    let [a, b, c, d, e] = words;
    let result;
    // SAFETY: the caller's promise; the instruction itself changes rax, rcx and r11 only.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    demux(result)
}

/// A call that sleeps: it is made again after a signal whose handlers all want that
/// (`SA_RESTART`); the kernel itself always gives `EINTR`.
///
/// # Safety
///
/// As [`call`], each time.
pub(super) unsafe fn sleeping<const N: usize>(
    number: usize,
    arguments: [usize; N],
) -> Result<usize> {
    let interrupted = &thread::current().signals.interrupted;
    loop {
        interrupted.set(false);
        // SAFETY: the caller's promise.
        let result = unsafe { call(number, arguments) };
        if result != Err(EINTR) || interrupted.get() {
            return result;
        }
    }
}

/// A call that may be made twice and that no signal ends: POSIX knows no `EINTR` of it, so it is
/// made again whatever handlers want.
///
/// # Safety
///
/// As [`call`], each time.
pub(super) unsafe fn whole<const N: usize>(number: usize, arguments: [usize; N]) -> Result<usize> {
    loop {
        // SAFETY: the caller's promise.
        let result = unsafe { call(number, arguments) };
        if result != Err(EINTR) {
            return result;
        }
    }
}
