//! `time.h`: clocks and sleeping. Dates are level 1.

use crate::{c, errno, sys};
use core::ffi::{c_int, c_uint, c_void};
use relibc_core::abi::{Timespec, Timeval};
use relibc_core::consts::{CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME};
use relibc_core::errno::{EINTR, EINVAL, Result};
use relibc_core::time::{from_nanos, is_valid, to_nanos};

/// Monotonic time, in ns.
pub(crate) fn now() -> u64 {
    sys::clock_gettime(CLOCK_MONOTONIC).map_or(0, to_nanos)
}

/// A wall-clock time as a monotonic deadline in ns.
pub(crate) fn deadline(until: Timespec) -> Result<u64> {
    if !is_valid(until) {
        return Err(EINVAL);
    }
    let wall = to_nanos(sys::clock_gettime(CLOCK_REALTIME)?);
    Ok(now().saturating_add(to_nanos(until).saturating_sub(wall)))
}

/// POSIX `clock_gettime`.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: c_int, to: *mut Timespec) -> c_int {
    // SAFETY: C contract.
    errno::status(sys::clock_gettime(clock).map(|now| unsafe { to.write(now) }))
}

/// POSIX `clock_getres`.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_getres(clock: c_int, to: *mut Timespec) -> c_int {
    // SAFETY: C contract.
    errno::status(sys::clock_getres(clock).map(|step| unsafe { c::put(to, step) }))
}

/// POSIX `clock_settime`.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_settime(clock: c_int, from: *const Timespec) -> c_int {
    // SAFETY: C contract.
    let to = unsafe { *from };
    let valid = if is_valid(to) { Ok(()) } else { Err(EINVAL) };
    errno::status(valid.and_then(|()| sys::clock_settime(clock, to)))
}

/// POSIX `nanosleep`.
#[unsafe(no_mangle)]
unsafe extern "C" fn nanosleep(request: *const Timespec, left: *mut Timespec) -> c_int {
    // SAFETY: C contract.
    let request = unsafe { *request };
    if !is_valid(request) || request.tv_sec < 0 {
        return errno::status(Err(EINVAL));
    }
    let until = now().saturating_add(to_nanos(request));
    errno::status(sys::sleep_until(until).inspect_err(|errno| {
        if *errno == EINTR {
            // SAFETY: C contract.
            unsafe { c::put(left, from_nanos(until.saturating_sub(now()))) };
        }
    }))
}

/// POSIX `clock_nanosleep`; flag 1 is `TIMER_ABSTIME`.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_nanosleep(
    clock: c_int,
    flags: c_int,
    request: *const Timespec,
    left: *mut Timespec,
) -> c_int {
    // SAFETY: C contract.
    let until = unsafe { *request };
    let result = match (flags & 1, clock) {
        // SAFETY: C contract.
        (0, _) => return if unsafe { nanosleep(request, left) } == 0 { 0 } else { last() },
        (_, CLOCK_MONOTONIC) => sys::sleep_until(to_nanos(until)),
        (_, CLOCK_REALTIME) => deadline(until).and_then(sys::sleep_until),
        _ => Err(EINVAL),
    };
    errno::code(result)
}

fn last() -> c_int {
    crate::thread::current().errno.get()
}

/// POSIX `sleep`.
#[unsafe(no_mangle)]
extern "C" fn sleep(seconds: c_uint) -> c_uint {
    let until = now().saturating_add(u64::from(seconds).saturating_mul(1_000_000_000));
    match sys::sleep_until(until) {
        Ok(()) => 0,
        Err(_) => {
            let left = from_nanos(until.saturating_sub(now())).tv_sec;
            c_uint::try_from(left).unwrap_or(seconds)
        }
    }
}

/// POSIX `usleep`.
#[unsafe(no_mangle)]
extern "C" fn usleep(micros: c_uint) -> c_int {
    let until = now().saturating_add(u64::from(micros).saturating_mul(1000));
    errno::status(sys::sleep_until(until))
}

/// POSIX `gettimeofday`.
#[unsafe(no_mangle)]
unsafe extern "C" fn gettimeofday(to: *mut Timeval, _zone: *mut c_void) -> c_int {
    errno::status(sys::clock_gettime(CLOCK_REALTIME).map(|now| {
        let micros = now.tv_nsec.checked_div(1000).unwrap_or(0);
        let now = Timeval { tv_sec: now.tv_sec, tv_usec: i32::try_from(micros).unwrap_or(0) };
        // SAFETY: C contract.
        unsafe { c::put(to, now) };
    }))
}

/// C `time`.
#[unsafe(no_mangle)]
unsafe extern "C" fn time(to: *mut i64) -> i64 {
    let now = sys::clock_gettime(CLOCK_REALTIME).map_or(-1, |now| now.tv_sec);
    // SAFETY: C contract.
    unsafe { c::put(to, now) };
    now
}

/// C `clock`: CPU time of the process in microseconds.
#[unsafe(no_mangle)]
extern "C" fn clock() -> i64 {
    let used = sys::clock_gettime(CLOCK_PROCESS_CPUTIME_ID).map_or(0, to_nanos);
    used.checked_div(1000).and_then(|micros| i64::try_from(micros).ok()).unwrap_or(-1)
}
