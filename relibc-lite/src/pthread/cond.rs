//! Condition variables: zero bytes are a valid one.

use super::mutex::Mutex;
use crate::{errno, sys, time};
use core::ffi::c_int;
use core::sync::atomic::{AtomicU32, Ordering};
use relibc_core::abi::Timespec;
use relibc_core::errno::{EINVAL, ETIMEDOUT, Result};

/// `pthread_cond_t`: 8 bytes.
#[repr(C)]
#[derive(Debug)]
struct Cond {
    /// Counts signals; sleepers wait for it to change.
    signals: AtomicU32,
    /// Threads between their announcement and their waking up.
    sleepers: AtomicU32,
}

/// `pthread_condattr_t`: 8 bytes.
#[repr(C)]
#[derive(Debug)]
struct Attr {
    clock: c_int,
    shared: c_int,
}

impl Cond {
    /// Gives the mutex up, sleeps until a signal or the deadline, takes the mutex again.
    fn wait(&self, mutex: &Mutex, deadline: Option<u64>) -> Result<()> {
        // The mutex is still held: a signal after its unlock sees this sleeper.
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let seen = self.signals.load(Ordering::SeqCst);
        mutex.unlock().inspect_err(|_| {
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
        })?;
        let woken = sys::futex_wait(&self.signals, seen, deadline);
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        mutex.lock()?;
        // A signal that came with the deadline counts as a signal. An interrupted sleep is a
        // spurious wake-up, which POSIX allows.
        let is_late = woken == Err(ETIMEDOUT) && self.signals.load(Ordering::SeqCst) == seen;
        if is_late { Err(ETIMEDOUT) } else { Ok(()) }
    }

    fn wake(&self, count: u32) {
        if self.sleepers.load(Ordering::SeqCst) != 0 {
            self.signals.fetch_add(1, Ordering::SeqCst);
            sys::futex_wake(&self.signals, count);
        }
    }
}

/// POSIX `pthread_cond_init`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_cond_init(cond: *mut Cond, _attr: *const Attr) -> c_int {
    let fresh = Cond { signals: AtomicU32::new(0), sleepers: AtomicU32::new(0) };
    // SAFETY: C contract.
    unsafe { cond.write(fresh) };
    0
}

/// POSIX `pthread_cond_destroy`.
#[unsafe(no_mangle)]
extern "C" fn pthread_cond_destroy(_cond: *mut Cond) -> c_int {
    0
}

/// POSIX `pthread_cond_wait`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_cond_wait(cond: *mut Cond, mutex: *mut Mutex) -> c_int {
    // SAFETY: C contract.
    let (cond, mutex) = unsafe { (&*cond, &*mutex) };
    errno::code(cond.wait(mutex, None))
}

/// POSIX `pthread_cond_timedwait`: the time is absolute, of the wall clock; it becomes a
/// monotonic deadline at once, so a step of the clock moves no timeout that has begun.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_cond_timedwait(
    cond: *mut Cond,
    mutex: *mut Mutex,
    until: *const Timespec,
) -> c_int {
    // SAFETY: C contract.
    let (cond, mutex, until) = unsafe { (&*cond, &*mutex, *until) };
    errno::code(time::deadline(until).and_then(|deadline| cond.wait(mutex, Some(deadline))))
}

/// POSIX `pthread_cond_signal`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_cond_signal(cond: *mut Cond) -> c_int {
    // SAFETY: C contract.
    unsafe { &*cond }.wake(1);
    0
}

/// POSIX `pthread_cond_broadcast`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_cond_broadcast(cond: *mut Cond) -> c_int {
    // SAFETY: C contract.
    unsafe { &*cond }.wake(u32::MAX);
    0
}

/// POSIX `pthread_condattr_init`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_condattr_init(attr: *mut Attr) -> c_int {
    // SAFETY: C contract.
    unsafe { attr.write(Attr { clock: 0, shared: 0 }) };
    0
}

/// POSIX `pthread_condattr_destroy`.
#[unsafe(no_mangle)]
extern "C" fn pthread_condattr_destroy(_attr: *mut Attr) -> c_int {
    0
}

/// POSIX `pthread_condattr_setclock`: only the wall clock, which is what waits are told in.
#[unsafe(no_mangle)]
extern "C" fn pthread_condattr_setclock(_attr: *mut Attr, clock: c_int) -> c_int {
    if clock == relibc_core::consts::CLOCK_REALTIME { 0 } else { EINVAL.0 }
}
