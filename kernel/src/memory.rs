//! Physical memory: what the kernel keeps for itself, and what the core may have.

use alloc::vec::Vec;

use anode_abi::boot_info::{BootInfo, Extent, Region, RegionKind};
use anode_kernel::kernel::FrameRange;
use anode_kernel::machine::Frame;
use anode_kernel::num::{size, wide};

const PAGE: u64 = 4096;
const NO_ROOM: &str = "the machine has too little memory";

/// The one block of RAM that the kernel keeps: the beginning of the largest free region.
///
/// It only grows, while the machine boots; nobody else ever gets a frame of it.
#[derive(Debug)]
pub(crate) struct Block {
    base: u64,
    next: u64,
    end: u64,
    hhdm: u64,
}

impl Block {
    /// A block of no frames yet.
    ///
    /// # Errors
    ///
    /// A sentence: there is no RAM.
    pub(crate) fn new(info: &BootInfo) -> Result<Self, &'static str> {
        let free = info.regions().iter().filter(|region| region.kind == RegionKind::USABLE);
        let largest = free.max_by_key(|region| region.len).ok_or(NO_ROOM)?;
        let base = largest.base.next_multiple_of(PAGE).max(PAGE);
        Ok(Self { base, next: base, end: largest.end() & !(PAGE - 1), hhdm: info.hhdm })
    }

    /// Takes zeroed pages; gives their physical address.
    ///
    /// # Errors
    ///
    /// A sentence: there are not that many.
    pub(crate) fn take(&mut self, pages: u64) -> Result<u64, &'static str> {
        let (at, len) = (self.next, pages.saturating_mul(PAGE));
        let end = at.checked_add(len).filter(|end| *end <= self.end).ok_or(NO_ROOM)?;
        self.next = end;
        let start = core::ptr::with_exposed_provenance_mut::<u8>(size(self.address(at)));
        // SAFETY: the pages are free RAM (the loader's word), given out here for the first and
        // only time, and mapped in the direct map of the loader and in ours.
        unsafe { start.write_bytes(0, size(len)) };
        Ok(at)
    }

    /// Where a physical address lies in the direct map.
    pub(crate) fn address(&self, phys: u64) -> u64 {
        self.hhdm.wrapping_add(phys)
    }

    /// What was taken.
    pub(crate) fn extent(&self) -> Extent {
        Extent { phys: self.base, len: self.next.wrapping_sub(self.base) }
    }
}

/// Bytes of RAM that the machine has.
pub(crate) fn total(info: &BootInfo) -> u64 {
    info.regions().iter().filter(|region| region.kind.is_ram()).map(|region| region.len).sum()
}

fn frames(from: u64, to: u64) -> Option<FrameRange> {
    let first = u32::try_from(from.div_ceil(PAGE)).ok()?.max(1);
    let end = u32::try_from(to / PAGE).unwrap_or(u32::MAX);
    let count = end.checked_sub(first).filter(|count| *count > 0)?;
    Some(FrameRange { first, count })
}

/// Adds a range, or lets the last one grow by it.
fn push(ranges: &mut Vec<FrameRange>, range: FrameRange) -> Result<(), &'static str> {
    match ranges.last_mut() {
        Some(last) if last.first.wrapping_add(last.count) == range.first => {
            last.count = last.count.wrapping_add(range.count);
        }
        _ => {
            ranges.try_reserve(1).map_err(|_full| NO_ROOM)?;
            ranges.push(range);
        }
    }
    Ok(())
}

/// The frames that are free from now on: all RAM that nobody uses but `holes`, which are sorted.
///
/// # Errors
///
/// A sentence: the kernel's heap is too small for the list.
pub(crate) fn free_ranges(
    info: &BootInfo,
    holes: &[Extent],
) -> Result<Vec<FrameRange>, &'static str> {
    let mut free = Vec::new();
    let kinds = [RegionKind::USABLE, RegionKind::LOADER];
    for Region { base, len, kind, .. } in info.regions() {
        if !kinds.contains(kind) {
            continue;
        }
        let end = base.saturating_add(*len);
        let mut from = *base;
        for hole in holes.iter().filter(|hole| hole.phys < end && hole.len > 0) {
            if let Some(range) = frames(from, hole.phys.min(end)) {
                push(&mut free, range)?;
            }
            from = from.max(hole.phys.saturating_add(hole.len));
        }
        if let Some(range) = frames(from, end) {
            push(&mut free, range)?;
        }
    }
    Ok(free)
}

/// The frames that the core may name: those that are free, and those that it was given filled.
/// No frame of the kernel's own is among them, and the direct map reaches them all.
#[derive(Debug)]
pub(crate) struct Ram {
    /// The largest first, as it is asked for most.
    ranges: Vec<FrameRange>,
    hhdm: u64,
}

impl Ram {
    /// # Errors
    ///
    /// A sentence: the kernel's heap is too small for the list.
    pub(crate) fn new(
        info: &BootInfo,
        free: &[FrameRange],
        filled: &[Extent],
    ) -> Result<Self, &'static str> {
        let mut ranges = Vec::new();
        let within = |extent: &Extent| Some((extent.phys, extent.phys.checked_add(extent.len)?));
        let filled = filled.iter().filter_map(within);
        let filled = filled.filter_map(|(from, to)| frames(from, to.next_multiple_of(PAGE)));
        for range in free.iter().copied().chain(filled) {
            ranges.try_reserve(1).map_err(|_full| NO_ROOM)?;
            ranges.push(range);
        }
        ranges.sort_unstable_by_key(|range: &FrameRange| core::cmp::Reverse(range.count));
        Ok(Self { ranges, hhdm: info.hhdm })
    }

    /// Where a frame lies in the direct map: 512 words that are mapped and writable, and that the
    /// kernel uses by atomics or by copying only. `None`: the frame is not the core's.
    #[inline]
    pub(crate) fn address(&self, frame: Frame) -> Option<*mut u64> {
        let number = frame.number();
        let holds = |range: &FrameRange| number.wrapping_sub(range.first) < range.count;
        let found = self.ranges.iter().any(holds);
        let at = self.hhdm.wrapping_add(frame.address());
        found.then(|| core::ptr::with_exposed_provenance_mut(size(at)))
    }

    /// Bytes in all ranges.
    pub(crate) fn len(&self) -> u64 {
        let count = self.ranges.iter().map(|range| u64::from(range.count)).sum::<u64>();
        count.saturating_mul(wide(4096))
    }
}
