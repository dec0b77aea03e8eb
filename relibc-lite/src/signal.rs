//! `signal.h`: actions, masks and sending.

use crate::lock::{Lock, RawLock};
use crate::{errno, sys, thread};
use core::cell::Cell;
use core::ffi::{c_int, c_void};
use relibc_core::abi::{Sigaction, Siginfo};
use relibc_core::consts::{
    NSIG, SA_RESETHAND, SA_RESTART, SA_SIGINFO, SIG_BLOCK, SIG_DFL, SIG_ERR, SIG_IGN, SIG_SETMASK,
    SIG_UNBLOCK, SIGKILL, SIGSTOP,
};
use relibc_core::errno::{EINTR, EINVAL, Result};

/// A handler that takes the number only.
type Plain = unsafe extern "C" fn(c_int);
/// A handler of `SA_SIGINFO`.
type WithInfo = unsafe extern "C" fn(c_int, *const Siginfo, *mut c_void);

/// What the library keeps of a thread's signals.
#[derive(Debug, Default)]
pub(crate) struct PerThread {
    /// Its slot in the signal page.
    pub(crate) slot: Cell<usize>,
    /// What was blocked when the signal came whose handler is about to run.
    #[cfg(not(feature = "hosted"))]
    pub(crate) outer: Cell<u64>,
    /// A handler has run.
    pub(crate) handled: Cell<bool>,
    /// A handler has run whose action does not want interrupted calls to go on.
    pub(crate) interrupted: Cell<bool>,
}

/// No action was set: the default one.
const DEFAULT: Sigaction =
    Sigaction { sa_sigaction: SIG_DFL, sa_flags: 0, sa_restorer: 0, sa_mask: 0 };
/// By signal number; 0 is none.
static ACTIONS: Lock<[Sigaction; 32]> = Lock::new([DEFAULT; 32]);

/// The lock, for `fork`.
pub(crate) fn lock() -> &'static RawLock {
    ACTIONS.raw()
}

/// The bit of a signal in a set.
pub(crate) fn bit(signal: c_int) -> Result<u64> {
    let place = signal.checked_sub(1).and_then(|place| u32::try_from(place).ok());
    place.filter(|_| signal < NSIG).and_then(|place| 1_u64.checked_shl(place)).ok_or(EINVAL)
}

/// SIGKILL and SIGSTOP: neither caught, ignored nor blocked.
const UNBLOCKABLE: u64 = (1 << (SIGKILL - 1)) | (1 << (SIGSTOP - 1));

/// No handler runs on the calling thread while this is there: one that did might want the very
/// lock that the thread holds.
#[derive(Debug)]
pub(crate) struct Quiet(u64);

impl Quiet {
    /// Blocks all signals.
    pub(crate) fn begin() -> Self {
        let before = sys::mask();
        sys::set_mask(!UNBLOCKABLE);
        Self(before)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        sys::set_mask(self.0);
    }
}

fn change(signal: c_int, new: Option<Sigaction>) -> Result<Sigaction> {
    let bit = bit(signal)?;
    let index = usize::try_from(signal).map_err(|_| EINVAL)?;
    let _quiet = Quiet::begin();
    let mut actions = ACTIONS.lock();
    let slot = actions.get_mut(index).ok_or(EINVAL)?;
    let old = *slot;
    if let Some(new) = new {
        if bit & UNBLOCKABLE != 0 {
            return Err(EINVAL);
        }
        sys::set_action(signal, &new)?;
        *slot = new;
    }
    Ok(old)
}

/// Ignores what the program that started us had ignored.
#[cfg(not(feature = "hosted"))]
pub(crate) fn inherit_ignored(ignored: u64) {
    for signal in 1..NSIG {
        if bit(signal).is_ok_and(|bit| ignored & bit != 0) {
            let action = Sigaction { sa_sigaction: SIG_IGN, ..DEFAULT };
            // The two that cannot be ignored are not.
            let _set = change(signal, Some(action));
        }
    }
}

/// The signals that the program wants ignored, for the next one.
#[cfg(not(feature = "hosted"))]
pub(crate) fn ignored() -> u64 {
    let is_ignored =
        |signal: &c_int| change(*signal, None).is_ok_and(|action| action.sa_sigaction == SIG_IGN);
    (1..NSIG).filter(is_ignored).filter_map(|signal| bit(signal).ok()).sum()
}

/// Calls the program's handler; every signal comes through here.
pub(crate) fn deliver(signal: c_int, info: &Siginfo, context: *mut c_void) {
    let saved = thread::current().errno.get();
    let action = usize::try_from(signal).ok().and_then(|index| {
        let mut actions = ACTIONS.lock();
        let slot = actions.get_mut(index)?;
        let action = *slot;
        if action.sa_flags & SA_RESETHAND != 0 {
            *slot = DEFAULT;
            // The signal is a valid one, as it has an action.
            let _set = sys::set_action(signal, &DEFAULT);
        }
        Some(action)
    });
    if let Some(action) = action {
        let signals = &thread::current().signals;
        // Calls that the handler makes sleep on their own account.
        let interrupted = signals.interrupted.get() || action.sa_flags & SA_RESTART == 0;
        sys::begin_handler(signal, &action);
        call(&action, signal, info, context);
        signals.handled.set(true);
        signals.interrupted.set(interrupted);
    }
    thread::current().errno.set(saved);
}

