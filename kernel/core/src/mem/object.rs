//! Memory objects: what mappings, rings and answers refer to.

use crate::mem::table::{DRAWN, PRESENT, Tree, frame_of};
use crate::prelude::*;

/// Names an object.
pub type ObjectId = Id<Object>;

/// Levels of the tree of an anonymous object's pages.
const LEVELS: u8 = 3;
/// Most pages that it may have.
const MAX_PAGES: u64 = 1 << 27;
/// Most bytes of a DMA object.
const MAX_DMA: u64 = 16 << 20;
/// Most pages that an object loses at a time.
const SHRINK: u64 = 2048;
static ZEROS: [u8; PAGE_SIZE] = [0; PAGE_SIZE];

/// Where an object's pages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pages {
    /// Zeroed frames, made when first touched.
    Tree(Tree),
    /// One after the other, from that frame on.
    Physical(Frame),
    /// Likewise; they go with the object.
    Dma(Frame),
}

/// A memory object.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    pages: Pages,
    /// Its size.
    pub bytes: u64,
    /// How its pages are to be cached, if not as ordinary memory.
    pub cache: MapFlags,
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
    fn new(pages: Pages, bytes: u64) -> Self {
        Self { pages, bytes, cache: MapFlags::empty(), read_only: false }
    }

    /// A range of physical memory; `address` is page-aligned.
    ///
    /// # Errors
    ///
    /// `EINVAL`: not aligned, empty, or beyond what a page table can name.
    pub fn physical(address: u64, bytes: u64, cache: MapFlags) -> Result<Self> {
        let end = address.checked_add(bytes).ok_or(EINVAL)?;
        let first = Frame::containing(address).ok_or(EINVAL)?;
        if address & 0xFFF != 0 || bytes == 0 || end > 1 << 44 {
            return Err(EINVAL);
        }
        Ok(Self { cache, ..Self::new(Pages::Physical(first), bytes) })
    }

    /// Its physical address, if it is one range.
    pub fn address(&self) -> Option<u64> {
        match self.pages {
            Pages::Physical(first) | Pages::Dma(first) => Some(first.address()),
            Pages::Tree(_) => None,
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

    /// Gives back what an entry holds; gives what the entry becomes.
    pub fn let_go(&mut self, entry: u64) -> u64 {
        frame_of(entry).inspect(|frame| self.frames.release(*frame));
        // Until its region is gone, the page may be asked for again.
        self.frames.promise((entry & DRAWN != 0).into());
        0
    }

    /// A new object of anonymous memory of a user's.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no frame for its tree, or too many objects; `ENOSPC`: more than 512 GiB.
    pub fn anonymous(&mut self, bytes: u64, uid: u32) -> Result<ObjectId> {
        if bytes.div_ceil(PAGE) > MAX_PAGES {
            return Err(ENOSPC);
        }
        let root = self.take_zeroed()?;
        let object = Object::new(Pages::Tree(Tree { root, levels: LEVELS }), bytes);
        let made = self.objects.insert(object, uid);
        made.inspect_err(|_full| self.frames.release(root))
    }

    /// An object of adjacent frames below 4 GiB, with whatever its last user left there.
    ///
    /// # Errors
    ///
    /// `EINVAL`: empty or over 16 MiB; `ENOMEM`: no such run is free, or too many objects.
    pub fn dma(&mut self, bytes: u64, uid: u32) -> Result<ObjectId> {
        if bytes == 0 || bytes > MAX_DMA {
            return Err(EINVAL);
        }
        if !self.objects.has_room(uid) {
            return Err(ENOMEM);
        }
        let bytes = bytes.next_multiple_of(PAGE);
        let first = self.frames.take_run(narrow(size(bytes >> 12)))?;
        self.objects.insert(Object::new(Pages::Dma(first), bytes), uid)
    }

    /// Sets an object's size; pages beyond a smaller one are given back from the end on, a few
    /// at a time. `true`: it has that size; else it is to be done again.
    ///
    /// # Errors
    ///
    /// `EINVAL`: not an anonymous object; `ENOSPC`: more than 512 GiB.
    pub fn resize(&mut self, id: ObjectId, bytes: u64) -> Result<bool> {
        let object = *self.objects.get(id).ok_or(EINVAL)?;
        let Pages::Tree(tree) = object.pages else { return Err(EINVAL) };
        let (old, new) = (object.bytes.div_ceil(PAGE), bytes.div_ceil(PAGE));
        if new > MAX_PAGES {
            return Err(ENOSPC);
        }
        let from = new.max(old.saturating_sub(SHRINK));
        let mut unlimited = u32::MAX;
        tree.visit(self, (from, old), &mut unlimited, |memory, _, entry| Ok(memory.let_go(entry)))?;
        let bytes = if from > new { from.saturating_mul(PAGE) } else { bytes };
        if bytes < object.bytes {
            // What is cut off of the last page is zeros if the object grows again.
            let tail = ZEROS.get(size(bytes & 0xFFF)..).filter(|_| bytes & 0xFFF != 0);
            let rest = Window { object: id, offset: bytes, bytes: PAGE };
            self.store(tail.unwrap_or_default(), rest)?;
        }
        self.objects.update(id, |object| object.bytes = bytes);
        Ok(from == new)
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
        match object.pages {
            Pages::Physical(first) | Pages::Dma(first) => first.after(number).ok_or(EFAULT),
            Pages::Tree(tree) => {
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
            self.dead.push(id);
        }
    }

    /// Works at dead objects for about `budget` frames.
    pub fn reap(&mut self, budget: &mut u32) {
        while *budget > 0
            && let Some(&id) = self.dead.last()
        {
            match self.objects.get(id).map(|object| (object.pages, object.bytes)) {
                Some((Pages::Tree(tree), _)) if !tree.take_apart(self, 512, budget) => return,
                Some((Pages::Dma(first), bytes)) => {
                    let frames = (0..bytes / PAGE).filter_map(|number| first.after(number));
                    frames.for_each(|frame| self.frames.release(frame));
                }
                _ => {}
            }
            self.objects.remove(id);
            self.dead.pop();
        }
    }
}

#[cfg(test)]
impl Object {
    /// The tree of its pages, if it has one.
    pub(crate) fn tree(&self) -> Option<Tree> {
        match self.pages {
            Pages::Tree(tree) => Some(tree),
            Pages::Physical(_) | Pages::Dma(_) => None,
        }
    }

    /// Numbers of the adjacent frames that go with it.
    pub(crate) fn own_frames(&self) -> Range<u32> {
        match self.pages {
            Pages::Dma(first) => {
                let count = narrow(size(self.bytes).div_ceil(PAGE_SIZE));
                first.number()..first.number().saturating_add(count)
            }
            _ => 0..0,
        }
    }
}
