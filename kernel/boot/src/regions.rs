//! The memory map: tidied, carved, merged.
//!
//! Firmware lists overlap, are unsorted and have more entries than anybody needs. Here every byte
//! has one kind: where two claims meet, the more cautious one wins. When the table is full, memory
//! is lost, never handed out twice.

use crate::PAGE;

/// What a [`Region`] of physical memory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RegionKind(u32);

impl RegionKind {
    /// RAM that nobody uses.
    pub const USABLE: Self = Self(1);
    /// Not to be touched: firmware's, or unknown.
    pub const RESERVED: Self = Self(2);
    /// ACPI tables.
    pub const ACPI: Self = Self(3);
    /// ACPI non-volatile storage: kept for the firmware.
    pub const NVS: Self = Self(4);
    /// RAM with errors.
    pub const BAD: Self = Self(5);
    /// The loader's own memory: free once the kernel runs.
    pub const LOADER: Self = Self(6);
    /// Code and data of UEFI runtime services.
    pub const RUNTIME: Self = Self(7);
    /// What the kernel alone has, at addresses of its own: image, stacks, descriptors.
    pub const KERNEL: Self = Self(8);
    /// The boot bundle, with init and the initfs in it.
    pub const BUNDLE: Self = Self(9);
    /// Device registers.
    pub const MMIO: Self = Self(10);
    /// What the kernel reaches by the direct map and keeps: page tables, heap, texts.
    pub const KEPT: Self = Self(11);

    /// Whether this is RAM.
    #[must_use]
    pub fn is_ram(self) -> bool {
        self.is_mapped() || matches!(self, Self::ACPI | Self::KERNEL)
    }

    /// Whether the kernel's direct map has it.
    #[must_use]
    pub fn is_mapped(self) -> bool {
        matches!(self, Self::USABLE | Self::LOADER | Self::BUNDLE | Self::KEPT)
    }

    /// Whether nobody uses it any more when the kernel runs.
    #[must_use]
    pub fn is_free(self) -> bool {
        matches!(self, Self::USABLE | Self::LOADER)
    }
}

/// A range of physical memory of one kind, in whole 4 KiB pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// First byte.
    pub base: u64,
    /// Length in bytes; `base + len` does not wrap.
    pub len: u64,
    /// What lies there.
    pub kind: RegionKind,
}

impl Region {
    /// None.
    pub const EMPTY: Self = Self { base: 0, len: 0, kind: RegionKind(0) };

    /// The first byte after the region.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.base.saturating_add(self.len)
    }
}

/// Most regions of a map.
pub const MAX_REGIONS: usize = 1024;

/// Sorted regions without overlaps, in a table that somebody else owns.
#[derive(Debug)]
pub struct Regions<'a> {
    table: &'a mut [Region],
    used: usize,
}

/// Which of two kinds holds where both are claimed: the higher.
const fn caution(kind: RegionKind) -> u32 {
    match kind {
        RegionKind::USABLE => 0,
        RegionKind::LOADER | RegionKind::KERNEL | RegionKind::BUNDLE | RegionKind::KEPT => 1,
        RegionKind::ACPI => 2,
        RegionKind::RUNTIME => 3,
        RegionKind::NVS => 4,
        RegionKind::MMIO => 5,
        RegionKind::BAD => 7,
        // Also every kind that is not known.
        _ => 6,
    }
}

/// `address` rounded down to a multiple of `unit`, a power of two.
pub(crate) const fn round_down(address: u64, unit: u64) -> u64 {
    address & !unit.wrapping_sub(1)
}

/// `address` rounded up to a multiple of `unit`, a power of two; the last multiple if there is none
/// above.
pub(crate) const fn round_up(address: u64, unit: u64) -> u64 {
    round_down(address.saturating_add(unit.wrapping_sub(1)), unit)
}

impl<'a> Regions<'a> {
    /// An empty map in `table`.
    pub const fn new(table: &'a mut [Region]) -> Self {
        Self { table, used: 0 }
    }

    /// The regions, sorted.
    #[must_use]
    pub fn as_slice(&self) -> &[Region] {
        self.table.get(..self.used).unwrap_or_default()
    }

    /// Adds what the firmware says of `len` bytes at `base`: whole pages, fewer of usable memory
    /// and more of any other.
    pub fn add(&mut self, base: u64, len: u64, kind: RegionKind) {
        let end = base.saturating_add(len);
        let (base, end) = match kind {
            RegionKind::USABLE => (round_up(base, PAGE), round_down(end, PAGE)),
            _ => (round_down(base, PAGE), round_up(end, PAGE)),
        };
        self.paint(Region { base, len: end.saturating_sub(base), kind }, caution(kind));
    }

    /// Makes `len` bytes at `base`, whole pages of RAM, the loader's own for `kind`, whatever they
    /// were.
    pub fn claim(&mut self, base: u64, len: u64, kind: RegionKind) {
        self.paint(Region { base, len, kind }, u32::MAX);
    }

