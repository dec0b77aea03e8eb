//! The boot slots: what a bundle looks like on the disk, and which one is booted.
//!
//! The boot partition is two halves, slot A and slot B. A slot begins with a header in one sector
//! of 512 bytes, so that a torn write cannot mix two of them; the command line follows, and from
//! byte 4096 on, each at a multiple of 4096, the kernel's ELF, init's ELF and the initfs image.
//!
//! | at | what (little endian) |
//! |---|---|
//! | 0 | [`MAGIC`] |
//! | 8 | version, `u32`: 1 |
//! | 12 | tries left, `u32`: [`PROVEN`] if the slot has proven itself |
//! | 16 | generation, `u64` |
//! | 24 | bytes of the slot that are in use, `u64`, a multiple of 4096 |
//! | 32 | offset and length, `u64` each, of kernel, init, initfs and command line |
//! | 96 | CRC-32C of the bytes from 512 to the end in use |
//! | 508 | CRC-32C of bytes 0 to 507 |
//!
//! To update: write the idle slot from byte 512 on, flush, then write its header with a generation
//! one higher and a few tries. The loader takes one try away before each boot; the running system
//! makes the slot [`PROVEN`] when it is well.

use crate::field::{array, crc32c, put, u32_at, u64_at};
use crate::regions::RegionKind;
use crate::{Disk, DiskError, Error, Memory, gpt::Partition};
use anode_abi::boot_info::Extent;
use core::fmt;

/// First bytes of a slot.
pub const MAGIC: [u8; 8] = *b"ANODSLOT";
/// Version of the layout.
pub const VERSION: u32 = 1;
/// `tries_left` of a slot that has proven itself: it is not counted down.
pub const PROVEN: u32 = u32::MAX;
/// Bytes of the header.
pub const HEADER: usize = 512;
/// The same, as an offset in the slot.
const HEADER_END: u64 = 512;
/// Unit of everything in a slot.
pub const ALIGN: u64 = 4096;
/// Most bytes of a command line.
pub(crate) const COMMAND_LINE_MAX: usize = 512;
/// The same, as a length in the slot.
const LINE_MAX: u64 = 512;

/// The header of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Boots that may still be tried; [`PROVEN`] for any number.
    pub tries_left: u32,
    /// The higher one is booted.
    pub generation: u64,
    /// Bytes of the slot in use.
    pub total: u64,
    /// Kernel, init, initfs, command line; `phys` counts from the slot's begin.
    pub parts: [Extent; 4],
    /// CRC-32C of all behind the header.
    pub payload: u32,
}

/// Why a slot is not booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotError {
    /// It has no header.
    Empty,
    /// The header's checksum or one of its numbers is wrong.
    Header,
    /// It is of a newer layout.
    Version(u32),
    /// The checksum of the contents is wrong.
    Contents,
    /// The disk failed.
    Disk(DiskError),
}

impl fmt::Display for SlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::Header => f.write_str("its header is damaged"),
            Self::Version(version) => write!(f, "its layout {version} is not known"),
            Self::Contents => f.write_str("its contents are damaged"),
            Self::Disk(error) => write!(f, "reading it failed: {error}"),
        }
    }
}

impl Header {
    /// Lays out a bundle of these lengths: kernel, init, initfs, command line. The checksum is
    /// still to be set.
    ///
    /// `None` if the command line is too long or the sum is beyond any disk.
    #[must_use]
    pub fn layout(lengths: [u64; 4]) -> Option<Self> {
        let [kernel, init, initfs, line] = lengths;
        let mut end = ALIGN;
        let mut place = |len: u64| {
            let part = Extent { phys: end, len };
            end = end.checked_add(len)?.checked_next_multiple_of(ALIGN)?;
            Some(part)
        };
        let (kernel, init, initfs) = (place(kernel)?, place(init)?, place(initfs)?);
        let line = (line <= LINE_MAX).then_some(Extent { phys: HEADER_END, len: line })?;
        let parts = [kernel, init, initfs, line];
        Some(Self { tries_left: PROVEN, generation: 1, total: end, parts, payload: 0 })
    }

