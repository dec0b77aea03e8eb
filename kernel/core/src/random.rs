//! The generator behind `rand:`: `ChaCha20` with key erasure.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};

/// A generator; each filling replaces its key, so old output cannot be computed back.
#[derive(Debug)]
pub struct Random(ChaCha20Rng);

impl Random {
    /// A generator from a seed.
    pub fn new(seed: [u64; 4]) -> Self {
        let mut key = [0; 32];
        key.copy_from_slice(seed.map(u64::to_le_bytes).as_flattened());
        Self(ChaCha20Rng::from_seed(key))
    }

    /// Fills a buffer.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        let mut key = [0; 32];
        self.0.fill_bytes(&mut key);
        self.0.fill_bytes(buffer);
        self.0 = ChaCha20Rng::from_seed(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_gives_the_standards_stream() {
        // RFC 8439, A.1, test vector 1: the key zero. The first half of the block is the next key.
        let mut random = Random::new([0; 4]);
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        assert_eq!(bytes[..8], [0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48, 0x8d]);
        assert_eq!(bytes[24..], [0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86]);
    }

    #[test]
    fn two_fills_differ_and_two_generators_of_one_seed_do_not() {
        let (mut a, mut b) = (Random::new([7; 4]), Random::new([7; 4]));
        let (mut x, mut y, mut z) = ([0; 100], [0; 100], [0; 100]);
        a.fill(&mut x);
        a.fill(&mut y);
        b.fill(&mut z);
        assert_ne!(x, y);
        assert_eq!(x, z);
    }
}
