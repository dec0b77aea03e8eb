//! Clocks.

use crate::prelude::*;

/// Wall time.
const CLOCK_REALTIME: u64 = 1;
/// CPU time of the process.
const CLOCK_PROCESS_CPUTIME: u64 = 2;
/// Time since boot.
const CLOCK_MONOTONIC: u64 = 4;

impl<M: Machine> Kernel<M> {
    pub(crate) fn clock_gettime(&mut self, me: ThreadId, call: Call) -> Outcome {
        let now = self.memory.machine.now();
        let time = match call.a {
            CLOCK_REALTIME => self.wall.saturating_add(now),
            CLOCK_MONOTONIC => now,
            CLOCK_PROCESS_CPUTIME => {
                self.charge(Some(me));
                self.process(me)?.cpu_ns
            }
            _ => return Err(EINVAL),
        };
        self.give(me, time)
    }

    pub(crate) fn clock_settime(&mut self, me: ThreadId, call: Call) -> Outcome {
        self.only_root(me)?;
        if call.a != CLOCK_REALTIME {
            return Err(EINVAL);
        }
        self.wall = call.b.saturating_sub(self.memory.machine.now());
        self.give(me, 0)
    }
}
