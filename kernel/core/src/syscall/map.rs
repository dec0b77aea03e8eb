//! Mapping memory.

use anode_abi::number::NONE;

use crate::mem::space::pages_of;
use crate::{
    Backing, Call, EACCES, EINVAL, ENODEV, EOVERFLOW, Kernel, Machine, Mapping, Outcome,
    Protection, Result, Rights, SLICE_PAGES, ThreadId, Window, count, wide,
};

const EXEC: u64 = 0x1_0000;
const WRITE: u64 = 0x2_0000;
const READ: u64 = 0x4_0000;
const SHARED: u64 = 1;
const FIXED: u64 = 4;
const FIXED_NOREPLACE: u64 = 0xC;
const LAZY: u64 = 0x10;

fn protection_of(flags: u64) -> Protection {
    Protection {
        // x86-64 has no memory that is writable or executable but not readable.
        read: flags & (READ | WRITE | EXEC) != 0,
        write: flags & WRITE != 0,
        execute: flags & EXEC != 0,
    }
}

impl<M: Machine> Kernel<M> {
    /// Unmaps a slice of some pages; `true`: nothing is left there.
    pub(crate) fn unmap(&mut self, me: ThreadId, range: (u64, u64)) -> Result<bool> {
        let mut budget = SLICE_PAGES;
        let (space, memory) = self.space(me)?;
        space.unmap(memory, range, &mut budget)
    }

    pub(crate) fn funmap(&mut self, me: ThreadId, call: Call) -> Outcome {
        let range = pages_of(call.a, call.b)?;
        if !self.unmap(me, range)? {
            return self.again(me, call);
        }
        count(&mut self.counters.unmaps);
        self.give(me, 0)
    }

    pub(crate) fn mprotect(&mut self, me: ThreadId, call: Call) -> Outcome {
        let range = pages_of(call.a, call.b)?;
        let (space, memory) = self.space(me)?;
        space.protect(memory, range, protection_of(call.c))?;
        self.give(me, 0)
    }

    pub(crate) fn fmap(&mut self, me: ThreadId, call: Call) -> Outcome {
        if call.c != 32 {
            return Err(EINVAL);
        }
        let [offset, bytes, flags, address] = self.words(me, call.b)?;
        let protection = protection_of(flags);
        let shared = flags & SHARED != 0;
        let fixed = flags & FIXED != 0;
        if (fixed && address & 0xFFF != 0) || offset & 0xFFF != 0 || bytes == 0 {
            return Err(EINVAL);
        }
        if fixed && flags & FIXED_NOREPLACE != FIXED_NOREPLACE {
            let range = pages_of(address, bytes)?;
            if !self.unmap(me, range)? {
                return self.again(me, call);
            }
        }
        let anonymous = call.a == wide(NONE);
        let backing = match (anonymous, shared) {
            (true, false) => Backing::Private(None),
            (true, true) => {
                let object = self.memory.anonymous(bytes)?;
                Backing::Shared(Window { object, offset: 0, bytes })
            }
            (false, _) => {
                let wanted = self.mappable(me, call.a, (protection.write && shared, offset))?;
                if shared { Backing::Shared(wanted) } else { Backing::Private(Some(wanted)) }
            }
        };
        let lazy = flags & LAZY != 0;
        let at = Mapping::at(address & !0xFFF, bytes, protection, backing);
        let (space, memory) = self.space(me)?;
        let mapped = space.map(memory, &Mapping { lazy, fixed, ..at });
        if let (true, Backing::Shared(window)) = (anonymous, backing) {
            // The region holds it now, or nobody does.
            memory.release(window.object);
        }
        count(&mut self.counters.maps);
        self.give(me, mapped?)
    }

    /// The window that a handle offers for mapping, from `offset` on; its offset is absolute.
    fn mappable(
        &mut self,
        me: ThreadId,
        number: u64,
        (writes, offset): (bool, u64),
    ) -> Result<Window> {
        let needed = if writes { Rights::READ | Rights::WRITE } else { Rights::READ };
        let (window, own) = self.window_of(me, number, needed)?;
        let object = self.memory.objects.get(window.object).ok_or(ENODEV)?;
        if writes && (!own || object.read_only) {
            return Err(EACCES);
        }
        let start = window.offset.checked_add(offset).ok_or(EOVERFLOW)?;
        if start & 0xFFF != 0 {
            return Err(ENODEV);
        }
        let bytes = window.bytes.saturating_sub(offset);
        Ok(Window { offset: start, bytes, ..window })
    }
}
