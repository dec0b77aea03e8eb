//! Page tables, and the same tree again as an object's list of pages.
//!
//! Both are trees of frames of 512 words. The entry format is x86-64's (Intel SDM 3A, 4.5);
//! bits 9 to 11 are ours. Walking them is safe code over [`Machine::share`].

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::prelude::*;

/// The entry maps something.
pub const PRESENT: u64 = 1;
/// Stores are allowed.
pub const WRITE: u64 = 1 << 1;
/// Userspace may use it.
pub const USER: u64 = 1 << 2;
/// Ours: the frame was drawn from its region's promise.
pub const PROMISED: u64 = 1 << 9;
/// Ours: a frame is here, even where no access is allowed just now.
pub const HELD: u64 = 1 << 10;
/// Instruction fetches are not allowed.
pub const NO_EXECUTE: u64 = 1 << 63;
/// How the page is cached.
pub const CACHE: u64 = 3 << 3;

const ADDRESS: u64 = 0x000F_FFFF_FFFF_F000;

/// What a mapping allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent")]
pub struct Protection {
    /// Loads.
    pub read: bool,
    /// Stores.
    pub write: bool,
    /// Instruction fetches.
    pub execute: bool,
}

impl Protection {
    /// Loads and stores.
    pub const READ_WRITE: Self = Self { read: true, write: true, execute: false };

    /// From bits: 1 execute, 2 write, 4 read. x86-64 has no memory that is writable or
    /// executable but not readable.
    ///
    /// # Errors
    ///
    /// `EACCES`: writable and executable at once.
    pub fn from_bits(bits: u64) -> Result<Self> {
        let [execute, write] = [1, 2].map(|bit| bits & bit != 0);
        if write && execute {
            return Err(EACCES);
        }
        Ok(Self { read: bits & 7 != 0, write, execute })
    }

    /// Whether an access is allowed.
    pub fn allows(self, access: Access) -> bool {
        match access {
            Access::Read => self.read,
            Access::Write => self.write,
            Access::Execute => self.execute,
        }
    }
}

/// The entry that maps `frame`.
pub fn entry(frame: Frame, protection: Protection, cache: Cache) -> u64 {
    let write = if protection.write { WRITE } else { 0 };
    let execute = if protection.execute { 0 } else { NO_EXECUTE };
    // PAT entry 1 (PWT alone) is write-combining: `kernel/src` programs it so.
    let cache = match cache {
        Cache::WriteBack => 0,
        Cache::WriteCombining => 1 << 3,
        Cache::Uncached => CACHE,
    };
    let present = if protection.read { PRESENT } else { 0 };
    frame.address() | HELD | present | USER | write | execute | cache
}

/// The frame that an entry names, if there is one.
pub fn frame_of(entry: u64) -> Option<Frame> {
    if entry & (PRESENT | HELD) == 0 { None } else { Frame::containing(entry & ADDRESS) }
}

/// One word of a tree: a leaf entry that can be read and set.
#[derive(Debug)]
pub struct Slot<S> {
    words: S,
    index: usize,
}

impl<S: Deref<Target = [AtomicU64; 512]>> Slot<S> {
    /// Its value.
    pub fn get(&self) -> u64 {
        self.words.get(self.index).map_or(0, |word| word.load(Relaxed))
    }

    /// Gives it a value.
    pub fn set(&self, value: u64) {
        if let Some(word) = self.words.get(self.index) {
            word.store(value, Relaxed);
        }
    }
}

/// Position of page `number` in the tables of `level` (0 = leaf).
fn position(number: u64, level: u8) -> usize {
    size(number.wrapping_shr(u32::from(level).wrapping_mul(9)) & 511)
}

/// A tree of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The table at the top.
    pub root: Frame,
    /// How many tables lie between it and a page.
    pub levels: u8,
}

impl Tree {
    /// The leaf slot of page `number`; missing tables are made of the frames that `take` gives.
    ///
    /// # Errors
    ///
    /// What `take` refuses with; tables that were made stay.
    #[inline]
    pub fn reach<M: Machine>(
        self,
        machine: &mut M,
        number: u64,
        mut take: impl FnMut() -> Result<Frame>,
    ) -> Result<Slot<M::Shared>> {
        let mut words = machine.share(self.root).ok_or(EFAULT)?;
        for level in (1..self.levels).rev() {
            let word = words.get(position(number, level)).ok_or(EFAULT)?;
            let next = if let Some(next) = frame_of(word.load(Relaxed)) {
                next
            } else {
                let made = take()?;
                machine.zero(made);
                word.store(made.address() | PRESENT | WRITE | USER, Relaxed);
                made
            };
            words = machine.share(next).ok_or(EFAULT)?;
        }
        Ok(Slot { words, index: position(number, 0) })
    }

    /// The first page in `from..end` whose slot is in use, and that slot.
    ///
    /// Skips empty tables whole, so sparse ranges cost little.
    pub fn next_used<M: Machine>(
        self,
        machine: &M,
        from: u64,
        end: u64,
    ) -> Option<(u64, Slot<M::Shared>)> {
        let mut number = from;
        while number < end {
            match self.descend(machine, number)? {
                Ok(slot) => return Some((number, slot)),
                Err(level) => {
                    let span = 1u64.wrapping_shl(u32::from(level).wrapping_mul(9));
                    number = (number & !span.wrapping_sub(1)).checked_add(span)?;
                }
            }
        }
        None
    }

    /// The slot of a page that is in use; else the level at which there is nothing.
    fn descend<M: Machine>(self, machine: &M, number: u64) -> Option<Result<Slot<M::Shared>, u8>> {
        let mut words = machine.share(self.root)?;
        for level in (1..self.levels).rev() {
            match frame_of(words.get(position(number, level))?.load(Relaxed)) {
                Some(next) => words = machine.share(next)?,
                None => return Some(Err(level)),
            }
        }
        let slot = Slot { words, index: position(number, 0) };
        Some(if slot.get() == 0 { Err(0) } else { Ok(slot) })
    }

    /// Gives every table to `release` but those above the first `top` entries of the root (256
    /// leaves the kernel's half alone). Leaf entries must have been emptied.
    pub fn drop_tables(self, machine: &impl Machine, top: usize, release: &mut impl FnMut(Frame)) {
        if let Some(words) = machine.share(self.root)
            && let Some(levels) = self.levels.checked_sub(1).filter(|levels| *levels > 0)
        {
            for root in words.iter().take(top).filter_map(|word| frame_of(word.load(Relaxed))) {
                Self { root, levels }.drop_tables(machine, 512, release);
            }
        }
        release(self.root);
    }
}
