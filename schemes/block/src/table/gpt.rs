//! The GUID partition table.

use redox::error::Result;

use super::{Blocks, Partition, inside, word32, word64};

const SIGNATURE: &[u8; 8] = b"EFI PART";
const HEADER_MIN: u32 = 92;
const HEADER_CRC_AT: usize = 16;
/// More entries than this are no table that anyone makes (128 is usual).
const MAX_ENTRIES: u32 = 1024;
const ENTRY_SIZES: core::ops::RangeInclusive<u32> = 128..=4096;

/// The fields of a valid header.
struct Header {
    entries: u64,
    count: u32,
    size: u32,
    crc: u32,
}

/// The partitions of the primary or else of the backup table; `None` if neither is valid.
pub(super) fn partitions(disk: &mut impl Blocks) -> Result<Option<Vec<Partition>>> {
    let last = disk.count().saturating_sub(1);
    for at in [1, last] {
        if at == 0 || at > last {
            continue;
        }
        let block = disk.read(at, disk.block())?;
        let Some(header) = header(&block, at, disk.count()) else { continue };
        let bytes = header.count.saturating_mul(header.size);
        let table = disk.read(header.entries, bytes)?;
        let table = usize::try_from(bytes).ok().and_then(|bytes| table.get(..bytes));
        if let Some(table) = table.filter(|table| crc32(&[table]) == header.crc) {
            return Ok(Some(entries(disk, &header, table)));
        }
    }
    Ok(None)
}

/// Checks a header that was read from block `at` of a disk of `count` blocks.
fn header(block: &[u8], at: u64, count: u64) -> Option<Header> {
    if block.get(..8)? != SIGNATURE {
        return None;
    }
    let length = word32(block, 12)?;
    let bytes = block.get(..usize::try_from(length).ok()?)?;
    if length < HEADER_MIN {
        return None;
    }
    // The sum is taken with its own field as zeroes.
    let (before, rest) = bytes.split_at_checked(HEADER_CRC_AT)?;
    let (stored, after) = rest.split_at_checked(4)?;
    let sound = word32(stored, 0)? == crc32(&[before, &[0; 4], after]) && word64(block, 24)? == at;
    let header = Header {
        entries: word64(block, 72)?,
        count: word32(block, 80)?,
        size: word32(block, 84)?,
        crc: word32(block, 88)?,
    };
    let plausible = header.count <= MAX_ENTRIES
        && ENTRY_SIZES.contains(&header.size)
        && (1..count).contains(&header.entries);
    (sound && plausible).then_some(header)
}

fn entries(disk: &impl Blocks, header: &Header, table: &[u8]) -> Vec<Partition> {
    let size = usize::try_from(header.size).unwrap_or(usize::MAX);
    (1..)
        .zip(table.chunks_exact(size))
        .filter_map(|(number, raw)| entry(disk, number, raw))
        .collect()
}

/// One entry: a type of zeroes means that it is unused.
fn entry(disk: &impl Blocks, number: u32, raw: &[u8]) -> Option<Partition> {
    if raw.get(..16)?.iter().all(|byte| *byte == 0) {
        return None;
    }
    let (first, last) = (word64(raw, 32)?, word64(raw, 40)?);
    inside(disk, number, first, last.checked_sub(first)?.checked_add(1)?)
}

/// CRC-32 as UEFI defines it, over several pieces.
pub(super) fn crc32(pieces: &[&[u8]]) -> u32 {
    let mut crc = u32::MAX;
    for byte in pieces.iter().copied().flatten() {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}
