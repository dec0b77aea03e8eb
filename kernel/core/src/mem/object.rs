//! Memory objects: what mappings, rings and answers refer to.

use crate::mem::table;
use crate::num::{index, narrow, size};
use crate::{
    Cache, EFAULT, EINVAL, ENOMEM, ENOSPC, Errno, Frame, Frames, Id, Machine, PAGE_SIZE, PRESENT,
    Slab,
};

/// Names an object.
pub type ObjectId = Id<Object>;

/// Most pages that an anonymous object may have: three levels of 512.
const MAX_PAGES: u64 = 1 << 27;
const LEVELS: u8 = 3;

/// Where an object's pages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Zeroed frames, made when first touched; the tree of [`table`] over `root`.
    Anonymous { root: Frame },
    /// A range of physical memory, never freed.
    Physical { first: u32, cache: Cache },
    /// Adjacent frames that belong to the object.
    Dma { first: u32 },
}

/// A memory object.
#[derive(Debug)]
pub struct Object {
    kind: Kind,
    bytes: u64,
    /// Descriptions, regions and rings that name it.
    references: u32,
    read_only: bool,
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

impl Object {
    /// An empty object of anonymous memory.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no frame for its tree.
    pub fn anonymous<M: Machine>(frames: &mut Frames, machine: &mut M) -> Result<Self, Errno> {
        let root = frames.take().ok_or(ENOMEM)?;
        machine.zero(root);
        Ok(Self { kind: Kind::Anonymous { root }, bytes: 0, references: 1, read_only: false })
    }

    /// A range of physical memory; `address` is page-aligned.
    ///
    /// # Errors
    ///
    /// `EINVAL`: not aligned, empty, or beyond what a page table can name.
    pub fn physical(address: u64, bytes: u64, cache: Cache) -> Result<Self, Errno> {
        let end = address.checked_add(bytes).ok_or(EINVAL)?;
        let first = Frame::containing(address).ok_or(EINVAL)?.number();
        if address & 0xFFF != 0 || bytes == 0 || end > 1 << 44 {
            return Err(EINVAL);
        }
        Ok(Self { kind: Kind::Physical { first, cache }, bytes, references: 1, read_only: false })
    }

    /// Adjacent zeroed frames below 4 GiB.
    ///
    /// # Errors
    ///
    /// `EINVAL`: empty or over 16 MiB; `ENOMEM`: no such run is free.
    pub fn dma<M: Machine>(
        bytes: u64,
        frames: &mut Frames,
        machine: &mut M,
    ) -> Result<Self, Errno> {
        if bytes == 0 || bytes > 16 << 20 {
            return Err(EINVAL);
        }
        let count = narrow(size(bytes).div_ceil(PAGE_SIZE));
        let first = frames.take_run(count).ok_or(ENOMEM)?.number();
        for number in first..first.saturating_add(count) {
            if let Some(frame) = Frame::new(number) {
                machine.zero(frame);
            }
        }
        let bytes = bytes.next_multiple_of(4096);
        Ok(Self { kind: Kind::Dma { first }, bytes, references: 1, read_only: false })
    }

    /// The same, never to be written (what the loader left).
    pub fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    /// Whether it may only be read.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How its pages are to be cached.
    pub fn cache(&self) -> Cache {
        match self.kind {
            Kind::Physical { cache, .. } => cache,
            Kind::Anonymous { .. } | Kind::Dma { .. } => Cache::WriteBack,
        }
    }

    /// Its physical address, if it is one range.
    pub fn address(&self) -> Option<u64> {
        match self.kind {
            Kind::Physical { first, .. } | Kind::Dma { first } => Some(u64::from(first) << 12),
            Kind::Anonymous { .. } => None,
        }
    }

    /// Sets the size; pages beyond a smaller one are given back.
    ///
    /// # Errors
    ///
    /// `EINVAL`: not an anonymous object; `ENOSPC`: more than 512 GiB.
    pub fn resize<M: Machine>(
        &mut self,
        bytes: u64,
        frames: &mut Frames,
        machine: &M,
    ) -> Result<(), Errno> {
        let Kind::Anonymous { root } = self.kind else { return Err(EINVAL) };
        let pages = bytes.div_ceil(4096);
        if pages > MAX_PAGES {
            return Err(ENOSPC);
        }
        let end = self.bytes.div_ceil(4096);
        self.bytes = bytes;
        let mut from = pages;
        while let Some((number, slot)) = table::next_used(machine, root, LEVELS, from, end) {
            if let Some(frame) = table::frame_of(slot.get()) {
                frames.release(frame);
            }
            slot.set(0);
            from = number.saturating_add(1);
        }
        Ok(())
    }

