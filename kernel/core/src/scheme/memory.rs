//! `memory:`: objects that programs make, and parts of them.

use crate::prelude::*;

impl<M: Machine> Kernel<M> {
    /// A handle on a page-aligned part of an object, with the rights of the handle on the whole.
    /// Two words of the caller's say where it begins and how long it is.
    pub(crate) fn open_part(&mut self, me: ThreadId, whole: Window, call: Call) -> Outcome {
        let [offset, bytes] = self.words(me, call.e)?;
        let whole = Window { bytes: self.memory.len(whole), ..whole };
        let sound = offset & 0xFFF == 0 && bytes != 0;
        let part = whole.part(offset, bytes).filter(|_| sound).ok_or(EINVAL)?;
        let mode = self.process(me)?.handles.get(call.a)?.mode();
        self.memory.objects.retain(part.object);
        self.open_target(me, Target::Memory(part), mode | call.d & O_CLOEXEC)
    }

    pub(crate) fn write_memory(&mut self, window: Window, transfer: &Transfer) -> Outcome {
        let len = transfer.range.len();
        let end = transfer.offset.checked_add(wide(len)).ok_or(EINVAL)?;
        if self.memory.objects.get(window.object).ok_or(EINVAL)?.read_only {
            return Err(EPERM);
        }
        if end > self.memory.len(window) {
            if window.bytes != u64::MAX {
                return Err(ENOSPC);
            }
            self.memory.resize(window.object, end)?;
        }
        let offset = window.offset.checked_add(transfer.offset).ok_or(EINVAL)?;
        let (space, memory) = self.space(transfer.me)?;
        let part = len.min(COPY_BYTES);
        memory.copy((space, transfer.range), Window { offset, ..window }, part)?;
        self.go_on_or_end(transfer, part, len)
    }
}
