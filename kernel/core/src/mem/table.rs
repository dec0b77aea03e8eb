//! Page tables, and the same tree again as an object's list of pages.
//!
//! Both are trees of frames of 512 words. The entry format is x86-64's (Intel SDM 3A, 4.5);
//! bits 9 to 11 are ours. Walking them is safe code over [`Machine::share`].

use core::sync::atomic::Ordering::Relaxed;

use crate::num::size;
use crate::{Cache, Frame, Machine};

/// The entry maps something.
pub const PRESENT: u64 = 1;
/// Stores are allowed.
pub const WRITE: u64 = 1 << 1;
/// Userspace may use it.
pub const USER: u64 = 1 << 2;
/// Set by the CPU at the first store.
pub const DIRTY: u64 = 1 << 6;
/// Ours: the frame was drawn from its region's promise.
pub const PROMISED: u64 = 1 << 9;
/// Ours: a frame is here, even where no access is allowed just now.
pub const HELD: u64 = 1 << 10;
/// Instruction fetches are not allowed.
pub const NO_EXECUTE: u64 = 1 << 63;

const ADDRESS: u64 = 0x000F_FFFF_FFFF_F000;

/// What a mapping allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protection {
    /// Loads.
    pub read: bool,
    /// Stores.
    pub write: bool,
    /// Instruction fetches.
    pub execute: bool,
}

/// The entry that maps `frame`.
pub fn entry(frame: Frame, protection: Protection, cache: Cache) -> u64 {
    let write = if protection.write { WRITE } else { 0 };
    let execute = if protection.execute { 0 } else { NO_EXECUTE };
    // PAT entry 1 (PWT alone) is write-combining: `kernel/src` programs it so.
    let cache = match cache {
        Cache::WriteBack => 0,
        Cache::WriteCombining => 1 << 3,
        Cache::Uncached => 3 << 3,
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

impl<S: core::ops::Deref<Target = [core::sync::atomic::AtomicU64; 512]>> Slot<S> {
    /// Its value.
    pub fn get(&self) -> u64 {
        let words: &[_; 512] = &self.words;
        words.get(self.index).map_or(0, |word| word.load(Relaxed))
    }

    /// Gives it a value.
    pub fn set(&self, value: u64) {
        let words: &[_; 512] = &self.words;
        if let Some(word) = words.get(self.index) {
            word.store(value, Relaxed);
        }
    }
}

/// Position of page `number` in the tables of `level` (0 = leaf).
fn position(number: u64, level: u8) -> usize {
    size(number.wrapping_shr(u32::from(level).wrapping_mul(9)) & 511)
}

/// The leaf slot of page `number`, if the tables down to it exist.
#[inline]
pub fn find<M: Machine>(
    machine: &M,
    root: Frame,
    levels: u8,
    number: u64,
) -> Option<Slot<M::Shared>> {
    let mut words = machine.share(root)?;
    let mut level = levels.wrapping_sub(1);
    while level > 0 {
        let table: &[_; 512] = &words;
        let next = frame_of(table.get(position(number, level))?.load(Relaxed))?;
        words = machine.share(next)?;
        level = level.wrapping_sub(1);
    }
    Some(Slot { words, index: position(number, 0) })
}

/// The leaf slot of page `number`; missing tables are made of the frames that `take` gives.
///
/// `None` when `take` has no more; tables that were made stay.
pub fn reach<M: Machine>(
    machine: &mut M,
    root: Frame,
    levels: u8,
    number: u64,
    mut take: impl FnMut() -> Option<Frame>,
) -> Option<Slot<M::Shared>> {
    let mut words = machine.share(root)?;
    let mut level = levels.wrapping_sub(1);
    while level > 0 {
        let table: &[_; 512] = &words;
        let word = table.get(position(number, level))?;
        let next = if let Some(next) = frame_of(word.load(Relaxed)) {
            next
        } else {
            let made = take()?;
            machine.zero(made);
            word.store(made.address() | PRESENT | WRITE | USER, Relaxed);
            made
        };
        words = machine.share(next)?;
        level = level.wrapping_sub(1);
    }
    Some(Slot { words, index: position(number, 0) })
}

/// The first page at or after `from`, and before `end`, whose leaf entry is not 0; with its slot.
///
/// Skips empty tables whole, so sparse ranges cost little.
pub fn next_used<M: Machine>(
    machine: &M,
    root: Frame,
    levels: u8,
    from: u64,
    end: u64,
) -> Option<(u64, Slot<M::Shared>)> {
    let mut number = from;
    while number < end {
        let mut words = machine.share(root)?;
        let mut level = levels.wrapping_sub(1);
        loop {
            let table: &[_; 512] = &words;
            let value = table.get(position(number, level))?.load(Relaxed);
            if level == 0 && value != 0 {
                return Some((number, Slot { words, index: position(number, 0) }));
            }
            match frame_of(value) {
                Some(next) if level > 0 => words = machine.share(next)?,
                _ => break,
            }
            level = level.wrapping_sub(1);
        }
        let span = 1u64.wrapping_shl(u32::from(level).wrapping_mul(9));
        number = (number & !span.wrapping_sub(1)).checked_add(span)?;
    }
    None
}

/// Gives every table of a tree but its root to `release`, where they lie below `top` entries of
/// the root (256 leaves the kernel's half alone). Leaf entries must have been emptied.
pub fn drop_tables<M: Machine>(
    machine: &M,
    root: Frame,
    levels: u8,
    top: usize,
    release: &mut impl FnMut(Frame),
) {
    let Some(words) = machine.share(root) else { return };
    if levels <= 1 {
        return;
    }
    let table: &[_; 512] = &words;
    for word in table.iter().take(top) {
        if let Some(next) = frame_of(word.load(Relaxed)) {
            drop_tables(machine, next, levels.wrapping_sub(1), 512, release);
            release(next);
            word.store(0, Relaxed);
        }
    }
}
