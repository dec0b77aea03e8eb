//! Clocks and sleeping.

use crate::prelude::*;

/// Wall time.
pub(crate) const CLOCK_REALTIME: u64 = 1;
/// CPU time of the process.
pub(crate) const CLOCK_PROCESS_CPUTIME: u64 = 2;
/// Time since boot.
pub(crate) const CLOCK_MONOTONIC: u64 = 4;

const SECOND: u64 = 1_000_000_000;

/// A `TimeSpec` (seconds, then nanoseconds in 32 bits) as its two words.
pub(crate) fn to_timespec(ns: u64) -> [u64; 2] {
    [ns / SECOND, ns % SECOND]
}

/// Nanoseconds of a `TimeSpec`; huge times saturate.
///
/// # Errors
///
/// `EINVAL`: negative, or not less than a second of nanoseconds.
pub(crate) fn from_timespec([seconds, nanos]: [u64; 2]) -> Result<u64> {
    // The second word's upper half is padding.
    let nanos = nanos & 0xFFFF_FFFF;
    if nanos >= SECOND || seconds.cast_signed() < 0 {
        return Err(EINVAL);
    }
    Ok(seconds.saturating_mul(SECOND).saturating_add(nanos))
}

impl<M: Machine> Kernel<M> {
    /// What a clock says, in ns.
    pub(crate) fn clock(&mut self, me: ThreadId, clock: u64) -> Result<u64> {
        let now = self.memory.machine.now();
        match clock {
            CLOCK_REALTIME => Ok(self.wall.saturating_add(now)),
            CLOCK_MONOTONIC => Ok(now),
            CLOCK_PROCESS_CPUTIME => {
                self.charge(Some(me));
                Ok(self.process(me)?.cpu_ns)
            }
            _ => Err(EINVAL),
        }
    }

    pub(crate) fn clock_gettime(&mut self, me: ThreadId, call: Call) -> Outcome {
        let time = to_timespec(self.clock(me, call.a)?);
        self.put_words(me, call.b, time)?;
        self.give(me, 0)
    }

    pub(crate) fn clock_settime(&mut self, me: ThreadId, call: Call) -> Outcome {
        let time = from_timespec(self.words(me, call.b)?)?;
        if self.process(me)?.who.uid != 0 {
            return Err(EPERM);
        }
        if call.a != CLOCK_REALTIME {
            return Err(EINVAL);
        }
        self.wall = time.saturating_sub(self.memory.machine.now());
        self.give(me, 0)
    }
}