    /// The header as it stands on the disk.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        put(&mut bytes, 0, &MAGIC);
        put(&mut bytes, 8, &VERSION.to_le_bytes());
        put(&mut bytes, 12, &self.tries_left.to_le_bytes());
        put(&mut bytes, 16, &self.generation.to_le_bytes());
        put(&mut bytes, 24, &self.total.to_le_bytes());
        for (part, at) in self.parts.iter().zip((32_usize..).step_by(16)) {
            put(&mut bytes, at, &part.phys.to_le_bytes());
            put(&mut bytes, at.saturating_add(8), &part.len.to_le_bytes());
        }
        put(&mut bytes, 96, &self.payload.to_le_bytes());
        let mut checksum = Checksum::default();
        checksum.update(bytes.get(..508).unwrap_or_default());
        put(&mut bytes, 508, &checksum.value().to_le_bytes());
        bytes
    }

    /// Reads a header of a slot of `space` bytes and checks its checksum and every number.
    ///
    /// # Errors
    ///
    /// `Empty`, `Header` or `Version`.
    pub fn decode(bytes: &[u8], space: u64) -> Result<Self, SlotError> {
        if array(bytes, 0) != Some(MAGIC) {
            return Err(SlotError::Empty);
        }
        let mut checksum = Checksum::default();
        checksum.update(bytes.get(..508).ok_or(SlotError::Header)?);
        if Some(checksum.value()) != u32_at(bytes, 508) {
            return Err(SlotError::Header);
        }
        match u32_at(bytes, 8) {
            Some(VERSION) => {
                Self::fields(bytes).filter(|header| header.is_sound(space)).ok_or(SlotError::Header)
            }
            version => Err(SlotError::Version(version.unwrap_or(0))),
        }
    }

    fn fields(bytes: &[u8]) -> Option<Self> {
        let mut parts = [Extent::default(); 4];
        for (part, at) in parts.iter_mut().zip((32_usize..).step_by(16)) {
            *part = Extent { phys: u64_at(bytes, at)?, len: u64_at(bytes, at.checked_add(8)?)? };
        }
        Some(Self {
            tries_left: u32_at(bytes, 12)?,
            generation: u64_at(bytes, 16)?,
            total: u64_at(bytes, 24)?,
            parts,
            payload: u32_at(bytes, 96)?,
        })
    }

    /// Whether all parts lie behind the header, in the part in use, aligned and without overlap.
    fn is_sound(&self, space: u64) -> bool {
        let [programs @ .., line] = self.parts;
        let mut free = ALIGN;
        let mut follows = |part: &Extent| {
            let begins = part.phys >= free && part.phys.is_multiple_of(ALIGN) && part.len > 0;
            let end = part.phys.checked_add(part.len).filter(|&end| begins && end <= self.total);
            free = end.unwrap_or(free);
            end.is_some()
        };
        let line_end = line.phys.checked_add(line.len);
        programs.iter().all(&mut follows)
            && self.total <= space
            && self.total.is_multiple_of(ALIGN)
            && line.phys >= HEADER_END
            && line.len <= LINE_MAX
            && line_end.is_some_and(|end| end <= ALIGN)
    }
}

/// CRC-32C, a piece at a time.
pub struct Checksum(crc::Digest<'static, u32, crc::Table<16>>);

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checksum")
    }
}

impl Default for Checksum {
    fn default() -> Self {
        Self(crc32c())
    }
}

impl Checksum {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all that was added.
    #[must_use]
    pub fn value(self) -> u32 {
        self.0.finalize()
    }
}

/// A bundle in memory, verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Its first byte, physical.
    pub phys: u64,
    /// Number of its slot.
    pub slot: u32,
    /// Its header, as on the disk before this boot's try was taken away.
    pub header: Header,
}

/// One slot of a partition: its number, first sector, sectors and header.
#[derive(Clone, Copy)]
pub(crate) struct Candidate {
    slot: u32,
    first: u64,
    header: Result<Header, SlotError>,
}

impl Candidate {
    /// The higher, the better: a slot without tries comes after any other.
    fn rank(&self) -> (u32, u64) {
        self.header
            .map_or((0, 0), |header| (if header.tries_left > 0 { 2 } else { 1 }, header.generation))
    }
}

/// The sectors of one slot of `partition`: first and number.
#[must_use]
pub fn place(partition: &Partition, slot: u32, sector_size: u32) -> Option<(u64, u64)> {
    let unit = ALIGN.checked_div(u64::from(sector_size)).filter(|&unit| unit > 0)?;
    let half = partition.sectors.checked_div(2)?.checked_div(unit)?.checked_mul(unit)?;
    let first = partition.first.checked_add(half.checked_mul(u64::from(slot))?)?;
    Some((first, half))
}

