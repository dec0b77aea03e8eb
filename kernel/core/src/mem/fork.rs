//! Fork: a second space with the same private pages, shared until one side writes.

use crate::mem::table;
use crate::{Backing, ENOMEM, Errno, Machine, Memory, PAGE_SIZE, PROMISED, Region, Space, WRITE};

/// How far a fork has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// To go on at this page.
    At(u64),
    /// All is copied.
    Done,
}

impl Space {
    /// Gives `child`, an empty space, the same regions. It takes no promises: until exec it
    /// lives on its parent's.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn fork_regions<M: Machine>(
        &self,
        memory: &mut Memory<M>,
        child: &mut Self,
    ) -> Result<(), Errno> {
        for region in self.regions.iter().filter(|region| !region.unforkable) {
            child.regions.reserve()?;
            child.regions.insert(Region { promised: false, ..*region })?;
            if let Some(window) = region.window() {
                memory.objects.retain(window.object);
            }
        }
        Ok(())
    }

    /// Shares the private pages from page `from` on, at most `budget` of them.
    ///
    /// A page that is writable here and not ours alone is pinned by the kernel: the child gets
    /// its copy at once, so that what is written through the pin stays the parent's.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: the child is incomplete and must be dropped.
    pub fn fork_pages<M: Machine>(
        &mut self,
        memory: &mut Memory<M>,
        child: &mut Self,
        from: u64,
        budget: &mut u32,
    ) -> Result<Progress, Errno> {
        let levels = memory.machine.levels();
        let mut at = from;
        while let Some(region) = self.regions.first_in(at, u64::MAX).copied() {
            at = at.max(region.start);
            if region.unforkable || matches!(region.backing, Backing::Shared(_)) {
                at = region.end;
                continue;
            }
            while let Some((page, slot)) =
                table::next_used(&memory.machine, self.root, levels, at, region.end)
            {
                if *budget == 0 {
                    self.flush(memory, None);
                    return Ok(Progress::At(page));
                }
                *budget = budget.wrapping_sub(1);
                let kept = child.share_page(memory, page, slot.get())?;
                slot.set(kept);
                at = page.saturating_add(1);
            }
            at = region.end;
        }
        self.flush(memory, None);
        Ok(Progress::Done)
    }

    /// Takes the parent's page into this space; gives the parent's new entry.
    fn share_page<M: Machine>(
        &mut self,
        memory: &mut Memory<M>,
        page: u64,
        entry: u64,
    ) -> Result<u64, Errno> {
        let Some(frame) = table::frame_of(entry) else { return Ok(entry) };
        let Memory { machine, frames, .. } = memory;
        let levels = machine.levels();
        let slot =
            table::reach(machine, self.root, levels, page, || frames.take()).ok_or(ENOMEM)?;
        self.resident = self.resident.saturating_add(1);
        if entry & WRITE != 0 && !frames.is_sole(frame) {
            let copy = frames.take().ok_or(ENOMEM)?;
            machine.copy((frame, 0), (copy, 0), PAGE_SIZE);
            let unnamed = entry & !(PROMISED | frame.address());
            slot.set(unnamed | copy.address());
            return Ok(entry);
        }
        if !frames.retain(frame) {
            return Err(ENOMEM);
        }
        slot.set(entry & !(WRITE | PROMISED));
        Ok(entry & !WRITE)
    }
}
