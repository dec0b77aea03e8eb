//! Tests of the whole path: a disk with a boot partition becomes page tables and a `BootInfo`.

use super::{Hardware, KERNEL_BASE, Loaded, load};
use crate::elf::ElfError;
use crate::facts::Facts;
use crate::field::{crc32, put};
use crate::gpt::BOOT_TYPE;
use crate::handover::Measured;
use crate::machine::boot_info;
use crate::madt::{Chip, Madt, find};
use crate::paging::Tables;
use crate::regions::{Region, RegionKind};
use crate::room::DIRECT_MAP;
use crate::slot::{Checksum, HEADER, Header};
use crate::testing::{FakeDisk, FakeMemory};
use crate::{Error, Memory, Paging};
use anode_abi::boot_info::{Extent, STACK};
use std::string::String;
use std::vec;
use std::vec::Vec;

const NO_EXECUTE: u64 = 1 << 63;
/// Global, cache disabled and write-through, writable.
const GLOBAL: u64 = 1 << 8;
const UNCACHED: u64 = 0b11 << 3;
const WRITABLE: u64 = 2;

const FOUR: Paging = Paging { levels: 4, giant_pages: false };

/// A machine of two CPUs with one I/O APIC.
fn hardware(paging: Paging) -> Hardware {
    let (none, _) = find(0, 7, |_, _| None);
    let mut madt = Madt { cpu_count: 2, ..none };
    madt.chips[1] = Some(Chip { address: 0xfec0_0400, first: 0 });
    Hardware { paging, madt, has_madt: true, apic: 0xfee0_0000 }
}

