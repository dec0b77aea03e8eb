//! The root filesystem, made by the library of `mkfs`.

use std::io::{self, Read, Seek, SeekFrom, Write};

use anode_fs::Format;
use anode_fs::device::Access;
use mkfs::{Disk, Failed, Medium};

use crate::Error;
use crate::image::{Item, Root};
use crate::plan::Part;

/// No volume is smaller.
const LEAST: u64 = 16 << 20;
/// Permissions of the root directory.
const MODE: u16 = 0o755;

/// The target as a medium: what was written is flushed with all else in the end.
struct Whole<'t, T>(&'t mut T);

impl<T: Read> Read for Whole<'_, T> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl<T: Write> Write for Whole<'_, T> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<T: Seek> Seek for Whole<'_, T> {
    fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
        self.0.seek(pos)
    }
}

impl<T: Read + Write + Seek> Medium for Whole<'_, T> {}

/// Refuses a partition in which no volume has room.
pub(crate) const fn check(part: Part) -> Result<(), Error> {
    if part.len < LEAST {
        return Err(Error::TooLarge { what: "filesystem", bytes: LEAST, room: part.len });
    }
    Ok(())
}

/// Makes the filesystem and fills it.
pub(crate) fn write<T: Read + Write + Seek>(
    target: &mut T,
    part: Part,
    root: &Root<'_>,
    uuid: [u8; 16],
) -> Result<(), Failed> {
    // A target that grows has the whole partition from here on, and can be read anywhere.
    let end = part.start.saturating_add(part.len);
    let here = |error: io::Error| Failed::system("the partition", &error);
    if target.seek(SeekFrom::End(0)).map_err(here)? < end {
        let last = SeekFrom::Start(end.saturating_sub(1));
        target.seek(last).and_then(|_| target.write_all(&[0])).map_err(here)?;
    }
    let disk = Disk::new(Whole(target), part.start, part.len, Access::ReadWrite);
    let how = Format { uuid, secret: root.secret, mode: MODE, time: root.time };
    let mut filler = mkfs::make(disk, &how)?;
    for item in root.items {
        match item {
            Item::Directory(path, mode) => filler.directory(path, *mode)?,
            Item::File(path, mode, content) => filler.file(path, *mode, content)?,
            Item::Symlink(path, target) => filler.symlink(path, target)?,
        }
    }
    filler.finish().map(drop)
}
