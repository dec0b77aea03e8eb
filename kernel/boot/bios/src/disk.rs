//! The boot disk, by INT 13h with block numbers.

use crate::call::{Buffer, Registers, call};
use anode_loader::{Disk, DiskError};

/// How often a failed transfer is tried.
const TRIES: u32 = 3;
/// Most sectors in one call: more than this some BIOSes refuse.
const MOST_SECTORS: usize = 64;

/// The disk that the BIOS booted from.
#[derive(Debug)]
pub(crate) struct BootDisk {
    drive: u32,
    sector_size: u32,
    sectors: u64,
}

#[derive(Clone, Copy)]
enum Direction {
    Read,
    Write,
}

/// The little-endian number in the `N` bytes at `at`.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk().copied()).unwrap_or([0; N])
}

impl BootDisk {
    /// Asks how large drive number `drive` is.
    pub(crate) fn open(drive: u32) -> Result<Self, DiskError> {
        let buffer = Buffer::SMALL;
        let mut parameters = [0; 30];
        if let Some(size) = parameters.first_mut() {
            *size = 30;
        }
        buffer.write(&parameters);
        let question =
            Registers { eax: 0x4800, edx: drive, ds: buffer.segment(), ..Registers::default() };
        let answer = call(0x13, question);
        if answer.carry() {
            return Err(DiskError::Firmware(u64::from(answer.status())));
        }
        buffer.read(&mut parameters);
        let sectors = match u64::from_le_bytes(field(&parameters, 16)) {
            // Not told: the table at the end of the disk is out of reach, the rest is not.
            0 => u64::MAX,
            sectors => sectors,
        };
        match u32::from(u16::from_le_bytes(field(&parameters, 24))) {
            sector_size @ (512 | 1024 | 2048 | 4096) => Ok(Self { drive, sector_size, sectors }),
            other => Err(DiskError::SectorSize(other)),
        }
    }

    fn sector_bytes(&self) -> usize {
        usize::try_from(self.sector_size).unwrap_or(512)
    }

    /// Bytes of the longest transfer.
    fn chunk(&self) -> usize {
        let sectors = Buffer::LARGE.len().checked_div(self.sector_bytes()).unwrap_or(1);
        sectors.min(MOST_SECTORS).saturating_mul(self.sector_bytes())
    }

    /// Moves `bytes` bytes between the disk and the large buffer.
    fn transfer(&self, lba: u64, bytes: usize, direction: Direction) -> Result<(), DiskError> {
        let count =
            bytes.checked_div(self.sector_bytes()).and_then(|count| u16::try_from(count).ok());
        let count = count.ok_or(DiskError::Range)?;
        let end = lba.checked_add(u64::from(count)).filter(|&end| end <= self.sectors);
        end.ok_or(DiskError::Range)?;
        let buffer = Buffer::SMALL;
        let function = match direction {
            Direction::Read => 0x4200,
            // AL = 0: without verification, which not every BIOS has.
            Direction::Write => 0x4300,
        };
        let mut status = 0;
        for _ in 0..TRIES {
            // The BIOS may change the packet, so it is made anew.
            let mut packet = [0; 16];
            let count = count.to_le_bytes();
            let segment = Buffer::LARGE.segment().to_le_bytes();
            let fields: [(usize, &[u8]); 4] =
                [(0, &[16]), (2, &count), (6, &segment), (8, &lba.to_le_bytes())];
            for (at, value) in fields {
                packet.iter_mut().skip(at).zip(value).for_each(|(to, from)| *to = *from);
            }
            buffer.write(&packet);
            let question = Registers {
                eax: function,
                edx: self.drive,
                ds: buffer.segment(),
                ..Registers::default()
            };
            let answer = call(0x13, question);
            if !answer.carry() {
                return Ok(());
            }
            status = answer.status();
            call(0x13, Registers { edx: self.drive, ..Registers::default() });
        }
        Err(DiskError::Firmware(u64::from(status)))
    }

    /// Sector `lba` plus the sectors that `bytes` make.
    fn after(&self, lba: u64, bytes: usize) -> Result<u64, DiskError> {
        let sectors =
            bytes.checked_div(self.sector_bytes()).and_then(|count| u64::try_from(count).ok());
        sectors.and_then(|sectors| lba.checked_add(sectors)).ok_or(DiskError::Range)
    }
}

impl Disk for BootDisk {
    fn sector_size(&self) -> u32 {
        self.sector_size
    }

    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read(&mut self, mut lba: u64, out: &mut [u8]) -> Result<(), DiskError> {
        out.len().is_multiple_of(self.sector_bytes()).then_some(()).ok_or(DiskError::Range)?;
        for piece in out.chunks_mut(self.chunk()) {
            self.transfer(lba, piece.len(), Direction::Read)?;
            Buffer::LARGE.read(piece);
            lba = self.after(lba, piece.len())?;
        }
        Ok(())
    }

    fn write(&mut self, mut lba: u64, bytes: &[u8]) -> Result<(), DiskError> {
        bytes.len().is_multiple_of(self.sector_bytes()).then_some(()).ok_or(DiskError::Range)?;
        for piece in bytes.chunks(self.chunk()) {
            Buffer::LARGE.write(piece);
            self.transfer(lba, piece.len(), Direction::Write)?;
            lba = self.after(lba, piece.len())?;
        }
        Ok(())
    }
}
