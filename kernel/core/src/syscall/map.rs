//! Mapping memory.

use crate::prelude::*;

/// Where the flags hold the bits of [`Protection::from_bits`].
const PROTECTION: u32 = 16;
const SHARED: u64 = 1;
const FIXED: u64 = 4;
const FIXED_NOREPLACE: u64 = 0xC;
const LAZY: u64 = 0x10;

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
        space.protect(memory, range, Protection::from_bits(call.c >> PROTECTION)?)?;
        self.give(me, 0)
    }

    pub(crate) fn fmap(&mut self, me: ThreadId, call: Call) -> Outcome {
        if call.c != 32 {
            return Err(EINVAL);
        }
        let [offset, bytes, flags, address] = self.words(me, call.b)?;
        let protection = Protection::from_bits(flags >> PROTECTION)?;
        let [shared, fixed, lazy] = [SHARED, FIXED, LAZY].map(|flag| flags & flag != 0);
        if offset & 0xFFF != 0 || bytes == 0 {
            return Err(EINVAL);
        }
        let range = match fixed {
            true => pages_of(address, bytes)?,
            false => self.space(me)?.0.regions.place(address >> 12, bytes.div_ceil(PAGE))?,
        };
        let replaces = fixed && flags & FIXED_NOREPLACE != FIXED_NOREPLACE;
        if replaces && !self.unmap(me, range)? {
            return self.again(me, call);
        }
        let anonymous = call.a == wide(NONE);
        let source = if !anonymous {
            let writes = if shared && protection.write { Rights::WRITE } else { Rights::empty() };
            Some(self.window_of(me, call.a, Rights::READ | writes, offset)?)
        } else if shared {
            Some(Window { object: self.memory.anonymous(bytes)?, offset: 0, bytes })
        } else {
            None
        };
        let backing = source.filter(|_| shared).map_or(Backing::Private(source), Backing::Shared);
        let region = Region::new(range, protection, backing);
        let promised = region.promised && !lazy;
        let (space, memory) = self.space(me)?;
        let mapped = space.map(memory, Region { promised, ..region });
        if let Some(window) = source.filter(|_| anonymous) {
            // The region holds it now, or nobody does.
            memory.release(window.object);
        }
        mapped?;
        count(&mut self.counters.maps);
        self.give(me, range.0 << 12)
    }

    /// The window that a handle offers to be mapped, from `offset` on; its offset is absolute.
    pub(crate) fn window_of(
        &mut self,
        me: ThreadId,
        number: u64,
        needed: Rights,
        offset: u64,
    ) -> Result<Window> {
        let (handle, target) = self.named_handle(me, number, Rights::empty())?;
        let attached = self.descriptions.get(handle.description).and_then(|d| d.attached);
        let (window, own) = match target {
            Target::Memory(window) => (window, true),
            _ => (attached.ok_or(ENODEV)?, false),
        };
        let object = self.memory.objects.get(window.object).ok_or(ENODEV)?;
        let writable = own && !object.read_only;
        if !handle.rights.contains(needed) || needed.contains(Rights::WRITE) && !writable {
            return Err(EACCES);
        }
        let start = window.offset.checked_add(offset).ok_or(EOVERFLOW)?;
        if start & 0xFFF != 0 {
            return Err(ENODEV);
        }
        Ok(Window { offset: start, bytes: window.bytes.saturating_sub(offset), ..window })
    }
}
