//! Threads, futexes and time.

use super::raw::call;
use crate::c::word;
use crate::thread::Thread;
use anode_abi::info::{ThreadArgs, id};
use anode_abi::number::{
    FOREVER, NONE, SYS_CLOCK_GETTIME, SYS_CLOCK_SETTIME, SYS_FUTEX, SYS_GETID, SYS_SET_TLS,
    SYS_SLEEP, SYS_THREAD_CREATE, SYS_THREAD_EXIT, SYS_THREAD_KILL, SYS_YIELD,
};
use core::ffi::c_int;
use core::sync::atomic::{AtomicU32, Ordering};
use relibc_core::abi::Timespec;
use relibc_core::consts::{CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME};
use relibc_core::errno::{EINVAL, Result};
use relibc_core::time::{from_nanos, to_nanos};

const FUTEX_WAIT: usize = 0;
const FUTEX_WAKE: usize = 1;

/// Id of the first thread.
static MAIN: AtomicU32 = AtomicU32::new(0);

/// The calling thread is the first, or the only one after `fork`.
pub(super) fn begin() {
    MAIN.store(thread_id(), Ordering::Relaxed);
}

/// Starts a thread on `stack`; gives its id.
///
/// # Safety
///
/// `stack` is the 16-aligned top of a free, zeroed stack, `thread` is filled, and both as well
/// as `word` live until the thread has ended.
pub(crate) unsafe fn spawn(
    stack: *mut u8,
    thread: *const Thread,
    _word: *const AtomicU32,
) -> Result<u32> {
    let entry: extern "C" fn() -> ! = crate::pthread::begin;
    // SAFETY: the caller's promise.
    let slot = unsafe { &*thread }.signals.slot.get();
    let args = ThreadArgs {
        entry: crate::c::wide((entry as *const ()).addr()),
        // As if called: a return address of 0 lies on top.
        stack: crate::c::wide(stack.addr().saturating_sub(8)),
        tls: crate::c::wide(thread.addr()),
        argument: 0,
        signal_slot: crate::c::wide(slot),
    };
    let length = size_of_val(&args);
    // SAFETY: the caller's promise; the struct is the kernel's own.
    let id = unsafe { call(SYS_THREAD_CREATE, [(&raw const args).addr(), length]) }?;
    Ok(u32::try_from(id).unwrap_or(0))
}

/// Ends the thread and unmaps its stack; `word` is then cleared and woken.
///
/// # Safety
///
/// Nothing but the thread itself uses the range, and no signal handler can run on it any more.
pub(crate) unsafe fn exit_thread(at: *const AtomicU32, address: usize, length: usize) -> ! {
    loop {
        // SAFETY: the caller's promise.
        let _ended = unsafe { call(SYS_THREAD_EXIT, [at.addr(), address, length]) };
    }
}

pub(crate) fn set_tls(thread: *const Thread) {
    // SAFETY: the FS base is this library's to set.
    let _done = unsafe { call(SYS_SET_TLS, [thread.addr()]) };
}

pub(crate) fn thread_id() -> u32 {
    // SAFETY: no memory is touched.
    let id = unsafe { call(SYS_GETID, [id::TID, 0]) };
    id.ok().and_then(|id| u32::try_from(id).ok()).unwrap_or(0)
}

pub(crate) fn main_thread_id() -> u32 {
    MAIN.load(Ordering::Relaxed)
}

pub(crate) fn thread_kill(id: u32, signal: c_int) -> Result<()> {
    // SAFETY: no memory is touched.
    unsafe { call(SYS_THREAD_KILL, [word(id), word(signal)]) }.map(drop)
}

/// Sleeps while `*word` is `value`, at most until `deadline` (monotonic, ns).
pub(crate) fn futex_wait(at: &AtomicU32, value: u32, deadline: Option<u64>) -> Result<()> {
    let until = crate::c::narrow(deadline.unwrap_or(FOREVER));
    let arguments = [at.as_ptr().addr(), FUTEX_WAIT, word(value), until];
    // SAFETY: the kernel reads the word.
    unsafe { call(SYS_FUTEX, arguments) }.map(drop)
}

/// Wakes at most `count` sleepers.
pub(crate) fn futex_wake(at: &AtomicU32, count: u32) {
    // SAFETY: the word is only named.
    let _woken = unsafe { call(SYS_FUTEX, [at.as_ptr().addr(), FUTEX_WAKE, word(count)]) };
}

pub(crate) fn yield_now() {
    // SAFETY: no memory is touched.
    let _done = unsafe { call(SYS_YIELD, []) };
}

pub(crate) fn clock_gettime(clock: c_int) -> Result<Timespec> {
    // SAFETY: no memory is touched.
    let ns = unsafe { call(SYS_CLOCK_GETTIME, [word(clock)]) }?;
    Ok(from_nanos(crate::c::wide(ns)))
}

pub(crate) fn clock_getres(clock: c_int) -> Result<Timespec> {
    match clock {
        CLOCK_REALTIME | CLOCK_MONOTONIC | CLOCK_PROCESS_CPUTIME_ID => {
            Ok(Timespec { tv_sec: 0, tv_nsec: 1 })
        }
        _ => Err(EINVAL),
    }
}

pub(crate) fn clock_settime(clock: c_int, to: Timespec) -> Result<()> {
    if to.tv_sec < 0 {
        return Err(EINVAL);
    }
    // SAFETY: no memory is touched.
    unsafe { call(SYS_CLOCK_SETTIME, [word(clock), crate::c::narrow(to_nanos(to))]) }.map(drop)
}

/// Sleeps until `deadline` (monotonic, ns).
///
/// # Errors
///
/// - `EINTR`: a signal was handled.
pub(crate) fn sleep_until(deadline: u64) -> Result<()> {
    // SAFETY: no memory is touched.
    unsafe { call(SYS_SLEEP, [crate::c::narrow(deadline), NONE]) }.map(drop)
}