/// Loads `kernel` on that machine, with 20 MiB of it to be touched.
fn load_it(kernel: &[u8], memory: &mut FakeMemory) -> Result<Loaded, Error> {
    load(&mut disk(kernel), memory, &hardware(FOUR), &[0x9000])
}

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
    for (part, bytes) in header.parts.iter().zip([kernel, b"init", b"initfs", b"log=warn"]) {
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
fn the_kernel_is_mapped_with_its_rights_and_the_jump_in_other_tables_only() {
    let mut memory = FakeMemory::new(20 << 20);

    let loaded = load_it(&crate::elf::tests::kernel(), &mut memory).unwrap();

    assert_eq!(loaded.entry, KERNEL_BASE + 0x2010);
    let mut walk = |root, virt| Tables::walk(&mut memory, root, 4, virt);
    for root in [loaded.root, loaded.jump_root] {
        let (_, flags) = walk(root, KERNEL_BASE + 0x2010).unwrap();
        assert_eq!(flags & (NO_EXECUTE | WRITABLE | GLOBAL), GLOBAL);
        let (_, flags) = walk(root, KERNEL_BASE).unwrap();
        assert_eq!(flags & (NO_EXECUTE | WRITABLE), NO_EXECUTE);
        let (_, flags) = walk(root, KERNEL_BASE + 0x5000).unwrap();
        assert_eq!(flags & (NO_EXECUTE | WRITABLE), NO_EXECUTE | WRITABLE);
        assert_eq!(walk(root, KERNEL_BASE + 0x1000), None);
        assert_eq!(walk(root, KERNEL_BASE + 0x7000), None);
    }
    assert_eq!(walk(loaded.jump_root, 0x9123), Some((0x9123, 1)), "neither writable nor global");
    assert_eq!(walk(loaded.root, 0x9123), None);
    let (code, _) = walk(loaded.root, KERNEL_BASE + 0x2010).unwrap();
    assert_eq!(memory.bytes(code, 1).unwrap(), [0xc3]);
}

#[test]
fn stacks_are_guarded_and_registers_are_not_cached() {
    let mut memory = FakeMemory::new(20 << 20);
    let loaded = load_it(&crate::elf::tests::kernel(), &mut memory).unwrap();
    let window = loaded.window;
    let mut walk = |virt| Tables::walk(&mut memory, loaded.root, 4, virt);

    let stack = u64::try_from(STACK).unwrap();
    for number in 0..8 {
        let start = window.stacks + number * stack;
        assert_eq!(walk(start + 0xfff), None);
        for page in (0x1000..stack).step_by(0x1000) {
            let (_, flags) = walk(start + page).unwrap();
            assert_eq!(flags & (NO_EXECUTE | WRITABLE), NO_EXECUTE | WRITABLE);
        }
    }
    assert_eq!(walk(window.stacks + 8 * stack + 0x1000), None, "there are but two CPUs");
    let registers = NO_EXECUTE | WRITABLE | UNCACHED;
    let (phys, flags) = walk(window.apic()).unwrap();
    assert_eq!((phys, flags & registers), (0xfee0_0000, registers));
    let (phys, flags) = walk(window.chip(1, 0xfec0_0400)).unwrap();
    assert_eq!((phys, flags & registers), (0xfec0_0400, registers));
    assert_eq!(walk(window.chip(0, 0)), None);
    // `BootInfo`, gates, segments.
    let rights = [1, 2, 3].map(|page| walk(KERNEL_BASE - page * 0x1000).unwrap().1 & WRITABLE);
    assert_eq!(rights, [0, 0, WRITABLE]);
}

#[test]
fn gates_and_task_lead_to_stubs_and_stacks() {
    let mut memory = FakeMemory::new(20 << 20);
    let loaded = load_it(&crate::elf::tests::kernel(), &mut memory).unwrap();
    let mut page = |below: u64| {
        let at = KERNEL_BASE - below * 0x1000;
        let (phys, _) = Tables::walk(&mut memory, loaded.root, 4, at).unwrap();
        memory.bytes(phys, 0x1000).unwrap().to_vec()
    };
    let number = |bytes: &[u8], at: usize, len: usize| {
        bytes[at..at + len].iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let (gates, segments) = (page(2), page(3));

    for (vector, stack, kind) in [(3, 0, 0xee), (8, 2, 0x8e), (14, 0, 0x8e), (255, 0, 0x8e)] {
        let gate = &gates[vector * 16..][..16];
        let address = number(gate, 0, 2) | number(gate, 6, 2) << 16 | number(gate, 8, 4) << 32;
        assert_eq!(address, loaded.entry - 4096 + u64::try_from(vector).unwrap() * 16);
        assert_eq!((number(gate, 2, 2), number(gate, 4, 1), number(gate, 5, 1)), (8, stack, kind));
    }
    for cpu in 0..2 {
        let table = &segments[cpu * 512..];
        let cpu = u64::try_from(cpu).unwrap();
        let place = KERNEL_BASE - 3 * 0x1000 + cpu * 512;
        assert_eq!([8, 16, 24, 32].map(|at| number(table, at + 5, 1)), [0x9b, 0x93, 0xf3, 0xfb]);
        assert_eq!(number(table, 42, 3) | number(table, 47, 1) << 24, (place + 64) & 0xffff_ffff);
        assert_eq!((number(table, 48, 8), number(table, 45, 1)), (place >> 32, 0x89));
        let stacks = [68, 100, 108, 116].map(|at| number(table, at, 8));
        assert_eq!(
            stacks,
            [1, 2, 3, 4].map(|end| loaded.window.stack_top(cpu) - 0x8000 + end * 0x8000)
        );
        assert_eq!((number(table, 192, 2), number(table, 194, 8)), (55, place));
        assert_eq!((number(table, 208, 2), number(table, 210, 8)), (4095, KERNEL_BASE - 0x2000));
    }
}

#[test]
fn the_kernel_is_told_where_all_is() {
    let mut memory = FakeMemory::new(20 << 20);
    let loaded = load_it(&crate::elf::tests::kernel(), &mut memory).unwrap();
    let facts = Facts { wall_seconds: 5, rsdp: 0xf_0000, ..Facts::default() };
    let measured =
        Measured { tsc_hz: Some(2_000_000_000), timer_hz: 1_000_000_000, ..Measured::default() };

    loaded.describe(&mut memory, &hardware(FOUR), &facts, &measured).unwrap();

    let info = boot_info(&mut memory, loaded.window.info).unwrap();
    assert_eq!((info.tick_ns, info.timer_ticks), (1 << 31, 1 << 32));
    assert_eq!((info.wall_ns, info.log_level, info.cpu_count), (5_000_000_000, 2, 2));
    assert_eq!(info.cpus[0], 7);
    let [facts, notes, warnings, args] = [info.facts, info.notes, info.warnings, info.args];
    let (free, ram, init, initfs) = (info.free, info.ram, info.init, info.initfs);
    let mut bytes = |Extent { phys, len }| memory.bytes(phys, len).unwrap().to_vec();
    assert_eq!((bytes(init), bytes(initfs)), (b"init".to_vec(), b"initfs".to_vec()));
    assert!(bytes(args).starts_with(b"ANODEARG"));
    let mut text = |extent| String::from_utf8(bytes(extent)).unwrap();
    assert!(text(facts).contains("\ngeneration 1\ntries 2\n"));
    assert!(text(notes).starts_with("256 MiB of memory, 2 CPUs (unnamed, 2000 MHz)\n"));
    assert!(text(warnings).contains("Meltdown"));
    let mut list = |extent| {
        let bytes = bytes(extent);
        let half = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
        bytes.chunks(8).map(|pair| (half(&pair[..4]), half(&pair[4..]))).collect::<Vec<_>>()
    };
    let (free, ram) = (list(free), list(ram));
    // The fake does not take what it gives out of its map.
    assert_eq!(free, [(256, 0x1_0000 - 256)]);
    let frame = |extent: Extent| (u32::try_from(extent.phys / 4096).unwrap(), 1);
    assert_eq!(ram, [free[0], frame(init), frame(initfs), frame(args)]);
}

#[test]
fn the_direct_map_covers_ram_above_4_gib_and_no_hole() {
    let ram = |base, len, kind| Region { base, len, kind };
    for (levels, giant_pages) in [(4, false), (4, true), (5, true)] {
        let mut memory = FakeMemory::new(64 << 20);
        memory.map.push(ram(0x1000_0000, 0x1000, RegionKind::KERNEL));
        memory.map.push(ram(0x1000_1000, 0x2000, RegionKind::LOADER));
        memory.map.push(ram(0x1000_3000, 0x3000, RegionKind::KEPT));
        memory.map.push(ram(0x1_0000_0000, 0x4010_0000, RegionKind::USABLE));
        memory.map.push(ram(0xfd_0000_0000, 0x3_0000_0000, RegionKind::RESERVED));
        let mut disk = disk(&crate::elf::tests::kernel());

        let loaded =
            load(&mut disk, &mut memory, &hardware(Paging { levels, giant_pages }), &[]).unwrap();

        let mut walk = |phys| Tables::walk(&mut memory, loaded.root, levels, DIRECT_MAP + phys);
        for phys in [0, 0x1234, 0x1000_1000, 0x1000_5fff, 0x1_0000_0000, 0x1_400f_ffff] {
            let (reached, flags) = walk(phys).unwrap();
            assert_eq!((reached, flags & (NO_EXECUTE | WRITABLE)), (phys, NO_EXECUTE | WRITABLE));
        }
        for phys in [0x1000_0000, 0x1000_6000, 0xfee0_0000, 0x1_4010_0000, 0xfd_0000_0000] {
            assert_eq!(walk(phys), None);
        }
    }
}

#[test]
fn a_kernel_that_is_none_is_refused() {
    let mut memory = FakeMemory::new(20 << 20);
    let result = load_it(b"#!/bin/sh", &mut memory);
    assert_eq!(result.err(), Some(Error::Kernel(ElfError::Kind)));
}

#[test]
fn too_little_memory_is_an_error_at_any_point() {
    let kernel = crate::elf::tests::kernel();
    let enough = (0..=8192).step_by(16).find(|pages| {
        let mut memory = FakeMemory::new(pages * 4096);
        match load_it(&kernel, &mut memory) {
            Err(Error::Memory(_)) => false,
            result => result.is_ok(),
        }
    });
    assert!(enough.is_some_and(|pages| pages > 2048), "the heap alone has 8 MiB");
}
