//! Pages from the firmware, and its memory map.

use alloc::boxed::Box;
use alloc::vec;
use anode_loader::machine::Identity;
use anode_loader::regions::{MAX_REGIONS, Region, RegionKind, Regions};
use anode_loader::{Error, PAGE};
use core::mem::ManuallyDrop;
use uefi::boot::{self, AllocateType, MemoryDescriptor, MemoryType};
use uefi::mem::memory_map::MemoryMap;

/// Room for a memory map, for good.
pub(crate) fn table() -> &'static mut [Region] {
    Box::leak(vec![Region::default(); MAX_REGIONS].into_boxed_slice())
}

/// Memory as the firmware sees it now.
pub(crate) fn detect() -> Result<Identity, Error> {
    let map = boot::memory_map(MemoryType::LOADER_DATA).map_err(|_status| Error::Memory(PAGE))?;
    let regions = describe(table(), map.entries());
    // SAFETY: the firmware gives the pages that `take` asks for to nobody else, and maps all of RAM
    // one to one.
    Ok(unsafe { Identity::new(regions, table(), take, u64::MAX) })
}

/// Asks the firmware for pages.
fn take(_map: &mut Regions<'static>, len: u64, _kind: RegionKind) -> Option<u64> {
    let count = usize::try_from(len.checked_div(PAGE)?).ok()?;
    let pages =
        boot::allocate_pages(AllocateType::AnyPages, MemoryType::LOADER_DATA, count).ok()?;
    u64::try_from(pages.as_ptr().expose_provenance()).ok()
}

/// A page below 640 KiB, or 0.
pub(crate) fn low_page() -> u64 {
    let below = AllocateType::MaxAddress(0x9_ffff);
    let page = boot::allocate_pages(below, MemoryType::LOADER_DATA, 1).ok();
    page.and_then(|page| u64::try_from(page.as_ptr().expose_provenance()).ok()).unwrap_or(0)
}

/// Ends boot services; returns the last map, in `table`.
pub(crate) fn exit(table: &'static mut [Region]) -> Regions<'static> {
    // SAFETY: no protocol is open (`run` dropped them), and nothing is allocated or freed after
    // this.
    let map = ManuallyDrop::new(unsafe { boot::exit_boot_services(None) });
    describe(table, map.entries())
}

/// The firmware's list, tidied.
fn describe<'a>(
    table: &'static mut [Region],
    entries: impl Iterator<Item = &'a MemoryDescriptor>,
) -> Regions<'static> {
    let mut regions = Regions::new(table);
    // Never to be used, whatever the firmware says: what reads address 0 is at fault.
    regions.add(0, PAGE, RegionKind::RESERVED);
    for entry in entries {
        let len = entry.page_count.saturating_mul(PAGE);
        regions.add(entry.phys_start, len, kind(entry.ty));
    }
    regions
}

/// What memory of UEFI's type `ty` is to a kernel.
fn kind(ty: MemoryType) -> RegionKind {
    match ty {
        MemoryType::CONVENTIONAL
        | MemoryType::BOOT_SERVICES_CODE
        | MemoryType::BOOT_SERVICES_DATA => RegionKind::USABLE,
        MemoryType::LOADER_CODE | MemoryType::LOADER_DATA => RegionKind::LOADER,
        MemoryType::RUNTIME_SERVICES_CODE | MemoryType::RUNTIME_SERVICES_DATA => {
            RegionKind::RUNTIME
        }
        MemoryType::ACPI_RECLAIM => RegionKind::ACPI,
        MemoryType::ACPI_NON_VOLATILE => RegionKind::NVS,
        MemoryType::MMIO | MemoryType::MMIO_PORT_SPACE => RegionKind::MMIO,
        MemoryType::UNUSABLE => RegionKind::BAD,
        _ => RegionKind::RESERVED,
    }
}
