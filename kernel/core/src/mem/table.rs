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
pub const DRAWN: u64 = 1 << 9;
/// Ours: a frame is here, even where no access is allowed just now.
pub const HELD: u64 = 1 << 10;
/// Instruction fetches are not allowed.
pub const NO_EXECUTE: u64 = 1 << 63;

const ADDRESS: u64 = 0x000F_FFFF_FFFF_F000;
/// What a table costs a visitor, in pages: its words are looked at.
const TABLE: u32 = 16;

/// The entry that maps `frame`.
pub fn entry(frame: Frame, flags: MapFlags) -> u64 {
    let bit = |flag, bit| if flags.contains(flag) { bit } else { 0 };
    let access = bit(MapFlags::READ, PRESENT) | bit(MapFlags::WRITE, WRITE);
    let execute = NO_EXECUTE ^ bit(MapFlags::EXECUTE, NO_EXECUTE);
    // PAT entry 1 (PWT alone) is write-combining: `kernel/src` programs it so.
    let cache = bit(MapFlags::WRITE_COMBINING, 1 << 3) | bit(MapFlags::UNCACHED, 3 << 3);
    frame.address() | HELD | USER | access | execute | cache
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

/// Bits of a page's number below those that choose an entry in tables of `level` (0 = leaf).
fn below(level: u8) -> u32 {
    u32::from(level).wrapping_mul(9)
}

/// Position of page `number` in the tables of `level`.
fn position(number: u64, level: u8) -> usize {
    size(number.wrapping_shr(below(level)) & 511)
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
    /// The slot of page `number` in the table at the top.
    #[inline]
    pub fn slot<M: Machine>(self, machine: &M, number: u64) -> Option<Slot<M::Shared>> {
        let words = machine.share(self.root)?;
        Some(Slot { words, index: position(number, self.levels.wrapping_sub(1)) })
    }

    /// The lowest table on the way to page `number`: one with the page itself has one level.
    #[inline]
    pub fn lowest(mut self, machine: &impl Machine, number: u64) -> Self {
        while self.levels > 1
            && let Some(slot) = self.slot(machine, number)
            && let Some(root) = frame_of(slot.get())
        {
            self = Self { root, levels: self.levels.wrapping_sub(1) };
        }
        self
    }

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
        let mut table = self.lowest(machine, number);
        loop {
            let slot = table.slot(machine, number).ok_or(EFAULT)?;
            if table.levels <= 1 {
                return Ok(slot);
            }
            let root = take()?;
            machine.zero(root);
            slot.set(root.address() | PRESENT | WRITE | USER);
            table = Self { root, levels: table.levels.wrapping_sub(1) };
        }
    }

    /// Goes through the slots in use of pages `from..end`: each becomes what `work` makes of its
    /// page and value. Stops after about `budget` pages; gives the page that it came to.
    ///
    /// # Errors
    ///
    /// What `work` refuses with; its slot stays.
    pub fn visit<M: Machine>(
        self,
        memory: &mut Memory<M>,
        (from, end): (u64, u64),
        budget: &mut u32,
        mut work: impl FnMut(&mut Memory<M>, u64, u64) -> Result<u64>,
    ) -> Result<u64> {
        let mut at = from;
        while at < end && *budget > 0 {
            let table = self.lowest(&memory.machine, at);
            // What has no table is skipped, as far as that would reach.
            let level = table.levels.wrapping_sub(1);
            let span = 1u64.wrapping_shl(below(level.max(1)));
            let next = (at | span.wrapping_sub(1)).saturating_add(1).min(end);
            let words = memory.machine.share(table.root).filter(|_| level == 0);
            let (first, mut last) = (position(at, 0), at);
            let slots = words.iter().flat_map(|words| words.iter().skip(first));
            let used = (at..next).zip(slots).filter(|(_, word)| word.load(Relaxed) != 0);
            for (page, word) in used.take(index(*budget)) {
                word.store(work(memory, page, word.load(Relaxed))?, Relaxed);
                *budget = budget.wrapping_sub(1);
                last = page;
            }
            at = if *budget == 0 { last.saturating_add(1) } else { next };
            *budget = budget.saturating_sub(if level == 0 { TABLE } else { 1 });
        }
        Ok(at)
    }

    /// Gives back what the first `top` entries of the root lead to (256 leave the kernel's half
    /// alone), and the root; about `budget` pages and tables at a time. `true`: it is gone.
    pub fn take_apart(
        self,
        memory: &mut Memory<impl Machine>,
        top: usize,
        budget: &mut u32,
    ) -> bool {
        // A tree of no levels is a page.
        let words = memory.machine.share(self.root).filter(|_| self.levels > 0);
        for word in words.iter().flat_map(|words| words.iter().take(top)) {
            let entry = word.load(Relaxed);
            let Some(root) = frame_of(entry) else { continue };
            let below = Self { root, levels: self.levels.wrapping_sub(1) };
            if *budget == 0 || !below.take_apart(memory, 512, budget) {
                return false;
            }
            word.store(0, Relaxed);
            memory.frames.promise((entry & DRAWN != 0).into());
        }
        memory.frames.release(self.root);
        *budget = budget.saturating_sub(1);
        true
    }
}
