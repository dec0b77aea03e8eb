//! The EFI system partition: a FAT32 filesystem with one file.

use crate::Error;
use crate::plan::Part;
use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions, format_volume};
use fscommon::{BufStream, StreamSlice};
use std::io::{self, Read, Seek, Write};

/// What the file system itself takes, at most: two tables of four bytes a sector, and change.
const OVERHEAD: u64 = 1 << 20;

/// Whether the loader fits.
pub(crate) fn check(loader: &[u8], part: Part) -> Result<(), Error> {
    let bytes = u64::try_from(loader.len()).unwrap_or(u64::MAX);
    let room = part.len.saturating_sub(OVERHEAD);
    match bytes {
        0 => Err(Error::Missing("UEFI loader")),
        _ if bytes > room => Err(Error::TooLarge { what: "UEFI loader", bytes, room }),
        _ => Ok(()),
    }
}

/// Makes the filesystem in `part` with `EFI/BOOT/BOOTX64.EFI` in it.
pub(crate) fn write<T: Read + Write + Seek>(
    target: &mut T,
    part: Part,
    loader: &[u8],
    serial: u32,
) -> io::Result<()> {
    let slice = StreamSlice::new(target, part.start, part.start.saturating_add(part.len))?;
    let mut volume = BufStream::new(slice);
    let options = FormatVolumeOptions::new().fat_type(FatType::Fat32).bytes_per_cluster(512);
    format_volume(&mut volume, options.volume_label(*b"ANODE ESP  ").volume_id(serial))?;
    let volume = FileSystem::new(volume, FsOptions::new())?;
    {
        let folder = volume.root_dir().create_dir("EFI")?.create_dir("BOOT")?;
        let mut file = folder.create_file("BOOTX64.EFI")?;
        file.truncate()?;
        file.write_all(loader)?;
        file.flush()?;
    }
    volume.unmount()
}