fn call(action: &Sigaction, signal: c_int, info: &Siginfo, context: *mut c_void) {
    if matches!(action.sa_sigaction, SIG_DFL | SIG_IGN) {
        // It was taken back after the signal was sent.
        return;
    }
    let handler = core::ptr::with_exposed_provenance::<c_void>(action.sa_sigaction);
    // SAFETY: C contract of `sigaction`: the address of a function of the kind that the flag
    // says. (`transmute_copy` is how a C address becomes a function.)
    unsafe {
        if action.sa_flags & SA_SIGINFO == 0 {
            core::mem::transmute_copy::<_, Plain>(&handler)(signal);
        } else {
            core::mem::transmute_copy::<_, WithInfo>(&handler)(signal, info, context);
        }
    }
}

/// POSIX `sigaction`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sigaction(signal: c_int, new: *const Sigaction, old: *mut Sigaction) -> c_int {
    // SAFETY: C contract.
    let new = unsafe { new.as_ref() }.copied();
    // SAFETY: C contract.
    errno::status(change(signal, new).map(|was| unsafe { crate::c::put(old, was) }))
}

/// C `signal`, with BSD's meaning: the handler stays, calls go on.
#[unsafe(no_mangle)]
extern "C" fn signal(number: c_int, handler: usize) -> usize {
    let new = Sigaction { sa_sigaction: handler, sa_flags: SA_RESTART, ..DEFAULT };
    change(number, Some(new)).map_or_else(
        |errno| {
            errno::set(errno);
            SIG_ERR
        },
        |old| old.sa_sigaction,
    )
}

/// Changes the calling thread's blocked signals; gives the old ones.
pub(crate) fn change_mask(how: c_int, set: Option<u64>) -> Result<u64> {
    let old = sys::mask();
    let Some(set) = set else { return Ok(old) };
    let new = match how {
        SIG_BLOCK => old | set,
        SIG_UNBLOCK => old & !set,
        SIG_SETMASK => set,
        _ => return Err(EINVAL),
    };
    sys::set_mask(new & !UNBLOCKABLE);
    Ok(old)
}

/// POSIX `pthread_sigmask`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_sigmask(how: c_int, set: *const u64, old: *mut u64) -> c_int {
    // SAFETY: C contract.
    let set = unsafe { set.as_ref() }.copied();
    // SAFETY: C contract.
    errno::code(change_mask(how, set).map(|was| unsafe { crate::c::put(old, was) }))
}

/// POSIX `sigprocmask`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sigprocmask(how: c_int, set: *const u64, old: *mut u64) -> c_int {
    // SAFETY: C contract.
    match unsafe { pthread_sigmask(how, set, old) } {
        0 => 0,
        number => errno::status(Err(relibc_core::errno::Errno(number))),
    }
}

/// POSIX `sigpending`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sigpending(to: *mut u64) -> c_int {
    // SAFETY: C contract.
    unsafe { to.write(sys::pending()) };
    0
}

/// POSIX `sigsuspend`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sigsuspend(mask: *const u64) -> c_int {
    // SAFETY: C contract.
    sys::suspend(unsafe { *mask } & !UNBLOCKABLE);
    errno::status(Err(EINTR))
}

/// POSIX `pause`.
#[unsafe(no_mangle)]
extern "C" fn pause() -> c_int {
    sys::suspend(sys::mask());
    errno::status(Err(EINTR))
}

/// POSIX `kill`.
#[unsafe(no_mangle)]
extern "C" fn kill(pid: c_int, signal: c_int) -> c_int {
    errno::status(sys::kill(pid, signal))
}

/// POSIX `killpg`.
#[unsafe(no_mangle)]
extern "C" fn killpg(group: c_int, signal: c_int) -> c_int {
    errno::status(group.checked_neg().ok_or(EINVAL).and_then(|group| sys::kill(group, signal)))
}

/// C `raise`.
#[unsafe(no_mangle)]
extern "C" fn raise(signal: c_int) -> c_int {
    errno::status(sys::thread_kill(thread::current().id(), signal))
}

/// POSIX `sigemptyset`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sigemptyset(set: *mut u64) -> c_int {
    // SAFETY: C contract.
    unsafe { set.write(0) };
    0
}

/// POSIX `sigfillset`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sigfillset(set: *mut u64) -> c_int {
    // SAFETY: C contract.
    unsafe { set.write(u64::MAX) };
    0
}

/// POSIX `sigaddset`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sigaddset(set: *mut u64, signal: c_int) -> c_int {
    // SAFETY: C contract.
    errno::status(bit(signal).map(|bit| unsafe { *set |= bit }))
}

/// POSIX `sigdelset`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sigdelset(set: *mut u64, signal: c_int) -> c_int {
    // SAFETY: C contract.
    errno::status(bit(signal).map(|bit| unsafe { *set &= !bit }))
}

/// POSIX `sigismember`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sigismember(set: *const u64, signal: c_int) -> c_int {
    // SAFETY: C contract.
    errno::int(bit(signal).map(|bit| usize::from(unsafe { *set } & bit != 0)))
}
