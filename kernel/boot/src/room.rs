//! What the kernel finds by its direct map and keeps: memory to work with, lists, texts, names.

use crate::elf::Plan;
use crate::paging::{GIANT, LARGE, Rights, Tables};
use crate::regions::{MAX_REGIONS, Region, RegionKind};
use crate::symbols::Symbols;
use crate::{Error, Memory, PAGE, Paging};
use anode_abi::boot_info::{Extent, FrameRange};

/// Where the direct map of physical memory begins (four levels of paging or five).
pub(crate) const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;
/// Memory beyond this is left out: 16 TiB, where frames' numbers end.
const END: u64 = 1 << 44;
/// RAM below is nobody's: the firmware of old machines knows it too well.
const LOW: u64 = 1 << 20;
const MIB: u64 = 1 << 20;
/// Bytes of a thread's registers.
const CONTEXT: u64 = 1024;
/// Bytes of a list of ranges.
const LIST: u64 = 8192;
const RANGE: usize = size_of::<FrameRange>();
const _: () = assert!(MAX_REGIONS * RANGE == 8192);

/// Where it all lies; what is filled in at the end is as long as it may become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) heap: Extent,
    pub(crate) contexts: Extent,
    pub(crate) free: Extent,
    pub(crate) ram: Extent,
    pub(crate) facts: Extent,
    pub(crate) notes: Extent,
    pub(crate) warnings: Extent,
    pub(crate) args: Extent,
    pub(crate) symbols: Extent,
    pub(crate) names: Extent,
}

/// The regions of `memory`.
fn regions(memory: &impl Memory) -> impl Iterator<Item = Region> {
    (0..).map_while(|index| memory.region(index))
}

/// Bytes of RAM.
pub(crate) fn ram(memory: &impl Memory) -> u64 {
    let ram = regions(memory).filter(|region| region.kind.is_ram());
    ram.fold(0, |sum, region| sum.saturating_add(region.len))
}

impl Room {
    /// Takes memory for a machine with `ram` bytes, and a kernel whose functions need `symbols`
    /// bytes for table and names.
    pub(crate) fn take(
        memory: &mut impl Memory,
        ram: u64,
        (symbols, names): (u64, u64),
    ) -> Result<Self, Error> {
        // 8 MiB, a thirty-second of RAM for tables of what programs use (but no more than 128 MiB),
        // and 16 bytes a frame; the heap rounds large tables up to a power of two.
        let heap = (8 * MIB).saturating_add((ram / 32).min(128 * MIB)).saturating_add(ram / 256);
        // Two threads for each MiB.
        let contexts = (ram / MIB).saturating_mul(2).clamp(64, 4096).saturating_mul(CONTEXT);
        let mut take = |len: u64| {
            let phys = memory.allocate(len.max(1), RegionKind::KEPT)?;
            Ok::<_, Error>(Extent { phys, len })
        };
        let heap = take(heap & !PAGE.saturating_sub(1))?;
        let named = take(symbols.saturating_add(names))?;
        Ok(Self {
            heap,
            contexts: take(contexts)?,
            free: take(LIST)?,
            ram: take(LIST)?,
            facts: take(PAGE)?,
            notes: take(PAGE)?,
            warnings: take(PAGE)?,
            args: take(PAGE)?,
            symbols: Extent { phys: named.phys, len: symbols },
            names: Extent { phys: named.phys.saturating_add(symbols), len: names },
        })
    }

    /// Fills in the names of the functions of the kernel's `file`, which begins at `base`.
    pub(crate) fn name_functions(
        &mut self,
        memory: &mut impl Memory,
        file: Extent,
        base: u64,
    ) -> Result<(), Error> {
        let Self { symbols, names, .. } = self;
        let all = (symbols.phys, symbols.len.saturating_add(names.len));
        let (file, all) = memory.pair((file.phys, file.len), all)?;
        let middle = usize::try_from(symbols.len).unwrap_or(0).min(all.len());
        let (table, text) = all.split_at_mut(middle);
        let slide = base.wrapping_sub(Plan::new(file)?.base());
        (symbols.len, names.len) = Symbols::new(file).write(slide, table, text);
        Ok(())
    }

    /// Lists the frames that nobody uses, and those that the kernel's core may name: the same and
    /// what `filled` holds.
    pub(crate) fn list(
        &mut self,
        memory: &mut impl Memory,
        filled: [Extent; 3],
    ) -> Result<(), Error> {
        let mut ranges = [FrameRange::default(); MAX_REGIONS];
        let mut used = 0_usize;
        let mut add = |range: Option<FrameRange>| {
            if let Some((range, place)) = range.zip(ranges.get_mut(used)) {
                *place = range;
                used = used.saturating_add(1);
            }
            used
        };
        for region in regions(memory).filter(|region| region.kind.is_free()) {
            add(frames(region.base.max(LOW), region.end()));
        }
        let free = add(None);
        for Extent { phys, len } in filled {
            add(frames(phys, phys.saturating_add(len).next_multiple_of(PAGE)));
        }
        let ranges = ranges.get_mut(..used).unwrap_or_default();
        self.free.len = write(memory, self.free, ranges.get(..free).unwrap_or_default())?;
        ranges.sort_unstable_by_key(|range| core::cmp::Reverse(range.count));
        self.ram.len = write(memory, self.ram, ranges)?;
        Ok(())
    }
}

/// The frames in `from..to`, which are whole pages.
fn frames(from: u64, to: u64) -> Option<FrameRange> {
    let first = u32::try_from(from / PAGE).ok().filter(|first| *first > 0)?;
    let end = u32::try_from(to.min(END) / PAGE).unwrap_or(u32::MAX);
    let count = end.checked_sub(first).filter(|count| *count > 0)?;
    Some(FrameRange { first, count })
}

/// Writes a list of ranges; gives its length in bytes.
fn write(memory: &mut impl Memory, to: Extent, ranges: &[FrameRange]) -> Result<u64, Error> {
    let bytes = memory.bytes(to.phys, to.len)?;
    for (range, place) in ranges.iter().zip(bytes.as_chunks_mut::<RANGE>().0) {
        let word = u64::from(range.first) | u64::from(range.count) << 32;
        *place = word.to_le_bytes();
    }
    Ok(u64::try_from(ranges.len().saturating_mul(RANGE)).unwrap_or(0))
}

/// Maps all RAM that is the kernel's to use at [`DIRECT_MAP`], in pages as large as they can be.
pub(crate) fn map(memory: &mut impl Memory, tables: &Tables, paging: Paging) -> Result<(), Error> {
    let largest = if paging.giant_pages { GIANT } else { LARGE };
    let mut at = 0;
    // By address, as making tables changes the map; what is made lies in memory that is mapped.
    while let Some((start, end)) = next_run(memory, at) {
        let place = [DIRECT_MAP.saturating_add(start), start, end.saturating_sub(start)];
        tables.map(memory, place, Rights::Write, largest)?;
        at = end;
    }
    Ok(())
}

/// The first piece of memory from `at` on that is to be mapped, of whatever kinds.
fn next_run(memory: &impl Memory, at: u64) -> Option<(u64, u64)> {
    let mut run: Option<(u64, u64)> = None;
    for region in regions(memory).filter(|region| region.kind.is_mapped()) {
        let (start, end) = (region.base.max(at), region.end().min(END));
        match &mut run {
            None if start < end => run = Some((start, end)),
            Some((_, last)) if *last == region.base => *last = end,
            _ => {}
        }
    }
    run
}
