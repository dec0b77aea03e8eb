//! Finds the boot partition in a GUID partition table.

use crate::field::{array, crc32, u32_at, u64_at};
use crate::{Disk, DiskError, Error};
use core::fmt;

/// Type of the partition that holds the two boot slots: 93b828a8-7d17-4a73-9be6-6e1434bc2563, as on
/// the disk.
pub const BOOT_TYPE: [u8; 16] = [
    0xa8, 0x28, 0xb8, 0x93, 0x17, 0x7d, 0x73, 0x4a, 0x9b, 0xe6, 0x6e, 0x14, 0x34, 0xbc, 0x25, 0x63,
];
/// Type of the partition that holds the filesystem: ea461f93-6676-4d1f-880c-3e247347d414, as on the
/// disk.
pub const DATA_TYPE: [u8; 16] = [
    0x93, 0x1f, 0x46, 0xea, 0x76, 0x66, 0x1f, 0x4d, 0x88, 0x0c, 0x3e, 0x24, 0x73, 0x47, 0xd4, 0x14,
];

/// Largest sector that is understood, and the size of the buffer for one.
pub const MAX_SECTOR: usize = 4096;
/// More entries than this are not looked at.
const MAX_ENTRIES: u32 = 1024;

/// Where the boot partition lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// First sector.
    pub first: u64,
    /// Number of sectors, at least 1; all lie on the disk.
    pub sectors: u64,
    /// Its own GUID, as on the disk.
    pub guid: [u8; 16],
    /// The disk's GUID, as on the disk.
    pub disk: [u8; 16],
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GptError {
    /// No table, or its checksum or numbers are wrong, in both places.
    Damaged,
    /// The table has no such partition.
    Missing,
}

impl fmt::Display for GptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Damaged => "the partition table is damaged",
            Self::Missing => "the partition table has none",
        })
    }
}

/// A header whose numbers have been checked.
struct Table {
    entries: u64,
    count: u32,
    entry_size: usize,
    checksum: u32,
    disk: [u8; 16],
}

/// Finds the first partition of type `wanted`, by the table at the disk's start or else the one at
/// its end.
///
/// `buffer` holds one sector of the disk.
///
/// # Errors
///
/// `Disk` if a sector cannot be read, `Partition` if there is no such partition.
pub fn find(disk: &mut impl Disk, wanted: [u8; 16], buffer: &mut [u8]) -> Result<Partition, Error> {
    let size = disk.sector_size();
    let sector = usize::try_from(size).ok().and_then(|size| buffer.get_mut(..size));
    let sector = sector.filter(|sector| sector.len() >= 512 && sector.len().is_power_of_two());
    let sector = sector.ok_or(DiskError::SectorSize(size))?;
    let last = disk.sectors().saturating_sub(1);
    match find_by(disk, 1, wanted, sector) {
        Err(Error::Partition(GptError::Damaged) | Error::Disk(_)) => {
            find_by(disk, last, wanted, sector)
        }
        found => found,
    }
}

/// Looks in the table whose header is at `header`.
fn find_by(
    disk: &mut impl Disk,
    header: u64,
    wanted: [u8; 16],
    sector: &mut [u8],
) -> Result<Partition, Error> {
    disk.read(header, sector)?;
    let table = check(sector, header).ok_or(Error::Partition(GptError::Damaged))?;
    let mut checksum = crc32();
    let mut left = table.count;
    let mut lba = table.entries;
    let mut found = None;
    while left > 0 {
        disk.read(lba, sector)?;
        for entry in sector.chunks_exact(table.entry_size) {
            let Some(rest) = left.checked_sub(1) else { break };
            left = rest;
            checksum.update(entry);
            if found.is_none() && array(entry, 0) == Some(wanted) {
                found = Some(partition(entry, disk.sectors(), table.disk).ok_or(GptError::Damaged));
            }
        }
        lba = lba.checked_add(1).ok_or(DiskError::Range)?;
    }
    if checksum.finalize() != table.checksum {
        return Err(Error::Partition(GptError::Damaged));
    }
    found.unwrap_or(Err(GptError::Missing)).map_err(Error::Partition)
}

