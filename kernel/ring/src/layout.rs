//! Where everything lies in a ring's memory, in whole pages.

/// Bytes of a page, and of each `in` and `out` slot.
pub const PAGE_BYTES: u32 = 4096;

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
    #[inline]
    pub(crate) fn word(self, index: u32, words: usize) -> usize {
        // No machine that this runs on has a `usize` narrower than 32 bits.
        let entry = usize::try_from(index & self.0.wrapping_sub(1)).unwrap_or(0);
        entry.wrapping_mul(words)
    }
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
}
