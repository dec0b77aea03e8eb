//! Where the volume lies on a whole disk: in the partition of its type.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use anode_loader::gpt::{DATA_TYPE, MAX_SECTOR, find};
use anode_loader::{Disk, DiskError};

/// A disk as the reader of partition tables wants it.
struct Sectors<'m, M> {
    medium: &'m mut M,
    size: u32,
    count: u64,
}

impl<M: Read + Seek> Disk for Sectors<'_, M> {
    fn sector_size(&self) -> u32 {
        self.size
    }

    fn sectors(&self) -> u64 {
        self.count
    }

    fn read(&mut self, lba: u64, out: &mut [u8]) -> Result<(), DiskError> {
        let start = lba.checked_mul(u64::from(self.size)).ok_or(DiskError::Range)?;
        let read =
            self.medium.seek(SeekFrom::Start(start)).and_then(|_| self.medium.read_exact(out));
        read.map_err(|_| DiskError::Range)
    }

    fn write(&mut self, _: u64, _: &[u8]) -> Result<(), DiskError> {
        Err(DiskError::Range)
    }
}

/// The bytes of the first partition for a volume of Anode on a disk with a partition table, if
/// there is one.
pub fn partition(medium: &mut (impl Read + Seek)) -> Option<Range<u64>> {
    let len = crate::length(medium).ok()?;
    let mut sector = [0; MAX_SECTOR];
    [512, 4096].into_iter().find_map(|size| {
        let unit = u64::from(size);
        let mut disk = Sectors { medium, size, count: len.checked_div(unit)? };
        let found = find(&mut disk, DATA_TYPE, &mut sector).ok()?;
        let start = found.first.checked_mul(unit)?;
        let end = start.checked_add(found.sectors.checked_mul(unit)?)?;
        (end <= len).then_some(start..end)
    })
}
