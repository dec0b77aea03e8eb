//! Physical memory: what the kernel keeps for itself, and what the core may have.

use alloc::vec::Vec;

use anode_abi::boot_info::{BootInfo, Extent, Region, RegionKind};
use anode_kernel::kernel::FrameRange;
use anode_kernel::machine::{Frame, PAGE, PAGE_SIZE};
use anode_kernel::num::size;

const NO_ROOM: &str = "the machine has too little memory";
/// RAM below is left alone: the firmware of old machines knows it too well.
const LOW: u64 = 1 << 20;

/// The one block of RAM that the kernel keeps: the beginning of the largest free region.
///
/// It only grows, while the machine boots; nobody else ever gets a frame of it.
pub(crate) struct Block {
    region: Region,
    next: u64,
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
        let region = *free.max_by_key(|region| region.len).ok_or(NO_ROOM)?;
        Ok(Self { region, next: region.base.max(LOW).next_multiple_of(PAGE), hhdm: info.hhdm })
    }

    /// Takes zeroed pages; gives their physical address.
    ///
    /// # Errors
    ///
    /// A sentence: there are not that many.
    pub(crate) fn take(&mut self, pages: u64) -> Result<u64, &'static str> {
        let (at, len) = (self.next, pages.saturating_mul(PAGE));
        let end = at.checked_add(len).filter(|end| *end <= self.region.end()).ok_or(NO_ROOM)?;
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
}

/// Bytes of RAM that the machine has.
pub(crate) fn total(info: &BootInfo) -> u64 {
    info.regions().iter().filter(|region| region.kind.is_ram()).map(|region| region.len).sum()
}

/// The whole frames in `from..to`.
fn frames(from: u64, to: u64) -> Option<FrameRange> {
    let first = u32::try_from(from.div_ceil(PAGE)).ok()?.max(1);
    let end = u32::try_from(to / PAGE).unwrap_or(u32::MAX);
    let count = end.checked_sub(first).filter(|count| *count > 0)?;
    Some(FrameRange { first, count })
}

fn collect(ranges: impl Iterator<Item = FrameRange>) -> Result<Vec<FrameRange>, &'static str> {
    let mut list = Vec::new();
    for range in ranges {
        list.try_reserve(1).map_err(|_full| NO_ROOM)?;
        list.push(range);
    }
    Ok(list)
}

/// The frames that are free from now on: all RAM that nobody uses and that is not the block's.
///
/// # Errors
///
/// A sentence: the kernel's heap is too small for the list.
pub(crate) fn free_ranges(info: &BootInfo, block: &Block) -> Result<Vec<FrameRange>, &'static str> {
    let kinds = [RegionKind::USABLE, RegionKind::LOADER];
    let free = info.regions().iter().filter(|region| kinds.contains(&region.kind));
    collect(free.filter_map(|region| {
        let start = if region.base == block.region.base { block.next } else { region.base };
        frames(start.max(LOW), region.end())
    }))
}

/// The frames that the core may name: those that are free, and those that it was given filled.
/// No frame of the kernel's own is among them, and the direct map reaches them all.
pub(crate) struct Ram {
    /// The largest first, as it is asked for most.
    ranges: Vec<FrameRange>,
    hhdm: u64,
}

impl Ram {
    /// # Errors
    ///
    /// A sentence: the kernel's heap is too small for the list.
    pub(crate) fn new(info: &BootInfo, free: &[FrameRange]) -> Result<Self, &'static str> {
        let filled = [info.init, info.initfs].into_iter().filter_map(|Extent { phys, len }| {
            frames(phys, phys.checked_add(len)?.checked_next_multiple_of(PAGE)?)
        });
        let mut ranges = collect(free.iter().copied().chain(filled))?;
        ranges.sort_unstable_by_key(|range| core::cmp::Reverse(range.count));
        Ok(Self { ranges, hhdm: info.hhdm })
    }

    /// Where a frame lies in the direct map: 512 words that are mapped and writable, and that the
    /// kernel uses by atomics or by copying only. `None`: the frame is not the core's.
    pub(crate) fn words(&self, frame: Frame) -> Option<*mut u64> {
        let holds = |range: &FrameRange| frame.number().wrapping_sub(range.first) < range.count;
        let found = self.ranges.iter().any(holds);
        let at = self.hhdm.wrapping_add(frame.address());
        found.then(|| core::ptr::with_exposed_provenance_mut(size(at)))
    }

    /// Where `len` bytes from `offset` on lie in a frame, and how many of them are in it.
    pub(crate) fn bytes(
        &self,
        frame: Frame,
        offset: usize,
        len: usize,
    ) -> Option<(*mut u8, usize)> {
        let left = PAGE_SIZE.checked_sub(offset)?;
        Some((self.words(frame)?.cast::<u8>().wrapping_add(offset), len.min(left)))
    }
}