    /// The frame of a page, made if it is not there yet. No reference is taken.
    ///
    /// # Errors
    ///
    /// `EFAULT`: beyond the end; `ENOMEM`: no frame.
    pub fn page<M: Machine>(
        &self,
        number: u64,
        frames: &mut Frames,
        machine: &mut M,
    ) -> Result<Frame, Errno> {
        if number >= self.bytes.div_ceil(4096) {
            return Err(EFAULT);
        }
        match self.kind {
            Kind::Physical { first, .. } | Kind::Dma { first } => {
                let number = u32::try_from(number).map_err(|_wide| EFAULT)?;
                first.checked_add(number).and_then(Frame::new).ok_or(EFAULT)
            }
            Kind::Anonymous { root } => {
                let slot = table::reach(machine, root, LEVELS, number, || frames.take());
                let slot = slot.ok_or(ENOMEM)?;
                if let Some(frame) = table::frame_of(slot.get()) {
                    return Ok(frame);
                }
                let frame = frames.take().ok_or(ENOMEM)?;
                machine.zero(frame);
                slot.set(frame.address() | PRESENT);
                Ok(frame)
            }
        }
    }

    /// Gives up to `budget` of a dead object's frames back; `true` when none is left.
    pub fn reap<M: Machine>(&mut self, budget: &mut u32, frames: &mut Frames, machine: &M) -> bool {
        match self.kind {
            Kind::Physical { .. } => true,
            Kind::Dma { first } => {
                let count = narrow(size(self.bytes).div_ceil(PAGE_SIZE));
                for number in first..first.saturating_add(count) {
                    if let Some(frame) = Frame::new(number) {
                        frames.release(frame);
                    }
                }
                true
            }
            Kind::Anonymous { root } => {
                while *budget > 0 {
                    let Some((_, slot)) = table::next_used(machine, root, LEVELS, 0, MAX_PAGES)
                    else {
                        let release = &mut |frame| frames.release(frame);
                        table::drop_tables(machine, root, LEVELS, 512, release);
                        frames.release(root);
                        return true;
                    };
                    if let Some(frame) = table::frame_of(slot.get()) {
                        frames.release(frame);
                    }
                    slot.set(0);
                    *budget = budget.wrapping_sub(1);
                }
                false
            }
        }
    }
}

/// The objects of the machine, counted.
#[derive(Debug)]
pub struct Objects {
    slab: Slab<Object>,
    /// Dead ones whose frames are still to be given back, linked by nothing: few at a time.
    dead: Option<ObjectId>,
}

impl Objects {
    /// Room for `capacity` objects.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(capacity: usize) -> Result<Self, Errno> {
        Ok(Self { slab: Slab::new(capacity)?, dead: None })
    }

    /// Takes a new object in, with its one reference.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: the table is full.
    pub fn insert<M: Machine>(
        &mut self,
        object: Object,
        frames: &mut Frames,
        machine: &M,
    ) -> Result<ObjectId, Errno> {
        if self.slab.has_room() {
            return self.slab.insert(object);
        }
        let mut object = object;
        let mut budget = u32::MAX;
        object.reap(&mut budget, frames, machine);
        Err(ENOMEM)
    }

    /// The object of that name.
    pub fn get(&self, id: ObjectId) -> Option<&Object> {
        self.slab.get(id)
    }

    /// The object of that name, to change it.
    pub fn get_mut(&mut self, id: ObjectId) -> Option<&mut Object> {
        self.slab.get_mut(id)
    }

    /// One more reference.
    pub fn retain(&mut self, id: ObjectId) {
        if let Some(object) = self.slab.get_mut(id) {
            object.references = object.references.saturating_add(1);
        }
    }

    /// One reference less; frames of a dead object are given back by [`Objects::reap`].
    pub fn release(&mut self, id: ObjectId) {
        if let Some(object) = self.slab.get_mut(id) {
            object.references = object.references.saturating_sub(1);
            if object.references == 0 {
                self.dead = Some(id);
            }
        }
    }

    /// Works at dead objects for at most `budget` frames; `true` when nothing is left to do.
    pub fn reap<M: Machine>(&mut self, budget: &mut u32, frames: &mut Frames, machine: &M) -> bool {
        while let Some(id) = self.dead {
            if let Some(object) = self.slab.get_mut(id) {
                if !object.reap(budget, frames, machine) {
                    return false;
                }
                self.slab.remove(id);
            }
            self.dead = self.slab.iter().find(|(_, o)| o.references == 0).map(|(id, _)| id);
        }
        true
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        index(self.slab.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }
}
