//! The partition table and the boot sector.

use crate::image::Mark;
use crate::plan::{DATA, Layout, Part};
use crate::{Error, SECTOR};
use anode_loader::gpt::{BOOT_TYPE, DATA_TYPE};
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition;
use gpt::partition_types::{OperatingSystem, Type};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use uuid::Uuid;

/// The types of the first two partitions, as on the disk.
const BIOS_TYPE: [u8; 16] = *b"Hah!IdontNeedEFI";
const ESP_TYPE: [u8; 16] = [
    0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b,
];

/// `gpt` asks for something that can be printed.
struct Target<'a, T>(&'a mut T);

impl<T> fmt::Debug for Target<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Target")
    }
}

impl<T: Read> Read for Target<'_, T> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl<T: Write> Write for Target<'_, T> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<T: Seek> Seek for Target<'_, T> {
    fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
        self.0.seek(pos)
    }
}

/// The GUID of a partition: the disk's but for the last byte.
pub(crate) fn guid(disk: [u8; 16], number: u8) -> [u8; 16] {
    let mut guid = disk;
    if let Some(last) = guid.last_mut() {
        *last ^= number;
    }
    guid
}

/// The entry for `part`, number `number`, whose GUID is the disk's but for the last byte.
fn entry(name: &str, kind: [u8; 16], part: Part, disk: [u8; 16], number: u8) -> Partition {
    let guid = guid(disk, number);
    let first_lba = part.start.checked_div(SECTOR).unwrap_or(0);
    let last_lba =
        part.start.saturating_add(part.len).checked_div(SECTOR).unwrap_or(0).saturating_sub(1);
    Partition {
        part_type_guid: Type { guid: Uuid::from_bytes_le(kind), os: OperatingSystem::None },
        part_guid: Uuid::from_bytes_le(guid),
        first_lba,
        last_lba,
        flags: 0,
        name: name.to_owned(),
    }
}

/// Writes both copies of the table, then the boot sector with its protective entry.
pub(crate) fn write<T: Read + Write + Seek>(
    target: &mut T,
    layout: &Layout,
    sector: &[u8; 440],
    mark: Mark,
    guid: [u8; 16],
) -> Result<(), Error> {
    let failed = |error: &dyn fmt::Display| Error::Table(error.to_string());
    let entries = BTreeMap::from([
        (1, entry("bios", BIOS_TYPE, layout.bios, guid, 1)),
        (2, entry("EFI", ESP_TYPE, layout.esp, guid, 2)),
        (3, entry("anode-boot", BOOT_TYPE, layout.boot, guid, 3)),
        (u32::from(DATA), entry("anode", DATA_TYPE, layout.data, guid, DATA)),
    ]);
    let config = gpt::GptConfig::new().writable(true).logical_block_size(LogicalBlockSize::Lb512);
    let disk = config.create_from_device(Target(&mut *target), Some(Uuid::from_bytes_le(guid)));
    let mut disk = disk.map_err(|error| failed(&error))?;
    disk.update_partitions(entries).map_err(|error| failed(&error))?;
    disk.write_inplace().map_err(|error| failed(&error))?;

    let sectors = layout.size.checked_div(SECTOR).unwrap_or(0).saturating_sub(1);
    let mut mbr = ProtectiveMBR::with_lb_size(u32::try_from(sectors).unwrap_or(u32::MAX));
    mbr.set_bootcode(*sector);
    if let (Mark::Active, Some(mut record)) = (mark, mbr.partition(0)) {
        record.boot_indicator = 0x80;
        mbr.set_partition(0, record);
    }
    mbr.overwrite_lba0(&mut Target(target)).map_err(|error| failed(&error))?;
    Ok(())
}
