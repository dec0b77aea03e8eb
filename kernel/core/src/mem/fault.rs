//! Faults: what a region promises becomes a page. Nothing here waits.

use crate::mem::table::{DRAWN, PRESENT, USER, WRITE, entry, frame_of};
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
        access: MapFlags,
    ) -> Result<Frame> {
        let needed = PRESENT | USER | if access == MapFlags::WRITE { WRITE } else { 0 };
        let page = address >> 12;
        if self.near.is_none_or(|(pages, _)| pages != page >> 9) {
            let table = self.tree.lowest(&memory.machine, page);
            self.near = Some((page >> 9, table)).filter(|_| table.levels == 1);
        }
        if address < USER_END
            && let Some((_, table)) = self.near
            && let Some(found) = table.slot(&memory.machine, page).map(|slot| slot.get())
            && found & needed == needed
            && let Some(frame) = frame_of(found)
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
        access: MapFlags,
    ) -> Result<Frame> {
        let page = address >> 12;
        let region = *self.find(page).ok_or(EFAULT)?;
        if !region.flags.contains(access) {
            return Err(EFAULT);
        }
        let [shared, promised] =
            [MapFlags::SHARED, MapFlags::PROMISED].map(|flag| region.flags.contains(flag));
        let Memory { machine, frames, .. } = memory;
        let take = |frames: &mut Frames| if promised { frames.draw() } else { frames.take() };
        let slot = self.tree.reach(machine, page, || take(frames))?;
        let (old, held) = (slot.get(), frame_of(slot.get()));
        // What the page begins with. One that is held stays, even if its source changed.
        let content = match (held, region.source_of(page)) {
            (Some(frame), _) => Some((frame, PAGE)),
            (None, None) if shared => return Err(EFAULT),
            (None, None) => None,
            (None, Some(part)) => {
                let frame = memory.page(part.object, part.offset >> 12)?;
                // Of registers there are no copies.
                if !shared && memory.machine.share(frame).is_none() {
                    return Err(EFAULT);
                }
                Some((frame, if shared { PAGE } else { part.bytes }))
            }
        };
        let Memory { machine, frames, .. } = memory;
        let is_own = |frame| held.is_some() && frames.is_sole(frame);
        let (frame, drawn) = match content {
            Some((frame, PAGE)) if shared || access != MapFlags::WRITE || is_own(frame) => {
                if held.is_none() {
                    frames.retain(frame)?;
                }
                (frame, old & DRAWN)
            }
            // Once a page is drawn there is no second promise for it: if it is not ours alone, a
            // child that lives on our promises has it.
            _ => {
                let drawn = promised && old & DRAWN == 0;
                let frame = if drawn { frames.draw()? } else { frames.take()? };
                frames.unpromise(drawn.into());
                machine.zero(frame);
                if let Some((from, len)) = content {
                    machine.copy((from, 0), (frame, 0), size(len));
                }
                held.inspect(|held| frames.release(*held));
                (frame, if drawn { DRAWN } else { old & DRAWN })
            }
        };
        let writable = shared || frames.is_sole(frame);
        let kept = if writable { MapFlags::empty() } else { MapFlags::WRITE };
        slot.set(entry(frame, region.flags.difference(kept)) | drawn);
        self.resident = self.resident.saturating_add(held.is_none().into());
        machine.flush(self.tree.root, Some(address & !0xFFF));
        Ok(frame)
    }
}