/// Checks the header in `sector`, which was read from `lba`.
fn check(sector: &[u8], lba: u64) -> Option<Table> {
    let size = usize::try_from(u32_at(sector, 12)?).ok()?;
    let header = sector
        .get(..size)
        .filter(|header| header.len() >= 92 && header.starts_with(b"EFI PART"))?;
    let (before, rest) = header.split_at_checked(16)?;
    let (stored, after) = rest.split_at_checked(4)?;
    let mut checksum = crc32();
    checksum.update(before);
    checksum.update(&[0; 4]);
    checksum.update(after);
    let entry_size = usize::try_from(u32_at(header, 84)?).ok()?;
    let count = u32_at(header, 80)?;
    let sound = checksum.finalize() == u32_at(stored, 0)?
        && u64_at(header, 24)? == lba
        && (128..=sector.len()).contains(&entry_size)
        && entry_size.is_power_of_two()
        && count <= MAX_ENTRIES;
    let table = || -> Option<Table> {
        let (entries, checksum) = (u64_at(header, 72)?, u32_at(header, 88)?);
        Some(Table { entries, count, entry_size, checksum, disk: array(header, 56)? })
    };
    sound.then(table)?
}

/// The partition of `entry`, if it lies on a disk of `sectors` sectors.
fn partition(entry: &[u8], sectors: u64, disk: [u8; 16]) -> Option<Partition> {
    let (first, last) = (u64_at(entry, 32)?, u64_at(entry, 40)?);
    let count = last.checked_sub(first)?.checked_add(1)?;
    (first >= 2 && last < sectors).then_some(())?;
    Some(Partition { first, sectors: count, guid: array(entry, 16)?, disk })
}

#[cfg(test)]
mod tests {
    use super::{BOOT_TYPE, GptError, Partition, find};
    use crate::field::{crc32, put};
    use crate::testing::{FakeDisk, Random};
    use crate::{Error, gpt::MAX_SECTOR};
    use std::vec;

    const FOUND: Partition = Partition { first: 40, sectors: 20, guid: [7; 16], disk: [9; 16] };

    /// A disk of 100 sectors with a boot partition as its second, and both tables.
    fn disk() -> FakeDisk {
        let mut entries = vec![0; 128 * 8];
        put(&mut entries, 0, &[1; 16]);
        put(&mut entries, 128, &BOOT_TYPE);
        put(&mut entries, 144, &FOUND.guid);
        put(&mut entries, 160, &40_u64.to_le_bytes());
        put(&mut entries, 168, &59_u64.to_le_bytes());
        let mut disk = FakeDisk::new(100);
        for (lba, table) in [(1_u64, 2_u64), (99, 97)] {
            let mut header = vec![0; 92];
            put(&mut header, 0, b"EFI PART");
            put(&mut header, 12, &92_u32.to_le_bytes());
            put(&mut header, 24, &lba.to_le_bytes());
            put(&mut header, 56, &FOUND.disk);
            put(&mut header, 72, &table.to_le_bytes());
            put(&mut header, 80, &8_u32.to_le_bytes());
            put(&mut header, 84, &128_u32.to_le_bytes());
            put(&mut header, 88, &sum(&entries).to_le_bytes());
            let checksum = sum(&header);
            put(&mut header, 16, &checksum.to_le_bytes());
            put(&mut disk.bytes, usize::try_from(lba).unwrap() * 512, &header);
            put(&mut disk.bytes, usize::try_from(table).unwrap() * 512, &entries);
        }
        disk
    }

    fn sum(bytes: &[u8]) -> u32 {
        let mut checksum = crc32();
        checksum.update(bytes);
        checksum.finalize()
    }

    fn look(disk: &mut FakeDisk) -> Result<Partition, Error> {
        find(disk, BOOT_TYPE, &mut vec![0; MAX_SECTOR])
    }

    #[test]
    fn the_boot_partition_is_found_by_its_type() {
        assert_eq!(look(&mut disk()), Ok(FOUND));
    }

    #[test]
    fn the_table_at_the_end_stands_in_for_a_damaged_one() {
        for byte in [512, 512 + 72, 1024 + 130] {
            let mut disk = disk();
            disk.bytes[byte] ^= 1;
            assert_eq!(look(&mut disk), Ok(FOUND));
        }
    }

    #[test]
    fn without_a_table_or_a_partition_the_error_says_which() {
        assert_eq!(look(&mut FakeDisk::new(100)), Err(Error::Partition(GptError::Damaged)));
        let missing = find(&mut disk(), [0x55; 16], &mut vec![0; MAX_SECTOR]);
        assert_eq!(missing, Err(Error::Partition(GptError::Missing)));
    }

    #[test]
    fn a_damaged_table_never_leads_astray() {
        for seed in 0..3000 {
            let mut random = Random::new(seed);
            let mut disk = disk();
            for table in [512..2048, 97 * 512..100 * 512] {
                let at = table.start + random.index(table.len());
                disk.bytes[at] ^= random.byte();
            }
            // Both tables may still be whole, as most of their bytes are unused.
            if let Ok(partition) = look(&mut disk) {
                assert_eq!(partition, FOUND, "seed {seed}");
            }
        }
    }
}
