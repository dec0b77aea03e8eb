//! Faults: what a region promises becomes a page. Nothing here waits.

use crate::mem::table::{self, Slot, USER};
use crate::num::size;
use crate::{
    Access, Backing, EFAULT, ENOMEM, Errno, Frame, Machine, Memory, PAGE, PAGE_SIZE, PRESENT,
    PROMISED, Region, Space, WRITE, Window,
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

fn from_object(errno: Errno) -> Fault {
    if errno == EFAULT { Fault::Beyond } else { Fault::NoMemory }
}

impl Space {
    /// The frame behind a user address, for an access of that kind; made or copied if needed.
    #[inline]
    pub fn frame_at<M: Machine>(
        &mut self,
        memory: &mut Memory<M>,
        address: u64,
        access: Access,
    ) -> Result<Frame, Fault> {
        let levels = memory.machine.levels();
        let needed = match access {
            Access::Write => PRESENT | USER | WRITE,
            Access::Read | Access::Execute => PRESENT | USER,
        };
        if address < crate::machine::USER_END
            && let Some(slot) = table::find(&memory.machine, self.root, levels, address >> 12)
            && slot.get() & needed == needed
            && let Some(frame) = table::frame_of(slot.get())
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
    pub fn fault<M: Machine>(
        &mut self,
        memory: &mut Memory<M>,
        address: u64,
        access: Access,
    ) -> Result<Frame, Fault> {
        let page = address >> 12;
        let region = *self.regions.find(page).ok_or(Fault::Unmapped)?;
        let allowed = match access {
            Access::Read => region.protection.read,
            Access::Write => region.protection.write,
            Access::Execute => region.protection.execute,
        };
        if !allowed {
            return Err(Fault::Unmapped);
        }
        let slot = self.slot(memory, page)?;
        let entry = match region.backing {
            Backing::Shared(window) => {
                let cache = memory.objects.get(window.object).map(|o| o.cache());
                let frame = object_page(memory, &region, window, page)?;
                if table::frame_of(slot.get()).is_none() {
                    if !memory.frames.retain(frame) {
                        return Err(Fault::NoMemory);
                    }
                    self.resident = self.resident.saturating_add(1);
                }
                table::entry(frame, region.protection, cache.unwrap_or_default())
            }
            Backing::Private(source) => {
                self.private(memory, &region, source, page, (slot.get(), access))?
            }
        };
        slot.set(entry);
        memory.machine.flush(self.root, Some(address & !0xFFF));
        table::frame_of(entry).ok_or(Fault::Unmapped)
    }

    /// The leaf slot of a page; tables come from the space's promise while there is one.
    fn slot<M: Machine>(
        &mut self,
        memory: &mut Memory<M>,
        page: u64,
    ) -> Result<Slot<M::Shared>, Fault> {
        let Memory { machine, frames, .. } = memory;
        let promise = &mut self.table_promise;
        let levels = machine.levels();
        let take = || match promise.checked_sub(1) {
            Some(left) => {
                *promise = left;
                frames.take_promised()
            }
            None => frames.take(),
        };
        table::reach(machine, self.root, levels, page, take).ok_or(Fault::NoMemory)
    }

    /// The entry for a page of a private region.
    fn private<M: Machine>(
        &mut self,
        memory: &mut Memory<M>,
        region: &Region,
        source: Option<Window>,
        page: u64,
        (old, access): (u64, Access),
    ) -> Result<u64, Fault> {
        let keep = old & PROMISED;
        if let Some(frame) = table::frame_of(old) {
            let sole = memory.frames.is_sole(frame);
            if sole || access != Access::Write {
                let entry = table::entry(frame, region.protection, Default::default());
                return Ok(if sole { entry } else { entry & !WRITE } | keep);
            }
            let (copy, drawn) = take_page(memory, region, keep)?;
            memory.machine.copy((frame, 0), (copy, 0), PAGE_SIZE);
            memory.frames.release(frame);
            return Ok(table::entry(copy, region.protection, Default::default()) | drawn);
        }
        let skipped = page.saturating_sub(region.start).saturating_mul(PAGE);
        let content = source.filter(|window| skipped < window.bytes);
        if let Some(window) = content
            && access != Access::Write
            && skipped.saturating_add(PAGE) <= window.bytes
            && window.offset & 0xFFF == 0
        {
            let frame = object_page(memory, region, window, page)?;
            if !memory.frames.retain(frame) {
                return Err(Fault::NoMemory);
            }
            self.resident = self.resident.saturating_add(1);
            return Ok(table::entry(frame, region.protection, Default::default()) & !WRITE);
        }
        let from = match content {
            Some(window) => Some((object_page(memory, region, window, page)?, window)),
            None => None,
        };
        let (frame, drawn) = take_page(memory, region, 0)?;
        memory.machine.zero(frame);
        if let Some((from, window)) = from {
            let left = size(window.bytes.saturating_sub(skipped)).min(PAGE_SIZE);
            memory.machine.copy((from, 0), (frame, 0), left);
        }
        self.resident = self.resident.saturating_add(1);
        Ok(table::entry(frame, region.protection, Default::default()) | drawn)
    }
}

/// A frame for a private page, and the mark that says whether it was promised.
///
/// A page that was drawn already (`drawn`) and is shared with a fork's child has no second
/// promise: the child holds the frame.
fn take_page<M: Machine>(
    memory: &mut Memory<M>,
    region: &Region,
    drawn: u64,
) -> Result<(Frame, u64), Fault> {
    if region.promised && drawn == 0 {
        return memory.frames.take_promised().map(|f| (f, PROMISED)).ok_or(Fault::NoMemory);
    }
    memory.frames.take().map(|frame| (frame, drawn)).ok_or(Fault::NoMemory)
}

fn object_page<M: Machine>(
    memory: &mut Memory<M>,
    region: &Region,
    window: Window,
    page: u64,
) -> Result<Frame, Fault> {
    let skipped = page.saturating_sub(region.start).saturating_mul(PAGE);
    if skipped >= window.bytes {
        return Err(Fault::Beyond);
    }
    let Memory { machine, frames, objects } = memory;
    let object = objects.get(window.object).ok_or(Fault::Beyond)?;
    let number = window.offset.saturating_add(skipped) >> 12;
    object.page(number, frames, machine).map_err(from_object)
}
