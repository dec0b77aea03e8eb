//! The memory map, by INT 15h, E820.

use crate::call::{Buffer, Registers, call};
use anode_loader::machine::Identity;
use anode_loader::pc::e820;
use anode_loader::regions::{MAX_REGIONS, Region, RegionKind, Regions};
use anode_loader::{Error, PAGE};

/// More entries than this are not asked for.
const MAX_ENTRIES: u32 = 512;
/// More pieces than this are not taken: nearly all of them adjoin.
const MAX_TAKEN: usize = 64;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// From the registers of a call to the end of the page tables: see `start.s`.
const OURS: (u64, u64) = (0x6000, 0x7_6000);

/// Physical memory as the BIOS describes it, and a free page below 640 KiB.
pub(crate) fn detect() -> Result<(Identity, u64), Error> {
    static mut TABLES: ([Region; MAX_REGIONS], [Region; MAX_TAKEN]) =
        ([Region::EMPTY; MAX_REGIONS], [Region::EMPTY; MAX_TAKEN]);
    let tables = &raw mut TABLES;
    // SAFETY: called once, by `boot`, on the only CPU: nobody else has a reference to them.
    let (table, taken) = unsafe { &mut *tables };
    let mut regions = Regions::new(table);
    ask(&mut regions);
    // Page 0 is the BIOS's, whatever the map says; it holds the vectors that its calls go through.
    regions.add(0, PAGE, RegionKind::RESERVED);
    regions.claim(OURS.0, OURS.1.saturating_sub(OURS.0), RegionKind::LOADER);
    let low_page = regions.take(PAGE, PAGE, 640 * 1024, RegionKind::KEPT).unwrap_or(0);
    let any = regions.as_slice().iter().any(|region| region.kind == RegionKind::USABLE);
    any.then_some(()).ok_or(Error::Memory(PAGE))?;
    // SAFETY: usable memory of the BIOS's map is RAM, and free but for stage 2 and its buffers, which
    // are claimed above; `start.s` maps 4 GiB one to one, and `take` gives nothing out beyond.
    Ok((unsafe { Identity::new(regions, taken, take, 4 * GIB) }, low_page))
}

/// Above 16 MiB, which leaves the memory that old devices reach to the kernel; else from 1 MiB on.
fn take(regions: &mut Regions<'static>, len: u64, kind: RegionKind) -> Option<u64> {
    let above = regions.take(len, 16 * MIB, 4 * GIB, kind);
    above.or_else(|| regions.take(len, MIB, 4 * GIB, kind))
}

/// Asks for one entry after the other.
fn ask(regions: &mut Regions<'static>) {
    const MAGIC: u32 = u32::from_be_bytes(*b"SMAP");
    let buffer = Buffer::SMALL;
    let mut next = 0;
    for _ in 0..MAX_ENTRIES {
        buffer.write(&[0; 24]);
        let question = Registers {
            eax: 0xe820,
            ebx: next,
            ecx: 24,
            edx: MAGIC,
            es: buffer.segment(),
            ..Registers::default()
        };
        let answer = call(0x15, question);
        if answer.carry() || answer.eax != MAGIC {
            return;
        }
        let mut entry = [0; 24];
        buffer.read(&mut entry);
        if let Some(region) = e820(&entry, answer.ecx) {
            regions.add(region.base, region.len, region.kind);
        }
        next = answer.ebx;
        if next == 0 {
            return;
        }
    }
}
