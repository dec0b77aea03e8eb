//! Memory objects: what mappings, rings and answers refer to.

use crate::mem::table::{PRESENT, Tree, frame_of};
use crate::prelude::*;

/// Names an object.
pub type ObjectId = Id<Object>;

/// Most pages that an anonymous object may have: three levels of 512.
const MAX_PAGES: u64 = 1 << 27;
const LEVELS: u8 = 3;
/// Most bytes of a DMA object.
const MAX_DMA: u64 = 16 << 20;

/// Where an object's pages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Zeroed frames, made when first touched.
    Anonymous(Tree),
    /// A range of physical memory; `owned`: its frames go with the object.
    Adjacent { first: u32, cache: Cache, owned: bool },
}

/// A memory object.
#[derive(Debug)]
pub struct Object {
    kind: Kind,
    /// Its size.
    pub bytes: u64,
    /// Whether it is never to be written (what the loader left).
    pub read_only: bool,
}

/// A part of an object, as descriptions, regions and rings hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The object.
    pub object: ObjectId,
    /// First byte; page-aligned unless the window is only read from.
    pub offset: u64,
    /// Length in bytes; `u64::MAX` follows the object's size.
    pub bytes: u64,
}

impl Window {
    /// A part of it; none if it ends beyond the window.
    pub fn part(self, offset: u64, bytes: u64) -> Option<Self> {
        let inside = offset.checked_add(bytes)? <= self.bytes;
        let offset = self.offset.checked_add(offset).filter(|_| inside)?;
        Some(Self { offset, bytes, ..self })
    }
}

impl Object {
    /// A range of physical memory; `address` is page-aligned.
    ///
    /// # Errors
    ///
    /// `EINVAL`: not aligned, empty, or beyond what a page table can name.
    pub fn physical(address: u64, bytes: u64, cache: Cache) -> Result<Self> {
        let end = address.checked_add(bytes).ok_or(EINVAL)?;
        let first = Frame::containing(address).ok_or(EINVAL)?.number();
        if address & 0xFFF != 0 || bytes == 0 || end > 1 << 44 {
            return Err(EINVAL);
        }
        let kind = Kind::Adjacent { first, cache, owned: false };
        Ok(Self { kind, bytes, read_only: false })
    }

    /// How its pages are to be cached.
    pub fn cache(&self) -> Cache {
        match self.kind {
            Kind::Adjacent { cache, .. } => cache,
            Kind::Anonymous(_) => Cache::WriteBack,
        }
    }

    /// Its physical address, if it is one range.
    pub fn address(&self) -> Option<u64> {
        match self.kind {
            Kind::Adjacent { first, .. } => Some(u64::from(first) << 12),
            Kind::Anonymous(_) => None,
        }
    }
}

impl<M: Machine> Memory<M> {
    /// A zeroed frame.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: only promised ones are left.
    pub fn take_zeroed(&mut self) -> Result<Frame> {
        let frame = self.frames.take()?;
        self.machine.zero(frame);
        Ok(frame)
    }

    /// A new object of anonymous memory.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no frame for its tree, or too many objects; `ENOSPC`: more than 512 GiB.
    pub fn anonymous(&mut self, bytes: u64) -> Result<ObjectId> {
        if bytes.div_ceil(PAGE) > MAX_PAGES {
            return Err(ENOSPC);
        }
        if !self.objects.has_room() {
            return Err(ENOMEM);
        }
        let kind = Kind::Anonymous(Tree { root: self.take_zeroed()?, levels: LEVELS });
        self.objects.insert(Object { kind, bytes, read_only: false })
    }

    /// An object of adjacent zeroed frames below 4 GiB.
    ///
    /// # Errors
    ///
    /// `EINVAL`: empty or over 16 MiB; `ENOMEM`: no such run is free, or too many objects.
    pub fn dma(&mut self, bytes: u64) -> Result<ObjectId> {
        if bytes == 0 || bytes > MAX_DMA {
            return Err(EINVAL);
        }
        if !self.objects.has_room() {
            return Err(ENOMEM);
        }
        let bytes = bytes.next_multiple_of(PAGE);
        let count = narrow(size(bytes >> 12));
        let first = self.frames.take_run(count).ok_or(ENOMEM)?.number();
        for frame in (first..first.saturating_add(count)).filter_map(Frame::new) {
            self.machine.zero(frame);
        }
        let kind = Kind::Adjacent { first, cache: Cache::WriteBack, owned: true };
        self.objects.insert(Object { kind, bytes, read_only: false })
    }

