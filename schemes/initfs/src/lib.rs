//! The initfs image: the read-only tree of files that a machine starts from.
//!
//! ```text
//!  0        64                                                 4096-aligned     total
//!  ├─header─┼─count × 32-byte entries, sorted by path─┼─names──┼─file─┼─file─…──┤
//! ```
//!
//! [`Builder`] makes an image on the host, [`Image::parse`] checks all of it once, and after
//! that every question is answered without a copy. File data starts on a page boundary, so a
//! program is mapped straight from the image.
//!
//! All numbers are little endian. Header: magic `ANODEIFS`, version (u32), entry count (u32),
//! total length (u64), length of the names (u64), checksum (u64), zeroes. Entry: path offset in
//! the names (u32), path length (u32), mode (u32, Unix file type and permission bits), zero
//! (u32), then two u64: offset and length of the file's data in the image, or of a symlink's
//! target in the names, or zero for a directory. Entry 0 is the root, whose path is empty; the
//! parent of every other entry is a directory of the image.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::expect_used)]

extern crate alloc;

mod builder;
mod image;
#[cfg(test)]
mod tests;

use core::fmt;

pub use builder::Builder;
pub use image::{Entry, Image, Kind};

/// File data begins at a multiple of this many bytes, and the image is a multiple of it long.
pub const PAGE_SIZE: usize = 4096;
/// The longest path, in bytes.
pub const MAX_PATH: usize = 1024;
/// The longest name of one path component, in bytes.
pub const MAX_NAME: usize = 255;
/// More symbolic links than this on one path are taken for a loop.
pub const MAX_LINKS: usize = 40;

const MAGIC: &[u8; 8] = b"ANODEIFS";
const VERSION: u32 = 1;
const HEADER_SIZE: usize = 64;
const ENTRY_SIZE: usize = 32;
const CHECKSUM_AT: usize = 32;

const TYPE_MASK: u32 = 0o170_000;
const TYPE_DIRECTORY: u32 = 0o040_000;
const TYPE_FILE: u32 = 0o100_000;
const TYPE_SYMLINK: u32 = 0o120_000;
const PERMISSIONS: u32 = 0o7777;

/// Why bytes are not an initfs image, or why a tree cannot become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The image does not begin with the magic number.
    Magic,
    /// The image has a version that this code does not know.
    Version(u32),
    /// The image is shorter than it says, or its length is no multiple of the page size.
    Length,
    /// The checksum does not match: the image was damaged.
    Checksum,
    /// The entry of this number is malformed.
    Entry(u32),
    /// A path is empty, too long, or has a component that no file may have.
    Path,
    /// Two files have the same path.
    Duplicate,
    /// A file lies in something that is not a directory.
    Parent,
    /// There are more files or bytes than the format can number.
    TooBig,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("this is no initfs image"),
            Self::Version(version) => write!(f, "unknown initfs version {version}"),
            Self::Length => f.write_str("the initfs image is cut short"),
            Self::Checksum => f.write_str("the initfs image is damaged (checksum)"),
            Self::Entry(index) => write!(f, "entry {index} of the initfs image is malformed"),
            Self::Path => f.write_str("a path is empty, too long or malformed"),
            Self::Duplicate => f.write_str("two files have the same path"),
            Self::Parent => f.write_str("a file lies in something that is not a directory"),
            Self::TooBig => f.write_str("too many files or bytes for an initfs image"),
        }
    }
}

impl core::error::Error for Error {}

/// The checksum of an image whose checksum field counts as zero.
///
/// Each step is a bijection of the running value, so a change within one word is always seen.
fn checksum(image: &[u8]) -> u64 {
    let (words, rest) = image.as_chunks::<8>();
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for (index, word) in words.iter().enumerate() {
        let word = if index == CHECKSUM_AT.div_ceil(8) { 0 } else { u64::from_le_bytes(*word) };
        sum = (sum ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    }
    rest.iter().fold(sum, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23)
    })
}

/// Whether `path` may name an entry: relative, without `.`, `..`, empty parts or NUL.
fn valid_path(path: &str) -> bool {
    path.len() <= MAX_PATH && path.split('/').all(valid_name)
}

fn valid_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= MAX_NAME && !name.contains('\0')
}

/// The directory part of a path; the root for a path of one component.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _name)| parent)
}
