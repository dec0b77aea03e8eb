//! Tests of the whole path: a disk with a boot partition becomes page tables and a `BootInfo`.

use super::{Facts, load};
use crate::elf::ElfError;
use crate::field::{crc32, put};
use crate::gpt::BOOT_TYPE;
use crate::paging::Tables;
use crate::slot::{Checksum, HEADER, Header};
use crate::testing::{FakeDisk, FakeMemory};
use crate::{Error, Memory, Paging};
use anode_abi::boot_info::{BootInfo, BootMethod, DIRECT_MAP, KERNEL_BASE, Region, RegionKind};
use std::boxed::Box;
use std::vec;
use std::vec::Vec;

const CPU: Paging = Paging { levels: 4, no_execute: true, giant_pages: false };
const NO_EXECUTE: u64 = 1 << 63;

fn sum(bytes: &[u8]) -> u32 {
    let mut checksum = crc32();
    checksum.update(bytes);
    checksum.finalize()
}

/// A disk with `kernel` in slot A of its boot partition.
fn disk(kernel: &[u8]) -> FakeDisk {
    let lengths = [kernel.len(), 4, 6, 8].map(|len| u64::try_from(len).unwrap());
    let header = Header::layout(lengths).unwrap();
    let mut slot = vec![0; usize::try_from(header.total).unwrap()];
    for (part, bytes) in header.parts.iter().zip([kernel, b"init", b"initfs", b"nokaslr "]) {
        put(&mut slot, usize::try_from(part.phys).unwrap(), bytes);
    }
    let mut checksum = Checksum::default();
    checksum.update(&slot[HEADER..]);
    put(&mut slot, 0, &Header { payload: checksum.value(), tries_left: 3, ..header }.encode());
    let mut disk = FakeDisk::new(400);
    put(&mut disk.bytes, 512, &gpt());
    put(&mut disk.bytes, 64 * 512, &slot);
    disk
}

/// A header and four entries, the first a boot partition of sectors 64 to 319.
fn gpt() -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    put(&mut bytes, 512, &BOOT_TYPE);
    put(&mut bytes, 528, &[0x11; 16]);
    put(&mut bytes, 544, &64_u64.to_le_bytes());
    put(&mut bytes, 552, &319_u64.to_le_bytes());
    let entries = sum(&bytes[512..]);
    put(&mut bytes, 0, b"EFI PART");
    for (at, value) in [(12, 92), (24, 1), (72, 2), (80, 4), (84, 128), (88, entries)] {
        put(&mut bytes, at, &value.to_le_bytes());
    }
    put(&mut bytes, 56, &[0x22; 16]);
    let checksum = sum(&bytes[..92]);
    put(&mut bytes, 16, &checksum.to_le_bytes());
    bytes
}

#[test]
fn the_kernel_is_mapped_with_its_rights_and_described() {
    let mut disk = disk(&crate::elf::tests::kernel());
    let mut memory = FakeMemory::new(4 << 20);

    let loaded = load(&mut disk, &mut memory, CPU, &[0x9000]).unwrap();

    assert_eq!(loaded.entry, KERNEL_BASE + 0x2010);
    let mut walk = |virt| Tables::walk(&mut memory, loaded.cr3, 4, virt);
    let (code, flags) = walk(KERNEL_BASE + 0x2010).unwrap();
    assert_eq!(flags & (NO_EXECUTE | 2), 0);
    assert_eq!(walk(KERNEL_BASE).unwrap().1 & (NO_EXECUTE | 2), NO_EXECUTE);
    assert_eq!(walk(KERNEL_BASE + 0x5000).unwrap().1 & (NO_EXECUTE | 2), NO_EXECUTE | 2);
    assert_eq!(walk(KERNEL_BASE + 0x1000), None);
    assert_eq!(walk(KERNEL_BASE + 0x7000), None);
    assert_eq!(walk(0x9123).map(|(phys, flags)| (phys, flags & NO_EXECUTE)), Some((0x9123, 0)));
    assert_eq!(walk(0xa000), None);
    assert_eq!(memory.bytes(code, 1).unwrap(), [0xc3]);

    let line = loaded.command_line();
    let line = memory.bytes(line.phys, line.len).unwrap().to_vec();
    let mut info = Box::new(BootInfo::EMPTY);
    loaded.describe(&mut info, &Facts { method: BootMethod::BIOS, ..Facts::default() }, &line);
    assert!(info.is_valid());
    assert!(info.has_option("nokaslr"));
    assert_eq!((info.slot, info.generation, info.tries_left), (0, 1, 2));
    assert_eq!((info.partition_guid, info.disk_guid), ([0x11; 16], [0x22; 16]));
    assert_eq!(memory.bytes(info.init.phys, info.init.len).unwrap(), b"init");
    assert_eq!(memory.bytes(info.initfs.phys, info.initfs.len).unwrap(), b"initfs");
}

#[test]
fn the_direct_map_covers_ram_above_4_gib_and_no_hole() {
    let mut memory = FakeMemory::new(4 << 20);
    let ram = |base, len, kind| Region { base, len, kind, raw: 0 };
    memory.map.push(ram(0x1_0000_0000, 0x8010_0000, RegionKind::USABLE));
    memory.map.push(ram(0xfd_0000_0000, 0x3_0000_0000, RegionKind::RESERVED));
    for (levels, giant_pages) in [(4, false), (4, true), (5, true)] {
        let paging = Paging { levels, giant_pages, ..CPU };
        let mut disk = disk(&crate::elf::tests::kernel());

        let loaded = load(&mut disk, &mut memory, paging, &[]).unwrap();

        let mut walk = |phys| Tables::walk(&mut memory, loaded.cr3, levels, DIRECT_MAP + phys);
        for phys in [0, 0x1234, 0xfee0_0000, 0x1_0000_0000, 0x1_800f_ffff] {
            let (reached, flags) = walk(phys).unwrap();
            assert_eq!((reached, flags & (NO_EXECUTE | 2)), (phys, NO_EXECUTE | 2));
        }
        assert_eq!(walk(0x1_8020_0000), None);
        assert_eq!(walk(0xfd_0000_0000), None);
    }
}

#[test]
fn a_kernel_that_is_none_is_refused() {
    let mut memory = FakeMemory::new(4 << 20);
    let result = load(&mut disk(b"#!/bin/sh"), &mut memory, CPU, &[]);
    assert_eq!(result.err(), Some(Error::Kernel(ElfError::Kind)));
}

#[test]
fn too_little_memory_is_an_error_at_any_point() {
    let kernel = crate::elf::tests::kernel();
    let enough = (0..512).find(|pages| {
        let mut memory = FakeMemory::new(pages * 4096);
        match load(&mut disk(&kernel), &mut memory, CPU, &[0x9000]) {
            Err(Error::Memory(_)) => false,
            result => result.is_ok(),
        }
    });
    assert!(enough.is_some_and(|pages| pages > 10));
}
