//! Superblocks: the roots of everything, in two rings of 32.

use core::ops::Range;

use alloc::vec::Vec;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::ptr::{Class, Ptr, RawPtr};
use crate::BLOCK;
use crate::error::{Error, Flaw, Result};

/// How many superblocks a ring has.
pub(crate) const RING: u64 = 32;

/// First block of the first ring.
pub(crate) const RING_A: u64 = 16;

/// First block of the second ring on a device of so many blocks.
pub(crate) const fn ring_b(blocks: u64) -> u64 {
    blocks.saturating_sub(RING)
}

/// A smaller device has one copy of nodes and maps: 64 MiB.
const COPIED: u64 = 1 << 14;

/// How many copies there are of nodes and maps where data may be in this area.
pub(crate) const fn copies(area: &Range<u64>) -> u64 {
    if ring_b(COPIED) <= area.end { 2 } else { 1 }
}

const MAGIC: [u8; 8] = *b"AnodeFS\0";
const VERSION: u32 = 1;

/// Features without which a volume must not be touched: none is known yet. To come: clones,
/// encryption, compression.
const INCOMPAT: u64 = 0;

/// Features without which a volume must not be written: none is known yet. To come: quotas.
const READ_ONLY: u64 = 0;

/// Everything that a mount begins from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Super {
    /// Which volume this is.
    pub(crate) uuid: [u8; 16],
    /// Key of the hash of names.
    pub(crate) secret: [u8; 16],
    /// The transaction that it ends.
    pub(crate) txg: u64,
    /// When, in nanoseconds since 1970.
    pub(crate) time: i64,
    /// Blocks of the device.
    pub(crate) blocks: u64,
    /// Root of the pool tree.
    pub(crate) root: Ptr,
    /// Level of that root.
    pub(crate) level: u8,
    /// Whether it was unmounted: there is no log.
    pub(crate) clean: bool,
    /// Features that only writers have to know.
    pub(crate) read_only: u64,
    /// The first block of the log of what follows.
    pub(crate) log: u64,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    magic: [u8; 8],
    version: U32,
    level: u8,
    clean: u8,
    pad: [u8; 2],
    compat: U64,
    read_only: U64,
    incompat: U64,
    uuid: [u8; 16],
    secret: [u8; 16],
    txg: U64,
    time: U64,
    blocks: U64,
    root: RawPtr,
    log: U64,
    /// Room for key slots and what else comes.
    later: [u8; LATER],
    sum: [u8; 16],
}

const LATER: usize = BLOCK - 144 - 16;
const _: () = assert!(size_of::<Raw>() == BLOCK, "a superblock is a block");

impl Super {
    /// The seed of all checksums of this volume.
    pub(crate) fn seed(&self) -> u64 {
        xxh3_64(&self.uuid)
    }

    /// Where data may be: between the rings.
    pub(crate) const fn area(blocks: u64) -> Range<u64> {
        RING_A.saturating_add(RING)..ring_b(blocks)
    }

    /// The sum of the superblock itself, which begins the chain of its log.
    pub(crate) fn sum(&self) -> u128 {
        let raw = self.raw();
        u128::from_le_bytes(raw.sum)
    }

    /// The block to be written.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.raw().as_bytes().to_vec()
    }

    fn raw(&self) -> Raw {
        let mut raw = Raw {
            magic: MAGIC,
            version: VERSION.into(),
            level: self.level,
            clean: self.clean.into(),
            pad: [0; 2],
            compat: U64::ZERO,
            read_only: self.read_only.into(),
            incompat: U64::ZERO,
            uuid: self.uuid,
            secret: self.secret,
            txg: self.txg.into(),
            time: self.time.cast_unsigned().into(),
            blocks: self.blocks.into(),
            root: self.root.raw(),
            log: self.log.into(),
            later: [0; LATER],
            sum: [0; 16],
        };
        raw.sum = sum(&raw).to_le_bytes();
        raw
    }

    /// Reads one from its slot; none if this never was one, or is torn.
    ///
    /// # Errors
    ///
    /// [`Error::Newer`] if it needs what is not known here, or what is wrong with it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let raw = Raw::ref_from_bytes(bytes).map_err(|_| Flaw::Length.at(0))?;
        if raw.magic != MAGIC {
            return Err(Flaw::Magic.at(0));
        }
        if sum(raw).to_le_bytes() != raw.sum {
            return Err(Flaw::Checksum.at(0));
        }
        if raw.version.get() != VERSION || raw.incompat.get() & !INCOMPAT != 0 {
            return Err(Error::Newer);
        }
        if raw.clean > 1 {
            return Err(Flaw::Value.at(0));
        }
        Ok(Self {
            uuid: raw.uuid,
            secret: raw.secret,
            txg: raw.txg.get(),
            time: raw.time.get().cast_signed(),
            blocks: raw.blocks.get(),
            root: Ptr::checked(&raw.root, Class::Node)?,
            level: raw.level,
            clean: raw.clean == 1,
            read_only: raw.read_only.get(),
            log: raw.log.get(),
        })
    }

    /// Whether a writer may touch this volume.
    pub(crate) const fn is_writable(&self) -> bool {
        self.read_only & !READ_ONLY == 0
    }
}

fn sum(raw: &Raw) -> u128 {
    let bytes = raw.as_bytes();
    xxh3_128(bytes.get(..BLOCK.saturating_sub(16)).unwrap_or(bytes))
}
