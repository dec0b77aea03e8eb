//! `semaphore.h`: a count in 8 bytes.

use crate::{errno, sys, time};
use core::ffi::{c_int, c_uint};
use core::sync::atomic::{AtomicU32, Ordering};
use relibc_core::abi::Timespec;
use relibc_core::errno::{EAGAIN, EINTR, EINVAL, EOVERFLOW, ETIMEDOUT, Result};

/// Largest count.
const MOST: u32 = i32::MAX.cast_unsigned();

/// `sem_t`: the size of one pointer.
#[repr(C, align(8))]
#[derive(Debug)]
struct Semaphore {
    count: AtomicU32,
    sleepers: AtomicU32,
}

const _: () = assert!(size_of::<Semaphore>() == 8);

impl Semaphore {
    fn try_take(&self) -> Result<()> {
        let less = |count: u32| count.checked_sub(1);
        let taken = self.count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        taken.map(drop).map_err(|_| EAGAIN)
    }

    fn take(&self, deadline: Option<u64>) -> Result<()> {
        while self.try_take().is_err() {
            self.sleepers.fetch_add(1, Ordering::SeqCst);
            let woken = sys::futex_wait(&self.count, 0, deadline);
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
            if let Err(errno @ (EINTR | ETIMEDOUT)) = woken {
                return Err(errno);
            }
        }
        Ok(())
    }

    fn give(&self) -> Result<()> {
        let more = |count: u32| count.checked_add(1).filter(|count| *count <= MOST);
        self.count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).map_err(|_| EOVERFLOW)?;
        if self.sleepers.load(Ordering::SeqCst) != 0 {
            sys::futex_wake(&self.count, 1);
        }
        Ok(())
    }
}

/// POSIX `sem_init`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sem_init(to: *mut Semaphore, _shared: c_int, count: c_uint) -> c_int {
    if count > MOST {
        return errno::status(Err(EINVAL));
    }
    let fresh = Semaphore { count: AtomicU32::new(count), sleepers: AtomicU32::new(0) };
    // SAFETY: C contract.
    unsafe { to.write(fresh) };
    0
}

/// POSIX `sem_destroy`.
#[unsafe(no_mangle)]
extern "C" fn sem_destroy(_semaphore: *mut Semaphore) -> c_int {
    0
}

/// POSIX `sem_wait`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sem_wait(semaphore: *mut Semaphore) -> c_int {
    // SAFETY: C contract.
    errno::status(unsafe { &*semaphore }.take(None))
}

/// POSIX `sem_trywait`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sem_trywait(semaphore: *mut Semaphore) -> c_int {
    // SAFETY: C contract.
    errno::status(unsafe { &*semaphore }.try_take())
}

/// POSIX `sem_timedwait`: the time is absolute, of the wall clock.
#[unsafe(no_mangle)]
unsafe extern "C" fn sem_timedwait(semaphore: *mut Semaphore, until: *const Timespec) -> c_int {
    // SAFETY: C contract.
    let (semaphore, until) = unsafe { (&*semaphore, *until) };
    errno::status(time::deadline(until).and_then(|deadline| semaphore.take(Some(deadline))))
}

/// POSIX `sem_post`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sem_post(semaphore: *mut Semaphore) -> c_int {
    // SAFETY: C contract.
    errno::status(unsafe { &*semaphore }.give())
}

/// POSIX `sem_getvalue`.
#[unsafe(no_mangle)]
unsafe extern "C" fn sem_getvalue(semaphore: *mut Semaphore, to: *mut c_int) -> c_int {
    // SAFETY: C contract.
    let count = unsafe { &*semaphore }.count.load(Ordering::SeqCst);
    // SAFETY: C contract.
    unsafe { to.write(count.cast_signed()) };
    0
}
