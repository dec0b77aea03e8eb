//! What the BIOS leaves below 1 MiB: the anchors of ACPI and SMBIOS.

use anode_loader::pc::{find_rsdp, find_smbios};
use core::ptr;

/// Where the BIOS's own memory begins and ends.
const AREA: (usize, usize) = (0xe_0000, 0x10_0000);

/// The byte at `address`, below 1 MiB.
pub(crate) fn byte(address: usize) -> u8 {
    let pointer: *const u8 = ptr::with_exposed_provenance(address & 0xf_ffff);
    if pointer.is_null() {
        return 0;
    }
    // SAFETY: the first MiB is mapped one to one, and reading it has no effect.
    unsafe { pointer.read_volatile() }
}

/// The bytes from `start` to `end`, which only the BIOS writes.
fn area(start: usize, end: usize) -> &'static [u8] {
    let len = end.saturating_sub(start);
    // SAFETY: the callers name parts of the first MiB that are mapped one to one, not empty, not at
    // 0, and written by nobody while the loader runs but for calls of the BIOS, none of which is
    // made while the slice is read.
    unsafe { core::slice::from_raw_parts(ptr::with_exposed_provenance(start), len) }
}

/// Looks in the first KiB of the extended BIOS data area, then in the BIOS's own memory.
pub(crate) fn rsdp() -> u64 {
    // The word at 0x40e is the area's segment.
    let extended = (usize::from(byte(0x40e)) | usize::from(byte(0x40f)) << 8) << 4;
    let extended = (0x8_0000..0xa_0000)
        .contains(&extended)
        .then_some((extended, extended.saturating_add(1024)));
    let places = [extended, Some(AREA)].into_iter().flatten();
    let found =
        places.filter_map(|(start, end)| find_rsdp(area(start, end))?.checked_add(start)).next();
    address(found)
}

/// Looks in the BIOS's last 64 KiB.
pub(crate) fn smbios() -> u64 {
    address(find_smbios(area(0xf_0000, AREA.1)).and_then(|at| at.checked_add(0xf_0000)))
}

fn address(found: Option<usize>) -> u64 {
    found.and_then(|address| u64::try_from(address).ok()).unwrap_or(0)
}
