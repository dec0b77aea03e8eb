//! Packets as words, and the tag by which a request is known.

use redox::schemev2::{Cqe, Sqe};

use crate::layout::Size;

/// Words of a request.
pub const SQE_WORDS: usize = 8;

/// Words of an answer.
pub const CQE_WORDS: usize = 2;

/// A packet's bytes as words.
#[inline]
fn pack<const N: usize>(bytes: &[u8]) -> [u64; N] {
    bytes.as_chunks().0.try_into().map_or([0; N], |words: &[_; N]| words.map(u64::from_le_bytes))
}

/// Words as a packet's bytes.
#[inline]
fn unpack<const N: usize>(words: [u64; N], bytes: &mut [u8]) {
    if let Ok(bytes) = <&mut [_; N]>::try_from(bytes.as_chunks_mut().0) {
        *bytes = words.map(u64::to_le_bytes);
    }
}

/// A request as the words that lie in the ring.
#[inline]
pub fn pack_sqe(sqe: &Sqe) -> [u64; SQE_WORDS] {
    pack(sqe)
}

/// A request from its words; every pattern is one.
#[inline]
pub fn unpack_sqe(words: [u64; SQE_WORDS]) -> Sqe {
    let mut sqe = Sqe::default();
    unpack(words, &mut sqe);
    sqe
}

/// An answer as the words that lie in the ring.
#[inline]
pub fn pack_cqe(cqe: &Cqe) -> [u64; CQE_WORDS] {
    pack(cqe)
}

/// An answer from its words; every pattern is one.
#[inline]
pub fn unpack_cqe(words: [u64; CQE_WORDS]) -> Cqe {
    let mut cqe = Cqe::default();
    unpack(words, &mut cqe);
    cqe
}

/// Names one request: its slot, and the generation of the slot's use.
///
/// A stale answer carries an old generation, so it cannot reach the slot's next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(u32);

impl Tag {
    /// The tag of a slot's current use, if the ring has that slot.
    pub fn new(generation: u16, slot: u16, entries: Size) -> Option<Self> {
        Self::checked(u32::from(generation) << 16 | u32::from(slot), entries)
    }

    /// Reads a tag that the other side claims; it may still be a stale one.
    pub const fn checked(raw: u32, entries: Size) -> Option<Self> {
        if raw & 0xFFFF < entries.get() { Some(Self(raw)) } else { None }
    }

    /// The number that stands in packets.
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// The slot, below the ring's number of entries.
    pub const fn slot(self) -> u16 {
        let [a, b, _, _] = self.0.to_le_bytes();
        u16::from_le_bytes([a, b])
    }

    /// The generation of the slot's use.
    pub const fn generation(self) -> u16 {
        let [_, _, c, d] = self.0.to_le_bytes();
        u16::from_le_bytes([c, d])
    }
}