    /// Sets an object's size; pages beyond a smaller one are given back.
    ///
    /// # Errors
    ///
    /// `EINVAL`: not an anonymous object; `ENOSPC`: more than 512 GiB.
    pub fn resize(&mut self, id: ObjectId, bytes: u64) -> Result<()> {
        let object = self.objects.get_mut(id).ok_or(EINVAL)?;
        let Kind::Anonymous(tree) = object.kind else { return Err(EINVAL) };
        let pages = bytes.div_ceil(PAGE);
        if pages > MAX_PAGES {
            return Err(ENOSPC);
        }
        object.bytes = bytes;
        let mut unlimited = u32::MAX;
        self.drop_pages(tree, pages, &mut unlimited);
        Ok(())
    }

    /// The frame of an object's page, made if it is not there yet. No reference is taken.
    ///
    /// # Errors
    ///
    /// `EFAULT`: beyond the end; `ENOMEM`: no frame.
    pub fn page(&mut self, id: ObjectId, number: u64) -> Result<Frame> {
        let object = self.objects.get(id).ok_or(EFAULT)?;
        if number >= object.bytes.div_ceil(PAGE) {
            return Err(EFAULT);
        }
        match object.kind {
            Kind::Adjacent { first, .. } => {
                let number = u32::try_from(number).map_err(|_wide| EFAULT)?;
                first.checked_add(number).and_then(Frame::new).ok_or(EFAULT)
            }
            Kind::Anonymous(tree) => {
                let Self { machine, frames, .. } = self;
                let slot = tree.reach(machine, number, || frames.take())?;
                if let Some(frame) = frame_of(slot.get()) {
                    return Ok(frame);
                }
                let frame = self.take_zeroed()?;
                slot.set(frame.address() | PRESENT);
                Ok(frame)
            }
        }
    }

    /// How long a window is just now.
    pub fn len(&self, window: Window) -> u64 {
        let all = self.objects.get(window.object).map_or(0, |object| object.bytes);
        window.bytes.min(all.saturating_sub(window.offset))
    }

    /// One reference to an object less; [`Memory::reap`] gives a dead one's frames back.
    pub fn release(&mut self, id: ObjectId) {
        if self.objects.release(id) {
            self.dead = self.dead.wrapping_add(1);
        }
    }

    /// Gives an object's pages back from number `from` on, at most `budget`; `true`: all.
    fn drop_pages(&mut self, tree: Tree, from: u64, budget: &mut u32) -> bool {
        let mut at = from;
        while let Some((number, slot)) = tree.next_used(&self.machine, at, MAX_PAGES) {
            let Some(left) = budget.checked_sub(1) else { return false };
            *budget = left;
            if let Some(frame) = frame_of(slot.get()) {
                self.frames.release(frame);
            }
            slot.set(0);
            at = number.saturating_add(1);
        }
        true
    }

    /// Works at dead objects for about `budget` frames.
    pub fn reap(&mut self, budget: &mut u32) {
        while *budget > 0
            && self.dead > 0
            && let Some(id) = self.objects.unreferenced()
            && let Some(&Object { kind, bytes, .. }) = self.objects.get(id)
        {
            match kind {
                Kind::Anonymous(tree) if !self.drop_pages(tree, 0, budget) => return,
                Kind::Anonymous(tree) => {
                    let Self { machine, frames, .. } = self;
                    tree.drop_tables(machine, 512, &mut |frame| frames.release(frame));
                }
                Kind::Adjacent { first, owned: true, .. } => {
                    let end = first.saturating_add(narrow(size(bytes).div_ceil(PAGE_SIZE)));
                    (first..end).filter_map(Frame::new).for_each(|f| self.frames.release(f));
                }
                Kind::Adjacent { .. } => {}
            }
            self.objects.remove(id);
            self.dead = self.dead.wrapping_sub(1);
        }
    }
}

#[cfg(test)]
impl Object {
    /// The tree of its pages, if it has one.
    pub(crate) fn tree(&self) -> Option<Tree> {
        match self.kind {
            Kind::Anonymous(tree) => Some(tree),
            Kind::Adjacent { .. } => None,
        }
    }

    /// Numbers of the adjacent frames that go with it.
    pub(crate) fn own_frames(&self) -> Range<u32> {
        match self.kind {
            Kind::Adjacent { first, owned: true, .. } => {
                first..first.saturating_add(narrow(size(self.bytes).div_ceil(PAGE_SIZE)))
            }
            _ => 0..0,
        }
    }
}
