//! Mutexes: zero bytes are a free one of the default kind.

use crate::lock::RawLock;
use crate::{errno, thread, time};
use core::cell::Cell;
use core::ffi::c_int;
use core::sync::atomic::{AtomicU32, Ordering};
use relibc_core::abi::Timespec;
use relibc_core::consts::{PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_RECURSIVE};
use relibc_core::errno::{EAGAIN, EBUSY, EDEADLK, EINVAL, EPERM, ETIMEDOUT, Result};

/// `pthread_mutex_t`: 12 bytes.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Mutex {
    lock: RawLock,
    /// Thread id of the holder; only kept for the kinds that ask for it.
    owner: AtomicU32,
    kind: Cell<u8>,
    /// How often the holder of a recursive one has taken it beyond the first time.
    again: Cell<u16>,
}

const _: () = assert!(size_of::<Mutex>() == 12);

impl Mutex {
    fn knows_owner(&self) -> bool {
        let kind = c_int::from(self.kind.get());
        matches!(kind, PTHREAD_MUTEX_ERRORCHECK | PTHREAD_MUTEX_RECURSIVE)
    }

    fn is_mine(&self) -> bool {
        // Only the thread itself can have stored its own id, so a relaxed load decides.
        self.owner.load(Ordering::Relaxed) == thread::current().id()
    }

    fn set_owner(&self) {
        if self.knows_owner() {
            self.owner.store(thread::current().id(), Ordering::Relaxed);
        }
    }

    /// The holder takes it again: `None` if the caller is not the holder of a kind that knows.
    fn again(&self) -> Option<Result<()>> {
        if !self.knows_owner() || !self.is_mine() {
            return None;
        }
        if c_int::from(self.kind.get()) == PTHREAD_MUTEX_ERRORCHECK {
            return Some(Err(EDEADLK));
        }
        let next = self.again.get().checked_add(1);
        Some(next.map(|next| self.again.set(next)).ok_or(EAGAIN))
    }

    pub(crate) fn lock(&self) -> Result<()> {
        if let Some(result) = self.again() {
            return result;
        }
        self.lock.lock();
        self.set_owner();
        Ok(())
    }

    fn lock_until(&self, deadline: Option<u64>) -> Result<()> {
        if let Some(result) = self.again() {
            return result;
        }
        if !self.lock.lock_until(deadline) {
            return Err(ETIMEDOUT);
        }
        self.set_owner();
        Ok(())
    }

    fn try_lock(&self) -> Result<()> {
        match self.again() {
            Some(Err(EDEADLK)) => return Err(EBUSY),
            Some(result) => return result,
            None => {}
        }
        if !self.lock.try_lock() {
            return Err(EBUSY);
        }
        self.set_owner();
        Ok(())
    }

    pub(crate) fn unlock(&self) -> Result<()> {
        if self.knows_owner() {
            if !self.is_mine() {
                return Err(EPERM);
            }
            if let Some(less) = self.again.get().checked_sub(1) {
                self.again.set(less);
                return Ok(());
            }
            self.owner.store(0, Ordering::Relaxed);
        }
        self.lock.unlock();
        Ok(())
    }
}

/// `pthread_mutexattr_t`: 20 bytes.
#[repr(C)]
#[derive(Debug, Default)]
struct Attr {
    kind: c_int,
    shared: c_int,
    protocol: c_int,
    ceiling: c_int,
    robust: c_int,
}

const _: () = assert!(size_of::<Attr>() == 20);

/// POSIX `pthread_mutex_init`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_mutex_init(mutex: *mut Mutex, attr: *const Attr) -> c_int {
    // SAFETY: C contract.
    let kind = unsafe { attr.as_ref() }.map_or(0, |attr| attr.kind);
    let fresh = Mutex {
        lock: RawLock::new(),
        owner: AtomicU32::new(0),
        kind: Cell::new(u8::try_from(kind).unwrap_or(0)),
        again: Cell::new(0),
    };
    // SAFETY: C contract.
    unsafe { mutex.write(fresh) };
    0
}

/// POSIX `pthread_mutex_destroy`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_mutex_destroy(mutex: *mut Mutex) -> c_int {
    // SAFETY: C contract.
    if unsafe { &*mutex }.lock.is_held() { EBUSY.0 } else { 0 }
}

/// POSIX `pthread_mutex_lock`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_mutex_lock(mutex: *mut Mutex) -> c_int {
    // SAFETY: C contract.
    errno::code(unsafe { &*mutex }.lock())
}

/// POSIX `pthread_mutex_timedlock`: the time is absolute, of the wall clock.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_mutex_timedlock(mutex: *mut Mutex, until: *const Timespec) -> c_int {
    // SAFETY: C contract.
    let (mutex, until) = unsafe { (&*mutex, *until) };
    errno::code(time::deadline(until).and_then(|deadline| mutex.lock_until(Some(deadline))))
}

/// POSIX `pthread_mutex_trylock`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_mutex_trylock(mutex: *mut Mutex) -> c_int {
    // SAFETY: C contract.
    errno::code(unsafe { &*mutex }.try_lock())
}

/// POSIX `pthread_mutex_unlock`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_mutex_unlock(mutex: *mut Mutex) -> c_int {
    // SAFETY: C contract.
    errno::code(unsafe { &*mutex }.unlock())
}

/// POSIX `pthread_mutexattr_init`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_mutexattr_init(attr: *mut Attr) -> c_int {
    // SAFETY: C contract.
    unsafe { attr.write(Attr::default()) };
    0
}

/// POSIX `pthread_mutexattr_destroy`.
#[unsafe(no_mangle)]
extern "C" fn pthread_mutexattr_destroy(_attr: *mut Attr) -> c_int {
    0
}

/// POSIX `pthread_mutexattr_settype`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_mutexattr_settype(attr: *mut Attr, kind: c_int) -> c_int {
    if !(0..=PTHREAD_MUTEX_RECURSIVE).contains(&kind) {
        return EINVAL.0;
    }
    // SAFETY: C contract.
    unsafe { (*attr).kind = kind };
    0
}
