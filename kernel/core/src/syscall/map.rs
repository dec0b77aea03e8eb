//! Mapping memory.

use anode_abi::number::{NONE, SYS_FMAP, SYS_FUNMAP};

use crate::counters::count;
use crate::mem::space::pages_of;
use crate::num::{size, wide};
use crate::{
    Backing, Call, EACCES, EINVAL, ENODEV, EOVERFLOW, Errno, Kernel, Machine, Mapping, Outcome,
    Protection, Rights, SLICE_PAGES, Target, ThreadId, Window,
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
    pub(crate) fn memory_call(&mut self, me: ThreadId, call: Call) -> Outcome {
        match size(call.number) {
            SYS_FMAP => self.fmap(me, call),
            SYS_FUNMAP => {
                let range = pages_of(call.a, call.b)?;
                let mut budget = SLICE_PAGES;
                let unmap =
                    self.with_space(me, |space, memory| space.unmap(memory, range, &mut budget));
                if !unmap? {
                    return self.again(me, call);
                }
                self.grave.objects = true;
                count(&mut self.counters.unmaps);
                self.give(me, 0)
            }
            _ => {
                let range = pages_of(call.a, call.b)?;
                let protection = protection_of(call.c);
                self.with_space(me, |space, memory| space.protect(memory, range, protection))?;
                self.give(me, 0)
            }
        }
    }

    fn fmap(&mut self, me: ThreadId, call: Call) -> Outcome {
        if call.c != 32 {
            return Err(EINVAL);
        }
        let [offset, bytes, flags, address] =
            self.with_space(me, |space, memory| space.read_words(memory, call.b))?;
        let protection = protection_of(flags);
        let shared = flags & SHARED != 0;
        let fixed = flags & FIXED != 0;
        if (fixed && address & 0xFFF != 0) || offset & 0xFFF != 0 || bytes == 0 {
            return Err(EINVAL);
        }
        let backing = if call.a == wide(NONE) {
            if shared { self.shared_memory(bytes)? } else { Backing::Private(None) }
        } else {
            let wanted = self.mappable(me, call.a, (protection.write && shared, offset))?;
            if shared { Backing::Shared(wanted) } else { Backing::Private(Some(wanted)) }
        };
        if fixed && flags & FIXED_NOREPLACE != FIXED_NOREPLACE {
            let range = pages_of(address, bytes)?;
            let mut budget = SLICE_PAGES;
            if !self.with_space(me, |s, memory| s.unmap(memory, range, &mut budget))? {
                return self.again(me, call);
            }
        }
        let wanted = Mapping {
            address: address & !0xFFF,
            bytes,
            protection,
            backing,
            lazy: flags & LAZY != 0,
            fixed,
            unforkable: false,
        };
        let mapped = self.with_space(me, |space, memory| space.map(memory, &wanted));
        if shared
            && call.a == wide(NONE)
            && let Backing::Shared(window) = backing
        {
            // The region holds it now, or nobody does.
            self.let_go(window);
        }
        count(&mut self.counters.maps);
        self.give(me, mapped?)
    }

    /// A fresh object for anonymous shared memory.
    fn shared_memory(&mut self, bytes: u64) -> Result<Backing, Errno> {
        let window = self.new_object()?;
        let crate::mem::Memory { machine, frames, objects } = &mut self.memory;
        let object = objects.get_mut(window.object).ok_or(ENODEV)?;
        if let Err(errno) = object.resize(bytes, frames, machine) {
            self.let_go(window);
            return Err(errno);
        }
        Ok(Backing::Shared(Window { bytes, ..window }))
    }

    /// The window that a handle offers for mapping, from `offset` on; its offset is absolute.
    fn mappable(
        &mut self,
        me: ThreadId,
        number: u64,
        (writes, offset): (bool, u64),
    ) -> Result<Window, Errno> {
        let needed = if writes { Rights::READ | Rights::WRITE } else { Rights::READ };
        let handle = self.process(me)?.handles.get(number)?;
        if !handle.rights.contains(needed) {
            return Err(EACCES);
        }
        let description = self.descriptions.get(handle.description).ok_or(EINVAL)?;
        let (window, own) = match (description.target, description.attached) {
            (Target::Memory(window), _) => (window, true),
            (_, Some(window)) => (window, false),
            _ => return Err(ENODEV),
        };
        let object = self.memory.objects.get(window.object).ok_or(ENODEV)?;
        if writes && (!own || object.is_read_only()) {
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
