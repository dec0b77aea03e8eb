//! Tables as other systems write them, and what damage does to them.
#![expect(clippy::arithmetic_side_effects, reason = "in a test an overflow is a failure")]

use redox::error::{EIO, Error, Result};

use super::gpt::crc32;
use super::{Blocks, Partition, partitions};

struct Image {
    bytes: Vec<u8>,
    block: u32,
    reads: u32,
}

impl Blocks for Image {
    fn block(&self) -> u32 {
        self.block
    }

    fn count(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap() / u64::from(self.block)
    }

    fn read(&mut self, block: u64, bytes: u32) -> Result<Vec<u8>> {
        self.reads += 1;
        let size = usize::try_from(self.block).unwrap();
        let start = usize::try_from(block).unwrap().checked_mul(size).unwrap();
        let len = usize::try_from(bytes).unwrap().next_multiple_of(size);
        let end = start.checked_add(len).ok_or(Error::new(EIO))?;
        self.bytes.get(start..end).map(<[u8]>::to_vec).ok_or(Error::new(EIO))
    }
}

fn found(image: &[u8], block: u32) -> Vec<(u32, u64, u64)> {
    let mut image = Image { bytes: image.to_vec(), block, reads: 0 };
    let list = partitions(&mut image).unwrap_or_default();
    assert!(image.reads < 80);
    list.iter().map(|Partition { number, start, len }| (*number, *start, *len)).collect()
}

fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

fn mbr_entry(image: &mut [u8], sector: usize, index: usize, kind: u8, block: u32, blocks: u32) {
    let at = sector * 512 + 446 + 16 * index;
    image[at + 4] = kind;
    put(image, at + 8, &block.to_le_bytes());
    put(image, at + 12, &blocks.to_le_bytes());
    put(image, sector * 512 + 510, &[0x55, 0xAA]);
}

/// A header with its table, at the given blocks.
fn gpt_at(image: &mut [u8], block: usize, header: usize, table: usize, entries: &[(u64, u64)]) {
    for (index, (first, last)) in entries.iter().enumerate() {
        let at = table * block + 128 * index;
        put(image, at, &[7; 16]);
        put(image, at + 32, &first.to_le_bytes());
        put(image, at + 40, &last.to_le_bytes());
    }
    let at = header * block;
    put(image, at, b"EFI PART\0\0\x01\0\x5C\0\0\0");
    put(image, at + 24, &u64::try_from(header).unwrap().to_le_bytes());
    put(image, at + 72, &u64::try_from(table).unwrap().to_le_bytes());
    put(image, at + 80, &16_u32.to_le_bytes());
    put(image, at + 84, &128_u32.to_le_bytes());
    let crc = crc32(&[&image[table * block..table * block + 16 * 128]]);
    put(image, at + 88, &crc.to_le_bytes());
    put(image, at + 16, &[0; 4]);
    let crc = crc32(&[&image[at..at + 92]]);
    put(image, at + 16, &crc.to_le_bytes());
}

fn gpt(block: usize) -> Vec<u8> {
    let mut image = vec![0; 256 * block];
    mbr_entry(&mut image, 0, 0, 0xEE, 1, 255);
    let entries = [(40, 59), (60, 60), (250, 400), (70, 69)];
    gpt_at(&mut image, block, 1, 2, &entries);
    gpt_at(&mut image, block, 255, 250, &entries);
    image
}

#[test]
fn the_check_value_of_crc32_is_the_published_one() {
    assert_eq!(crc32(&[b"1234", b"56789"]), 0xCBF4_3926);
}

#[test]
fn gpt_partitions_have_their_numbers_and_lie_inside_the_disk() {
    assert_eq!(found(&gpt(512), 512), [(1, 40 * 512, 20 * 512), (2, 60 * 512, 512)]);
    assert_eq!(found(&gpt(4096), 4096), [(1, 40 * 4096, 20 * 4096), (2, 60 * 4096, 4096)]);
}

#[test]
fn a_damaged_primary_table_is_replaced_by_the_backup() {
    let good = found(&gpt(512), 512);
    for at in [512, 512 + 20, 512 + 88, 1024, 1024 + 33] {
        let mut image = gpt(512);
        image[at] ^= 1;
        assert_eq!(found(&image, 512), good, "byte {at}");
        let backup = at + if at < 1024 { 254 * 512 } else { 248 * 512 };
        image[backup] ^= 1;
        assert_eq!(found(&image, 512), [], "bytes {at} and {backup}");
    }
}

#[test]
fn an_mbr_gives_primary_and_logical_partitions() {
    let mut image = vec![0; 400 * 512];
    mbr_entry(&mut image, 0, 0, 0x83, 10, 20);
    mbr_entry(&mut image, 0, 1, 0x83, 390, 11);
    mbr_entry(&mut image, 0, 3, 0x05, 100, 200);
    mbr_entry(&mut image, 100, 0, 0x83, 2, 8);
    mbr_entry(&mut image, 100, 1, 0x05, 50, 50);
    mbr_entry(&mut image, 150, 0, 0x83, 1, 5);
    let expected = [(1, 10, 20), (5, 102, 8), (6, 151, 5)];
    assert_eq!(found(&image, 512), expected.map(|(n, start, len)| (n, start * 512, len * 512)));
}

#[test]
fn a_chain_of_logical_partitions_that_loops_ends() {
    let mut image = vec![0; 400 * 512];
    mbr_entry(&mut image, 0, 0, 0x05, 100, 200);
    mbr_entry(&mut image, 100, 0, 0x83, 2, 8);
    mbr_entry(&mut image, 150, 0, 0x83, 2, 8);
    mbr_entry(&mut image, 100, 1, 0x05, 50, 50);
    mbr_entry(&mut image, 150, 1, 0x05, 50, 50);
    assert_eq!(found(&image, 512).len(), 60);
}

#[test]
fn the_boot_sector_of_a_filesystem_and_an_empty_disk_have_no_partitions() {
    let mut image = vec![0x20; 400 * 512];
    put(&mut image, 510, &[0x55, 0xAA]);
    assert_eq!(found(&image, 512), []);
    assert_eq!(found(&[], 512), []);
    assert_eq!(found(&[0; 512], 512), []);
}

#[test]
fn no_mutation_breaks_the_parsers_or_yields_a_partition_outside_the_disk() {
    let mut seed = 0x1234_5678_9ABC_DEF1_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 33).unwrap() % below
    };
    let mut mbr = vec![0; 256 * 512];
    mbr_entry(&mut mbr, 0, 0, 0x83, 10, 20);
    mbr_entry(&mut mbr, 0, 1, 0x05, 100, 100);
    mbr_entry(&mut mbr, 100, 0, 0x83, 2, 8);
    mbr_entry(&mut mbr, 100, 1, 0x0F, 20, 20);
    for original in [gpt(512), mbr] {
        for _ in 0..3000 {
            let mut image = original.clone();
            for _ in 0..=random(4) {
                // Where tables are, more often than elsewhere.
                let range = [image.len(), 2048, 2048][random(3)];
                let at = random(range);
                image[at] = u8::try_from(random(256)).unwrap();
            }
            if random(4) == 0 {
                image.truncate(random(image.len()));
            }
            let len = u64::try_from(image.len()).unwrap();
            for (_, start, size) in found(&image, 512) {
                assert!(size > 0 && start + size <= len);
            }
        }
    }
}
