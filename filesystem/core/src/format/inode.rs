//! Inodes and the names of directories.

use alloc::vec::Vec;

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Bytes;
use crate::NAME_MAX;
use crate::error::Flaw;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Bytes.
    File,
    /// Names.
    Directory,
    /// A path to be followed.
    Symlink,
    /// A pipe with a name.
    Fifo,
    /// A socket with a name.
    Socket,
}

impl Kind {
    const ALL: [Self; 5] = [Self::File, Self::Directory, Self::Symlink, Self::Fifo, Self::Socket];

    /// The number on disk.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::File => 1,
            Self::Directory => 2,
            Self::Symlink => 3,
            Self::Fifo => 4,
            Self::Socket => 5,
        }
    }

    /// The kind of this number.
    pub(crate) fn of(number: u8) -> Result<Self, Flaw> {
        Self::ALL.into_iter().find(|kind| kind.number() == number).ok_or(Flaw::Value)
    }
}

/// Everything about a file but its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inode {
    /// What it is.
    pub kind: Kind,
    /// Permission bits of POSIX, `0o7777`.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// How many names it has; a directory: 2 and one for each directory in it.
    pub links: u32,
    /// Bytes; a directory: how many names it has.
    pub size: u64,
    /// Blocks of its records.
    pub blocks: u64,
    /// Times of last access, change of content and change of anything, and of birth: nanoseconds
    /// since 1970.
    pub times: [i64; 4],
    /// A record has two to this power bytes.
    pub record: u8,
    /// A directory: where it lies.
    pub parent: u64,
    /// Bits; the one in use is `FLAG_ORPHAN`.
    pub flags: u32,
}

/// It has no name any more, and goes when no one has it open.
pub(crate) const FLAG_ORPHAN: u32 = 1;

/// Sizes of a record: one block to 16 KiB. The format has room for 128 KiB, which come with what
/// finds so many blocks in a row on a full device.
const RECORDS: core::ops::RangeInclusive<u8> = 12..=14;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    kind: u8,
    record: u8,
    mode: [u8; 2],
    uid: U32,
    gid: U32,
    links: U32,
    size: U64,
    blocks: U64,
    times: [U64; 4],
    parent: U64,
    flags: U32,
    pad: U32,
    later: [u8; 48],
}

const _: () = assert!(size_of::<Raw>() == 128, "an inode has 128 bytes");

impl Inode {
    /// Bytes of a record.
    #[must_use]
    pub fn record_size(&self) -> u64 {
        1_u64.checked_shl(u32::from(self.record)).unwrap_or(u64::MAX)
    }

    /// What is on disk for it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let raw = Raw {
            kind: self.kind.number(),
            record: self.record,
            mode: self.mode.to_le_bytes(),
            uid: self.uid.into(),
            gid: self.gid.into(),
            links: self.links.into(),
            size: self.size.into(),
            blocks: self.blocks.into(),
            times: self.times.map(|time| time.cast_unsigned().into()),
            parent: self.parent.into(),
            flags: self.flags.into(),
            pad: U32::ZERO,
            later: [0; 48],
        };
        raw.as_bytes().to_vec()
    }

    /// Reads one.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Flaw> {
        let raw = Raw::ref_from_bytes(bytes).map_err(|_| Flaw::Length)?;
        let mode = u16::from_le_bytes(raw.mode);
        let sound = RECORDS.contains(&raw.record)
            && mode & !0o7777 == 0
            && i64::try_from(raw.size.get()).is_ok()
            && raw.flags.get() & !FLAG_ORPHAN == 0;
        if !sound {
            return Err(Flaw::Value);
        }
        Ok(Self {
            kind: Kind::of(raw.kind)?,
            mode,
            uid: raw.uid.get(),
            gid: raw.gid.get(),
            links: raw.links.get(),
            size: raw.size.get(),
            blocks: raw.blocks.get(),
            times: raw.times.map(|time| time.get().cast_signed()),
            record: raw.record,
            parent: raw.parent.get(),
            flags: raw.flags.get(),
        })
    }
}

/// A name of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The file that it names.
    pub ino: u64,
    /// What that file is.
    pub kind: Kind,
    /// Any bytes but `/` and NUL.
    pub name: Vec<u8>,
}

/// What is on disk for names of one hash.
pub(crate) fn encode_names(names: &[Name]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in names {
        bytes.extend_from_slice(&name.ino.to_le_bytes());
        bytes.push(name.kind.number());
        bytes.push(u8::try_from(name.name.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(&name.name);
    }
    bytes
}

/// Reads them.
pub(crate) fn decode_names(bytes: &[u8]) -> Result<Vec<Name>, Flaw> {
    let mut rest = Bytes(bytes);
    let mut names = Vec::new();
    while !rest.0.is_empty() {
        let (ino, kind) = (rest.long()?, Kind::of(rest.byte()?)?);
        let length = usize::from(rest.byte()?);
        let name = rest.take(length)?;
        if !is_name(name) {
            return Err(Flaw::Value);
        }
        names.push(Name { ino, kind, name: name.into() });
    }
    if names.is_empty() { Err(Flaw::Length) } else { Ok(names) }
}

/// Whether a file may be called so.
pub(crate) fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name.len() <= NAME_MAX
        && !name.iter().any(|byte| matches!(byte, 0 | b'/'))
        && name != b"."
        && name != b".."
}
