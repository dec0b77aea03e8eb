//! What will be written where, before anything is.

use crate::image::{ImageSpec, Mark, Root};
use crate::loader::BiosLoader;
use crate::{ALIGN, Error, SECTOR, esp, root, slot, table};
use anode_loader::slot::Header;
use std::fmt;
use std::io::{Read, Seek, SeekFrom, Write};

const MIB: u64 = 1 << 20;
/// The second stage for a BIOS.
const BIOS: u64 = MIB;
/// FAT32 begins at 65,525 clusters; with clusters of one sector this is just above.
const ESP: u64 = 40 * MIB;
/// Two slots of 32 MiB.
const BOOT: u64 = 64 * MIB;
/// The least that is left for data.
const DATA_LEAST: u64 = MIB;
/// The number of the data partition.
pub(crate) const DATA: u8 = 4;
/// Room for the second copy of the table, at the end.
const TABLE_END: u64 = 33 * SECTOR;

/// A partition: where it lies, in bytes; both numbers are multiples of [`ALIGN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub len: u64,
}

/// The four partitions, in this order on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Stage 2 of the BIOS loader.
    pub bios: Part,
    /// The EFI system partition.
    pub esp: Part,
    /// The boot slots.
    pub boot: Part,
    /// The filesystem.
    pub data: Part,
    /// Bytes of the whole disk.
    pub size: u64,
}

impl Layout {
    /// Lays the partitions out on `size` bytes.
    ///
    /// # Errors
    ///
    /// `TooSmall`.
    pub fn new(size: u64) -> Result<Self, Error> {
        let after = |part: Part, len: u64| Part { start: part.start.saturating_add(part.len), len };
        let bios = Part { start: ALIGN, len: BIOS };
        let esp = after(bios, ESP);
        let boot = after(esp, BOOT);
        let least = after(boot, DATA_LEAST);
        let end =
            size.saturating_sub(TABLE_END).checked_div(ALIGN).unwrap_or(0).saturating_mul(ALIGN);
        let len = end.checked_sub(least.start).filter(|&len| len >= DATA_LEAST);
        let need = least.start.saturating_add(least.len).saturating_add(TABLE_END);
        let data = after(boot, len.ok_or(Error::TooSmall { have: size, need })?);
        let size = size.checked_div(SECTOR).unwrap_or(0).saturating_mul(SECTOR);
        Ok(Self { bios, esp, boot, data, size })
    }
}

/// One thing to write.
#[derive(Clone)]
pub enum Step<'a> {
    /// Makes what may lie there unreadable: an older table, an older filesystem.
    Wipe {
        /// First byte.
        start: u64,
        /// Bytes.
        len: u64,
    },
    /// Stage 2 of the BIOS loader.
    Stage2 {
        /// First byte.
        start: u64,
        /// Whole sectors.
        bytes: Vec<u8>,
    },
    /// The EFI system partition with the UEFI loader in it.
    Esp {
        /// Where.
        part: Part,
        /// The loader's file.
        loader: &'a [u8],
        /// The volume's serial number.
        serial: u32,
    },
    /// A boot bundle.
    Slot {
        /// First byte of the slot.
        start: u64,
        /// Its header.
        header: Header,
        /// Kernel, init, initfs, command line.
        parts: [&'a [u8]; 4],
    },
    /// The root filesystem.
    Root {
        /// Where.
        part: Part,
        /// What is in it.
        root: Root<'a>,
        /// Its number.
        uuid: [u8; 16],
    },
    /// Boot sector and partition table: only now is the disk one that boots.
    Table {
        /// The boot sector's code, patched.
        sector: Box<[u8; 440]>,
        /// What its own table says.
        mark: Mark,
        /// The disk's GUID.
        guid: [u8; 16],
    },
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wipe { start, len } => write!(f, "clear {len} bytes at {start}"),
            Self::Stage2 { start, bytes } => {
                write!(f, "write the BIOS loader, {} bytes at {start}", bytes.len())
            }
            Self::Esp { part, loader, .. } => {
                let (file, room) = (loader.len(), part.len);
                write!(
                    f,
                    "make a FAT filesystem of {room} bytes at {} with the UEFI loader of {file} bytes",
                    part.start
                )
            }
            Self::Slot { start, header, .. } => {
                write!(f, "write the boot bundle, {} bytes at {start}", header.total)
            }
            Self::Root { part, root, .. } => {
                let (files, room) = (root.items.len(), part.len);
                write!(f, "make a filesystem of {room} bytes at {} with {files} files", part.start)
            }
            Self::Table { .. } => f.write_str("write the partition table and the boot sector"),
        }
    }
}

