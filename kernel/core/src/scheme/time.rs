//! `time:`, `rand:` and `debug:`: clocks with an alarm, random bytes, the console.

use crate::num::wide;
use crate::syscall::time::{CLOCK_MONOTONIC, CLOCK_REALTIME, from_timespec, to_timespec};
use crate::{
    Channel, Due, EAGAIN, EINVAL, ENOENT, Errno, Kernel, Machine, Outcome, Sleep, Source, Target,
    ThreadId, Transfer,
};

/// Bytes of a `TimeSpec`.
const TIMESPEC: usize = 16;
/// How often the console is looked at while somebody reads it, in ns.
const POLL: u64 = 10_000_000;

impl<M: Machine> Kernel<M> {
    /// `time:1` and `time:4`.
    pub(crate) fn clock_named(name: &str) -> Result<Target, Errno> {
        match name {
            "1" => Ok(Target::Clock(CLOCK_REALTIME, 0)),
            "4" => Ok(Target::Clock(CLOCK_MONOTONIC, 0)),
            _ => Err(ENOENT),
        }
    }

    /// A read gives the time; it takes a due alarm back.
    pub(crate) fn read_clock(
        &mut self,
        me: ThreadId,
        (clock, alarm): (u64, u64),
        transfer: &Transfer,
    ) -> Outcome {
        if transfer.range.len() < TIMESPEC {
            return Err(EINVAL);
        }
        let now = self.clock(me, clock)?;
        let words = to_timespec(now);
        let start = transfer.range.start();
        self.with_space(me, |space, memory| space.write_words(memory, start, &words))?;
        if alarm != 0
            && alarm <= self.memory.machine.now()
            && let Some(description) = self.descriptions.get_mut(transfer.description)
        {
            description.target = Target::Clock(clock, 0);
        }
        self.give(me, wide(TIMESPEC))
    }

    /// A write arms the alarm at an absolute time; one that has passed is due at once.
    pub(crate) fn arm_clock(&mut self, me: ThreadId, clock: u64, transfer: &Transfer) -> Outcome {
        if transfer.range.len() < TIMESPEC {
            return Err(EINVAL);
        }
        let start = transfer.range.start();
        let words = self.with_space(me, |space, memory| space.read_words(memory, start))?;
        let mut at = from_timespec(words)?;
        if clock == CLOCK_REALTIME {
            at = at.saturating_sub(self.wall);
        }
        let at = at.max(1);
        if let Some(description) = self.descriptions.get_mut(transfer.description) {
            description.target = Target::Clock(clock, at);
        }
        if at <= self.memory.machine.now() {
            let source = Source::Clock(transfer.description);
            self.notify(source, anode_abi::info::ready::READ);
        } else {
            self.add_deadline(at, Due::Alarm(transfer.description));
        }
        self.give(me, wide(TIMESPEC))
    }

    pub(crate) fn read_random(&mut self, me: ThreadId, transfer: &Transfer) -> Outcome {
        let range = transfer.range.cut(crate::kernel::SCRATCH);
        let Self { random, scratch, .. } = self;
        let buffer = scratch.get_mut(..range.len()).ok_or(EINVAL)?;
        random.fill(buffer);
        self.from_scratch(me, range)?;
        self.give(me, wide(range.len()))
    }

    /// Copies the start of the scratch buffer to the caller.
    pub(crate) fn from_scratch(
        &mut self,
        me: ThreadId,
        range: crate::mem::user::UserSlice,
    ) -> Result<(), Errno> {
        let scratch = core::mem::take(&mut self.scratch);
        let bytes = scratch.get(..range.len()).unwrap_or_default();
        let copied = self.with_space(me, |space, memory| space.write(memory, range, bytes));
        self.scratch = scratch;
        copied
    }

    pub(crate) fn read_console(&mut self, me: ThreadId, transfer: &Transfer) -> Outcome {
        let range = transfer.range.cut(crate::kernel::SCRATCH);
        let mut len = 0usize;
        while len < range.len()
            && let Some(byte) = self.memory.machine.console_read()
        {
            if let Some(place) = self.scratch.get_mut(len) {
                *place = byte;
            }
            len = len.saturating_add(1);
        }
        if len == 0 && !range.is_empty() {
            if transfer.nonblocking {
                return Err(EAGAIN);
            }
            let soon = self.memory.machine.now().saturating_add(POLL);
            if let Some(thread) = self.threads.get_mut(me) {
                thread.expired = false;
            }
            return self.sleep(me, Channel::Console, Sleep::retry_until(transfer.call, soon));
        }
        self.from_scratch(me, range.cut(len))?;
        self.give(me, wide(len))
    }

    pub(crate) fn write_console(&mut self, me: ThreadId, transfer: &Transfer) -> Outcome {
        let range = transfer.range.cut(crate::kernel::SCRATCH);
        let mut scratch = core::mem::take(&mut self.scratch);
        let copied = match scratch.get_mut(..range.len()) {
            Some(buffer) => self.with_space(me, |s, memory| s.read(memory, range, buffer)),
            None => Err(EINVAL),
        };
        if copied.is_ok() {
            let text = scratch.get(..range.len()).unwrap_or_default();
            self.memory.machine.console_write(text);
        }
        self.scratch = scratch;
        copied?;
        self.give(me, wide(range.len()))
    }
}
