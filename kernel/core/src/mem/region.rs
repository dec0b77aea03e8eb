//! Regions: what a space holds where. Pages are counted by number (address / 4096).

use bitflags::bitflags;

use crate::prelude::*;

/// Frames for tables that a region may need at its two ends, where they are shared with others.
const EDGES: u64 = 8;

/// What is true of a mapping; the first five are the bits that `fmap` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapFlags(u64);

bitflags! {
    impl MapFlags: u64 {
        /// The pages are the source's own; else copies of them, or zeroed ones.
        const SHARED = 1;
        /// No frames are promised, until its rights change.
        const LAZY = 0x10;
        /// Instruction fetches are allowed.
        const EXECUTE = 1 << 16;
        /// Stores are allowed.
        const WRITE = 1 << 17;
        /// Loads are allowed.
        const READ = 1 << 18;
        /// A frame is promised for each page and each table.
        const PROMISED = 1 << 32;
        /// It never becomes writable: an object's pages that were mapped to be read.
        const SEALED = 1 << 33;
        /// A fork leaves it out (rings).
        const UNFORKABLE = 1 << 34;
        /// Stores are gathered (framebuffers).
        const WRITE_COMBINING = 1 << 35;
        /// Nothing is cached (device registers).
        const UNCACHED = 1 << 36;
    }
}

impl MapFlags {
    /// What is allowed.
    pub const ACCESS: Self = Self::READ.union(Self::WRITE).union(Self::EXECUTE);
    /// Loads and stores.
    pub const READ_WRITE: Self = Self::READ.union(Self::WRITE);

    /// What a program asks for. x86-64 has no memory that is writable or executable but not
    /// readable.
    ///
    /// # Errors
    ///
    /// `EACCES`: writable and executable at once.
    pub fn asked(bits: u64) -> Result<Self> {
        let asked = Self::from_bits_truncate(u64::from(low(bits)));
        if asked.contains(Self::WRITE | Self::EXECUTE) {
            return Err(EACCES);
        }
        Ok(if asked.intersects(Self::ACCESS) { asked | Self::READ } else { asked })
    }

    /// With a promise, if that is owed: for private pages that may be written.
    fn settled(self) -> Self {
        let owed = self & (Self::WRITE | Self::SHARED | Self::LAZY) == Self::WRITE;
        if owed { self | Self::PROMISED } else { self }
    }
}

/// A range of pages that are mapped alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First page.
    pub start: u64,
    /// Page after the last.
    pub end: u64,
    /// What is true of them.
    pub flags: MapFlags,
    /// Whose content they have or begin with, and the page at which that begins.
    pub source: Option<(Window, u64)>,
}

impl Region {
    /// Pages of, or with the content of, a window.
    pub fn new((start, end): (u64, u64), flags: MapFlags, source: Option<Window>) -> Self {
        let read_only = flags & (MapFlags::SHARED | MapFlags::WRITE) == MapFlags::SHARED;
        let sealed = if read_only { MapFlags::SEALED } else { MapFlags::empty() };
        let source = source.map(|window| (window, start));
        Self { start, end, flags: flags.settled() | sealed, source }
    }

    /// The same pages with other rights; whatever may be written now is promised.
    ///
    /// # Errors
    ///
    /// `EACCES`: they never become writable.
    pub fn recast(self, access: MapFlags) -> Result<Self> {
        let flags = self.flags.difference(MapFlags::ACCESS | MapFlags::LAZY) | access;
        if flags.contains(MapFlags::SEALED | MapFlags::WRITE) {
            return Err(EACCES);
        }
        Ok(Self { flags: flags.settled(), ..self })
    }

    /// Whether another one follows it and is alike.
    pub fn is_continued_by(&self, next: &Self) -> bool {
        *self == Self { start: self.start, end: next.start, ..*next }
    }

    /// How many frames are promised for it while none of its pages is there.
    pub fn promise(&self) -> u64 {
        let pages = self.end.saturating_sub(self.start);
        // A table for 512 pages, and one more for 512 of those, and so on: 1 for 511.
        let tables = (pages / 511).saturating_add(EDGES);
        if self.flags.contains(MapFlags::PROMISED) { pages.saturating_add(tables) } else { 0 }
    }

    /// The part of its source that belongs to a page.
    pub fn source_of(&self, page: u64) -> Option<Window> {
        let (window, first) = self.source?;
        let skipped = page.saturating_sub(first).saturating_mul(PAGE);
        let left = window.bytes.checked_sub(skipped).filter(|left| *left > 0)?;
        window.part(skipped, left.min(PAGE))
    }
}
