//! Address spaces: a page table and the regions that say what belongs into it.

use arrayvec::ArrayVec;

use crate::mem::table::{DRAWN, Tree, entry, frame_of};
use crate::prelude::*;

/// Most regions that one space may have.
pub const MAX_REGIONS: usize = 1024;
/// Where mappings without an address begin.
const FIRST_FREE: u64 = 0x1000_0000_0000 / PAGE;

/// An address space.
#[derive(Debug)]
pub struct Space {
    /// Its page table.
    pub tree: Tree,
    /// What is mapped where: sorted and disjoint.
    pub(crate) regions: Vec<Region>,
    /// Pages that are present.
    pub resident: u64,
    /// The table that was asked last, and which pages it maps (number / 512): tables stay where
    /// they are while the space lives.
    pub(crate) near: Option<(u64, Tree)>,
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
        Ok(Self { tree, regions: Vec::new(), resident: 0, near: None })
    }

    /// Position of the first region that ends after a page.
    fn position(&self, page: u64) -> usize {
        self.regions.partition_point(|region| region.end <= page)
    }

    /// The first region that ends after a page.
    pub fn first(&self, page: u64) -> Option<&Region> {
        self.regions.get(self.position(page))
    }

    /// The region that holds a page.
    pub fn find(&self, page: u64) -> Option<&Region> {
        self.first(page).filter(|region| region.start <= page)
    }

    /// A free range of `pages` pages, at `wanted` if that is possible.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no such range.
    pub fn place(&self, wanted: u64, pages: u64) -> Result<(u64, u64)> {
        let starts = [wanted, FIRST_FREE].into_iter().filter(|at| *at >= USER_START / PAGE);
        starts.filter_map(|start| self.gap(start, pages)).next().ok_or(ENOMEM)
    }

    /// The first free range at or after `start`.
    fn gap(&self, mut start: u64, pages: u64) -> Option<(u64, u64)> {
        loop {
            let end = start.checked_add(pages).filter(|end| *end <= USER_END / PAGE)?;
            match self.first(start).filter(|region| region.start < end) {
                Some(region) => start = region.end,
                None => return Some((start, end)),
            }
        }
    }

    /// Room for as many regions more.
    fn reserve(&mut self, more: usize) -> Result<()> {
        if self.regions.len().saturating_add(more) > MAX_REGIONS {
            return Err(ENOMEM);
        }
        self.regions.try_reserve(more).map_err(|_full| ENOMEM)
    }

    /// Room for what comes of the regions that `start` and `end` lie in the midst of.
    fn reserve_cut(&mut self, (start, end): (u64, u64)) -> Result<()> {
        let cut = |at: &u64| self.find(*at).is_some_and(|region| region.start < *at);
        let more = [start, end].iter().filter(|at| cut(at)).count();
        self.reserve(more)
    }

    /// Puts a region, or none, in the place of what lies in `start..end`, and joins it with its
    /// neighbours where they are alike; references and promises follow. There is room.
    fn set(
        &mut self,
        memory: &mut Memory<impl Machine>,
        (start, end): (u64, u64),
        new: Option<Region>,
    ) {
        // Those that touch the range, too.
        let first = self.regions.partition_point(|region| region.end < start);
        let count =
            self.regions.partition_point(|region| region.start <= end).saturating_sub(first);
        let mut old = self.regions.iter().skip(first).take(count);
        let before = old.clone().next().filter(|region| region.start < start);
        let after = old.next_back().filter(|region| region.end > end);
        let parts = [
            before.map(|region| Region { end: region.end.min(start), ..*region }),
            new,
            after.map(|region| Region { start: region.start.max(end), ..*region }),
        ];
        let mut made = ArrayVec::<Region, 3>::new();
        for part in parts.into_iter().flatten() {
            match made.last_mut() {
                Some(last) if last.is_continued_by(&part) => last.end = part.end,
                _ => {
                    let fits = made.try_push(part).is_ok();
                    debug_assert!(fits);
                }
            }
        }
        for region in &made {
            memory.frames.promise(region.promise());
            region.source.inspect(|(window, _)| memory.objects.retain(window.object));
        }
        // `Vec` can only be asked for what is plainly there, else it could panic.
        for _ in 0..count {
            if first >= self.regions.len() {
                break;
            }
            let region = self.regions.remove(first);
            memory.frames.unpromise(region.promise());
            region.source.inspect(|(window, _)| memory.release(window.object));
        }
        for (at, region) in (first..).zip(made) {
            if at <= self.regions.len() {
                self.regions.insert(at, region);
            }
        }
    }

    /// Maps a region. A reference to its object is taken.
    ///
    /// # Errors
    ///
    /// `EEXIST`: something is mapped there; `ENOMEM`: no frames to promise, too many regions.
    pub fn map(&mut self, memory: &mut Memory<impl Machine>, region: Region) -> Result<()> {
        if self.first(region.start).is_some_and(|other| other.start < region.end) {
            return Err(EEXIST);
        }
        self.reserve(1)?;
        memory.frames.afford(region.promise())?;
        let shared = region.source.filter(|_| region.flags.contains(MapFlags::SHARED));
        let object = shared.and_then(|(window, _)| memory.objects.get(window.object));
        let flags = region.flags | object.map_or(MapFlags::empty(), |object| object.cache);
        self.set(memory, (region.start, region.end), Some(Region { flags, ..region }));
        Ok(())
    }

    /// Unmaps what lies in pages `start..end`, about `budget` pages of it; gives the page to go
    /// on at.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: splitting a region would exceed the limit; nothing was changed.
    pub fn unmap(
        &mut self,
        memory: &mut Memory<impl Machine>,
        (start, end): (u64, u64),
        budget: &mut u32,
    ) -> Result<u64> {
        self.reserve_cut((start, end))?;
        let start = self.first(start).map_or(end, |region| region.start.max(start).min(end));
        let resident = &mut self.resident;
        let at = self.tree.visit(memory, (start, end), budget, |memory, _, entry| {
            *resident = resident.saturating_sub(1);
            Ok(memory.let_go(entry))
        })?;
        memory.machine.flush(self.tree.root, None);
        self.set(memory, (start, at), None);
        Ok(at)
    }

    /// Changes what is allowed in the first pages of `start..end`: those of one region, about
    /// `budget` of them; gives the page to go on at.
    ///
    /// # Errors
    ///
    /// `EACCES`: an object's pages that were mapped to be read; `ENOMEM`: a page is not mapped,
    /// too many regions, or there is nothing to promise.
    pub fn protect(
        &mut self,
        memory: &mut Memory<impl Machine>,
        (start, end): (u64, u64),
        access: MapFlags,
        budget: &mut u32,
    ) -> Result<u64> {
        let whole = *self.find(start).ok_or(ENOMEM)?;
        let old = Region { start, end: end.min(whole.end), ..whole };
        let new = old.recast(access)?;
        if new != old {
            self.reserve_cut((start, new.end))?;
            memory.frames.afford(new.promise().saturating_sub(old.promise()))?;
            self.set(memory, (start, new.end), Some(new));
        }
        // A private page becomes writable at its next fault, which knows whether it is shared.
        let flags = new.flags.difference(MapFlags::WRITE);
        let at = self.tree.visit(memory, (start, new.end), budget, |_, _, old| {
            Ok(frame_of(old).map_or(old, |frame| entry(frame, flags) | old & DRAWN))
        })?;
        memory.machine.flush(self.tree.root, None);
        Ok(at)
    }

    /// Gives a dead space's frames back, about `budget` of them; `true` when it is gone.
    pub fn reap(&mut self, memory: &mut Memory<impl Machine>, budget: &mut u32) -> bool {
        let gone = self.tree.take_apart(memory, 256, budget);
        if gone {
            self.set(memory, (0, USER_END), None);
        }
        gone
    }
}
