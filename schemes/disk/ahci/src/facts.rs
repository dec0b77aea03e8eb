//! What a disk says of itself. All of it is the device's word.

use anode_block::{Access, Durability, Info, MAX_BYTES, WriteCache};

use crate::failure::Failure;
use crate::hba::Queueing;
use crate::tables::{MAX_DISCARD, MAX_SLOTS};

// Words of the answer.
const CONFIGURATION: usize = 0;
const SERIAL: core::ops::Range<usize> = 10..20;
const MODEL: core::ops::Range<usize> = 27..47;
const DEPTH: usize = 75;
const SATA_FEATURES: usize = 76;
const COMMANDS: usize = 83;
const MORE_COMMANDS: usize = 84;
const ENABLED: usize = 85;
const ENABLED_VALID: usize = 87;
const BLOCKS: usize = 100;
const SIZES: usize = 106;
const LOGICAL_SIZE: usize = 117;
const DATASETS: usize = 169;
const INTEGRITY: usize = 255;

const NOT_ATA: u16 = 1 << 15;
/// Two bits of some words that say whether the others mean anything, and their good value.
const VALID_BITS: u16 = 0b11 << 14;
const VALID: u16 = 0b01 << 14;
const LARGE_ADDRESSES: u16 = 1 << 10;
const CAN_FORCE: u16 = 1 << 6;
const CACHES: u16 = 1 << 5;
const QUEUES: u16 = 1 << 8;
const CAN_TRIM: u16 = 1;
const LARGE_LOGICAL: u16 = 1 << 12;
const LARGER_PHYSICAL: u16 = 1 << 13;
/// The low byte of the word of integrity, if the answer has a sum.
const HAS_SUM: u8 = 0xA5;

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// For the log.
    pub(crate) model: String,
    pub(crate) info: Info,
    /// How many commands it queues, 1 to 32.
    pub(crate) depth: u32,
    pub(crate) queueing: Queueing,
}

impl Facts {
    /// From a disk's answer. The block layer checks the sizes ([`Info::is_sound`]).
    ///
    /// # Errors
    ///
    /// [`Failure::Unsuited`].
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let words = Words(bytes);
        if !words.is_whole() {
            return Err(Failure::Unsuited("what it says of itself is damaged"));
        }
        if words.get(CONFIGURATION) & NOT_ATA != 0 {
            return Err(Failure::Unsuited("it is no ATA disk"));
        }
        if !words.has(COMMANDS, LARGE_ADDRESSES) {
            return Err(Failure::Unsuited("it has no addresses of 48 bits"));
        }
        let features = words.get(SATA_FEATURES);
        let queues = features != u16::MAX && features & QUEUES != 0;
        let cached =
            words.get(ENABLED_VALID) & VALID_BITS == VALID && words.get(ENABLED) & CACHES != 0;
        let (block, physical_block) = words.sizes();
        let limit = MAX_BYTES & !block.saturating_sub(1);
        let info = Info {
            block,
            physical_block,
            blocks: words.number(BLOCKS, 4) & 0xFFFF_FFFF_FFFF,
            access: Access::ReadWrite,
            cache: if cached { WriteCache::Volatile } else { WriteCache::Through },
            writes: if words.has(MORE_COMMANDS, CAN_FORCE) {
                Durability::Forced
            } else {
                Durability::Flushed
            },
            max_bytes: limit,
            max_discard: if words.get(DATASETS) & CAN_TRIM != 0 { MAX_DISCARD } else { 0 },
            max_zero: 0,
            identity: words.text(SERIAL),
        };
        Ok(Self {
            model: words.text(MODEL),
            info,
            depth: u32::from(words.get(DEPTH) & 0x1F).saturating_add(1).min(MAX_SLOTS),
            queueing: if queues { Queueing::Native } else { Queueing::None },
        })
    }
}

