//! The generator behind `rand:`: ChaCha20 (RFC 8439 §2.3) with fast key erasure.

/// A generator; each refill replaces its key, so old output cannot be computed back.
#[derive(Debug)]
pub struct Random {
    key: [u32; 8],
    counter: u64,
}

fn quarter(state: &mut [u32; 16], [a, b, c, d]: [usize; 4]) {
    let mut step = |x: usize, y: usize, z: usize, turn: u32| {
        let sum = at(state, x).wrapping_add(at(state, y));
        put(state, x, sum);
        let turned = (at(state, z) ^ sum).rotate_left(turn);
        put(state, z, turned);
    };
    step(a, b, d, 16);
    step(c, d, b, 12);
    step(a, b, d, 8);
    step(c, d, b, 7);
}

fn at(state: &[u32; 16], index: usize) -> u32 {
    state.get(index).copied().unwrap_or(0)
}

fn put(state: &mut [u32; 16], index: usize, value: u32) {
    if let Some(word) = state.get_mut(index) {
        *word = value;
    }
}

/// One block of the cipher for a key, block counter and a 96-bit nonce.
fn block(key: &[u32; 8], counter: u32, nonce: [u32; 3]) -> [u32; 16] {
    let [k0, k1, k2, k3, k4, k5, k6, k7] = *key;
    let [n0, n1, n2] = nonce;
    let start = [
        0x6170_7865,
        0x3320_646e,
        0x7962_2d32,
        0x6b20_6574,
        k0,
        k1,
        k2,
        k3,
        k4,
        k5,
        k6,
        k7,
        counter,
        n0,
        n1,
        n2,
    ];
    let mut state = start;
    for _ in 0..10 {
        quarter(&mut state, [0, 4, 8, 12]);
        quarter(&mut state, [1, 5, 9, 13]);
        quarter(&mut state, [2, 6, 10, 14]);
        quarter(&mut state, [3, 7, 11, 15]);
        quarter(&mut state, [0, 5, 10, 15]);
        quarter(&mut state, [1, 6, 11, 12]);
        quarter(&mut state, [2, 7, 8, 13]);
        quarter(&mut state, [3, 4, 9, 14]);
    }
    for (word, first) in state.iter_mut().zip(start) {
        *word = word.wrapping_add(first);
    }
    state
}

impl Random {
    /// A generator from a seed.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        let mut key = [0u32; 8];
        for (word, bytes) in key.iter_mut().zip(seed.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        Self { key, counter: 0 }
    }

    /// Fills a buffer.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            self.counter = self.counter.wrapping_add(1);
            let [low, high] = [self.counter & 0xFFFF_FFFF, self.counter >> 32].map(crate::num::low);
            let state = block(&self.key, low, [high, 0, 0]);
            let (key, output) = state.split_at(8);
            for (old, new) in self.key.iter_mut().zip(key) {
                *old = *new;
            }
            let bytes = output.iter().flat_map(|word| word.to_le_bytes());
            for (to, from) in chunk.iter_mut().zip(bytes) {
                *to = from;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_function_gives_the_standards_test_vector() {
        // RFC 8439, 2.3.2.
        let mut key = [0u32; 8];
        for (n, word) in (0u8..).zip(&mut key) {
            let first = n * 4;
            *word = u32::from_le_bytes([first, first + 1, first + 2, first + 3]);
        }
        let state = block(&key, 1, [0x0900_0000, 0x4a00_0000, 0]);
        assert_eq!(state[0], 0xe4e7_f110);
        assert_eq!(state[15], 0x4e3c_50a2);
    }

    #[test]
    fn two_fills_differ_and_two_generators_of_one_seed_do_not() {
        let (mut a, mut b) = (Random::new([7; 32]), Random::new([7; 32]));
        let (mut x, mut y, mut z) = ([0; 100], [0; 100], [0; 100]);
        a.fill(&mut x);
        a.fill(&mut y);
        b.fill(&mut z);
        assert_ne!(x, y);
        assert_eq!(x, z);
    }
}
