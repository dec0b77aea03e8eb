//! What the core asks of a front end: sectors and pages.

use crate::Error;
use crate::regions::{Region, RegionKind};
use core::fmt;

/// Bytes of a page.
pub const PAGE: u64 = 4096;

/// A failed transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// The firmware's status for it.
    Firmware(u64),
    /// The sectors lie outside the disk, or the length is not a number of sectors.
    Range,
    /// Sectors of this many bytes are not supported.
    SectorSize(u32),
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Firmware(status) => write!(f, "firmware status {status:#x}"),
            Self::Range => f.write_str("outside the disk"),
            Self::SectorSize(bytes) => write!(f, "sectors of {bytes} bytes are not supported"),
        }
    }
}

/// The disk that the loader came from.
pub trait Disk {
    /// Bytes of a sector.
    fn sector_size(&self) -> u32;

    /// Number of sectors.
    fn sectors(&self) -> u64;

    /// Fills `out`, a number of whole sectors, from sector `lba` on.
    ///
    /// # Errors
    ///
    /// What the firmware says, or `Range`.
    fn read(&mut self, lba: u64, out: &mut [u8]) -> Result<(), DiskError>;

    /// Writes `bytes`, a number of whole sectors, from sector `lba` on, and flushes them.
    ///
    /// # Errors
    ///
    /// As `read`; also when the disk is read-only.
    fn write(&mut self, lba: u64, bytes: &[u8]) -> Result<(), DiskError>;
}

/// Physical memory, of which a caller reaches only what it has allocated.
pub trait Memory {
    /// Gives out `len` bytes, rounded up to pages and zeroed, for `kind`; the address is physical.
    ///
    /// # Errors
    ///
    /// `Memory` if there is no such piece.
    fn allocate(&mut self, len: u64, kind: RegionKind) -> Result<u64, Error>;

    /// The `len` bytes at `phys`.
    ///
    /// # Errors
    ///
    /// `Bug` if they were not allocated.
    fn bytes(&mut self, phys: u64, len: u64) -> Result<&mut [u8], Error>;

    /// Two ranges that do not overlap, each `(phys, len)`: one to read, one to write.
    ///
    /// # Errors
    ///
    /// `Bug` if they overlap or were not allocated.
    fn pair(&mut self, from: (u64, u64), to: (u64, u64)) -> Result<(&[u8], &mut [u8]), Error>;

    /// The memory map, by index; sorted.
    fn region(&self, index: usize) -> Option<Region>;
}
