//! Regions: what a space holds where. Pages are counted by number (address / 4096).

use crate::prelude::*;

/// Most regions that one space may have.
pub const MAX_REGIONS: usize = 1024;

/// Where the pages of a region come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backing {
    /// The space's own pages: zeroed, or copies of an object's content.
    Private(Option<Window>),
    /// The object's pages themselves.
    Shared(Window),
}

/// A range of pages that are mapped alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "three facts that depend on nothing else")]
pub struct Region {
    /// First page.
    pub start: u64,
    /// Page after the last.
    pub end: u64,
    /// What is allowed.
    pub protection: Protection,
    /// Where pages come from.
    pub backing: Backing,
    /// Whether a frame is promised for each page (private and writable, not lazy).
    pub promised: bool,
    /// Whether a fork leaves it out (rings).
    pub unforkable: bool,
    /// Whether it never becomes writable: an object's pages that were mapped to be read.
    pub sealed: bool,
}

impl Region {
    /// Pages that are mapped alike; promised where they may be written, and inherited by forks.
    pub fn new((start, end): (u64, u64), protection: Protection, backing: Backing) -> Self {
        let private = matches!(backing, Backing::Private(_));
        let (promised, sealed) = (protection.write && private, !protection.write && !private);
        Self { start, end, protection, backing, promised, unforkable: false, sealed }
    }

    /// Number of pages.
    pub fn pages(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// The part from page `at` on.
    fn tail(self, at: u64) -> Self {
        let skipped = at.saturating_sub(self.start).saturating_mul(PAGE);
        let cut = |window: Window| Window {
            offset: window.offset.saturating_add(skipped),
            bytes: window.bytes.saturating_sub(skipped),
            ..window
        };
        let backing = match self.backing {
            Backing::Private(window) => Backing::Private(window.map(cut)),
            Backing::Shared(window) => Backing::Shared(cut(window)),
        };
        Self { start: at, backing, ..self }
    }

    /// The object that it refers to.
    pub fn window(&self) -> Option<Window> {
        match self.backing {
            Backing::Private(window) => window,
            Backing::Shared(window) => Some(window),
        }
    }

    fn joins(&self, next: &Self) -> bool {
        self.end == next.start
            && self.protection == next.protection
            && self.backing == Backing::Private(None)
            && next.backing == Backing::Private(None)
            && self.promised == next.promised
            && self.unforkable == next.unforkable
    }
}

/// The regions of a space, sorted and disjoint.
#[derive(Debug, Default)]
pub struct Regions {
    list: Vec<Region>,
}

/// Where mappings without an address begin.
const FIRST_FREE: u64 = 0x1000_0000_0000 / PAGE;

impl Regions {
    /// The region that holds a page.
    pub fn find(&self, page: u64) -> Option<&Region> {
        let at = self.list.partition_point(|region| region.end <= page);
        self.list.get(at).filter(|region| region.start <= page)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Region> {
        self.list.iter()
    }

    /// The first region that reaches into `start..end`.
    pub fn first_in(&self, start: u64, end: u64) -> Option<&Region> {
        let at = self.list.partition_point(|region| region.end <= start);
        self.list.get(at).filter(|region| region.start < end)
    }

    /// Whether one or two more regions would fit.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: the space's limit, or the heap.
    pub fn reserve(&mut self) -> Result<()> {
        if self.list.len().saturating_add(2) > MAX_REGIONS {
            return Err(ENOMEM);
        }
        self.list.try_reserve(2).map_err(|_full| ENOMEM)
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

    /// The first free range at or after `from`.
    fn gap(&self, from: u64, pages: u64) -> Option<(u64, u64)> {
        let mut start = from;
        let first = self.list.partition_point(|region| region.end <= from);
        for region in self.list.get(first..)? {
            if region.start >= start.checked_add(pages)? {
                break;
            }
            start = region.end;
        }
        let end = start.checked_add(pages).filter(|end| *end <= USER_END / PAGE)?;
        Some((start, end))
    }

    /// Takes in a region that overlaps no other; after [`Regions::reserve`] this does not
    /// allocate.
    pub fn insert(&mut self, region: Region) {
        let at = self.list.partition_point(|other| other.end <= region.start);
        match at.checked_sub(1).and_then(|before| self.list.get_mut(before)) {
            Some(before) if before.joins(&region) => before.end = region.end,
            _ => self.list.insert(at, region),
        }
    }

    /// Cuts `start..end` out, which lies within one region; gives what was there, and how many
    /// pieces of the region are left. After [`Regions::reserve`] this does not allocate.
    pub fn cut(&mut self, start: u64, end: u64) -> Option<(Region, usize)> {
        let at = self.list.partition_point(|region| region.end <= start);
        let whole = *self.list.get(at).filter(|r| r.start <= start && r.end >= end)?;
        self.list.remove(at);
        let pieces = [whole.tail(end), Region { end: start, ..whole }];
        let left = pieces.into_iter().filter(|piece| piece.pages() > 0);
        let left = left.map(|piece| self.list.insert(at, piece)).count();
        Some((Region { end, ..whole.tail(start) }, left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(start: u64, end: u64) -> Region {
        Region {
            start,
            end,
            protection: Protection { read: true, write: true, execute: false },
            backing: Backing::Private(None),
            promised: false,
            unforkable: true,
            sealed: false,
        }
    }

    fn spans(regions: &Regions) -> Vec<(u64, u64)> {
        regions.iter().map(|r| (r.start, r.end)).collect()
    }

    #[test]
    fn neighbours_that_are_alike_become_one() {
        let mut regions = Regions::default();
        regions.insert(region(100, 110));
        regions.insert(region(110, 120));
        regions.insert(region(130, 140));
        assert_eq!(spans(&regions), [(100, 120), (130, 140)]);
    }

    #[test]
    fn a_cut_leaves_both_ends() {
        let mut regions = Regions::default();
        regions.insert(region(100, 110));
        assert_eq!(regions.cut(103, 105).map(|(r, n)| (r.start, r.end, n)), Some((103, 105, 2)));
        assert_eq!(spans(&regions), [(100, 103), (105, 110)]);
        assert_eq!(regions.cut(102, 106), None);
        regions.cut(100, 103).unwrap();
        regions.cut(109, 110).unwrap();
        assert_eq!(spans(&regions), [(105, 109)]);
    }

    #[test]
    fn a_place_is_free_and_inside_the_user_half() {
        let mut regions = Regions::default();
        assert_eq!(regions.place(200, 10), Ok((200, 210)));
        regions.insert(region(200, 210));
        assert!(regions.place(205, 10).unwrap().0 >= 210);
        assert_eq!(regions.place(0, u64::MAX), Err(ENOMEM));
        assert_eq!(regions.place(0, USER_END / PAGE), Err(ENOMEM));
    }
}
