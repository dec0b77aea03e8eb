//! Fork: a second space with the same private pages, shared until one side writes.

use crate::mem::table::{PROMISED, WRITE, frame_of};
use crate::prelude::*;

impl Space {
    /// Gives `child`, an empty space, the same regions. It takes no promises: until exec it
    /// lives on its parent's.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn fork_regions(&self, memory: &mut Memory<impl Machine>, child: &mut Self) -> Result<()> {
        for region in self.regions.iter().filter(|region| !region.unforkable) {
            child.regions.reserve()?;
            child.regions.insert(Region { promised: false, ..*region });
            if let Some(window) = region.window() {
                memory.objects.retain(window.object);
            }
        }
        Ok(())
    }

    /// Shares the private pages from page `from` on, at most `budget` of them; gives the page
    /// to go on at, if there is one.
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
        while budget > 0
            // The child's regions, as another thread may have changed ours meanwhile.
            && let Some(region) = child.regions.first_in(at, u64::MAX).copied()
        {
            at = at.max(region.start);
            let kept = matches!(region.backing, Backing::Shared(_));
            while budget > 0
                && !kept
                && let Some((page, slot)) = self.tree.next_used(&memory.machine, at, region.end)
            {
                slot.set(child.share_page(memory, page, slot.get())?);
                budget = budget.wrapping_sub(1);
                at = page.saturating_add(1);
            }
            if budget > 0 {
                at = region.end;
            }
        }
        memory.machine.flush(self.tree.root, None);
        Ok((budget == 0).then_some(at))
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
            slot.set(entry & !(PROMISED | frame.address()) | copy.address());
            return Ok(entry);
        }
        frames.retain(frame)?;
        slot.set(entry & !(WRITE | PROMISED));
        Ok(entry & !WRITE)
    }
}
