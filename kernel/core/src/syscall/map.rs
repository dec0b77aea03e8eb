//! Mapping memory.

use crate::prelude::*;

const FIXED: u64 = 4;
const FIXED_NOREPLACE: u64 = 0xC;

impl<M: Machine> Kernel<M> {
    /// Unmaps a slice of some pages, from `from` on, as what is before may be another's again;
    /// gives the page that it came to.
    pub(crate) fn unmap(
        &mut self,
        me: ThreadId,
        (start, end): (u64, u64),
        from: u64,
    ) -> Result<u64> {
        let mut budget = SLICE_PAGES;
        let (space, memory) = self.space(me)?;
        space.unmap(memory, (start.max(from), end), &mut budget)
    }

    pub(crate) fn funmap(&mut self, me: ThreadId, call: Call) -> Outcome {
        let range = pages_of(call.a, call.b)?;
        let from = self.unmap(me, range, call.from)?;
        if from < range.1 {
            return self.pause(me, Then::Resume(from));
        }
        self.give(me, 0)
    }

    pub(crate) fn mprotect(&mut self, me: ThreadId, call: Call) -> Outcome {
        let (start, end) = pages_of(call.a, call.b)?;
        let access = MapFlags::asked(call.c)? & MapFlags::ACCESS;
        let mut budget = SLICE_PAGES;
        let (space, memory) = self.space(me)?;
        let at = space.protect(memory, (start.max(call.from), end), access, &mut budget)?;
        if at < end {
            return self.pause(me, Then::Resume(at));
        }
        self.give(me, 0)
    }

    pub(crate) fn fmap(&mut self, me: ThreadId, call: Call) -> Outcome {
        if call.c != 32 {
            return Err(EINVAL);
        }
        let [offset, bytes, bits, address] = self.words(me, call.b)?;
        let flags = MapFlags::asked(bits)?;
        if offset & 0xFFF != 0 || bytes == 0 {
            return Err(EINVAL);
        }
        let range = match bits & FIXED {
            0 => self.space(me)?.0.place(address >> 12, bytes.div_ceil(PAGE))?,
            _ => pages_of(address, bytes)?,
        };
        if bits & FIXED_NOREPLACE == FIXED {
            let from = self.unmap(me, range, call.from)?;
            if from < range.1 {
                return self.pause(me, Then::Resume(from));
            }
        }
        let shared = flags.contains(MapFlags::SHARED);
        let anonymous = call.a == wide(NONE);
        let source = if !anonymous {
            let needs = flags.contains(MapFlags::SHARED | MapFlags::WRITE);
            let needed = if needs { Rights::READ | Rights::WRITE } else { Rights::READ };
            Some(self.window_of(me, call.a, needed, offset)?)
        } else if shared {
            let uid = self.process(me)?.who.uid;
            Some(Window { object: self.memory.anonymous(bytes, uid)?, offset: 0, bytes })
        } else {
            None
        };
        let (space, memory) = self.space(me)?;
        let mapped = space.map(memory, Region::new(range, flags, source));
        // The region holds a new object now, or nobody does.
        source.filter(|_| anonymous).inspect(|window| memory.release(window.object));
        mapped?;
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
