//! The order of things: find the slot, load the kernel, take what it will need, build its tables.
//!
//! All memory is taken here, while the firmware still gives it; `handover` fills it in.

use crate::elf::Plan;
use crate::facts::Origin;
use crate::madt::Madt;
use crate::paging::{Rights, Tables};
use crate::regions::RegionKind;
use crate::room::{self, Room};
use crate::slot::{self, Bundle};
use crate::symbols::Symbols;
use crate::window::Window;
use crate::{Disk, DiskError, Error, Memory, PAGE, Paging, gpt};
use anode_abi::boot_info::Extent;

use core::fmt;

/// Where the kernel's image begins. Moving the kernel (KASLR) is this one number; it is not moved
/// yet.
pub const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;

/// What has to be known of the machine before a kernel is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Hardware {
    /// How the kernel is to be mapped.
    pub paging: Paging,
    /// Interrupt controllers and CPUs.
    pub madt: Madt,
    /// Whether the firmware described them.
    pub has_madt: bool,
    /// Registers of the local APIC, physical.
    pub apic: u64,
}

/// A kernel in memory.
#[derive(Clone, Copy, Debug)]
pub struct Loaded {
    /// Root of the tables for the jump, physical.
    pub(crate) jump_root: u64,
    /// Root of the kernel's page tables, physical.
    pub(crate) root: u64,
    /// The kernel's entry, virtual.
    pub(crate) entry: u64,
    /// What was booted.
    pub(crate) bundle: Bundle,
    /// From where.
    pub(crate) origin: Origin,
    /// What the kernel finds at addresses of its own.
    pub(crate) window: Window,
    /// What it finds by the direct map.
    pub(crate) room: Room,
    /// Bytes of RAM.
    pub(crate) ram: u64,
    /// Why a try could not be taken away, if it could not: the disk is read-only.
    try_not_taken: Option<DiskError>,
    kernel: Extent,
}

/// Finds, verifies and loads the kernel of the better slot; `jump` lists pages of the loader that
/// are to be mapped one to one for the jump.
///
/// # Errors
///
/// Each of [`Error`].
pub fn load(
    disk: &mut impl Disk,
    memory: &mut impl Memory,
    hardware: &Hardware,
    jump: &[u64],
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
    let (slot, generation) = (bundle.slot, bundle.header.generation);
    let origin = Origin { slot, generation, tries_left, partition };

    let ram = room::ram(memory);
    let tables = Tables::new(memory, hardware.paging, RegionKind::KEPT)?;
    let file = part(&bundle, KERNEL);
    let (kernel, entry) = load_kernel(memory, &tables, file)?;
    let window = Window::make(memory, &tables, (KERNEL_BASE, entry), &hardware.madt)?;
    window.map_devices(memory, &tables, hardware)?;
    let symbols = Symbols::new(memory.bytes(file.phys, file.len)?).room();
    let mut room = Room::take(memory, ram, symbols)?;
    room.name_functions(memory, file, KERNEL_BASE)?;
    room::map(memory, &tables, hardware.paging)?;
    let jump_tables = tables.with_upper_half(memory)?;
    for &page in jump {
        jump_tables.map(memory, [page, page, PAGE], Rights::Jump, PAGE)?;
    }
    let (root, jump_root) = (tables.root(), jump_tables.root());
    Ok(Loaded { jump_root, root, entry, bundle, origin, window, room, ram, try_not_taken, kernel })
}

impl Loaded {
    /// init's ELF file.
    pub(crate) fn init(&self) -> Extent {
        part(&self.bundle, INIT)
    }

    /// The initfs image.
    pub(crate) fn initfs(&self) -> Extent {
        part(&self.bundle, INITFS)
    }

    /// The command line.
    pub(crate) fn command_line(&self) -> Extent {
        part(&self.bundle, COMMAND_LINE)
    }
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { slot, generation, tries_left, .. } = self.origin;
        let slot = if slot == 0 { 'A' } else { 'B' };
        let Extent { phys, len } = self.kernel;
        write!(f, "slot {slot}, generation {generation}")?;
        match (tries_left, self.try_not_taken) {
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

/// Loads the kernel and maps it at [`KERNEL_BASE`]; returns where it lies and its entry.
fn load_kernel(
    memory: &mut impl Memory,
    tables: &Tables,
    file: Extent,
) -> Result<(Extent, u64), Error> {
    let span = Plan::new(memory.bytes(file.phys, file.len)?)?.span();
    let phys = memory.allocate(span, RegionKind::KERNEL)?;
    let (bytes, image) = memory.pair((file.phys, file.len), (phys, span))?;
    let plan = Plan::new(bytes)?;
    plan.load(image, KERNEL_BASE)?;
    let entry = KERNEL_BASE.saturating_add(plan.entry());
    // By index, as the file lies in the memory that the tables come from.
    for index in 0.. {
        let segment = Plan::new(memory.bytes(file.phys, file.len)?)?.segments().nth(index);
        let Some(segment) = segment else { break };
        let rights = match (segment.write, segment.execute) {
            (_, true) => Rights::Execute,
            (true, false) => Rights::Write,
            (false, false) => Rights::Read,
        };
        let to = KERNEL_BASE.saturating_add(segment.start);
        let len = segment.end.saturating_sub(segment.start);
        tables.map(memory, [to, phys.saturating_add(segment.start), len], rights, PAGE)?;
    }
    Ok((Extent { phys, len: span }, entry))
}

#[cfg(test)]
mod tests;