impl fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A layout and the steps that make it, in order.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// Where everything lies.
    pub layout: Layout,
    /// What will be written.
    pub steps: Vec<Step<'a>>,
}

impl fmt::Display for Plan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().zip(1..).try_for_each(|(step, number)| writeln!(f, "{number}. {step}"))
    }
}

impl<'a> Plan<'a> {
    /// Checks the parts of `spec` and plans an image of them.
    ///
    /// # Errors
    ///
    /// `TooSmall`, `TooLarge`, `Missing` or `Loader`.
    pub fn new(spec: &ImageSpec<'a>) -> Result<Self, Error> {
        let layout = Layout::new(spec.size_bytes)?;
        let loader = BiosLoader::cut(spec.bios, layout.bios)?;
        let (header, parts) = slot::pack(spec, layout.boot.len / 2)?;
        esp::check(spec.uefi, layout.esp)?;
        let [a, b, c, d, ..] = spec.disk_guid;
        let mut steps = vec![
            Step::Wipe { start: 0, len: ALIGN },
            Step::Wipe { start: layout.data.start, len: DATA_LEAST },
            Step::Wipe { start: layout.size.saturating_sub(TABLE_END), len: TABLE_END },
            Step::Stage2 { start: layout.bios.start, bytes: loader.stage2 },
            Step::Esp {
                part: layout.esp,
                loader: spec.uefi,
                serial: u32::from_le_bytes([a, b, c, d]),
            },
            Step::Wipe {
                start: layout.boot.start.saturating_add(layout.boot.len / 2),
                len: slot::ALIGN,
            },
            Step::Slot { start: layout.boot.start, header, parts },
        ];
        if !spec.root.items.is_empty() {
            root::check(layout.data)?;
            let uuid = table::guid(spec.disk_guid, DATA);
            steps.push(Step::Root { part: layout.data, root: spec.root, uuid });
        }
        steps.push(Step::Table {
            sector: Box::new(loader.sector),
            mark: spec.mark,
            guid: spec.disk_guid,
        });
        Ok(Self { layout, steps })
    }

    /// Carries the steps out and flushes; the target is all of the disk.
    ///
    /// # Errors
    ///
    /// `Write` or `Table`: what is then on the target does not boot.
    pub fn execute<T: Read + Write + Seek>(&self, target: &mut T) -> Result<(), Error> {
        for step in &self.steps {
            self.carry_out(step, target)?;
        }
        target.flush().map_err(Error::write("image"))
    }

    fn carry_out<T: Read + Write + Seek>(
        &self,
        step: &Step<'a>,
        target: &mut T,
    ) -> Result<(), Error> {
        match step {
            Step::Wipe { start, len } => {
                wipe(target, *start, *len).map_err(Error::write("cleared part"))
            }
            Step::Stage2 { start, bytes } => {
                let written =
                    target.seek(SeekFrom::Start(*start)).and_then(|_| target.write_all(bytes));
                written.map_err(Error::write("BIOS loader"))
            }
            Step::Esp { part, loader, serial } => esp::write(target, *part, loader, *serial)
                .map_err(Error::write("EFI system partition")),
            Step::Slot { start, header, parts } => {
                slot::write(target, *start, header, parts).map_err(Error::write("boot bundle"))
            }
            Step::Root { part, root, uuid } => {
                root::write(target, *part, root, *uuid).map_err(Error::Root)
            }
            Step::Table { sector, mark, guid } => {
                // All that the table leads to is on the disk before the table is.
                target.flush().map_err(Error::write("image"))?;
                table::write(target, &self.layout, sector, *mark, *guid)
            }
        }
    }
}

/// Writes zeros.
fn wipe<T: Write + Seek>(target: &mut T, start: u64, len: u64) -> std::io::Result<()> {
    target.seek(SeekFrom::Start(start))?;
    std::io::copy(&mut std::io::repeat(0).take(len), target).map(|_| ())
}