/// The answer, as words.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn get(&self, word: usize) -> u16 {
        self.0.as_chunks::<2>().0.get(word).map_or(0, |word| u16::from_le_bytes(*word))
    }

    /// Whether a word with bits of validity has this bit.
    fn has(&self, word: usize, bit: u16) -> bool {
        let word = self.get(word);
        word & VALID_BITS == VALID && word & bit != 0
    }

    /// A number of several words.
    fn number(&self, word: usize, words: usize) -> u64 {
        let words = (0..words).rev().map(|at| u64::from(self.get(word.saturating_add(at))));
        words.fold(0, |number, word| number << 16 | word)
    }

    /// Logical and physical block.
    fn sizes(&self) -> (u32, u32) {
        let logical = if self.has(SIZES, LARGE_LOGICAL) {
            u32::try_from(self.number(LOGICAL_SIZE, 2)).unwrap_or(0).saturating_mul(2)
        } else {
            512
        };
        let exponent = if self.has(SIZES, LARGER_PHYSICAL) { self.get(SIZES) & 0xF } else { 0 };
        let physical = logical.saturating_mul(1_u32.checked_shl(exponent.into()).unwrap_or(1));
        (logical, physical)
    }

    /// Text, whose bytes are swapped in each word; without the spaces around it.
    fn text(&self, words: core::ops::Range<usize>) -> String {
        let bytes: Vec<u8> = words.flat_map(|word| self.get(word).to_be_bytes()).collect();
        let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        let plain = bytes.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
        let text = String::from_utf8_lossy(bytes);
        if plain { text.trim().to_owned() } else { String::new() }
    }

    /// Whether the sum over all bytes is right, where there is one.
    fn is_whole(&self) -> bool {
        let [mark, _] = self.get(INTEGRITY).to_le_bytes();
        let sum = self.0.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        mark != HAS_SUM || sum == 0
    }
}

#[cfg(test)]
mod tests {
    use anode_block::{Durability, Info, WriteCache};

    use super::Facts;
    use crate::failure::Failure;
    use crate::hba::Queueing;
    use crate::tests::{identity, set_word};

    #[test]
    fn a_disk_is_understood() {
        let facts = Facts::parse(&identity()).unwrap();
        let info = &facts.info;
        assert_eq!((facts.model.as_str(), info.identity.as_str()), ("Model 1", "A1"));
        assert_eq!((info.block, info.physical_block, info.blocks), (512, 4096, 5000));
        assert_eq!((info.cache, info.writes), (WriteCache::Volatile, Durability::Forced));
        assert_eq!((info.max_discard, info.max_zero), (64 * 65_535, 0));
        assert_eq!((facts.queueing, facts.depth), (Queueing::Native, 8));
        assert!(info.is_sound());
    }

    #[test]
    fn words_count_only_if_they_are_valid() {
        let mut bytes = identity();
        for (word, value) in [(84, 1 << 6), (87, 0), (106, 0xB003), (76, 0xFFFF), (169, 0)] {
            set_word(&mut bytes, word, value);
        }
        let facts = Facts::parse(&bytes).unwrap();
        let info = &facts.info;
        assert_eq!((info.block, info.physical_block), (512, 512));
        assert_eq!((info.cache, info.writes), (WriteCache::Through, Durability::Flushed));
        assert_eq!((info.max_discard, facts.queueing), (0, Queueing::None));
    }

    #[test]
    fn blocks_of_4096_bytes_are_understood() {
        let mut bytes = identity();
        set_word(&mut bytes, 106, 0x5000);
        set_word(&mut bytes, 117, 2048);
        let info = Facts::parse(&bytes).unwrap().info;
        assert_eq!((info.block, info.physical_block), (4096, 4096));
        assert!(info.is_sound());
    }

    #[test]
    fn what_is_no_such_disk_is_refused_with_a_reason() {
        let with = |word: usize, value: u16| {
            let mut bytes = identity();
            set_word(&mut bytes, word, value);
            Facts::parse(&bytes)
        };
        assert!(matches!(with(0, 0x8580), Err(Failure::Unsuited(why)) if why.contains("no ATA")));
        assert!(matches!(with(83, 0x4000), Err(Failure::Unsuited(why)) if why.contains("48")));
        assert!(
            matches!(with(255, 0x00A5), Err(Failure::Unsuited(why)) if why.contains("damaged"))
        );
    }

    #[test]
    fn no_answer_breaks_the_arithmetic() {
        let check = |bytes: &[u8]| {
            let Ok(facts) = Facts::parse(bytes) else { return };
            let sound = Some(facts.info).filter(Info::is_sound);
            assert!((1..=32).contains(&facts.depth));
            let Some(info) = sound else { return };
            assert!(info.max_bytes.is_multiple_of(info.block));
            assert!(info.physical_block >= info.block);
        };
        let good = identity();
        for at in 0..good.len() {
            for value in [0, 1, 0x40, 0x5F, 0x7F, 0xFF] {
                let mut bad = good.clone();
                bad[at] = value;
                check(&bad);
            }
            check(&good[..at]);
        }
        check(&[0xFF; 512]);
    }
}
