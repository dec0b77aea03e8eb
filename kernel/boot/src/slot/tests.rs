//! Tests of the slots: which one is booted, and that damage never is.

use super::{
    Bundle, Checksum, HEADER, Header, PROVEN, SlotError, choose, headers, place, take_try,
};
use crate::gpt::Partition;
use crate::testing::{FakeDisk, FakeMemory, Random};
use crate::{Error, Memory};
use std::vec;
use std::vec::Vec;

const PARTITION: Partition = Partition { first: 64, sectors: 128, guid: [1; 16], disk: [2; 16] };

/// The bytes of a slot whose parts are filled with `fill`.
fn slot(fill: u8, generation: u64, tries_left: u32) -> Vec<u8> {
    let layout = Header::layout([5000, 300, 4096, 11]).unwrap();
    let mut bytes = vec![0; usize::try_from(layout.total).unwrap()];
    for part in layout.parts {
        let start = usize::try_from(part.phys).unwrap();
        bytes[start..start + usize::try_from(part.len).unwrap()].fill(fill);
    }
    let mut checksum = Checksum::default();
    checksum.update(&bytes[HEADER..]);
    let header = Header { generation, tries_left, payload: checksum.value(), ..layout };
    bytes[..HEADER].copy_from_slice(&header.encode());
    bytes
}

fn disk(a: &[u8], b: &[u8]) -> FakeDisk {
    let mut disk = FakeDisk::new(256);
    for (number, bytes) in [(0, a), (1, b)] {
        let (first, _) = place(&PARTITION, number, 512).unwrap();
        let start = usize::try_from(first).unwrap() * 512;
        disk.bytes[start..start + bytes.len()].copy_from_slice(bytes);
    }
    disk
}

fn boot(disk: &mut FakeDisk) -> (Result<Bundle, Error>, FakeMemory) {
    let mut memory = FakeMemory::new(1 << 20);
    let slots = headers(disk, &PARTITION, &mut vec![0; 512]);
    (choose(disk, &mut memory, slots), memory)
}

fn number(disk: &mut FakeDisk) -> Result<u32, Error> {
    boot(disk).0.map(|bundle| bundle.slot)
}

#[test]
fn the_higher_generation_is_booted() {
    assert_eq!(number(&mut disk(&slot(1, 8, PROVEN), &slot(2, 7, PROVEN))), Ok(0));
    assert_eq!(number(&mut disk(&slot(1, 8, PROVEN), &slot(2, 9, PROVEN))), Ok(1));
}

#[test]
fn a_damaged_slot_gives_way_to_the_other() {
    for byte in [0, 20, 100, HEADER, HEADER + 3, 5000, 17_000] {
        let mut disk = disk(&slot(1, 1, PROVEN), &slot(2, 2, PROVEN));
        let (first, _) = place(&PARTITION, 1, 512).unwrap();
        disk.bytes[usize::try_from(first).unwrap() * 512 + byte] ^= 0x10;

        let (bundle, mut memory) = boot(&mut disk);

        let bundle = bundle.unwrap();
        assert_eq!((bundle.slot, bundle.header.generation), (0, 1), "byte {byte}");
        let kernel = bundle.header.parts[0];
        let bytes = memory.bytes(bundle.phys + kernel.phys, kernel.len).unwrap();
        assert!(bytes.iter().all(|&byte| byte == 1));
    }
}

#[test]
fn a_slot_without_tries_comes_last_but_comes() {
    assert_eq!(number(&mut disk(&slot(1, 8, 1), &slot(2, 9, 0))), Ok(0));
    assert_eq!(number(&mut disk(&[], &slot(2, 9, 0))), Ok(1));
}

#[test]
fn each_boot_takes_one_try_until_the_slot_is_proven() {
    let mut disk = disk(&slot(1, 1, PROVEN), &slot(2, 2, 2));
    let mut sector = vec![0; 512];
    let mut booted = Vec::new();
    for _ in 0..4 {
        let bundle = boot(&mut disk).0.unwrap();
        booted.push((bundle.slot, take_try(&mut disk, &PARTITION, &bundle, &mut sector).unwrap()));
    }
    assert_eq!(booted, [(1, 1), (1, 0), (0, PROVEN), (0, PROVEN)]);
}

#[test]
fn a_read_only_disk_boots_without_counting() {
    let mut disk = disk(&slot(1, 1, 3), &[]);
    disk.read_only = true;
    let bundle = boot(&mut disk).0.unwrap();
    assert!(take_try(&mut disk, &PARTITION, &bundle, &mut vec![0; 512]).is_err());
    assert_eq!(number(&mut disk), Ok(0));
}

#[test]
fn two_bad_slots_are_both_named() {
    let mut bad = slot(1, 1, PROVEN);
    bad[9000] ^= 1;
    let expected = Error::NoSlot(SlotError::Contents, SlotError::Empty);
    assert_eq!(number(&mut disk(&bad, &[])), Err(expected));
    assert_eq!(number(&mut disk(&[], &[])), Err(Error::NoSlot(SlotError::Empty, SlotError::Empty)));
    let swapped = Error::NoSlot(SlotError::Empty, SlotError::Contents);
    assert_eq!(number(&mut disk(&[], &bad)), Err(swapped));
}

#[test]
fn a_slot_of_a_newer_layout_says_so() {
    let mut bytes = slot(1, 1, PROVEN);
    bytes[8] = 9;
    let mut checksum = Checksum::default();
    checksum.update(&bytes[..508]);
    bytes[508..512].copy_from_slice(&checksum.value().to_le_bytes());

    assert_eq!(Header::decode(&bytes, 1 << 20), Err(SlotError::Version(9)));
}

#[test]
fn headers_survive_the_disk() {
    let header = Header {
        generation: 77,
        tries_left: 3,
        payload: 5,
        ..Header::layout([1, 2, 3, 0]).unwrap()
    };
    assert_eq!(Header::decode(&header.encode(), header.total), Ok(header));
    assert_eq!(Header::decode(&header.encode(), header.total - 1), Err(SlotError::Header));
    assert_eq!(Header::layout([1, 1, 1, 513]), None);
    assert_eq!(Header::layout([u64::MAX, 1, 1, 1]), None);
}

/// A hostile header has a right checksum, so the numbers alone must stop it.
#[test]
fn no_header_with_a_right_checksum_reaches_past_its_slot() {
    for seed in 0..20_000 {
        let mut random = Random::new(seed);
        let mut bytes = slot(1, 1, PROVEN);
        for _ in 0..=random.below(3) {
            let at = 24 + random.index(72);
            bytes[at] = random.byte();
        }
        let mut checksum = Checksum::default();
        checksum.update(&bytes[..508]);
        bytes[508..512].copy_from_slice(&checksum.value().to_le_bytes());

        if let Ok(header) = Header::decode(&bytes, 32_768) {
            assert!(header.total <= 32_768);
            for part in header.parts {
                assert!(
                    part.phys >= 512 && part.phys.checked_add(part.len).unwrap() <= header.total
                );
            }
        }
        let mut disk = disk(&bytes, &[]);
        if let (Ok(bundle), mut memory) = boot(&mut disk) {
            assert!(memory.bytes(bundle.phys, bundle.header.total).is_ok());
        }
    }
}

#[test]
fn any_flipped_bit_in_use_is_found() {
    let good = slot(3, 1, PROVEN);
    for seed in 0..2000 {
        let mut random = Random::new(seed);
        let mut bytes = good.clone();
        let at = random.index(bytes.len());
        bytes[at] ^= random.byte();
        assert!(number(&mut disk(&bytes, &[])).is_err(), "seed {seed}, byte {at}");
    }
}
