//! Pointers to what was written, with its checksum and the transaction that wrote it.

use xxhash_rust::xxh3::xxh3_128_with_seed;
use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::EXTENT_MAX;
use crate::BLOCK;
use crate::error::{Flaw, Result};
use crate::num::wide;

/// What a pointer leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A node of a tree.
    Node,
    /// A record of a file.
    Data,
    /// The bitmap of a region.
    Map,
}

impl Class {
    const fn number(self) -> u64 {
        match self {
            Self::Node => 1,
            Self::Data => 2,
            Self::Map => 3,
        }
    }
}

/// A checked pointer. In memory only one copy is known yet; the format has room for two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ptr {
    /// First block.
    pub(crate) block: u64,
    /// How many blocks, 1 to [`EXTENT_MAX`].
    pub(crate) blocks: u64,
    /// What is there.
    pub(crate) class: Class,
    /// The transaction that wrote it.
    pub(crate) birth: u64,
    /// XXH3-128 of the content, seeded by volume, place and class.
    pub(crate) sum: u128,
}

/// A pointer as it is on disk.
///
/// `place`: block 48 bits, blocks - 1 in 5, compression 3, class 3, copies - 1 in 1, 4 reserved.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawPtr {
    place: U64,
    second: U64,
    birth: U64,
    sum: [u8; 16],
}

impl Ptr {
    /// Bytes on disk.
    pub(crate) const SIZE: usize = size_of::<RawPtr>();

    /// A pointer to this content, to be written at this place by this transaction.
    pub(crate) fn to(seed: u64, class: Class, birth: u64, block: u64, content: &[u8]) -> Self {
        let blocks = wide(content.len()).div_euclid(wide(BLOCK));
        Self { block, blocks, class, birth, sum: checksum(seed, class, block, content) }
    }

    /// What is on disk for it.
    pub(crate) fn raw(&self) -> RawPtr {
        let length = self.blocks.saturating_sub(1) << 48;
        RawPtr {
            place: (self.block | length | self.class.number() << 56).into(),
            second: U64::ZERO,
            birth: self.birth.into(),
            sum: self.sum.to_le_bytes(),
        }
    }

    /// The checked form; `class` is what it has to lead to.
    ///
    /// # Errors
    ///
    /// What is wrong with it, at the block it names.
    pub(crate) fn checked(raw: &RawPtr, class: Class) -> Result<Self> {
        let place = raw.place.get();
        let block = place & 0xFFFF_FFFF_FFFF;
        let blocks = (place >> 48 & 31).saturating_add(1);
        if place >> 56 & 7 != class.number() {
            return Err(Flaw::Role.at(block));
        }
        if place >> 53 & 7 != 0 || place >> 59 != 0 || raw.second.get() != 0 {
            return Err(Flaw::Value.at(block));
        }
        Ok(Self { block, blocks, class, birth: raw.birth.get(), sum: u128::from_le_bytes(raw.sum) })
    }

    /// Reads one from foreign bytes that hold nothing else.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn parse(bytes: &[u8], class: Class) -> Result<Self> {
        let raw = RawPtr::ref_from_bytes(bytes).map_err(|_| Flaw::Length.at(0))?;
        Self::checked(raw, class)
    }

    /// Whether what was read at the place is what was written.
    pub(crate) fn verify(&self, seed: u64, content: &[u8]) -> Result<()> {
        if checksum(seed, self.class, self.block, content) == self.sum {
            Ok(())
        } else {
            Err(Flaw::Checksum.at(self.block))
        }
    }

    /// The block behind it.
    pub(crate) const fn end(&self) -> u64 {
        self.block.saturating_add(self.blocks)
    }

    /// Whether it lies where data may be on a device of so many blocks.
    pub(crate) const fn fits(&self, area: &core::ops::Range<u64>) -> bool {
        self.blocks <= EXTENT_MAX && self.block >= area.start && self.end() <= area.end
    }
}

/// The sum of a content that belongs at a place: the same content elsewhere has another.
pub(crate) fn checksum(seed: u64, class: Class, block: u64, content: &[u8]) -> u128 {
    xxh3_128_with_seed(content, seed ^ block ^ class.number() << 56)
}
