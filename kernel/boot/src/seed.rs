//! Gathers randomness for the kernel's first generator.

/// A pool of 256 bits. It mixes; it does not invent: what comes out is as good as what went in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool([u64; 4]);

impl Default for Pool {
    /// The first bits of pi, so that no word is zero.
    fn default() -> Self {
        Self([
            0x243f_6a88_85a3_08d3,
            0x1319_8a2e_0370_7344,
            0xa409_3822_299f_31d0,
            0x082e_fa98_ec4e_6c89,
        ])
    }
}

impl Pool {
    /// Stirs `sample` in.
    pub const fn add(&mut self, sample: u64) {
        let [mut a, mut b, mut c, mut d] = self.0;
        a ^= sample;
        let mut round = 0_u32;
        // The quarter round of ChaCha, on words of 64 bits, twice over rotated words.
        while round < 4 {
            a = a.wrapping_add(b);
            d = (d ^ a).rotate_left(32);
            c = c.wrapping_add(d);
            b = (b ^ c).rotate_left(24);
            a = a.wrapping_add(b);
            d = (d ^ a).rotate_left(16);
            c = c.wrapping_add(d);
            b = (b ^ c).rotate_left(63);
            (a, b, c, d) = (b, c, d, a);
            round = round.wrapping_add(1);
        }
        self.0 = [a, b, c, d];
    }

    /// The seed.
    #[must_use]
    pub const fn words(&self) -> [u64; 4] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Pool;

    #[test]
    fn each_bit_of_a_sample_changes_about_half_of_the_seed() {
        let mut plain = Pool::default();
        plain.add(0);
        for bit in 0..64 {
            let mut other = Pool::default();
            other.add(1 << bit);
            let changed: u32 =
                plain.words().iter().zip(other.words()).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert!((80..176).contains(&changed), "bit {bit} changed {changed} of 256");
        }
    }

    #[test]
    fn the_order_of_samples_matters() {
        let mut pools = [Pool::default(), Pool::default()];
        for (pool, samples) in pools.iter_mut().zip([[1, 2], [2, 1]]) {
            samples.iter().for_each(|&sample| pool.add(sample));
        }
        assert_ne!(pools[0], pools[1]);
    }
}
