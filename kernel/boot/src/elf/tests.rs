//! Tests of the ELF loader on a small kernel that is made here, byte by byte, and on broken ones.

use super::{ElfError, Plan, Segment};
use crate::field::put;
use crate::testing::Random;
use std::vec;
use std::vec::Vec;

const READ: u32 = 4;
const WRITE: u32 = 6;
const EXECUTE: u32 = 5;

/// Where the parts of the sample lie: addresses are offsets plus 0x1000 for each segment before.
const DYNAMIC: usize = 0x300;
const RELA: usize = 0x400;
const DATA: u64 = 0x4000;

fn program_header(kind: u32, flags: u32, [offset, address, file, memory]: [u64; 4]) -> [u8; 56] {
    let mut bytes = [0; 56];
    put(&mut bytes, 0, &kind.to_le_bytes());
    put(&mut bytes, 4, &flags.to_le_bytes());
    for (at, value) in
        [(8, offset), (16, address), (24, address), (32, file), (40, memory), (48, 0x1000)]
    {
        put(&mut bytes, at, &value.to_le_bytes());
    }
    bytes
}

fn relocation(place: u64, kind: u64, addend: u64) -> Vec<u8> {
    [place, kind, addend].iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Read-only, code, and data of two pages and a bit, the first of them frozen after relocation.
pub(crate) fn kernel() -> Vec<u8> {
    let mut file = vec![0; 0x1100];
    put(&mut file, 0, b"\x7fELF\x02\x01\x01");
    put(&mut file, 16, &[3, 0, 62, 0, 1, 0, 0, 0]);
    put(&mut file, 24, &0x2010_u64.to_le_bytes());
    put(&mut file, 32, &64_u64.to_le_bytes());
    put(&mut file, 52, &[64, 0, 56, 0, 5, 0]);
    let headers = [
        program_header(1, READ, [0, 0, 0x800, 0x800]),
        program_header(1, EXECUTE, [0x800, 0x2000, 0x100, 0x100]),
        program_header(1, WRITE, [0x1000, DATA, 0x100, 0x2100]),
        program_header(2, WRITE, [0x300, 0x300, 0x40, 0x40]),
        program_header(0x6474_e552, READ, [0x1000, DATA, 0x1000, 0x1000]),
    ];
    for (header, at) in headers.iter().zip((64..).step_by(56)) {
        put(&mut file, at, header);
    }
    for (item, at) in
        [(7_u64, 0x400_u64), (8, 48), (9, 24), (0, 0)].iter().zip((DYNAMIC..).step_by(16))
    {
        put(&mut file, at, &item.0.to_le_bytes());
        put(&mut file, at + 8, &item.1.to_le_bytes());
    }
    put(&mut file, RELA, &relocation(DATA + 8, 8, 0x2010));
    put(&mut file, RELA + 24, &relocation(DATA + 0x2000, 8, DATA));
    put(&mut file, 0x810, &[0xc3]);
    put(&mut file, 0x1000, b"data");
    file
}

fn load(file: &[u8], at: u64) -> Result<Vec<u8>, ElfError> {
    let plan = Plan::new(file)?;
    let mut image = vec![0; usize::try_from(plan.span()).unwrap()];
    plan.load(&mut image, at)?;
    Ok(image)
}

fn with(change: impl FnOnce(&mut Vec<u8>)) -> Result<Vec<u8>, ElfError> {
    let mut file = kernel();
    change(&mut file);
    load(&file, 0x10_0000)
}

#[test]
fn segments_are_copied_zeroed_and_relocated() {
    let image = load(&kernel(), 0xffff_ffff_8000_0000).unwrap();

    assert_eq!(image.len(), 0x7000);
    assert_eq!(image[0x2010], 0xc3);
    assert_eq!(&image[0x4000..0x4004], b"data");
    assert_eq!(image[0x4008..0x4010], 0xffff_ffff_8000_2010_u64.to_le_bytes());
    assert_eq!(image[0x6000..0x6008], 0xffff_ffff_8000_4000_u64.to_le_bytes());
    assert!(image[0x4100..0x6000].iter().all(|&byte| byte == 0));
}

#[test]
fn rights_follow_the_segments_and_what_is_frozen_is_not_writable() {
    let file = kernel();
    let plan = Plan::new(&file).unwrap();

    let part = |start, end, write, execute| Segment { start, end, write, execute };
    let expected = [
        part(0, 0x1000, false, false),
        part(0x2000, 0x3000, false, true),
        part(0x4000, 0x5000, false, false),
        part(0x5000, 0x7000, true, false),
    ];
    assert_eq!(plan.segments().collect::<Vec<_>>(), expected);
    assert_eq!(plan.entry(), 0x2010);
}

#[test]
fn the_first_page_is_frozen_too_if_the_frozen_part_begins_with_the_segment() {
    let mut file = kernel();
    for (index, kind, len) in [(2, 1, 0x2370), (4, 0x6474_e552, 0x1370)] {
        let header = program_header(kind, WRITE, [0xc90, 0x4c90, 0x100, len]);
        put(&mut file, 64 + index * 56, &header);
    }
    let plan = Plan::new(&file).unwrap();
    let data = plan.segments().filter(|part| part.start >= 0x4000).collect::<Vec<_>>();

    let part = |start, end, write| Segment { start, end, write, execute: false };
    assert_eq!(data, [part(0x4000, 0x6000, false), part(0x6000, 0x7000, true)]);
}

#[test]
fn what_is_not_a_kernel_is_named() {
    assert_eq!(load(&[], 0), Err(ElfError::Kind));
    assert_eq!(with(|file| file[4] = 1), Err(ElfError::Kind));
    assert_eq!(with(|file| file[18] = 3), Err(ElfError::Kind));
    assert_eq!(with(|file| file[16] = 2), Err(ElfError::Fixed));
    assert_eq!(with(|file| file[56] = 0), Err(ElfError::Header));
    assert_eq!(with(|file| file[54] = 55), Err(ElfError::Header));
    assert_eq!(with(|file| file.truncate(0x1000)), Err(ElfError::Header));
    assert_eq!(with(|file| put(file, 24, &0x4000_u64.to_le_bytes())), Err(ElfError::Entry));
}

#[test]
fn a_segment_that_is_writable_and_executable_is_refused() {
    assert_eq!(with(|file| file[64 + 2 * 56 + 4] = 7), Err(ElfError::WritableCode));
}

#[test]
fn segments_that_share_a_page_are_refused() {
    let shared = program_header(1, EXECUTE, [0x800, 0x800, 0x100, 0x100]);
    assert_eq!(with(|file| put(file, 64 + 56, &shared)), Err(ElfError::Layout));
}

#[test]
fn other_relocations_and_places_outside_are_refused() {
    assert_eq!(with(|file| file[RELA + 8] = 6), Err(ElfError::Relocation));
    for place in [0x1000, 0x2ffc, 0x6ffc, 0x7000, u64::MAX - 3] {
        let outside = relocation(place, 8, 0);
        let result = with(|file| put(file, RELA, &outside));
        // The last eight bytes of a page are still inside.
        assert_eq!(result, Err(ElfError::Relocation), "{place:#x}");
    }
    assert_eq!(
        with(|file| put(file, RELA + 16, &0x7001_u64.to_le_bytes())),
        Err(ElfError::Relocation)
    );
}

#[test]
fn a_kernel_that_wants_a_library_is_refused() {
    assert_eq!(with(|file| file[DYNAMIC + 48] = 1), Err(ElfError::Dynamic));
}

#[test]
fn no_damage_makes_the_loader_panic_or_write_outside() {
    for seed in 0..50_000 {
        let mut random = Random::new(seed);
        let mut file = kernel();
        for _ in 0..=random.below(4) {
            // Most of it among the headers and tables.
            let limit = [344, 0x460, file.len()][random.index(3)];
            let at = random.index(limit);
            file[at] = random.byte();
        }
        if random.below(8) == 0 {
            file.truncate(random.index(file.len()));
        }
        let Ok(plan) = Plan::new(&file) else { continue };
        assert!(plan.span() <= super::MAX_IMAGE);
        assert!(plan.segments().all(|part| part.start < part.end && part.end <= plan.span()));
        assert!(plan.segments().all(|part| !(part.write && part.execute)));
        if plan.span() <= 1 << 20 {
            let mut image = vec![0; usize::try_from(plan.span()).unwrap()];
            // A fault is fine, a panic is not.
            assert!(matches!(plan.load(&mut image, u64::MAX - 0x1000), Ok(()) | Err(_)));
        }
    }
}
