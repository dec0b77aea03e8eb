//! Faults: what a region promises becomes a page. Nothing here waits.

use crate::mem::table::{PRESENT, PROMISED, Slot, USER, WRITE, entry, frame_of};
use crate::prelude::*;

impl Space {
    /// The frame behind a user address, for an access of that kind; made or copied if needed.
    ///
    /// # Errors
    ///
    /// As [`Space::fault`].
    #[inline]
    pub fn frame_at(
        &mut self,
        memory: &mut Memory<impl Machine>,
        address: u64,
        access: Access,
    ) -> Result<Frame> {
        let needed = PRESENT | USER | if access == Access::Write { WRITE } else { 0 };
        if address < USER_END
            && let Ok(slot) = self.tree.reach(&mut memory.machine, address >> 12, || Err(EFAULT))
            && slot.get() & needed == needed
            && let Some(frame) = frame_of(slot.get())
        {
            return Ok(frame);
        }
        self.fault(memory, address, access)
    }

    /// Serves a fault; gives the frame that is mapped now.
    ///
    /// # Errors
    ///
    /// `EFAULT`: nothing is mapped there, or not so, or it is beyond the end of the object;
    /// `ENOMEM`. Nothing changed.
    pub fn fault(
        &mut self,
        memory: &mut Memory<impl Machine>,
        address: u64,
        access: Access,
    ) -> Result<Frame> {
        let page = address >> 12;
        let region = *self.regions.find(page).ok_or(EFAULT)?;
        if !region.protection.allows(access) {
            return Err(EFAULT);
        }
        let slot = self.slot(memory, page)?;
        let (old, held) = (slot.get(), frame_of(slot.get()));
        let mapped = match (region.backing, held) {
            (Backing::Shared(window), _) => {
                let cache = memory.objects.get(window.object).map(|object| object.cache());
                // A page that is held stays, even if the object has another there by now.
                let frame = held.map_or_else(|| memory.page_of(&region, window, page), Ok)?;
                if held.is_none() {
                    memory.frames.retain(frame)?;
                }
                entry(frame, region.protection, cache.unwrap_or_default())
            }
            (Backing::Private(_), Some(frame)) if memory.frames.is_sole(frame) => {
                entry(frame, region.protection, Cache::WriteBack) | old & PROMISED
            }
            (Backing::Private(_), Some(frame)) if access == Access::Write => {
                let copy = memory.own_page(&region, Some((frame, PAGE_SIZE)), old & PROMISED)?;
                memory.frames.release(frame);
                copy
            }
            (Backing::Private(_), Some(frame)) => {
                entry(frame, region.protection, Cache::WriteBack) & !WRITE | old & PROMISED
            }
            (Backing::Private(source), None) => {
                memory.first_touch(&region, source, page, access)?
            }
        };
        self.resident = self.resident.saturating_add(held.is_none().into());
        slot.set(mapped);
        memory.machine.flush(self.tree.root, Some(address & !0xFFF));
        frame_of(mapped).ok_or(EFAULT)
    }

    /// The leaf slot of a page; tables come from the space's promise while there is one.
    fn slot<M: Machine>(&mut self, memory: &mut Memory<M>, page: u64) -> Result<Slot<M::Shared>> {
        let Memory { machine, frames, .. } = memory;
        let promise = &mut self.table_promise;
        self.tree.reach(machine, page, || match promise.checked_sub(1) {
            Some(left) => {
                *promise = left;
                frames.take_promised()
            }
            None => frames.take(),
        })
    }
}

impl<M: Machine> Memory<M> {
    /// The entry for a page of a private region that has none yet: a whole page of the source
    /// is shared until it is written, anything else is a fresh page.
    fn first_touch(
        &mut self,
        region: &Region,
        source: Option<Window>,
        page: u64,
        access: Access,
    ) -> Result<u64> {
        let skipped = page.saturating_sub(region.start).saturating_mul(PAGE);
        let Some(window) = source.filter(|window| skipped < window.bytes) else {
            return self.own_page(region, None, 0);
        };
        let len = size(window.bytes.saturating_sub(skipped)).min(PAGE_SIZE);
        let frame = self.page_of(region, window, page)?;
        if access == Access::Write || len < PAGE_SIZE {
            return self.own_page(region, Some((frame, len)), 0);
        }
        self.frames.retain(frame)?;
        Ok(entry(frame, region.protection, Cache::WriteBack) & !WRITE)
    }

    /// The entry for a fresh page of a private region, which begins with that much of a frame.
    ///
    /// A page that was drawn from the promise already (`drawn`) and is shared with a fork's
    /// child has no second promise: the child holds the frame.
    fn own_page(
        &mut self,
        region: &Region,
        content: Option<(Frame, usize)>,
        drawn: u64,
    ) -> Result<u64> {
        let promised = region.promised && drawn == 0;
        let frame = if promised { self.frames.take_promised() } else { self.frames.take() }?;
        self.machine.zero(frame);
        if let Some((from, len)) = content {
            self.machine.copy((from, 0), (frame, 0), len);
        }
        let drawn = if promised { PROMISED } else { drawn };
        Ok(entry(frame, region.protection, Cache::WriteBack) | drawn)
    }

    /// The object's frame for a page of a region.
    fn page_of(&mut self, region: &Region, window: Window, page: u64) -> Result<Frame> {
        let skipped = page.saturating_sub(region.start).saturating_mul(PAGE);
        if skipped >= window.bytes {
            return Err(EFAULT);
        }
        self.page(window.object, window.offset.saturating_add(skipped) >> 12)
    }
}
