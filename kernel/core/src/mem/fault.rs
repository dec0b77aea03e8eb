//! Faults: what a region promises becomes a page. Nothing here waits.

use crate::mem::table::{PRESENT, PROMISED, Slot, USER, WRITE, entry, frame_of};
use crate::{
    Access, Backing, Cache, EFAULT, ENOMEM, Errno, Frame, Machine, Memory, PAGE, PAGE_SIZE, Region,
    Result, Space, USER_END, Window, size,
};

/// Why a fault could not be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is mapped there, or not so (SIGSEGV).
    Unmapped,
    /// Beyond the end of the object (SIGBUS).
    Beyond,
    /// No frame is left for it.
    NoMemory,
}

impl From<Fault> for Errno {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unmapped | Fault::Beyond => EFAULT,
            Fault::NoMemory => ENOMEM,
        }
    }
}

impl Space {
    /// The frame behind a user address, for an access of that kind; made or copied if needed.
    ///
    /// # Errors
    ///
    /// A [`Fault`]; nothing changed.
    #[inline]
    pub fn frame_at(
        &mut self,
        memory: &mut Memory<impl Machine>,
        address: u64,
        access: Access,
    ) -> Result<Frame, Fault> {
        let needed = match access {
            Access::Write => PRESENT | USER | WRITE,
            Access::Read | Access::Execute => PRESENT | USER,
        };
        if address < USER_END
            && let Some(slot) = self.tree.reach(&mut memory.machine, address >> 12, || None)
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
    /// A [`Fault`]; nothing changed.
    pub fn fault(
        &mut self,
        memory: &mut Memory<impl Machine>,
        address: u64,
        access: Access,
    ) -> Result<Frame, Fault> {
        let page = address >> 12;
        let region = *self.regions.find(page).ok_or(Fault::Unmapped)?;
        if !region.protection.allows(access) {
            return Err(Fault::Unmapped);
        }
        let slot = self.slot(memory, page)?;
        let old = slot.get();
        let mapped = match (region.backing, frame_of(old)) {
            (Backing::Shared(window), held) => {
                let cache =
                    memory.objects.get(window.object).map_or(Cache::WriteBack, |o| o.cache());
                let frame = memory.page_of(&region, window, page)?;
                if held.is_none() {
                    self.hold(memory, frame)?;
                }
                entry(frame, region.protection, cache)
            }
            (Backing::Private(_), Some(frame)) => {
                let ours = entry(frame, region.protection, Cache::WriteBack) | old & PROMISED;
                match (memory.frames.is_sole(frame), access) {
                    (true, _) => ours,
                    (false, Access::Write) => copied(memory, &region, frame, old & PROMISED)?,
                    (false, _) => ours & !WRITE,
                }
            }
            (Backing::Private(source), None) => {
                self.first_touch(memory, &region, source, (page, access))?
            }
        };
        slot.set(mapped);
        memory.machine.flush(self.tree.root, Some(address & !0xFFF));
        frame_of(mapped).ok_or(Fault::Unmapped)
    }

    /// The leaf slot of a page; tables come from the space's promise while there is one.
    fn slot<M: Machine>(
        &mut self,
        memory: &mut Memory<M>,
        page: u64,
    ) -> Result<Slot<M::Shared>, Fault> {
        let Memory { machine, frames, .. } = memory;
        let promise = &mut self.table_promise;
        let take = || match promise.checked_sub(1) {
            Some(left) => {
                *promise = left;
                frames.take_promised()
            }
            None => frames.take(),
        };
        self.tree.reach(machine, page, take).ok_or(Fault::NoMemory)
    }

    /// One more mapping of a frame that is not only ours.
    fn hold(&mut self, memory: &mut Memory<impl Machine>, frame: Frame) -> Result<(), Fault> {
        if !memory.frames.retain(frame) {
            return Err(Fault::NoMemory);
        }
        self.resident = self.resident.saturating_add(1);
        Ok(())
    }

    /// The entry for a page of a private region that has none yet: a whole page of the source
    /// is shared until it is written, anything else is a fresh page.
    fn first_touch(
        &mut self,
        memory: &mut Memory<impl Machine>,
        region: &Region,
        source: Option<Window>,
        (page, access): (u64, Access),
    ) -> Result<u64, Fault> {
        let skipped = page.saturating_sub(region.start).saturating_mul(PAGE);
        let content = source.filter(|window| skipped < window.bytes);
        let mut from = None;
        if let Some(window) = content {
            let left = size(window.bytes.saturating_sub(skipped)).min(PAGE_SIZE);
            let frame = memory.page_of(region, window, page)?;
            if access != Access::Write && left == PAGE_SIZE && window.offset & 0xFFF == 0 {
                self.hold(memory, frame)?;
                return Ok(entry(frame, region.protection, Cache::WriteBack) & !WRITE);
            }
            from = Some((frame, left));
        }
        let (frame, drawn) = take_page(memory, region, 0)?;
        memory.machine.zero(frame);
        if let Some((from, left)) = from {
            memory.machine.copy((from, 0), (frame, 0), left);
        }
        self.resident = self.resident.saturating_add(1);
        Ok(entry(frame, region.protection, Cache::WriteBack) | drawn)
    }
}

/// The entry for a copy of a page that is shared and about to be written.
fn copied(
    memory: &mut Memory<impl Machine>,
    region: &Region,
    frame: Frame,
    drawn: u64,
) -> Result<u64, Fault> {
    let (copy, drawn) = take_page(memory, region, drawn)?;
    memory.machine.copy((frame, 0), (copy, 0), PAGE_SIZE);
    memory.frames.release(frame);
    Ok(entry(copy, region.protection, Cache::WriteBack) | drawn)
}

/// A frame for a private page, and the mark that says whether it was promised.
///
/// A page that was drawn already (`drawn`) and is shared with a fork's child has no second
/// promise: the child holds the frame.
fn take_page(
    memory: &mut Memory<impl Machine>,
    region: &Region,
    drawn: u64,
) -> Result<(Frame, u64), Fault> {
    if region.promised && drawn == 0 {
        return memory.frames.take_promised().map(|f| (f, PROMISED)).ok_or(Fault::NoMemory);
    }
    memory.frames.take().map(|frame| (frame, drawn)).ok_or(Fault::NoMemory)
}

impl<M: Machine> Memory<M> {
    /// The object's frame for a page of a region.
    fn page_of(&mut self, region: &Region, window: Window, page: u64) -> Result<Frame, Fault> {
        let skipped = page.saturating_sub(region.start).saturating_mul(PAGE);
        if skipped >= window.bytes {
            return Err(Fault::Beyond);
        }
        let number = window.offset.saturating_add(skipped) >> 12;
        let fault = |errno| if errno == EFAULT { Fault::Beyond } else { Fault::NoMemory };
        self.page(window.object, number).map_err(fault)
    }
}
