//! Fakes for the tests: a disk and a memory in vectors, and repeatable randomness.

use crate::regions::{Region, RegionKind};
use crate::{Disk, DiskError, Error, Memory, PAGE};
use std::vec;
use std::vec::Vec;

/// xorshift64*, seeded.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }

    pub(crate) fn index(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(u64::try_from(limit).unwrap())).unwrap()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        u8::try_from(self.below(255)).unwrap() + 1
    }
}

/// A disk of sectors of 512 bytes.
pub(crate) struct FakeDisk {
    pub(crate) bytes: Vec<u8>,
    pub(crate) read_only: bool,
}

impl FakeDisk {
    pub(crate) fn new(sectors: usize) -> Self {
        Self { bytes: vec![0; sectors * 512], read_only: false }
    }

    fn range(&mut self, lba: u64, len: usize) -> Result<&mut [u8], DiskError> {
        let start = usize::try_from(lba)
            .ok()
            .and_then(|lba| lba.checked_mul(512))
            .ok_or(DiskError::Range)?;
        let end =
            start.checked_add(len).filter(|_| len.is_multiple_of(512)).ok_or(DiskError::Range)?;
        self.bytes.get_mut(start..end).ok_or(DiskError::Range)
    }
}

impl Disk for FakeDisk {
    fn sector_size(&self) -> u32 {
        512
    }

    fn sectors(&self) -> u64 {
        u64::try_from(self.bytes.len() / 512).unwrap()
    }

    fn read(&mut self, lba: u64, out: &mut [u8]) -> Result<(), DiskError> {
        out.copy_from_slice(self.range(lba, out.len())?);
        Ok(())
    }

    fn write(&mut self, lba: u64, bytes: &[u8]) -> Result<(), DiskError> {
        if self.read_only {
            return Err(DiskError::Firmware(3));
        }
        self.range(lba, bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }
}

/// Physical memory from `BASE` on, given out in order.
pub(crate) struct FakeMemory {
    bytes: Vec<u8>,
    used: u64,
    pub(crate) map: Vec<Region>,
}

impl FakeMemory {
    pub(crate) const BASE: u64 = 0x20_0000;

    pub(crate) fn new(len: usize) -> Self {
        let all = Region { base: 0, len: 0x1000_0000, kind: RegionKind::USABLE };
        Self { bytes: vec![0xaa; len], used: 0, map: vec![all] }
    }

    fn offset(&self, phys: u64, len: u64) -> Result<core::ops::Range<usize>, Error> {
        let start = phys.checked_sub(Self::BASE).ok_or(Error::Bug("below the memory"))?;
        let end = start
            .checked_add(len)
            .filter(|&end| end <= self.used)
            .ok_or(Error::Bug("not allocated"))?;
        Ok(usize::try_from(start).unwrap()..usize::try_from(end).unwrap())
    }
}

impl Memory for FakeMemory {
    fn allocate(&mut self, len: u64, _kind: RegionKind) -> Result<u64, Error> {
        let size = len.checked_next_multiple_of(PAGE).ok_or(Error::Memory(len))?;
        let start = self.used;
        let end = start.checked_add(size).ok_or(Error::Memory(len))?;
        let range = usize::try_from(start).unwrap()
            ..usize::try_from(end).map_err(|_wide| Error::Memory(len))?;
        self.bytes.get_mut(range).ok_or(Error::Memory(len))?.fill(0);
        self.used = end;
        Ok(Self::BASE + start)
    }

    fn bytes(&mut self, phys: u64, len: u64) -> Result<&mut [u8], Error> {
        let range = self.offset(phys, len)?;
        Ok(&mut self.bytes[range])
    }

    fn pair(&mut self, from: (u64, u64), to: (u64, u64)) -> Result<(&[u8], &mut [u8]), Error> {
        let (from, to) = (self.offset(from.0, from.1)?, self.offset(to.0, to.1)?);
        let [from, to] =
            self.bytes.get_disjoint_mut([from, to]).map_err(|_overlap| Error::Bug("overlap"))?;
        Ok((from, to))
    }

    fn region(&self, index: usize) -> Option<Region> {
        self.map.get(index).copied()
    }
}
