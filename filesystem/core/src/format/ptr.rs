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

/// Where something is to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// First block.
    pub(crate) block: u64,
    /// First block of the second copy; 0: none is wanted.
    pub(crate) second: u64,
}

/// A checked pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ptr {
    /// First block.
    pub(crate) block: u64,
    /// First block of the second copy; 0: there is none.
    pub(crate) second: u64,
    /// How many blocks, 1 to [`EXTENT_MAX`].
    pub(crate) blocks: u64,
    /// What is there.
    pub(crate) class: Class,
    /// The transaction that wrote it.
    pub(crate) birth: u64,
    /// XXH3-128 of the content, seeded by volume, first place and class.
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

    /// A pointer to this content, to be written at these places by this transaction.
    pub(crate) fn to(seed: u64, class: Class, birth: u64, at: Places, content: &[u8]) -> Self {
        let Places { block, second } = at;
        let blocks = wide(content.len()).div_euclid(wide(BLOCK));
        Self { block, second, blocks, class, birth, sum: checksum(seed, class, block, content) }
    }

    /// The blocks of each copy: the first, and how many.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (u64, u64)> + use<> {
        let blocks = self.blocks;
        let second = (self.second != 0).then_some(self.second);
        [self.block].into_iter().chain(second).map(move |block| (block, blocks))
    }

    /// What is on disk for it.
    pub(crate) fn raw(&self) -> RawPtr {
        let length = self.blocks.saturating_sub(1) << 48;
        let copies = u64::from(self.second != 0) << 59;
        RawPtr {
            place: (self.block | length | self.class.number() << 56 | copies).into(),
            second: self.second.into(),
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
        let second = raw.second.get();
        let copied = class != Class::Data && second != 0;
        if place >> 53 & 7 != 0 || place >> 59 != u64::from(copied) || (second != 0) != copied {
            return Err(Flaw::Value.at(block));
        }
        let (birth, sum) = (raw.birth.get(), u128::from_le_bytes(raw.sum));
        Ok(Self { block, second, blocks, class, birth, sum })
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

    /// Whether all copies lie where data may be.
    pub(crate) fn fits(&self, area: &core::ops::Range<u64>) -> bool {
        let inside = |(block, blocks): (u64, u64)| {
            block >= area.start && block.saturating_add(blocks) <= area.end
        };
        self.blocks <= EXTENT_MAX && self.runs().all(inside)
    }
}

/// The sum of a content that belongs at a place: the same content elsewhere has another.
pub(crate) fn checksum(seed: u64, class: Class, block: u64, content: &[u8]) -> u128 {
    xxh3_128_with_seed(content, seed ^ block ^ class.number() << 56)
}
