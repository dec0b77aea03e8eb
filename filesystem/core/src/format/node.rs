//! Nodes of the one tree there is: keys in order, with values or pointers.
//!
//! On disk: a header, then for each item its key, the length of its value, and the value. In
//! memory a value may be a child or a record that has no place on disk yet.

use alloc::sync::Arc;
use alloc::vec::Vec;

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::ptr::{Class, Ptr};
use super::{Bytes, NODE};
use crate::BLOCK;
use crate::error::{Flaw, Result};
use crate::num::{short, wide};

/// The sort of thing that a key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tag {
    /// Pool: the bitmap of a region.
    Region,
    /// Pool: a volume, or a snapshot of it, and the root of its tree.
    Volume,
    /// Pool: blocks of a snapshot that what came behind it does not need.
    Dead,
    /// Volume: an inode.
    Inode,
    /// Volume: the whole content of a small file, or the target of a symbolic link.
    Inline,
    /// Volume: names of a directory that have one hash.
    Name,
    /// Volume: a record of a file.
    Data,
    /// Volume: a file without a name.
    Orphan,
}

/// What is on disk for each [`Tag`]; the gap is for attributes (20).
const TAGS: [(u8, Tag); 8] = [
    (1, Tag::Region),
    (2, Tag::Volume),
    (3, Tag::Dead),
    (16, Tag::Inode),
    (17, Tag::Inline),
    (18, Tag::Name),
    (19, Tag::Data),
    (21, Tag::Orphan),
];

/// The place of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The file, or else what the tag says.
    pub(crate) object: u64,
    /// The sort of item.
    pub(crate) tag: Tag,
    /// Hash of a name, number of a record.
    pub(crate) offset: u64,
}

impl Key {
    /// The least key.
    pub(crate) const MIN: Self = Self::new(0, Tag::Region, 0);

    /// A key.
    pub(crate) const fn new(object: u64, tag: Tag, offset: u64) -> Self {
        Self { object, tag, offset }
    }
}

/// What an item holds.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// A record or child on disk.
    Stored(Ptr),
    /// A record that has no place on disk yet; whole blocks.
    Record(Arc<[u8]>),
    /// A child that was changed.
    Child(Arc<Node>),
}

impl Value {
    /// Bytes that it takes in the node.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Stored(_) | Self::Record(_) | Self::Child(_) => Ptr::SIZE,
        }
    }

    /// Blocks of data behind it.
    pub(crate) fn blocks(&self) -> u64 {
        match self {
            Self::Stored(ptr) => ptr.blocks,
            Self::Record(bytes) => wide(bytes.len()).div_euclid(wide(BLOCK)),
            Self::Bytes(_) | Self::Child(_) => 0,
        }
    }
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Header {
    magic: U32,
    level: u8,
    flags: u8,
    count: U16,
    owner: U32,
    pad: U32,
    txg: U64,
    later: U64,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Slot {
    object: U64,
    offset: U64,
    tag: u8,
    flags: u8,
    length: U16,
}

const MAGIC: u32 = u32::from_le_bytes(*b"AnNd");

/// Bytes of a node that items may take.
pub(crate) const CAPACITY: usize = NODE - size_of::<Header>();

/// Bytes of an item beside its value.
pub(crate) const ENTRY: usize = size_of::<Slot>();

/// The most bytes of a value: a node that has no room for one more holds at least four.
pub(crate) const VALUE_MAX: usize = 3072;

/// A node in memory.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// 0 for a leaf, else one more than its children.
    pub(crate) level: u8,
    /// In order of the keys.
    pub(crate) items: Vec<(Key, Value)>,
}

impl Node {
    /// Bytes that the items take.
    pub(crate) fn used(&self) -> usize {
        let each = |item: &(Key, Value)| item.1.size().saturating_add(ENTRY);
        self.items.iter().map(each).fold(0, usize::saturating_add)
    }

    /// What is on disk for it; all its children and records must have a place.
    pub(crate) fn encode(&self, owner: u32, txg: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(NODE);
        let header = Header {
            magic: MAGIC.into(),
            level: self.level,
            flags: 0,
            count: short(self.items.len()).into(),
            owner: owner.into(),
            pad: U32::ZERO,
            txg: txg.into(),
            later: U64::ZERO,
        };
        bytes.extend_from_slice(header.as_bytes());
        for (key, value) in &self.items {
            let tag = TAGS.iter().find(|(_, tag)| *tag == key.tag).map_or(0, |(number, _)| *number);
            let slot = Slot {
                object: key.object.into(),
                offset: key.offset.into(),
                tag,
                flags: 0,
                length: short(value.size()).into(),
            };
            bytes.extend_from_slice(slot.as_bytes());
            match value {
                Value::Bytes(content) => bytes.extend_from_slice(content),
                Value::Stored(ptr) => bytes.extend_from_slice(ptr.raw().as_bytes()),
                Value::Record(_) | Value::Child(_) => return Err(Flaw::Missing.at(key.object)),
            }
        }
        if bytes.len() > NODE {
            return Err(Flaw::Length.at(txg));
        }
        bytes.resize(NODE, 0);
        Ok(bytes)
    }

    /// Reads the node that `ptr` leads to, of this level and owner.
    pub(crate) fn decode(bytes: &[u8], ptr: &Ptr, level: u8, owner: u32) -> Result<Self> {
        let flaw = |flaw: Flaw| flaw.at(ptr.block);
        let (header, rest) =
            Header::ref_from_prefix(bytes).map_err(|_| Flaw::Length.at(ptr.block))?;
        if header.magic.get() != MAGIC || bytes.len() != NODE {
            return Err(flaw(Flaw::Magic));
        }
        if header.level != level || header.owner.get() != owner {
            return Err(flaw(Flaw::Role));
        }
        if header.txg.get() != ptr.birth {
            return Err(flaw(Flaw::Birth));
        }
        let mut rest = Bytes(rest);
        let mut items: Vec<(Key, Value)> = Vec::new();
        for _ in 0..header.count.get() {
            let (key, value) = item(&mut rest, level).map_err(flaw)?;
            if items.last().is_some_and(|(last, _)| *last >= key) {
                return Err(flaw(Flaw::Order));
            }
            items.push((key, value));
        }
        if level > 0 && items.is_empty() {
            return Err(flaw(Flaw::Length));
        }
        Ok(Self { level, items })
    }
}

/// One item of a node of this level.
fn item(rest: &mut Bytes<'_>, level: u8) -> Result<(Key, Value), Flaw> {
    let slot = Slot::ref_from_bytes(rest.take(ENTRY)?).map_err(|_| Flaw::Length)?;
    let tag = TAGS.iter().find(|(number, _)| *number == slot.tag).ok_or(Flaw::Value)?.1;
    let length = usize::from(slot.length.get());
    if length > VALUE_MAX {
        return Err(Flaw::Length);
    }
    let content = rest.take(length)?;
    let pointer = |class| Ptr::parse(content, class).map_err(|_| Flaw::Address);
    let value = match (level, tag) {
        (0, Tag::Data) => Value::Stored(pointer(Class::Data)?),
        (0, _) => Value::Bytes(content.into()),
        _ => Value::Stored(pointer(Class::Node)?),
    };
    Ok((Key::new(slot.object.get(), tag, slot.offset.get()), value))
}
