//! Where everything lies in a ring's memory, in whole pages.

/// Bytes of a page, and of each `in` and `out` slot.
pub const PAGE_BYTES: u32 = 4096;

/// Words of the header at the start of page 0.
pub const HEADER_WORDS: usize = 6;

/// First word of the header: the letters `ANOR` below, the layout's version above.
const MAGIC: u64 = 0x0000_0001_524F_4E41;

/// The number of entries of a queue: a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(u32);

impl Size {
    /// Checks a number of entries: a power of two, at most 32,768.
    pub const fn new(entries: u32) -> Option<Self> {
        if entries.is_power_of_two() && entries <= 1 << 15 { Some(Self(entries)) } else { None }
    }

    /// The number of entries.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Twice as many entries.
    pub const fn doubled(self) -> Self {
        Self(self.0 << 1)
    }

    /// The first word of the entry that a free-running index means.
    pub(crate) fn word(self, index: u32, words: usize) -> usize {
        wide(index & self.0.wrapping_sub(1)).wrapping_mul(words)
    }
}

/// A `u32` as an index; no machine that this runs on has a narrower `usize`.
pub(crate) fn wide(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The areas of a ring, each as the number of its first page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// How many requests the ring holds; the queue of answers is twice as long.
    pub entries: Size,
    /// Requests, 64 bytes each. Page 0, before it, is the kernel's control page.
    pub sqes: u32,
    /// One page for each request's input.
    pub ins: u32,
    /// The daemon's control page: all before it is read-only for the daemon.
    pub control: u32,
    /// Answers, 16 bytes each.
    pub cqes: u32,
    /// One page for each request's output.
    pub outs: u32,
    /// Pages of the whole ring.
    pub pages: u32,
}

impl Layout {
    /// The layout for a number of entries: a power of two from 8 to 256.
    pub const fn new(entries: u32) -> Option<Self> {
        let Some(size) = Size::new(entries) else { return None };
        if entries < 8 || entries > 256 {
            return None;
        }
        // No sum below exceeds 2 * 256 + 8, so nothing wraps.
        let ins = 1u32.wrapping_add(entries.div_ceil(PAGE_BYTES / 64));
        let control = ins.wrapping_add(entries);
        let cqes = control.wrapping_add(1);
        let outs = cqes.wrapping_add(entries.div_ceil(PAGE_BYTES / 32));
        let pages = outs.wrapping_add(entries);
        Some(Self { entries: size, sqes: 1, ins, control, cqes, outs, pages })
    }

    /// The header that the kernel writes before the daemon sees the ring.
    pub fn header(&self, epoch: u32) -> [u64; HEADER_WORDS] {
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let bytes = |page: u32| page.wrapping_mul(PAGE_BYTES);
        [
            MAGIC,
            pair(self.entries.get(), PAGE_BYTES),
            pair(bytes(self.sqes), bytes(self.ins)),
            pair(bytes(self.control), bytes(self.cqes)),
            pair(bytes(self.outs), bytes(self.pages)),
            u64::from(epoch),
        ]
    }

    /// Reads a header, and with it the epoch, if every number in it is what it must be.
    pub fn parse(header: [u64; HEADER_WORDS]) -> Option<(Self, u32)> {
        let [_, sizes, _, _, _, epoch] = header;
        let layout = Self::new(u32::try_from(sizes & 0xFFFF_FFFF).ok()?)?;
        let epoch = u32::try_from(epoch).ok()?;
        (layout.header(epoch) == header).then_some((layout, epoch))
    }
}