    /// Leaves alone whatever `other` does not have as memory that is mapped.
    pub fn limit_to(&mut self, other: &Regions<'_>) {
        let mut at = 0;
        for region in other.as_slice().iter().filter(|region| region.kind.is_mapped()) {
            self.add(at, region.base.saturating_sub(at), RegionKind::RESERVED);
            at = region.end();
        }
        self.add(at, u64::MAX, RegionKind::RESERVED);
    }

    /// Takes the lowest free `len` bytes in `floor..ceiling` for `kind`, in whole pages.
    #[must_use]
    pub fn take(&mut self, len: u64, floor: u64, ceiling: u64, kind: RegionKind) -> Option<u64> {
        let len = len.checked_next_multiple_of(PAGE).filter(|&len| len > 0)?;
        let free = self.as_slice().iter().filter(|region| region.kind == RegionKind::USABLE);
        let fits = |region: &Region| {
            let base = round_up(region.base.max(floor), PAGE);
            let end = base.checked_add(len)?;
            (end <= region.end().min(ceiling)).then_some(base)
        };
        let base = free.filter_map(fits).next()?;
        self.claim(base, len, kind);
        Some(base)
    }

    /// Whether all of the `len` bytes at `base` are listed, of whatever kinds.
    #[must_use]
    pub fn covers(&self, base: u64, len: u64) -> bool {
        let Some(end) = base.checked_add(len) else { return false };
        let mut at = base;
        for region in self.as_slice() {
            if region.base <= at && at < region.end() {
                at = region.end();
            }
        }
        at >= end
    }

    /// Lays `new` over the map; it takes the place of what is less cautious than `strength`, or as
    /// cautious.
    fn paint(&mut self, new: Region, strength: u32) {
        if new.len == 0 {
            return;
        }
        // A region splits at most two others and leaves at most one gap more than there are regions
        // under it; rather than count, keep room for all gaps.
        let under = self
            .as_slice()
            .iter()
            .filter(|old| old.base < new.end() && new.base < old.end())
            .count();
        if self.used.saturating_add(under).saturating_add(3) > self.table.len() {
            return self.shed(new);
        }
        self.split(new.base);
        self.split(new.end());
        let mut at = new.base;
        let mut index = 0;
        while let Some(old) = self.as_slice().get(index).copied() {
            if new.base <= old.base && old.end() <= new.end() {
                self.insert(Region { base: at, len: old.base.saturating_sub(at), ..new });
                at = old.end();
            }
            index = index.saturating_add(1);
        }
        self.insert(Region { base: at, len: new.end().saturating_sub(at), ..new });
        for old in self.table.iter_mut().take(self.used) {
            let inside = new.base <= old.base && old.end() <= new.end();
            if inside && caution(old.kind) <= strength {
                old.kind = new.kind;
            }
        }
        self.merge();
    }

    /// Without room for `new`: forgets the usable memory under it, as what is not listed is not
    /// touched.
    fn shed(&mut self, new: Region) {
        if new.kind == RegionKind::USABLE {
            return;
        }
        let lost = |old: &Region| {
            old.kind == RegionKind::USABLE && old.base < new.end() && new.base < old.end()
        };
        for old in self.table.iter_mut().take(self.used).filter(|old| lost(old)) {
            old.len = 0;
        }
        self.merge();
    }

    /// Cuts the region that `address` is inside of in two.
    fn split(&mut self, address: u64) {
        let inside = |old: &&mut Region| old.base < address && address < old.end();
        let Some(old) = self.table.iter_mut().take(self.used).find(inside) else { return };
        let upper = Region { base: address, len: old.end().saturating_sub(address), ..*old };
        old.len = address.saturating_sub(old.base);
        self.insert(upper);
    }

    /// Puts a region where it belongs; nothing overlaps it.
    fn insert(&mut self, region: Region) {
        let at = self.as_slice().partition_point(|old| old.base < region.base);
        let Some(end) = self.used.checked_add(1) else { return };
        let Some(tail) = self.table.get_mut(at..end) else { return };
        if region.len == 0 {
            return;
        }
        tail.rotate_right(1);
        if let Some(first) = tail.first_mut() {
            *first = region;
        }
        self.used = end;
    }

    /// Joins neighbours of one kind and drops empty ones.
    fn merge(&mut self) {
        let mut kept: usize = 0;
        for index in 0..self.used {
            let Some(region) = self.table.get(index).copied().filter(|region| region.len > 0)
            else {
                continue;
            };
            let last = kept.checked_sub(1).and_then(|last| self.table.get_mut(last));
            if let Some(last) =
                last.filter(|last| last.kind == region.kind && last.end() == region.base)
            {
                last.len = last.len.saturating_add(region.len);
                continue;
            }
            if let Some(place) = self.table.get_mut(kept) {
                *place = region;
                kept = kept.saturating_add(1);
            }
        }
        self.used = kept;
    }
}

#[cfg(test)]
mod tests;
