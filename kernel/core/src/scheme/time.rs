//! `time:`, `rand:` and `debug:`: clocks with an alarm, random bytes, the console.

use crate::prelude::*;
use crate::syscall::time::{CLOCK_REALTIME, from_timespec, to_timespec};

/// Bytes of a `TimeSpec`.
const TIMESPEC: usize = 16;

impl<M: Machine> Kernel<M> {
    /// A read gives the time; it takes a due alarm back.
    pub(crate) fn read_clock(
        &mut self,
        (clock, alarm): (u64, u64),
        transfer: &Transfer,
    ) -> Outcome {
        if transfer.range.len() < TIMESPEC {
            return Err(EINVAL);
        }
        let now = self.clock(transfer.me, clock)?;
        let words = to_timespec(now);
        self.put_words(transfer.me, transfer.range.start(), words)?;
        if alarm != 0 && alarm <= self.memory.machine.now() {
            let target = Target::Clock(clock, 0);
            self.descriptions.update(transfer.description, |d| d.target = target);
        }
        self.give(transfer.me, wide(TIMESPEC))
    }

    /// A write arms the alarm at an absolute time; one that has passed is due at once.
    pub(crate) fn arm_clock(&mut self, clock: u64, transfer: &Transfer) -> Outcome {
        if transfer.range.len() < TIMESPEC {
            return Err(EINVAL);
        }
        let mut at = from_timespec(self.words(transfer.me, transfer.range.start())?)?;
        if clock == CLOCK_REALTIME {
            at = at.saturating_sub(self.wall);
        }
        let at = at.max(1);
        let target = Target::Clock(clock, at);
        self.descriptions.update(transfer.description, |d| d.target = target);
        if at <= self.memory.machine.now() {
            let source = Source::Clock(transfer.description);
            self.notify(source, ready::READ);
        } else {
            self.timers.set(Due::Alarm(transfer.description), at);
        }
        self.give(transfer.me, wide(TIMESPEC))
    }

    pub(crate) fn read_random(&mut self, transfer: &Transfer) -> Outcome {
        let range = transfer.range.cut(SCRATCH);
        let Self { random, scratch, .. } = self;
        let buffer = scratch.get_mut(..range.len()).ok_or(EINVAL)?;
        random.fill(buffer);
        self.store_scratch(transfer.me, range)?;
        self.give(transfer.me, wide(range.len()))
    }

    pub(crate) fn write_console(&mut self, transfer: &Transfer) -> Outcome {
        let range = transfer.range.cut(SCRATCH);
        self.load_scratch(transfer.me, range)?;
        let text = self.scratch.get(..range.len()).unwrap_or_default();
        self.memory.machine.console_write(text);
        self.give(transfer.me, wide(range.len()))
    }
}
