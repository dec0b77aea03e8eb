//! Readers-writer locks: zero bytes are a free one.

use crate::{errno, sys};
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicU32, Ordering};
use relibc_core::errno::{EBUSY, Result};

/// Someone sleeps for the lock.
const SLEEPERS: u32 = 1 << 31;
/// The count of readers when a writer holds it.
const WRITER: u32 = SLEEPERS - 1;

/// `pthread_rwlock_t`: 4 bytes.
#[repr(C)]
#[derive(Debug)]
struct Rwlock(AtomicU32);

impl Rwlock {
    /// Takes it if `next` of the holders allows.
    fn try_take(&self, next: impl Fn(u32) -> Option<u32>) -> Result<()> {
        let take = |state: u32| next(state & !SLEEPERS).map(|held| held | (state & SLEEPERS));
        let taken = self.0.fetch_update(Ordering::Acquire, Ordering::Relaxed, take);
        taken.map(drop).map_err(|_| EBUSY)
    }

    fn take(&self, next: impl Fn(u32) -> Option<u32>) {
        while self.try_take(&next).is_err() {
            let state = self.0.load(Ordering::Relaxed);
            if next(state & !SLEEPERS).is_some() {
                continue;
            }
            let announced = state | SLEEPERS;
            let is_announced = state == announced
                || self
                    .0
                    .compare_exchange(state, announced, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok();
            if is_announced {
                // Woken, interrupted or changed before we slept: the loop looks again.
                let _woken = sys::futex_wait(&self.0, announced, None);
            }
        }
    }

    fn give(&self) {
        let less = |state: u32| match state & !SLEEPERS {
            // The last one wakes all sleepers, who announce themselves again if they must.
            WRITER | 1 => Some(0),
            more => more.checked_sub(1).map(|less| less | (state & SLEEPERS)),
        };
        let before = self.0.fetch_update(Ordering::Release, Ordering::Relaxed, less);
        if let Ok(before) = before
            && before & SLEEPERS != 0
            && matches!(before & !SLEEPERS, WRITER | 1)
        {
            sys::futex_wake(&self.0, u32::MAX);
        }
    }
}

fn one_more_reader(held: u32) -> Option<u32> {
    held.checked_add(1).filter(|readers| *readers < WRITER)
}

fn a_writer(held: u32) -> Option<u32> {
    (held == 0).then_some(WRITER)
}

/// POSIX `pthread_rwlock_init`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_rwlock_init(lock: *mut Rwlock, _attr: *const c_void) -> c_int {
    // SAFETY: C contract.
    unsafe { lock.write(Rwlock(AtomicU32::new(0))) };
    0
}

/// POSIX `pthread_rwlock_destroy`.
#[unsafe(no_mangle)]
extern "C" fn pthread_rwlock_destroy(_lock: *mut Rwlock) -> c_int {
    0
}

/// POSIX `pthread_rwlock_rdlock`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_rwlock_rdlock(lock: *mut Rwlock) -> c_int {
    // SAFETY: C contract.
    unsafe { &*lock }.take(one_more_reader);
    0
}

/// POSIX `pthread_rwlock_tryrdlock`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_rwlock_tryrdlock(lock: *mut Rwlock) -> c_int {
    // SAFETY: C contract.
    errno::code(unsafe { &*lock }.try_take(one_more_reader))
}

/// POSIX `pthread_rwlock_wrlock`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_rwlock_wrlock(lock: *mut Rwlock) -> c_int {
    // SAFETY: C contract.
    unsafe { &*lock }.take(a_writer);
    0
}

/// POSIX `pthread_rwlock_trywrlock`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_rwlock_trywrlock(lock: *mut Rwlock) -> c_int {
    // SAFETY: C contract.
    errno::code(unsafe { &*lock }.try_take(a_writer))
}

/// POSIX `pthread_rwlock_unlock`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_rwlock_unlock(lock: *mut Rwlock) -> c_int {
    // SAFETY: C contract.
    unsafe { &*lock }.give();
    0
}
