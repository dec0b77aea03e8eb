//! Threads, futexes and time.

use super::raw::{self, call};
use crate::c::word;
use crate::thread::Thread;
use core::ffi::c_int;
use core::sync::atomic::AtomicU32;
use relibc_core::abi::Timespec;
use relibc_core::errno::{EINVAL, Result};
use relibc_core::{linux, time};

/// VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS, `CHILD_CLEARTID`.
const CLONE_FLAGS: usize = 0x002d_0f00;
const ARCH_SET_FS: usize = 0x1002;
const FUTEX_WAKE: usize = 1;
const FUTEX_WAIT_BITSET: usize = 9;
const TIMER_ABSTIME: usize = 1;

/// Starts a thread on `stack`; `word` is cleared and woken when it has ended. Gives its id.
///
/// # Safety
///
/// `stack` is the 16-aligned top of a free stack, `thread` is filled, and both as well as
/// `word` live until the thread has ended.
pub(crate) unsafe fn spawn(
    stack: *mut u8,
    thread: *const Thread,
    word: *const AtomicU32,
) -> Result<u32> {
    // SAFETY: the caller's promise.
    let raw = unsafe { clone(CLONE_FLAGS, stack, 0, word.addr(), thread.addr()) };
    let id = relibc_core::errno::demux(raw)?;
    Ok(u32::try_from(id).unwrap_or(0))
}

/// `clone`; the child goes on in `pthread::begin` on its own stack.
#[unsafe(naked)]
unsafe extern "C" fn clone(
    flags: usize,
    stack: *mut u8,
    parent_word: usize,
    child_word: usize,
    tls: usize,
) -> usize {
    core::arch::naked_asm!(
        "mov r10, rcx",
        "mov eax, 56",
        "syscall",
        "test rax, rax",
        "jz 2f",
        "ret",
        "2:",
        "xor ebp, ebp",
        "call {begin}",
        "ud2",
        begin = sym crate::pthread::begin,
    )
}

/// Ends the thread and unmaps its stack; the word given to [`spawn`] is then cleared.
///
/// # Safety
///
/// Nothing but the thread itself uses the range, and no signal handler can run on it any more.
pub(crate) unsafe fn exit_thread(_word: *const AtomicU32, address: usize, length: usize) -> ! {
    // SAFETY: the caller's promise.
    unsafe { unmap_and_exit(address, length) }
}

/// No stack may be used between the two calls.
#[unsafe(naked)]
unsafe extern "C" fn unmap_and_exit(address: usize, length: usize) -> ! {
    core::arch::naked_asm!(
        "mov eax, 11",
        "syscall",
        "xor edi, edi",
        "mov eax, 60",
        "syscall",
        "ud2"
    )
}

pub(crate) fn set_tls(thread: *const Thread) {
    // SAFETY: the FS base is this library's to set.
    let _done = unsafe { call(raw::ARCH_PRCTL, [ARCH_SET_FS, thread.addr()]) };
}

pub(crate) fn thread_id() -> u32 {
    // SAFETY: no memory is touched.
    unsafe { call(raw::GETTID, []) }.ok().and_then(|id| u32::try_from(id).ok()).unwrap_or(0)
}

pub(crate) fn thread_kill(id: u32, signal: c_int) -> Result<()> {
    let process = super::id(crate::sys::Id::Process);
    // SAFETY: no memory is touched.
    unsafe { call(raw::TGKILL, [word(process), word(id), word(signal)]) }.map(drop)
}

/// Sleeps while `*word` is `value`, at most until `deadline` (monotonic, ns).
pub(crate) fn futex_wait(at: &AtomicU32, value: u32, deadline: Option<u64>) -> Result<()> {
    let until = deadline.map(time::from_nanos);
    let until = until.as_ref().map_or(0, |until| core::ptr::from_ref(until).addr());
    let every_bit = word(u32::MAX);
    let arguments = [at.as_ptr().addr(), FUTEX_WAIT_BITSET, word(value), until, 0, every_bit];
    // SAFETY: Linux reads the word and the time.
    unsafe { call(raw::FUTEX, arguments) }.map(drop)
}

/// Wakes at most `count` sleepers.
pub(crate) fn futex_wake(at: &AtomicU32, count: u32) {
    wake_address(at.as_ptr(), count);
}

/// [`futex_wake`] for a word that may be unmapped by now: then nobody is woken.
pub(crate) fn wake_address(at: *const u32, count: u32) {
    let count = word(count.min(i32::MAX.unsigned_abs()));
    // SAFETY: the word is only named, never written.
    let _woken = unsafe { call(raw::FUTEX, [at.addr(), FUTEX_WAKE, count]) };
}

pub(crate) fn yield_now() {
    // SAFETY: no memory is touched.
    let _done = unsafe { call(raw::YIELD, []) };
}

pub(crate) fn clock_gettime(clock: c_int) -> Result<Timespec> {
    let clock = linux::clock(clock).ok_or(EINVAL)?;
    let mut now = Timespec::default();
    // SAFETY: the struct is the same for both.
    unsafe { call(raw::CLOCK_GETTIME, [word(clock), (&raw mut now).addr()]) }?;
    Ok(now)
}

pub(crate) fn clock_getres(clock: c_int) -> Result<Timespec> {
    let clock = linux::clock(clock).ok_or(EINVAL)?;
    let mut step = Timespec::default();
    // SAFETY: the struct is the same for both.
    unsafe { call(raw::CLOCK_GETRES, [word(clock), (&raw mut step).addr()]) }?;
    Ok(step)
}

pub(crate) fn clock_settime(clock: c_int, to: Timespec) -> Result<()> {
    let clock = linux::clock(clock).ok_or(EINVAL)?;
    // SAFETY: the struct is the same for both.
    unsafe { call(raw::CLOCK_SETTIME, [word(clock), (&raw const to).addr()]) }.map(drop)
}

/// Sleeps until `deadline` (monotonic, ns).
///
/// # Errors
///
/// - `EINTR`: a signal was handled.
pub(crate) fn sleep_until(deadline: u64) -> Result<()> {
    let until = time::from_nanos(deadline);
    let monotonic = 1;
    let arguments = [monotonic, TIMER_ABSTIME, (&raw const until).addr(), 0];
    // SAFETY: Linux reads the time.
    unsafe { call(raw::CLOCK_NANOSLEEP, arguments) }.map(drop)
}

/// The first thread has the process's id.
pub(crate) fn main_thread_id() -> u32 {
    u32::try_from(super::id(crate::sys::Id::Process)).unwrap_or(0)
}
