//! Packets as the words that lie in a ring.

use core::ops::DerefMut;

/// Words of a request.
pub const SQE_WORDS: usize = 8;

/// Words of an answer.
pub const CQE_WORDS: usize = 2;

/// A packet, which gives its bytes, as words.
#[inline]
pub fn pack<const N: usize>(packet: &[u8]) -> [u64; N] {
    packet.as_chunks().0.try_into().map_or([0; N], |words: &[_; N]| words.map(u64::from_le_bytes))
}

/// A packet from its words; every pattern is one.
#[inline]
pub fn unpack<P: Default + DerefMut<Target = [u8]>, const N: usize>(words: [u64; N]) -> P {
    let mut packet = P::default();
    if let Ok(bytes) = <&mut [_; N]>::try_from(packet.as_chunks_mut().0) {
        *bytes = words.map(u64::to_le_bytes);
    }
    packet
}