/// Reads the headers of both slots; `buffer` holds one sector.
pub(crate) fn headers(
    disk: &mut impl Disk,
    partition: &Partition,
    buffer: &mut [u8],
) -> [Candidate; 2] {
    [0, 1].map(|slot| candidate(disk, partition, slot, buffer))
}

/// Reads the better slot into memory, or the other if that one is damaged.
///
/// # Errors
///
/// `NoSlot` if neither can be used, `Memory` if there is no room for the bundle.
pub(crate) fn choose(
    disk: &mut impl Disk,
    memory: &mut impl Memory,
    [a, b]: [Candidate; 2],
) -> Result<Bundle, Error> {
    let [first, second] = if b.rank() > a.rank() { [b, a] } else { [a, b] };
    let room = |slot: &Candidate| slot.header.map_or(0, |header| header.total);
    let needed = room(&a).max(room(&b));
    if needed == 0 {
        return Err(Error::NoSlot(
            a.header.err().unwrap_or(SlotError::Empty),
            b.header.err().unwrap_or(SlotError::Empty),
        ));
    }
    let phys = memory.allocate(needed, RegionKind::BUNDLE)?;
    let mut attempt = |slot: &Candidate| -> Result<Result<Bundle, SlotError>, Error> {
        let header = match slot.header {
            Ok(header) => header,
            Err(error) => return Ok(Err(error)),
        };
        let bytes = memory.bytes(phys, header.total)?;
        let verified = disk
            .read(slot.first, bytes)
            .map_err(SlotError::Disk)
            .and_then(|()| verify(&header, bytes));
        Ok(verified.map(|()| Bundle { phys, slot: slot.slot, header }))
    };
    let fault = match attempt(&first)? {
        Ok(bundle) => return Ok(bundle),
        Err(fault) => fault,
    };
    attempt(&second)?.map_err(|other| match first.slot {
        0 => Error::NoSlot(fault, other),
        _ => Error::NoSlot(other, fault),
    })
}

/// Reads a slot's header.
fn candidate(
    disk: &mut impl Disk,
    partition: &Partition,
    slot: u32,
    buffer: &mut [u8],
) -> Candidate {
    let size = disk.sector_size();
    let Some((first, sectors)) = place(partition, slot, size) else {
        return Candidate { slot, first: 0, header: Err(SlotError::Empty) };
    };
    let space = sectors.saturating_mul(u64::from(size));
    let sector = usize::try_from(size).ok().and_then(|size| buffer.get_mut(..size));
    let header = match sector.ok_or(DiskError::SectorSize(size)).and_then(|sector| {
        disk.read(first, sector)?;
        Ok(sector)
    }) {
        Ok(sector) => Header::decode(sector, space),
        Err(error) => Err(SlotError::Disk(error)),
    };
    Candidate { slot, first, header }
}

/// Compares what was read with the header that promised it.
fn verify(header: &Header, bytes: &[u8]) -> Result<(), SlotError> {
    let mut checksum = Checksum::default();
    checksum.update(bytes.get(HEADER..).ok_or(SlotError::Contents)?);
    let same =
        Header::decode(bytes, header.total) == Ok(*header) && checksum.value() == header.payload;
    same.then_some(()).ok_or(SlotError::Contents)
}

/// Takes one try away from the slot that is about to be booted; returns how many it has left.
///
/// # Errors
///
/// What the disk says; the slot can be booted all the same.
pub(crate) fn take_try(
    disk: &mut impl Disk,
    partition: &Partition,
    bundle: &Bundle,
    buffer: &mut [u8],
) -> Result<u32, DiskError> {
    let left = match bundle.header.tries_left {
        PROVEN => return Ok(PROVEN),
        tries => tries.saturating_sub(1),
    };
    let size = disk.sector_size();
    let (first, _) = place(partition, bundle.slot, size).ok_or(DiskError::Range)?;
    let sector = usize::try_from(size).ok().and_then(|size| buffer.get_mut(..size));
    let sector = sector.ok_or(DiskError::SectorSize(size))?;
    disk.read(first, sector)?;
    put(sector, 0, &Header { tries_left: left, ..bundle.header }.encode());
    disk.write(first, sector)?;
    Ok(left)
}

#[cfg(test)]
mod tests;
