//! Address spaces: a page table and the regions that say what belongs into it.

use crate::mem::region::Regions;
use crate::mem::table;
use crate::{
    Backing, Cache, EACCES, EINVAL, ENOMEM, Errno, Frame, Machine, Memory, PAGE, PROMISED,
    Protection, Region, USER_END, USER_START, WRITE,
};

/// Pages up to which single translations are dropped instead of all.
const FLUSH_SINGLE: u32 = 16;

/// An address space.
#[derive(Debug)]
pub struct Space {
    /// Its top-level page table.
    pub root: Frame,
    /// What is mapped where.
    pub regions: Regions,
    /// Frames promised for page tables of promised regions.
    pub(crate) table_promise: u64,
    /// Counts changes that other CPUs must see before a frame is used again.
    pub generation: u64,
    /// Pages that are present and its own.
    pub resident: u64,
}

/// What [`Space::map`] is to map.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    /// Address, or 0 for anywhere; page-aligned.
    pub address: u64,
    /// Length in bytes; rounded up to pages.
    pub bytes: u64,
    /// What is allowed.
    pub protection: Protection,
    /// Where the pages come from.
    pub backing: Backing,
    /// No promise is taken: a touch without free memory kills.
    pub lazy: bool,
    /// Must be at `address`.
    pub fixed: bool,
    /// A fork leaves it out.
    pub unforkable: bool,
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
pub fn pages_of(address: u64, bytes: u64) -> Result<(u64, u64), Errno> {
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
    pub fn new<M: Machine>(memory: &mut Memory<M>) -> Result<Self, Errno> {
        let root = memory.frames.take().ok_or(ENOMEM)?;
        memory.machine.zero(root);
        memory.machine.adopt_root(root);
        let regions = Regions::default();
        Ok(Self { root, regions, table_promise: 0, generation: 0, resident: 0 })
    }

    /// Maps something; gives its address. References to the object are taken.
    ///
    /// # Errors
    ///
    /// `EACCES`: writable and executable at once; `EINVAL`: bad range; `ENOMEM`: no room, no
    /// frames to promise, too many regions; `EEXIST`: a fixed address is taken.
    pub fn map<M: Machine>(
        &mut self,
        memory: &mut Memory<M>,
        wanted: &Mapping,
    ) -> Result<u64, Errno> {
        if wanted.protection.write && wanted.protection.execute {
            return Err(EACCES);
        }
        let pages = wanted.bytes.div_ceil(PAGE);
        if pages == 0 || pages > USER_END / PAGE {
            return Err(EINVAL);
        }
        self.regions.reserve()?;
        let start = if wanted.fixed {
            pages_of(wanted.address, wanted.bytes)?.0
        } else {
            self.regions.place(wanted.address >> 12, pages)?
        };
        let private = matches!(wanted.backing, Backing::Private(_));
        let promised = private && wanted.protection.write && !wanted.lazy;
        if promised {
            memory.frames.promise(pages.saturating_add(table_cost(pages)))?;
        }
        let region = Region {
            start,
            end: start.saturating_add(pages),
            protection: wanted.protection,
            backing: wanted.backing,
            promised,
            unforkable: wanted.unforkable,
        };
        if let Err(errno) = self.regions.insert(region) {
            if promised {
                memory.frames.unpromise(pages.saturating_add(table_cost(pages)));
            }
            return Err(errno);
        }
        if promised {
            self.table_promise = self.table_promise.saturating_add(table_cost(pages));
        }
        if let Some(window) = region.window() {
            memory.objects.retain(window.object);
        }
        Ok(start << 12)
    }

    /// Unmaps what lies in pages `start..end`, at most `budget` present pages of it.
    /// `true` when nothing is left there.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: splitting a region would exceed the limit; nothing was changed.
    pub fn unmap<M: Machine>(
        &mut self,
        memory: &mut Memory<M>,
        (start, end): (u64, u64),
        budget: &mut u32,
    ) -> Result<bool, Errno> {
        let before = *budget;
        while let Some(region) = self.regions.first_in(start, end).copied() {
            if *budget == 0 {
                self.flush(memory, None);
                return Ok(false);
            }
            let from = region.start.max(start);
            let mut until = region.end.min(end);
            if from > region.start && until < region.end {
                self.regions.reserve()?;
            }
            let mut drawn = 0u64;
            let levels = memory.machine.levels();
            let mut at = from;
            while let Some((page, slot)) =
                table::next_used(&memory.machine, self.root, levels, at, until)
            {
                if *budget == 0 {
                    until = page;
                    break;
                }
                *budget = budget.wrapping_sub(1);
                let entry = slot.get();
                slot.set(0);
                if before <= FLUSH_SINGLE {
                    memory.machine.flush(self.root, Some(page << 12));
                }
                self.let_go(memory, entry);
                drawn = drawn.saturating_add(u64::from(entry & PROMISED != 0));
                at = page.saturating_add(1);
            }
            self.forget(memory, from, until, drawn);
        }
        if before > FLUSH_SINGLE && *budget != before {
            self.flush(memory, None);
        }
        Ok(true)
    }

    /// Takes pages `from..until`, now empty, off the regions.
    fn forget<M: Machine>(&mut self, memory: &mut Memory<M>, from: u64, until: u64, drawn: u64) {
        let whole = self.regions.find(from).copied();
        let Some(part) = self.regions.cut(from, until) else { return };
        if part.promised {
            memory.frames.unpromise(part.pages().saturating_sub(drawn));
            let tables = table_cost(part.pages()).min(self.table_promise);
            memory.frames.unpromise(tables);
            self.table_promise = self.table_promise.saturating_sub(tables);
        }
        let Some(window) = part.window() else { return };
        // The object has one reference for each region: a cut may have left none, one or two.
        let left = whole.is_some_and(|whole| whole.start < from);
        let right = whole.is_some_and(|whole| whole.end > until);
        match (left, right) {
            (false, false) => memory.objects.release(window.object),
            (true, true) => memory.objects.retain(window.object),
            _ => {}
        }
    }

    fn let_go<M: Machine>(&mut self, memory: &mut Memory<M>, entry: u64) {
        if let Some(frame) = table::frame_of(entry) {
            memory.frames.release(frame);
            self.resident = self.resident.saturating_sub(1);
        }
    }

    /// Changes what is allowed in pages `start..end`.
    ///
    /// # Errors
    ///
    /// `EACCES`: writable and executable at once; `ENOMEM`: a page is not mapped (then nothing
    /// after it was changed), or there is nothing to promise.
    pub fn protect<M: Machine>(
        &mut self,
        memory: &mut Memory<M>,
        (start, end): (u64, u64),
        protection: Protection,
    ) -> Result<(), Errno> {
        if protection.write && protection.execute {
            return Err(EACCES);
        }
        let mut at = start;
        while at < end {
            let region = *self.regions.find(at).ok_or(ENOMEM)?;
            let until = region.end.min(end);
            if let Backing::Shared(window) = region.backing
                && protection.write
                && !region.protection.write
                && memory.objects.get(window.object).is_none_or(|object| object.is_read_only())
            {
                return Err(EACCES);
            }
            self.regions.reserve()?;
            let private = matches!(region.backing, Backing::Private(_));
            let promise = private && protection.write && !region.promised && !region.unforkable;
            let pages = until.saturating_sub(at);
            if promise {
                memory.frames.promise(pages.saturating_add(table_cost(pages)))?;
                self.table_promise = self.table_promise.saturating_add(table_cost(pages));
            }
            self.recast(memory, at, until, protection);
            let objects_before = region.window();
            let split = (region.start < at, region.end > until);
            if let Some(part) = self.regions.cut(at, until) {
                let promised = part.promised || promise;
                // The room was reserved and the range is free: this cannot be refused.
                let inserted = self.regions.insert(Region { protection, promised, ..part });
                debug_assert_eq!(inserted, Ok(()));
            }
            if let Some(window) = objects_before {
                for cut in [split.0, split.1] {
                    if cut {
                        memory.objects.retain(window.object);
                    }
                }
            }
            at = until;
        }
        self.flush(memory, None);
        Ok(())
    }

    /// Rewrites present entries; a private page becomes writable at its next fault, which knows
    /// whether it is shared.
    fn recast<M: Machine>(
        &self,
        memory: &Memory<M>,
        from: u64,
        until: u64,
        protection: Protection,
    ) {
        let levels = memory.machine.levels();
        let mut at = from;
        while let Some((page, slot)) =
            table::next_used(&memory.machine, self.root, levels, at, until)
        {
            let entry = slot.get();
            if let Some(frame) = table::frame_of(entry) {
                let next = table::entry(frame, protection, Cache::WriteBack) & !WRITE;
                let cache = entry & (3 << 3);
                slot.set(next | cache | (entry & PROMISED));
            }
            at = page.saturating_add(1);
        }
    }

    /// Drops cached translations of this space.
    pub fn flush<M: Machine>(&mut self, memory: &mut Memory<M>, page: Option<u64>) {
        self.generation = self.generation.wrapping_add(1);
        memory.machine.flush(self.root, page);
    }

    /// Gives a dead space's frames back, at most `budget`; `true` when it is gone.
    pub fn reap<M: Machine>(&mut self, memory: &mut Memory<M>, budget: &mut u32) -> bool {
        if self.unmap(memory, (0, USER_END / PAGE), budget) != Ok(true) {
            return false;
        }
        memory.frames.unpromise(self.table_promise);
        self.table_promise = 0;
        let levels = memory.machine.levels();
        let frames = &mut memory.frames;
        table::drop_tables(&memory.machine, self.root, levels, 256, &mut |f| frames.release(f));
        memory.frames.release(self.root);
        true
    }
}
