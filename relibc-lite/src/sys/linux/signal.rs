//! Signals: Linux delivers to one entry, which finds the program's own handler.

use super::raw::{self, call};
use crate::c::word;
use core::ffi::{c_int, c_void};
use core::sync::atomic::AtomicU32;
use relibc_core::abi::Sigaction;
use relibc_core::consts::{SIG_DFL, SIG_IGN};
use relibc_core::errno::Result;
use relibc_core::linux::{self, LinuxSiginfo};

/// Linux's `SA_SIGINFO` and `SA_RESTORER`.
const INFO_AND_RESTORER: u64 = 0x0400_0004;
/// Bytes of a signal set in Linux's calls.
const SET: usize = 8;

/// Linux's kernel `struct sigaction`.
#[repr(C)]
struct LinuxSigaction {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

/// Makes the system act on `signal` as `action` says.
pub(crate) fn set_action(signal: c_int, action: &Sigaction) -> Result<()> {
    let is_special = matches!(action.sa_sigaction, SIG_DFL | SIG_IGN);
    let entry: unsafe extern "C" fn(c_int, *const LinuxSiginfo, *mut c_void) = enter;
    let restorer: unsafe extern "C" fn() -> ! = restore;
    let linux = LinuxSigaction {
        handler: if is_special { action.sa_sigaction } else { (entry as *const ()).addr() },
        flags: u64::from(linux::sigaction_flags(action.sa_flags).cast_unsigned())
            | INFO_AND_RESTORER,
        restorer: (restorer as *const ()).addr(),
        mask: action.sa_mask,
    };
    let new = (&raw const linux).addr();
    // SAFETY: the struct is Linux's own; handler and restorer are what it wants.
    unsafe { call(raw::SIGACTION, [word(signal), new, 0, SET]) }.map(drop)
}

/// # Safety
///
/// Called by Linux, with its record of the signal.
unsafe extern "C" fn enter(signal: c_int, info: *const LinuxSiginfo, context: *mut c_void) {
    // SAFETY: Linux's record, on the stack.
    let info = linux::siginfo(unsafe { &*info });
    crate::signal::deliver(signal, &info, context);
}

/// Linux has blocked what the action wants blocked.
pub(crate) fn begin_handler(_signal: c_int, _action: &Sigaction) {}

/// Where a handler returns to.
#[unsafe(naked)]
unsafe extern "C" fn restore() -> ! {
    core::arch::naked_asm!("mov eax, 15", "syscall", "ud2")
}

/// The calling thread's blocked signals.
pub(crate) fn mask() -> u64 {
    let mut mask = 0_u64;
    let (set_mask, nothing) = (2, 0);
    // SAFETY: Linux writes one word; a null set changes nothing.
    let done = unsafe { call(raw::SIGPROCMASK, [set_mask, nothing, (&raw mut mask).addr(), SET]) };
    done.map_or(0, |_| mask)
}

/// Replaces the calling thread's blocked signals.
pub(crate) fn set_mask(mask: u64) {
    let set_mask = 2;
    // SAFETY: Linux reads one word.
    let _done = unsafe { call(raw::SIGPROCMASK, [set_mask, (&raw const mask).addr(), 0, SET]) };
}

/// The signals that wait while they are blocked.
pub(crate) fn pending() -> u64 {
    let mut set = 0_u64;
    // SAFETY: Linux writes one word.
    let done = unsafe { call(raw::SIGPENDING, [(&raw mut set).addr(), SET]) };
    done.map_or(0, |_| set)
}

/// Sleeps with `mask` as the blocked signals until a handler has run.
pub(crate) fn suspend(mask: u64) {
    // SAFETY: Linux reads one word.
    let _interrupted = unsafe { call(raw::SIGSUSPEND, [(&raw const mask).addr(), SET]) };
}

/// A new thread's place for its mask: Linux keeps the mask itself, inherited by the thread.
pub(crate) fn claim_slot(_inherited: u64) -> Option<usize> {
    Some(0)
}

/// Gives the place back.
pub(crate) fn release_slot(_slot: usize) {}

/// A thread that nobody will join clears no word: its handle may be gone by then.
pub(crate) fn slot_word(_slot: usize) -> *const AtomicU32 {
    // SAFETY: address 0 turns it off.
    let _id = unsafe { call(raw::SET_TID_ADDRESS, [0]) };
    core::ptr::null()
}
