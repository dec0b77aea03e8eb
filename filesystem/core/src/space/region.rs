//! A region: 32,768 blocks, and one bit for each. Four neighbours, aligned, are a *group*: trees
//! need whole ones.

use alloc::vec::Vec;

use crate::error::Flaw;
use crate::num::{size, wide};

/// Blocks of a region: its bits are one block.
pub(crate) const REGION: u64 = 32768;

/// Blocks of a group.
pub(crate) const GROUP: u64 = 4;

/// Groups in a word of bits.
const IN_WORD: u64 = 16;

/// The bits of a region; set: not to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    words: Vec<u64>,
    /// Blocks that may be used.
    pub(crate) free: u64,
    /// Groups of which all four may be used.
    pub(crate) whole: u64,
    /// Whether the bits on disk are others.
    pub(crate) changed: bool,
}

impl Region {
    /// A region of which these blocks, counted from its first, may be used.
    pub(crate) fn new(usable: core::ops::Range<u64>) -> Self {
        let words = alloc::vec![u64::MAX; size(REGION.div_euclid(64))];
        let mut region = Self { words, free: 0, whole: 0, changed: false };
        let count = usable.end.saturating_sub(usable.start);
        region.set(usable.start, count, false);
        region
    }

    /// Reads the bits of a map.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Flaw> {
        let (words, rest) = bytes.as_chunks::<8>();
        if words.len() != size(REGION.div_euclid(64)) || !rest.is_empty() {
            return Err(Flaw::Length);
        }
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let mut region = Self { words, free: 0, whole: 0, changed: false };
        region.count();
        Ok(region)
    }

    /// What is on disk for it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn count(&mut self) {
        let zeros = |word: &u64| u64::from(word.count_zeros());
        self.free = self.words.iter().map(zeros).fold(0, u64::saturating_add);
        self.whole = self.words.iter().map(|word| whole(*word)).fold(0, u64::saturating_add);
    }

    /// Whether none, or all, of these blocks are set.
    #[expect(clippy::fn_params_excessive_bools, reason = "a bit")]
    pub(crate) fn all(&self, from: u64, count: u64, set: bool) -> bool {
        self.pieces(from, count).all(|(at, mask)| {
            let word = self.words.get(at).copied().unwrap_or(u64::MAX);
            if set { word & mask == mask } else { word & mask == 0 }
        })
    }

    /// Sets or clears the bits of these blocks.
    #[expect(clippy::fn_params_excessive_bools, reason = "a bit")]
    pub(crate) fn set(&mut self, from: u64, count: u64, set: bool) {
        for (at, mask) in self.pieces(from, count).collect::<Vec<_>>() {
            let Some(word) = self.words.get_mut(at) else { return };
            let old = *word;
            *word = if set { old | mask } else { old & !mask };
            let now = *word;
            let zeros = |word: u64| u64::from(word.count_zeros());
            self.free = self.free.saturating_add(zeros(now)).saturating_sub(zeros(old));
            self.whole = self.whole.saturating_add(whole(now)).saturating_sub(whole(old));
        }
    }

    /// The words and bits of these blocks.
    fn pieces(&self, from: u64, count: u64) -> impl Iterator<Item = (usize, u64)> + use<> {
        let end = from.saturating_add(count).min(REGION);
        let first = from.div_euclid(64);
        let last = end.div_ceil(64);
        (first..last.max(first)).map(move |word| {
            let base = word.saturating_mul(64);
            let low = from.saturating_sub(base).min(64);
            let high = end.saturating_sub(base).min(64);
            let below = |bit: u64| match u32::try_from(bit) {
                Ok(bit) if bit < 64 => (1_u64 << bit).wrapping_sub(1),
                _ => u64::MAX,
            };
            (size(word), below(high) & !below(low))
        })
    }

    /// The first block of so many whole groups in a row, at or behind block `from`.
    pub(crate) fn find_whole(&self, from: u64, groups: u64) -> Option<u64> {
        if self.whole < groups {
            return None;
        }
        let mut found = 0_u64;
        let first = from.div_ceil(GROUP);
        for group in first..REGION.div_euclid(GROUP) {
            found = if self.group(group) == 0 { found.saturating_add(1) } else { 0 };
            if found == groups {
                let start = group.saturating_add(1).saturating_sub(groups);
                return Some(start.saturating_mul(GROUP));
            }
        }
        None
    }

    /// The first of so many blocks, less than a group, in a group of which some are in use.
    pub(crate) fn find_part(&self, count: u64) -> Option<u64> {
        if self.free.saturating_sub(self.whole.saturating_mul(GROUP)) < count {
            return None;
        }
        (0..REGION.div_euclid(GROUP)).find_map(|group| {
            let bits = self.group(group);
            let start = group.saturating_mul(GROUP);
            let partly = bits != 0 && bits != 15;
            let fits = |skip: &u64| self.all(start.saturating_add(*skip), count, false);
            let skip = partly.then(|| (0..=GROUP.saturating_sub(count)).find(fits))??;
            Some(start.saturating_add(skip))
        })
    }

    fn group(&self, group: u64) -> u64 {
        let word = self.words.get(size(group.div_euclid(IN_WORD))).copied().unwrap_or(u64::MAX);
        word >> group.rem_euclid(IN_WORD).saturating_mul(GROUP) & 15
    }

    /// Everything that is set in one of both; gives the blocks that were set only in the other.
    pub(crate) fn absorb(&mut self, other: &Self) -> Vec<u64> {
        let mut new = Vec::new();
        for (at, (word, other)) in self.words.iter_mut().zip(&other.words).enumerate() {
            let mut more = other & !*word;
            *word |= more;
            while more != 0 {
                let bit = u64::from(more.trailing_zeros());
                new.push(wide(at).saturating_mul(64).saturating_add(bit));
                more &= more.wrapping_sub(1);
            }
        }
        self.count();
        new
    }
}

/// Groups of this word that are free as a whole.
fn whole(word: u64) -> u64 {
    let any = word | word >> 1 | word >> 2 | word >> 3;
    u64::from((!any & 0x1111_1111_1111_1111).count_ones())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_found_and_counted() {
        let mut region = Region::new(48..REGION);
        assert_eq!((region.free, region.whole), (REGION - 48, (REGION - 48) / 4));
        assert_eq!(region.find_whole(0, 1), Some(48));
        region.set(62, 5, true);
        assert_eq!((region.free, region.whole), (REGION - 53, (REGION - 48) / 4 - 2));
        assert_eq!(region.find_whole(58, 2), Some(68));
        assert_eq!((region.find_part(1), region.find_part(3)), (Some(60), None));
        assert!(region.all(62, 5, true) && !region.all(61, 2, true) && !region.all(61, 2, false));
        let again = Region::decode(&region.encode()).unwrap();
        assert_eq!(again, region);
    }

    #[test]
    fn a_region_takes_in_what_another_uses() {
        let mut one = Region::new(0..REGION);
        let mut two = Region::new(0..REGION);
        one.set(0, 4, true);
        two.set(2, 4, true);
        assert_eq!(one.absorb(&two), [4, 5]);
        assert!(one.all(0, 6, true));
    }
}
