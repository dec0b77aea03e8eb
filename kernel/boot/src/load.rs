//! The order of things: find the slot, load the kernel, build the tables, describe it all.

use crate::elf::Plan;
use crate::paging::{GIANT, LARGE, Rights, Tables};
use crate::regions::{round_down, round_up};
use crate::slot::{self, Bundle};
use crate::{Disk, DiskError, Error, Memory, PAGE, Paging, gpt};
use anode_abi::boot_info::{
    BOOT_STACK, BootInfo, BootMethod, DIRECT_MAP, Extent, Framebuffer, KERNEL_BASE, MAGIC,
    RegionKind, VERSION,
};

use core::fmt;

/// Below this the direct map is whole, so that the kernel reaches ACPI tables and devices before
/// its own tables.
const WHOLE: u64 = 4 * GIANT;
/// Memory beyond this is left out of the direct map: 64 TiB, half of the upper half.
const DIRECT_MAP_END: u64 = 1 << 46;

/// What only the firmware's side knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// Who started the loader.
    pub method: BootMethod,
    /// Time stamp counter when the loader began.
    pub tsc_start: u64,
    /// The root pointer of ACPI, physical, or 0.
    pub rsdp: u64,
    /// The SMBIOS entry point, physical, or 0.
    pub smbios: u64,
    /// UEFI's system table, physical, or 0.
    pub efi_system_table: u64,
    /// A free page below 640 KiB, or 0.
    pub low_page: u64,
    /// Seconds since 1970, or 0.
    pub wall_seconds: u64,
    /// The screen.
    pub framebuffer: Framebuffer,
    /// Randomness.
    pub seed: [u64; 4],
}

/// A kernel in memory, ready to be entered.
#[derive(Clone, Copy, Debug)]
pub struct Loaded {
    /// Root of the page tables, physical.
    pub cr3: u64,
    /// The kernel's entry, virtual.
    pub entry: u64,
    /// End of the boot stack, virtual.
    pub stack_top: u64,
    /// Where `BootInfo` is to be, physical: zeroed and page aligned.
    pub info: u64,
    /// What was booted.
    pub bundle: Bundle,
    /// Why a try could not be taken away, if it could not: the disk is read-only.
    pub try_not_taken: Option<DiskError>,
    tries_left: u32,
    partition: gpt::Partition,
    kernel: Extent,
    kernel_virt: u64,
    levels: u32,
}

/// Finds, verifies and loads the kernel of the better slot; `identity` lists pages of the loader
/// that are to be mapped one to one for the jump.
///
/// # Errors
///
/// Each of [`Error`].
pub fn load(
    disk: &mut impl Disk,
    memory: &mut impl Memory,
    paging: Paging,
    identity: &[u64],
) -> Result<Loaded, Error> {
    let size = u64::from(disk.sector_size()).clamp(1, PAGE);
    let scratch = memory.allocate(size, RegionKind::LOADER)?;
    let partition = gpt::find(disk, gpt::BOOT_TYPE, memory.bytes(scratch, size)?)?;
    let headers = slot::headers(disk, &partition, memory.bytes(scratch, size)?);
    let bundle = slot::choose(disk, memory, headers)?;
    let (tries_left, try_not_taken) =
        match slot::take_try(disk, &partition, &bundle, memory.bytes(scratch, size)?) {
            Ok(left) => (left, None),
            Err(error) => (bundle.header.tries_left, Some(error)),
        };
    let tables = Tables::new(memory, paging)?;
    // Moving the kernel (KASLR) is this one number; it is not moved yet.
    let kernel_virt = KERNEL_BASE;
    let (kernel, entry) = load_kernel(memory, &tables, part(&bundle, KERNEL), kernel_virt)?;
    let info = memory
        .allocate(u64::try_from(size_of::<BootInfo>()).unwrap_or(u64::MAX), RegionKind::LOADER)?;
    let stack = memory.allocate(BOOT_STACK, RegionKind::LOADER)?;
    map_ram(memory, &tables, paging)?;
    for &page in identity {
        tables.map(memory, [page, page, PAGE], Rights::Execute, PAGE)?;
    }
    let stack_top = DIRECT_MAP.saturating_add(stack).saturating_add(BOOT_STACK);
    let (levels, cr3) = (paging.levels, tables.root());
    Ok(Loaded {
        cr3,
        entry,
        stack_top,
        info,
        bundle,
        try_not_taken,
        tries_left,
        partition,
        kernel,
        kernel_virt,
        levels,
    })
}

