//! Segments of the intent log: each names the place of the next, and its sum goes on from that of
//! the one before, so that nothing stale is ever taken for its continuation.

use alloc::vec::Vec;

use xxhash_rust::xxh3::xxh3_128_with_seed;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::BLOCK;
use crate::error::Flaw;
use crate::num::{narrow, size, wide};

/// The most blocks of a segment.
pub(crate) const SEGMENT_BLOCKS: u64 = 16;

const MAGIC: u32 = u32::from_le_bytes(*b"AnLg");

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Header {
    sum: [u8; 16],
    before: [u8; 16],
    magic: U32,
    length: U32,
    next: U64,
}

/// Bytes of a segment beside its payload.
pub(crate) const HEADER: usize = size_of::<Header>();

/// A segment that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment<'b> {
    /// Bytes of records; one may begin in a segment and end in the next.
    pub(crate) payload: &'b [u8],
    /// Where the next segment is, if it was written.
    pub(crate) next: u64,
    /// The sum from which the next goes on.
    pub(crate) sum: u128,
    /// How many blocks this one has.
    pub(crate) blocks: u64,
}

fn sum(block: u64, covered: &[u8]) -> u128 {
    xxh3_128_with_seed(covered, block)
}

/// What is on disk for a segment at `block`, and its sum.
pub(crate) fn encode_segment(
    block: u64,
    before: u128,
    next: u64,
    payload: &[u8],
) -> (Vec<u8>, u128) {
    let mut header = Header {
        sum: [0; 16],
        before: before.to_le_bytes(),
        magic: MAGIC.into(),
        length: narrow(payload.len()).into(),
        next: next.into(),
    };
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    let sum = sum(block, bytes.get(16..).unwrap_or_default());
    header.sum = sum.to_le_bytes();
    if let Some(front) = bytes.first_chunk_mut::<HEADER>() {
        front.copy_from_slice(header.as_bytes());
    }
    (bytes, sum)
}

impl<'b> Segment<'b> {
    /// How many blocks the segment claims to have that begins with this one.
    pub(crate) fn claimed(bytes: &[u8]) -> Result<u64, Flaw> {
        let (header, _) = Header::ref_from_prefix(bytes).map_err(|_| Flaw::Length)?;
        if header.magic.get() != MAGIC {
            return Err(Flaw::Magic);
        }
        let length = wide(HEADER).saturating_add(u64::from(header.length.get()));
        let blocks = length.div_ceil(wide(BLOCK));
        if blocks > SEGMENT_BLOCKS { Err(Flaw::Length) } else { Ok(blocks) }
    }

    /// Reads the whole segment at `block` that goes on from `before`.
    pub(crate) fn decode(bytes: &'b [u8], block: u64, before: u128) -> Result<Self, Flaw> {
        let blocks = Self::claimed(bytes)?;
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| Flaw::Length)?;
        if wide(bytes.len()) != blocks.saturating_mul(wide(BLOCK)) {
            return Err(Flaw::Length);
        }
        let sum = sum(block, bytes.get(16..).unwrap_or_default());
        if header.before != before.to_le_bytes() || header.sum != sum.to_le_bytes() {
            return Err(Flaw::Checksum);
        }
        let payload = rest.get(..size(u64::from(header.length.get()))).ok_or(Flaw::Length)?;
        Ok(Self { payload, next: header.next.get(), sum, blocks })
    }
}
