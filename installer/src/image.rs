//! A whole disk image from its parts.

use crate::Error;
use crate::plan::{Layout, Plan};
use std::fmt;
use std::io::{Read, Seek, Write};

/// A file of the root filesystem. Paths are without a slash before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A directory, with its permissions.
    Directory(&'a str, u16),
    /// A file, with its permissions and content.
    File(&'a str, u16, &'a [u8]),
    /// A symbolic link, with its target.
    Symlink(&'a str, &'a str),
}

/// The root filesystem.
#[derive(Clone, Copy, Debug)]
pub struct Root<'a> {
    /// Its files. Without any there will be no filesystem.
    pub items: &'a [Item<'a>],
    /// Keeps users from making names that collide; in an image that everybody has it is known.
    pub secret: [u8; 16],
    /// The time of all files, in ns since 1970.
    pub time: i64,
}

/// What goes into an image.
#[derive(Clone, Copy)]
pub struct ImageSpec<'a> {
    /// The kernel's ELF file.
    pub kernel: &'a [u8],
    /// init's ELF file.
    pub init: &'a [u8],
    /// The initfs image.
    pub initfs: &'a [u8],
    /// What the data partition holds.
    pub root: Root<'a>,
    /// The kernel's command line, at most 512 bytes.
    pub cmdline: &'a str,
    /// The ELF file of `loader-bios`.
    pub bios: &'a [u8],
    /// The file of `loader-uefi`.
    pub uefi: &'a [u8],
    /// Bytes of the image; the data partition takes what the others leave.
    pub size_bytes: u64,
    /// The disk's GUID; its partitions' differ from it in the last byte. One GUID, one image: the
    /// same bytes.
    pub disk_guid: [u8; 16],
    /// What the partition table for old firmware says.
    pub mark: Mark,
}

/// Whether the protective entry of the boot sector's table is marked active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// As the UEFI standard says.
    #[default]
    Plain,
    /// For a BIOS that boots no stick without it; some UEFI firmware dislikes it.
    Active,
}

impl fmt::Debug for ImageSpec<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ImageSpec");
        out.field("size_bytes", &self.size_bytes)
            .field("cmdline", &self.cmdline)
            .finish_non_exhaustive()
    }
}

/// Writes an image to `target`, which is `size_bytes` long or grows to that.
///
/// # Errors
///
/// Each of [`Error`]. Nothing is written if the parts do not fit; a write that fails leaves no
/// partition table behind.
pub fn write<T: Read + Write + Seek>(
    spec: &ImageSpec<'_>,
    target: &mut T,
) -> Result<Layout, Error> {
    let plan = Plan::new(spec)?;
    plan.execute(target)?;
    Ok(plan.layout)
}

#[cfg(test)]
mod tests;
