//! Barriers.

use crate::sys;
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicU32, Ordering};
use relibc_core::errno::EINVAL;

/// What one of the threads at a barrier is told.
const SERIAL_THREAD: c_int = -1;

/// `pthread_barrier_t`: 24 bytes.
#[repr(C)]
#[derive(Debug)]
struct Barrier {
    /// Threads that it takes.
    needed: u32,
    /// Threads that wait.
    here: AtomicU32,
    /// How often it has opened.
    opened: AtomicU32,
    /// Threads that still have to leave the last round.
    leaving: AtomicU32,
    reserved: [u32; 2],
}

const _: () = assert!(size_of::<Barrier>() == 24);

/// POSIX `pthread_barrier_init`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_barrier_init(
    barrier: *mut Barrier,
    _attr: *const c_void,
    needed: u32,
) -> c_int {
    if needed == 0 {
        return EINVAL.0;
    }
    let zero = || AtomicU32::new(0);
    let fresh = Barrier { needed, here: zero(), opened: zero(), leaving: zero(), reserved: [0; 2] };
    // SAFETY: C contract.
    unsafe { barrier.write(fresh) };
    0
}

/// POSIX `pthread_barrier_destroy`: waits until the last round has been left.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_barrier_destroy(barrier: *mut Barrier) -> c_int {
    // SAFETY: C contract.
    let barrier = unsafe { &*barrier };
    while barrier.leaving.load(Ordering::Acquire) != 0 {
        sys::yield_now();
    }
    0
}

/// POSIX `pthread_barrier_wait`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_barrier_wait(barrier: *mut Barrier) -> c_int {
    // SAFETY: C contract.
    let barrier = unsafe { &*barrier };
    let round = barrier.opened.load(Ordering::Acquire);
    barrier.leaving.fetch_add(1, Ordering::AcqRel);
    let here = barrier.here.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
    let is_last = here == barrier.needed;
    if is_last {
        barrier.here.store(0, Ordering::Relaxed);
        barrier.opened.fetch_add(1, Ordering::Release);
        sys::futex_wake(&barrier.opened, u32::MAX);
    }
    while barrier.opened.load(Ordering::Acquire) == round {
        let _woken = sys::futex_wait(&barrier.opened, round, None);
    }
    barrier.leaving.fetch_sub(1, Ordering::AcqRel);
    if is_last { SERIAL_THREAD } else { 0 }
}
