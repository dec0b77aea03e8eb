//! The generator behind `rand:`: `ChaCha20` (RFC 8439 §2.3) with fast key erasure. It is our own
//! because the well-kept crates use vector registers, which are the user's while the kernel runs.

use crate::prelude::*;

/// Four words of the cipher's square.
type Row = [u32; 4];

const FIRST: Row = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// A generator; each refill replaces its key, so old output cannot be computed back.
#[derive(Debug)]
pub struct Random {
    key: [Row; 2],
    counter: u64,
}

fn step(x: &mut Row, y: &Row, z: &mut Row, turn: u32) {
    for ((x, y), z) in x.iter_mut().zip(y).zip(z) {
        *x = x.wrapping_add(*y);
        *z = (*z ^ *x).rotate_left(turn);
    }
}

/// Four quarter rounds at once, one a column.
fn round([a, b, c, d]: &mut [Row; 4]) {
    step(a, b, d, 16);
    step(c, d, b, 12);
    step(a, b, d, 8);
    step(c, d, b, 7);
}

/// A row, turned by one word.
fn left([a, b, c, d]: Row) -> Row {
    [b, c, d, a]
}

/// One block of the cipher for a key and the last row: counter and nonce.
fn block([second, third]: [Row; 2], last: Row) -> [Row; 4] {
    let start = [FIRST, second, third, last];
    let mut rows = start;
    for _ in 0..10 {
        round(&mut rows);
        // From the columns to the diagonals, and back.
        let [_, b, c, d] = &mut rows;
        [*b, *c, *d] = [left(*b), left(left(*c)), left(left(left(*d)))];
        round(&mut rows);
        let [_, b, c, d] = &mut rows;
        [*b, *c, *d] = [left(left(left(*b))), left(left(*c)), left(*d)];
    }
    for (word, first) in rows.as_flattened_mut().iter_mut().zip(start.as_flattened()) {
        *word = word.wrapping_add(*first);
    }
    rows
}

impl Random {
    /// A generator from a seed.
    pub fn new(key: [Row; 2]) -> Self {
        Self { key, counter: 0 }
    }

    /// Fills a buffer.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            self.counter = self.counter.wrapping_add(1);
            let last = [low(self.counter), low(self.counter >> 32), 0, 0];
            let [first, second, output @ ..] = block(self.key, last);
            self.key = [first, second];
            let bytes = output.iter().flatten().flat_map(|word| word.to_le_bytes());
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
        let mut key = [[0u32; 4]; 2];
        for (n, word) in (0u8..).zip(key.as_flattened_mut()) {
            let first = n * 4;
            *word = u32::from_le_bytes([first, first + 1, first + 2, first + 3]);
        }
        let state = block(key, [1, 0x0900_0000, 0x4a00_0000, 0]);
        assert_eq!(state[0][0], 0xe4e7_f110);
        assert_eq!(state[3][3], 0x4e3c_50a2);
    }

    #[test]
    fn two_fills_differ_and_two_generators_of_one_seed_do_not() {
        let (mut a, mut b) = (Random::new([[7; 4]; 2]), Random::new([[7; 4]; 2]));
        let (mut x, mut y, mut z) = ([0; 100], [0; 100], [0; 100]);
        a.fill(&mut x);
        a.fill(&mut y);
        b.fill(&mut z);
        assert_ne!(x, y);
        assert_eq!(x, z);
    }
}
