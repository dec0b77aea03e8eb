//! The library's own lock: a futex word. All of them are known to `fork`.

use crate::sys;
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

const FREE: u32 = 0;
const HELD: u32 = 1;
const CONTENDED: u32 = 2;

/// A word that excludes others; zero is free.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct RawLock(AtomicU32);

impl RawLock {
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(FREE))
    }

    /// Takes the lock if it is free.
    pub(crate) fn try_lock(&self) -> bool {
        self.0.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Takes the lock, sleeping while another holds it.
    pub(crate) fn lock(&self) {
        if !self.try_lock() {
            self.lock_until(None);
        }
    }

    /// Takes the lock unless `deadline` (monotonic, ns) passes first; whether it was taken.
    pub(crate) fn lock_until(&self, deadline: Option<u64>) -> bool {
        for _ in 0..100 {
            if self.try_lock() {
                return true;
            }
            core::hint::spin_loop();
        }
        while self.0.swap(CONTENDED, Ordering::Acquire) != FREE {
            let woken = sys::futex_wait(&self.0, CONTENDED, deadline);
            if woken == Err(relibc_core::errno::ETIMEDOUT) {
                return false;
            }
        }
        true
    }

    /// Gives the lock up.
    pub(crate) fn unlock(&self) {
        if self.0.swap(FREE, Ordering::Release) == CONTENDED {
            sys::futex_wake(&self.0, 1);
        }
    }

    /// Whether someone holds it.
    pub(crate) fn is_held(&self) -> bool {
        self.0.load(Ordering::Relaxed) != FREE
    }
}

/// A value that one thread at a time may reach.
#[derive(Debug)]
pub(crate) struct Lock<T> {
    raw: RawLock,
    value: UnsafeCell<T>,
}

// SAFETY: `raw` lets one thread at a time reach `value`; so `T` moves between threads at most.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { raw: RawLock::new(), value: UnsafeCell::new(value) }
    }

    /// Takes the lock for as long as the guard lives.
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        self.raw.lock();
        Guard { lock: self }
    }

    /// The bare lock, for `fork`.
    pub(crate) const fn raw(&self) -> &RawLock {
        &self.raw
    }
}

/// Proof that a [`Lock`] is held.
#[derive(Debug)]
pub(crate) struct Guard<'a, T> {
    lock: &'a Lock<T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard exists only while `raw` is held, which excludes other guards.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; `&mut self` excludes other borrows through this guard.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.lock.raw.unlock();
    }
}
