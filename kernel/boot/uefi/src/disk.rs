//! The disk that this program came from, by `BlockIO`.

use crate::look;
use alloc::vec::Vec;
use anode_loader::machine::Identity;
use anode_loader::regions::RegionKind;
use anode_loader::{Disk, DiskError, Error, Memory, gpt};
use uefi::boot::{self, ScopedProtocol};
use uefi::proto::device_path::DevicePath;
use uefi::proto::loaded_image::LoadedImage;
use uefi::proto::media::block::BlockIO;
use uefi::{Handle, Status};

/// Bytes of the longest transfer; some firmware fails on very long ones.
const CHUNK: usize = 1 << 20;

/// A whole disk.
pub(crate) struct BootDisk {
    protocol: ScopedProtocol<BlockIO>,
}

/// The firmware's status as a number.
fn failed(error: &uefi::Error) -> DiskError {
    DiskError::Firmware(u64::try_from(error.status().0).unwrap_or(u64::MAX))
}

/// Finds the disk whose partition the firmware loaded this program from; else the first with a boot
/// partition.
pub(crate) fn boot_disk(memory: &mut Identity) -> Result<BootDisk, Error> {
    let handles = boot::find_handles::<BlockIO>().map_err(|error| failed(&error))?;
    let disks = || handles.iter().filter_map(|&handle| Some((handle, open(handle)?)));
    let home = home();
    let own = disks().find(|(handle, _)| home.is_some() && path(*handle) == home);
    if let Some((_, disk)) = own {
        return Ok(disk);
    }
    let size = u64::try_from(gpt::MAX_SECTOR).unwrap_or(0);
    let scratch = memory.allocate(size, RegionKind::LOADER)?;
    let mut reason = Error::Partition(gpt::GptError::Missing);
    for (_, mut disk) in disks() {
        match gpt::find(&mut disk, gpt::BOOT_TYPE, memory.bytes(scratch, size)?) {
            Ok(_) => return Ok(disk),
            Err(error) => reason = error,
        }
    }
    Err(reason)
}

/// Opens `handle` if it is a whole disk with a medium in it.
fn open(handle: Handle) -> Option<BootDisk> {
    let protocol = look::<BlockIO>(handle).ok()?;
    let media = protocol.media();
    (media.is_media_present() && !media.is_logical_partition()).then_some(BootDisk { protocol })
}

/// The nodes of a device path, one after the other.
fn nodes(path: &DevicePath) -> Vec<Vec<u8>> {
    path.node_iter()
        .map(|node| [&[node.device_type().0, node.sub_type().0], node.data()].concat())
        .collect()
}

/// The path of `handle`.
fn path(handle: Handle) -> Option<Vec<Vec<u8>>> {
    Some(nodes(&look::<DevicePath>(handle).ok()?))
}

/// The path of the disk that holds the partition that this program was loaded from.
fn home() -> Option<Vec<Vec<u8>>> {
    let partition = look::<LoadedImage>(boot::image_handle()).ok()?.device()?;
    let mut path = path(partition)?;
    path.pop()?;
    Some(path)
}

impl BootDisk {
    /// Whether `len` bytes are whole sectors and the disk has them from `lba` on.
    fn check(&self, lba: u64, len: usize) -> Result<(), DiskError> {
        let size = usize::try_from(self.sector_size()).unwrap_or(0);
        let count = len.checked_div(size).filter(|_| len.is_multiple_of(size));
        let end = count.and_then(|count| lba.checked_add(u64::try_from(count).ok()?));
        end.filter(|&end| end <= self.sectors()).map(|_| ()).ok_or(DiskError::Range)
    }

    /// The sector `len` bytes after `lba`.
    fn after(&self, lba: u64, len: usize) -> u64 {
        let sectors = u64::try_from(len).unwrap_or(0).checked_div(u64::from(self.sector_size()));
        lba.saturating_add(sectors.unwrap_or(0))
    }
}

impl Disk for BootDisk {
    fn sector_size(&self) -> u32 {
        self.protocol.media().block_size()
    }

    fn sectors(&self) -> u64 {
        self.protocol.media().last_block().saturating_add(1)
    }

    fn read(&mut self, mut lba: u64, out: &mut [u8]) -> Result<(), DiskError> {
        self.check(lba, out.len())?;
        let media = self.protocol.media().media_id();
        for piece in out.chunks_mut(CHUNK) {
            self.protocol.read_blocks(media, lba, piece).map_err(|error| failed(&error))?;
            lba = self.after(lba, piece.len());
        }
        Ok(())
    }

    fn write(&mut self, lba: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.check(lba, bytes.len())?;
        if self.protocol.media().is_read_only() {
            return Err(failed(&Status::WRITE_PROTECTED.into()));
        }
        let media = self.protocol.media().media_id();
        let written = self.protocol.write_blocks(media, lba, bytes);
        written.and_then(|()| self.protocol.flush_blocks()).map_err(|error| failed(&error))
    }
}