impl Loaded {
    /// Writes down all that is known; the memory map and the time of the hand-over are still
    /// missing.
    pub fn describe(&self, info: &mut BootInfo, facts: &Facts, command_line: &[u8]) {
        info.magic = MAGIC;
        info.version = VERSION;
        info.size = u32::try_from(size_of::<BootInfo>()).unwrap_or(0);
        info.method = facts.method;
        info.levels = self.levels;
        info.hhdm = DIRECT_MAP;
        info.cr3 = self.cr3;
        info.stack_top = self.stack_top;
        info.low_page = facts.low_page;
        info.kernel = self.kernel;
        info.kernel_virt = self.kernel_virt;
        info.bundle = Extent { phys: self.bundle.phys, len: self.bundle.header.total };
        info.kernel_elf = part(&self.bundle, KERNEL);
        info.init = part(&self.bundle, INIT);
        info.initfs = part(&self.bundle, INITFS);
        info.framebuffer = facts.framebuffer;
        info.rsdp = facts.rsdp;
        info.smbios = facts.smbios;
        info.efi_system_table = facts.efi_system_table;
        info.tsc_start = facts.tsc_start;
        info.wall_seconds = facts.wall_seconds;
        info.seed = facts.seed;
        info.slot = self.bundle.slot;
        info.tries_left = self.tries_left;
        info.generation = self.bundle.header.generation;
        info.partition_guid = self.partition.guid;
        info.disk_guid = self.partition.disk;
        for (to, from) in info.command_line.iter_mut().zip(command_line) {
            *to = *from;
        }
        let len = command_line.len().min(info.command_line.len());
        info.command_line_len = u32::try_from(len).unwrap_or(0);
    }

    /// Where the command line lies, physical.
    #[must_use]
    pub fn command_line(&self) -> Extent {
        part(&self.bundle, COMMAND_LINE)
    }
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slot = if self.bundle.slot == 0 { 'A' } else { 'B' };
        let Extent { phys, len } = self.kernel;
        write!(f, "slot {slot}, generation {}", self.bundle.header.generation)?;
        match (self.tries_left, self.try_not_taken) {
            (slot::PROVEN, _) => {}
            (_, Some(error)) => write!(f, ", tries not counted ({error})")?,
            (left, None) => write!(f, ", tries left: {left}")?,
        }
        write!(f, ", kernel of {} KiB at {phys:#x}", len.div_ceil(1024))
    }
}

/// Order of a bundle's parts.
const KERNEL: usize = 0;
const INIT: usize = 1;
const INITFS: usize = 2;
const COMMAND_LINE: usize = 3;

/// Where a part of the bundle lies in memory; its header has been checked.
fn part(bundle: &Bundle, which: usize) -> Extent {
    let part = bundle.header.parts.get(which).copied().unwrap_or_default();
    Extent { phys: bundle.phys.saturating_add(part.phys), len: part.len }
}

/// Loads the kernel and maps it at `base`; returns where it lies and its entry.
fn load_kernel(
    memory: &mut impl Memory,
    tables: &Tables,
    file: Extent,
    base: u64,
) -> Result<(Extent, u64), Error> {
    let span = Plan::new(memory.bytes(file.phys, file.len)?)?.span();
    let phys = memory.allocate(span, RegionKind::KERNEL)?;
    let (bytes, image) = memory.pair((file.phys, file.len), (phys, span))?;
    let plan = Plan::new(bytes)?;
    plan.load(image, base)?;
    let entry = base.saturating_add(plan.entry());
    // By index, as the file lies in the memory that the tables come from.
    for index in 0.. {
        let segment = Plan::new(memory.bytes(file.phys, file.len)?)?.segments().nth(index);
        let Some(segment) = segment else { break };
        let rights = match (segment.write, segment.execute) {
            (_, true) => Rights::Execute,
            (true, false) => Rights::Write,
            (false, false) => Rights::Read,
        };
        let to = base.saturating_add(segment.start);
        let len = segment.end.saturating_sub(segment.start);
        tables.map(memory, [to, phys.saturating_add(segment.start), len], rights, PAGE)?;
    }
    Ok((Extent { phys, len: span }, entry))
}

/// Maps the first 4 GiB and all RAM above at [`DIRECT_MAP`], in pages of 2 MiB, or of 1 GiB where
/// it is all RAM.
fn map_ram(memory: &mut impl Memory, tables: &Tables, paging: Paging) -> Result<(), Error> {
    tables.map(memory, [DIRECT_MAP, 0, WHOLE], Rights::Write, LARGE)?;
    let largest = if paging.giant_pages { GIANT } else { LARGE };
    let mut mapped = WHOLE;
    let mut index = 0;
    // By index, as making tables changes the map; what is made lies in memory that was there
    // before.
    while let Some(region) = memory.region(index) {
        index = index.saturating_add(1);
        let start = round_down(region.base, LARGE).max(mapped);
        let end = round_up(region.end(), LARGE).min(DIRECT_MAP_END);
        if region.kind.is_ram() && start < end {
            let len = end.saturating_sub(start);
            tables.map(
                memory,
                [DIRECT_MAP.saturating_add(start), start, len],
                Rights::Write,
                largest,
            )?;
            mapped = end;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
