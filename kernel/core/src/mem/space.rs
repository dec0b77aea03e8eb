//! Address spaces: a page table and the regions that say what belongs into it.

use crate::mem::region::Regions;
use crate::mem::table::{CACHE, PROMISED, Tree, WRITE, entry, frame_of};
use crate::prelude::*;

/// An address space.
#[derive(Debug)]
pub struct Space {
    /// Its page table.
    pub tree: Tree,
    /// What is mapped where.
    pub regions: Regions,
    /// Frames promised for page tables of promised regions.
    pub(crate) table_promise: u64,
    /// Pages that are present and its own.
    pub resident: u64,
}

/// Frames that page tables of so many pages may need.
fn table_cost(pages: u64) -> u64 {
    pages.div_ceil(512).saturating_add(2)
}

/// The pages of an address range.
///
/// # Errors
///
/// `EINVAL`: not aligned, empty, or outside of the user half.
pub fn pages_of(address: u64, bytes: u64) -> Result<(u64, u64)> {
    let end = address.checked_add(bytes).ok_or(EINVAL)?;
    if address & 0xFFF != 0 || bytes == 0 || address < USER_START || end > USER_END {
        return Err(EINVAL);
    }
    Ok((address >> 12, end.div_ceil(PAGE)))
}

impl Space {
    /// An empty space.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(memory: &mut Memory<impl Machine>) -> Result<Self> {
        let root = memory.take_zeroed()?;
        memory.machine.adopt_root(root);
        let tree = Tree { root, levels: memory.machine.levels() };
        Ok(Self { tree, regions: Regions::default(), table_promise: 0, resident: 0 })
    }

    /// Promises frames for so many pages and for the tables that they may need.
    fn promise(&mut self, memory: &mut Memory<impl Machine>, pages: u64) -> Result<()> {
        let tables = table_cost(pages);
        memory.frames.promise(pages.saturating_add(tables))?;
        self.table_promise = self.table_promise.saturating_add(tables);
        Ok(())
    }

    /// Maps a region. A reference to its object is taken.
    ///
    /// # Errors
    ///
    /// `EEXIST`: something is mapped there; `ENOMEM`: no frames to promise, too many regions.
    pub fn map(&mut self, memory: &mut Memory<impl Machine>, region: Region) -> Result<()> {
        if self.regions.first_in(region.start, region.end).is_some() {
            return Err(EEXIST);
        }
        self.regions.reserve()?;
        if region.promised {
            self.promise(memory, region.pages())?;
        }
        self.regions.insert(region);
        if let Some(window) = region.window() {
            memory.objects.retain(window.object);
        }
        Ok(())
    }

    /// Unmaps what lies in pages `start..end`, at most `budget` present pages of it.
    /// `true` when nothing is left there.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: splitting a region would exceed the limit; nothing was changed.
    pub fn unmap(
        &mut self,
        memory: &mut Memory<impl Machine>,
        (start, end): (u64, u64),
        budget: &mut u32,
    ) -> Result<bool> {
        let before = *budget;
        while let Some(region) = self.regions.first_in(start, end).copied()
            && *budget > 0
        {
            let from = region.start.max(start);
            let mut until = region.end.min(end);
            if from > region.start && until < region.end {
                self.regions.reserve()?;
            }
            let drawn = self.empty(memory, (from, &mut until), budget);
            self.forget(memory, (from, until), drawn);
        }
        if *budget != before {
            memory.machine.flush(self.tree.root, None);
        }
        Ok(self.regions.first_in(start, end).is_none())
    }

    /// Gives back what is present in a range, whose end comes nearer when the budget is used up.
    /// Gives the number of pages that were drawn from the promise.
    fn empty(
        &mut self,
        memory: &mut Memory<impl Machine>,
        (from, until): (u64, &mut u64),
        budget: &mut u32,
    ) -> u64 {
        let mut drawn = 0u64;
        let mut at = from;
        while let Some((page, slot)) = self.tree.next_used(&memory.machine, at, *until) {
            let Some(left) = budget.checked_sub(1) else {
                *until = page;
                break;
            };
            *budget = left;
            drawn = drawn.saturating_add(u64::from(slot.get() & PROMISED != 0));
            if let Some(frame) = frame_of(slot.get()) {
                memory.frames.release(frame);
                self.resident = self.resident.saturating_sub(1);
            }
            slot.set(0);
            at = page.saturating_add(1);
        }
        drawn
    }

    /// Takes pages off the regions. The part cut out keeps one reference to its object, as does
    /// each piece that is left of the region.
    fn cut(
        &mut self,
        memory: &mut Memory<impl Machine>,
        (from, until): (u64, u64),
    ) -> Option<Region> {
        let (part, left) = self.regions.cut(from, until)?;
        if let Some(window) = part.window() {
            (0..left).for_each(|_piece| memory.objects.retain(window.object));
        }
        Some(part)
    }

    /// Takes pages that are empty now off the regions, with what was promised for them.
    fn forget(&mut self, memory: &mut Memory<impl Machine>, range: (u64, u64), drawn: u64) {
        let Some(part) = self.cut(memory, range) else { return };
        if part.promised {
            let tables = table_cost(part.pages()).min(self.table_promise);
            self.table_promise = self.table_promise.saturating_sub(tables);
            let pages = part.pages().saturating_sub(drawn);
            memory.frames.unpromise(pages.saturating_add(tables));
        }
        if let Some(window) = part.window() {
            memory.release(window.object);
        }
    }

    /// Changes what is allowed in pages `start..end`.
    ///
    /// # Errors
    ///
    /// `EACCES`: an object's pages that were mapped to be read; `ENOMEM`: a page is not mapped
    /// (then nothing after it was changed), or there is nothing to promise.
    pub fn protect(
        &mut self,
        memory: &mut Memory<impl Machine>,
        (start, end): (u64, u64),
        protection: Protection,
    ) -> Result<()> {
        let mut at = start;
        while at < end {
            let region = *self.regions.find(at).ok_or(ENOMEM)?;
            let until = region.end.min(end);
            if region.sealed && protection.write {
                return Err(EACCES);
            }
            self.regions.reserve()?;
            let private = matches!(region.backing, Backing::Private(_));
            let promise = private && protection.write && !region.promised && !region.unforkable;
            if promise {
                self.promise(memory, until.saturating_sub(at))?;
            }
            self.recast(memory, (at, until), protection);
            if let Some(part) = self.cut(memory, (at, until)) {
                let promised = part.promised || promise;
                self.regions.insert(Region { protection, promised, ..part });
            }
            at = until;
        }
        memory.machine.flush(self.tree.root, None);
        Ok(())
    }

    /// Rewrites present entries; a private page becomes writable at its next fault, which knows
    /// whether it is shared.
    fn recast(&self, memory: &Memory<impl Machine>, range: (u64, u64), protection: Protection) {
        let (mut at, end) = range;
        while let Some((page, slot)) = self.tree.next_used(&memory.machine, at, end) {
            if let Some(frame) = frame_of(slot.get()) {
                let next = entry(frame, protection, Cache::WriteBack) & !WRITE;
                slot.set(next | slot.get() & (CACHE | PROMISED));
            }
            at = page.saturating_add(1);
        }
    }

    /// Gives a dead space's frames back, at most `budget`; `true` when it is gone.
    pub fn reap(&mut self, memory: &mut Memory<impl Machine>, budget: &mut u32) -> bool {
        if self.unmap(memory, (0, USER_END / PAGE), budget) != Ok(true) {
            return false;
        }
        memory.frames.unpromise(self.table_promise);
        let Memory { machine, frames, .. } = memory;
        self.tree.drop_tables(machine, 256, &mut |frame| frames.release(frame));
        true
    }
}
