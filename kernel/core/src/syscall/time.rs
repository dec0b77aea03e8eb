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
                self.cpu_time(self.owner(me)?)?
            }
            _ => return Err(EINVAL),
        };
        self.give(me, time)
    }

    /// How long the threads of a process have run, those of old too.
    pub(crate) fn cpu_time(&self, id: ProcessId) -> Result<u64> {
        let past = self.processes.get(id).ok_or(ESRCH)?.cpu_ns;
        let threads = self.threads.iter().filter(|(_, thread)| thread.process == id);
        Ok(threads.fold(past, |sum, (_, thread)| sum.saturating_add(thread.cpu_ns)))
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
