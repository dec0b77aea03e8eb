//! `pthread_once`, spin locks: zero bytes are fresh ones.

use crate::sys;
use core::ffi::c_int;
use core::sync::atomic::{AtomicU32, Ordering};
use relibc_core::errno::EBUSY;

const NEW: u32 = 0;
const RUNNING: u32 = 1;
const AWAITED: u32 = 2;
const DONE: u32 = 3;

/// POSIX `pthread_once`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn pthread_once(
    once: *mut AtomicU32,
    run: unsafe extern "C-unwind" fn(),
) -> c_int {
    // SAFETY: C contract.
    let once = unsafe { &*once };
    loop {
        match once.compare_exchange(NEW, RUNNING, Ordering::Acquire, Ordering::Acquire) {
            Ok(_) => {
                // SAFETY: C contract.
                unsafe { run() };
                if once.swap(DONE, Ordering::AcqRel) == AWAITED {
                    sys::futex_wake(once, u32::MAX);
                }
                return 0;
            }
            Err(DONE) => return 0,
            Err(RUNNING) => {
                // Whoever fails here finds the reason on the next turn.
                let _announced =
                    once.compare_exchange(RUNNING, AWAITED, Ordering::Relaxed, Ordering::Relaxed);
            }
            Err(_) => {
                let _woken = sys::futex_wait(once, AWAITED, None);
            }
        }
    }
}

/// POSIX `pthread_spin_init`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_spin_init(lock: *mut AtomicU32, _shared: c_int) -> c_int {
    // SAFETY: C contract.
    unsafe { lock.write(AtomicU32::new(0)) };
    0
}

/// POSIX `pthread_spin_destroy`.
#[unsafe(no_mangle)]
extern "C" fn pthread_spin_destroy(_lock: *mut AtomicU32) -> c_int {
    0
}

/// POSIX `pthread_spin_lock`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_spin_lock(lock: *mut AtomicU32) -> c_int {
    // SAFETY: C contract.
    let lock = unsafe { &*lock };
    while lock.swap(1, Ordering::Acquire) != 0 {
        // The holder may wait for this very CPU.
        sys::yield_now();
    }
    0
}

/// POSIX `pthread_spin_trylock`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_spin_trylock(lock: *mut AtomicU32) -> c_int {
    // SAFETY: C contract.
    if unsafe { &*lock }.swap(1, Ordering::Acquire) == 0 { 0 } else { EBUSY.0 }
}

/// POSIX `pthread_spin_unlock`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_spin_unlock(lock: *mut AtomicU32) -> c_int {
    // SAFETY: C contract.
    unsafe { &*lock }.store(0, Ordering::Release);
    0
}
