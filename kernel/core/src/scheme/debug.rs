//! `rand:` and `debug:`: random bytes, and the console.

use crate::prelude::*;

impl<M: Machine> Kernel<M> {
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
