//! Fork: a second space with the same private pages, shared until one side writes.

use crate::mem::table::{DRAWN, WRITE, frame_of};
use crate::prelude::*;

impl Space {
    /// Gives `child`, an empty space, the same regions. It takes no promises: until exec it
    /// lives on its parent's.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn fork_regions(&self, memory: &mut Memory<impl Machine>, child: &mut Self) -> Result<()> {
        let inherited = |region: &&Region| !region.flags.contains(MapFlags::UNFORKABLE);
        self.regions.iter().filter(inherited).try_for_each(|region| {
            let flags = region.flags.difference(MapFlags::PROMISED);
            child.map(memory, Region { flags, ..*region })
        })
    }

    /// Shares the private pages from page `from` on, about `budget` of them; gives the page to
    /// go on at, if there is one.
    ///
    /// A page that is writable here and not ours alone is pinned by the kernel: the child gets
    /// its copy at once, so that what is written through the pin stays the parent's.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: the child is incomplete and must be dropped.
    pub fn fork_pages(
        &mut self,
        memory: &mut Memory<impl Machine>,
        child: &mut Self,
        from: u64,
        mut budget: u32,
    ) -> Result<Option<u64>> {
        let mut at = from;
        // What is private in both, as another thread may have changed ours meanwhile.
        while budget > 0
            && let Some((region, own)) = child.first(at).copied().zip(self.first(at))
        {
            let range = (at.max(region.start).max(own.start), region.end.min(own.end));
            at = range.1;
            if !(region.flags | own.flags).contains(MapFlags::SHARED) {
                let share = |memory: &mut _, page, entry| child.share_page(memory, page, entry);
                at = self.tree.visit(memory, range, &mut budget, share)?;
            }
        }
        memory.machine.flush(self.tree.root, None);
        Ok(child.first(at).and(self.first(at)).map(|_| at))
    }

    /// Takes the parent's page into this space; gives the parent's new entry.
    fn share_page(
        &mut self,
        memory: &mut Memory<impl Machine>,
        page: u64,
        entry: u64,
    ) -> Result<u64> {
        let Some(frame) = frame_of(entry) else { return Ok(entry) };
        let Memory { machine, frames, .. } = memory;
        let slot = self.tree.reach(machine, page, || frames.take())?;
        self.resident = self.resident.saturating_add(1);
        if entry & WRITE != 0 && !frames.is_sole(frame) {
            let copy = frames.take()?;
            machine.copy((frame, 0), (copy, 0), PAGE_SIZE);
            slot.set(entry & !(DRAWN | frame.address()) | copy.address());
            return Ok(entry);
        }
        frames.retain(frame)?;
        slot.set(entry & !(WRITE | DRAWN));
        Ok(entry & !WRITE)
    }
}
