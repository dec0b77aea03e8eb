//! Packets as words, and the tag by which a request is known.

use redox::schemev2::{Cqe, Sqe, SqeFlags};

use crate::layout::Size;

/// Words of a request.
pub const SQE_WORDS: usize = 8;

/// Words of an answer.
pub const CQE_WORDS: usize = 2;

/// A request as the words that lie in the ring.
pub const fn pack_sqe(sqe: &Sqe) -> [u64; SQE_WORDS] {
    let [r0, r1] = sqe._rsvd.to_le_bytes();
    let [t0, t1, t2, t3] = sqe.tag.to_le_bytes();
    let first = u64::from_le_bytes([sqe.opcode, sqe.sqe_flags.bits(), r0, r1, t0, t1, t2, t3]);
    let [a, b, c, d, e, f] = sqe.args;
    [first, a, b, c, d, e, f, sqe.caller]
}

/// A request from its words; every pattern is one.
pub const fn unpack_sqe(words: [u64; SQE_WORDS]) -> Sqe {
    let [first, a, b, c, d, e, f, caller] = words;
    let [opcode, flags, r0, r1, t0, t1, t2, t3] = first.to_le_bytes();
    Sqe {
        opcode,
        sqe_flags: SqeFlags::from_bits_retain(flags),
        _rsvd: u16::from_le_bytes([r0, r1]),
        tag: u32::from_le_bytes([t0, t1, t2, t3]),
        args: [a, b, c, d, e, f],
        caller,
    }
}

/// An answer as the words that lie in the ring.
pub const fn pack_cqe(cqe: &Cqe) -> [u64; CQE_WORDS] {
    let [x, y, z] = cqe.extra_raw;
    let [t0, t1, t2, t3] = cqe.tag.to_le_bytes();
    [u64::from_le_bytes([cqe.flags, x, y, z, t0, t1, t2, t3]), cqe.result]
}

/// An answer from its words; every pattern is one.
pub const fn unpack_cqe(words: [u64; CQE_WORDS]) -> Cqe {
    let [first, result] = words;
    let [flags, x, y, z, t0, t1, t2, t3] = first.to_le_bytes();
    Cqe { flags, extra_raw: [x, y, z], tag: u32::from_le_bytes([t0, t1, t2, t3]), result }
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
