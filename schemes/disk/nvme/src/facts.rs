//! What a controller and its namespaces say of themselves. All of it is the device's word.

use anode_block::{Access, Durability, Info, MAX_BYTES, WriteCache};

/// Bytes of each answer.
pub(crate) const BYTES: usize = 4096;
/// The most blocks of a discard, so that none takes long.
const MAX_DISCARD: u32 = 1 << 22;
/// The most blocks that a command can name.
const MAX_BLOCKS: u32 = 1 << 16;
/// The most namespaces of a controller that are looked at.
pub(crate) const MAX_NAMESPACES: usize = 32;

// Offsets in what a controller says.
const SERIAL: core::ops::Range<usize> = 4..24;
const MODEL: core::ops::Range<usize> = 24..64;
const MAX_TRANSFER: usize = 77;
const ABORTS: usize = 258;
const NAMESPACES: usize = 516;
const OPTIONAL: usize = 520;
const CACHE: usize = 525;

const CAN_DISCARD: u8 = 1 << 2;
const CAN_ZERO: u8 = 1 << 3;
const HAS_CACHE: u8 = 1;

// Offsets in what a namespace says.
const SIZE: usize = 0;
const FEATURES: usize = 24;
const FORMAT: usize = 26;
const PREFERRED_WRITE: usize = 64;
const ATTRIBUTES: usize = 99;
const FORMATS: usize = 128;

const HAS_PREFERENCES: u8 = 1 << 4;
const WRITE_PROTECTED: u8 = 1;

/// A controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// For the log.
    pub(crate) model: String,
    serial: String,
    /// The most bytes of one command.
    max_bytes: u32,
    /// The highest id of a namespace.
    pub(crate) namespaces: u32,
    /// How many commands may be aborted at the same time.
    pub(crate) aborts: u32,
    cache: WriteCache,
    optional: u8,
}

impl Facts {
    /// From what a controller says.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        // A power of two in pages of 4096 bytes; 0: no limit.
        let limit = 4096_u32.checked_shl(byte(MAX_TRANSFER).into()).filter(|bytes| *bytes != 0);
        let limited = byte(MAX_TRANSFER) != 0;
        Self {
            model: text(bytes, MODEL),
            serial: text(bytes, SERIAL),
            max_bytes: limit.filter(|_| limited).unwrap_or(MAX_BYTES).min(MAX_BYTES),
            namespaces: word32(bytes, NAMESPACES),
            aborts: u32::from(byte(ABORTS)).saturating_add(1),
            cache: if byte(CACHE) & HAS_CACHE != 0 {
                WriteCache::Volatile
            } else {
                WriteCache::Through
            },
            optional: byte(OPTIONAL),
        }
    }

    /// The facts of namespace `id` from what it says; `None` if it is not active or cannot be
    /// used. The block layer checks the numbers ([`Info::is_sound`]).
    pub(crate) fn namespace(&self, id: u32, bytes: &[u8]) -> Option<Info> {
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        let format = FORMATS.saturating_add(usize::from(byte(FORMAT) & 0xF).saturating_mul(4));
        let [metadata_low, metadata_high, shift, _] = word32(bytes, format).to_le_bytes();
        let blocks = word64(bytes, SIZE);
        if blocks == 0 || metadata_low != 0 || metadata_high != 0 {
            return None;
        }
        let block = 1_u32.checked_shl(shift.into()).unwrap_or(0);
        let preferred = if byte(FEATURES) & HAS_PREFERENCES != 0 {
            word32(bytes, PREFERRED_WRITE) & 0xFFFF
        } else {
            0
        };
        let max_bytes = self.max_bytes & !block.saturating_sub(1);
        let able = |bit: u8, blocks: u32| if self.optional & bit != 0 { blocks } else { 0 };
        let max_zero = max_bytes.checked_div(block).unwrap_or(0).min(MAX_BLOCKS);
        Some(Info {
            block,
            physical_block: block.saturating_mul(preferred.saturating_add(1)),
            blocks,
            access: if byte(ATTRIBUTES) & WRITE_PROTECTED != 0 {
                Access::ReadOnly
            } else {
                Access::ReadWrite
            },
            cache: self.cache,
            writes: Durability::Forced,
            max_bytes,
            max_discard: able(CAN_DISCARD, MAX_DISCARD),
            // Some devices hold what they must zero against their limit of a transfer.
            max_zero: able(CAN_ZERO, max_zero),
            identity: if id == 1 { self.serial.clone() } else { format!("{}-{id}", self.serial) },
        })
    }
}

/// The ids of a list of namespaces: rising, and 0 ends it.
pub(crate) fn ids(bytes: &[u8]) -> Vec<u32> {
    let words = bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
    let mut last = 0;
    let rising = words.take_while(|id| core::mem::replace(&mut last, *id) < *id);
    rising.take(MAX_NAMESPACES).collect()
}

/// Text, if it is text; without the spaces around it.
fn text(bytes: &[u8], range: core::ops::Range<usize>) -> String {
    let bytes = bytes.get(range).unwrap_or_default();
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let plain = bytes.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    let text = String::from_utf8_lossy(bytes);
    if plain { text.trim().to_owned() } else { String::new() }
}

fn word32(bytes: &[u8], at: usize) -> u32 {
    let bytes = at.checked_add(4).and_then(|end| bytes.get(at..end));
    bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn word64(bytes: &[u8], at: usize) -> u64 {
    u64::from(word32(bytes, at.saturating_add(4))) << 32 | u64::from(word32(bytes, at))
}

#[cfg(test)]
mod tests {
    use anode_block::{Access, Durability, WriteCache};

    use super::{BYTES, Facts, ids};
    use crate::tests::{controller_bytes, namespace_bytes};

    #[test]
    fn a_controller_and_its_namespace_are_understood() {
        let facts = Facts::parse(&controller_bytes());
        assert_eq!((facts.model.as_str(), facts.namespaces, facts.aborts), ("Model", 4, 3));
        let info = facts.namespace(1, &namespace_bytes(1000)).unwrap();
        assert_eq!((info.block, info.blocks, info.physical_block), (512, 1000, 4096));
        assert_eq!((info.max_bytes, info.max_discard, info.max_zero), (16_384, 1 << 22, 32));
        assert_eq!((info.cache, info.writes), (WriteCache::Volatile, Durability::Forced));
        assert_eq!((info.access, info.identity.as_str()), (Access::ReadWrite, "A1"));
        assert!(info.is_sound());
        assert_eq!(facts.namespace(7, &namespace_bytes(1000)).unwrap().identity, "A1-7");
    }

    #[test]
    fn what_is_not_there_is_not_offered() {
        let mut bytes = controller_bytes();
        (bytes[77], bytes[520], bytes[525]) = (0, 0, 0);
        let facts = Facts::parse(&bytes);
        let mut namespace = namespace_bytes(5);
        namespace[99] = 1;
        let info = facts.namespace(1, &namespace).unwrap();
        assert_eq!((info.max_discard, info.max_zero), (0, 0));
        assert_eq!((info.cache, info.access), (WriteCache::Through, Access::ReadOnly));
        assert!(info.max_bytes > 1 << 20);
        assert_eq!(facts.namespace(1, &namespace_bytes(0)), None, "not active");
        namespace[132] = 8;
        assert_eq!(facts.namespace(1, &namespace), None, "with metadata");
    }

    #[test]
    fn a_list_of_namespaces_ends_where_it_stops_to_rise() {
        let list =
            |ids: &[u32]| -> Vec<u8> { ids.iter().flat_map(|id| id.to_le_bytes()).collect() };
        assert_eq!(ids(&list(&[1, 2, 7, 0, 9])), [1, 2, 7]);
        assert_eq!(ids(&list(&[3, 3])), [3]);
        assert_eq!(ids(&[1, 0, 0]), []);
        assert_eq!(ids(&list(&(1..2000).collect::<Vec<_>>())).len(), 32);
    }

    #[test]
    fn no_answer_breaks_the_arithmetic() {
        let (controller, namespace) = (controller_bytes(), namespace_bytes(1000));
        let check = |controller: &[u8], namespace: &[u8]| {
            let info = Facts::parse(controller).namespace(2, namespace);
            let Some(info) = info.filter(anode_block::Info::is_sound) else { return };
            assert!(info.max_bytes.is_multiple_of(info.block) && info.max_zero <= 1 << 16);
            assert!(info.physical_block >= info.block);
        };
        for at in (0..600).chain(FIELDS) {
            for value in [0, 1, 0x10, 0x7F, 0xFF] {
                let mut bad = controller.clone();
                bad[at] = value;
                check(&bad, &namespace);
                let mut bad = namespace.clone();
                bad[at] = value;
                check(&controller, &bad);
            }
        }
        for len in [0, 1, 77, 130, 525, BYTES] {
            check(&controller[..len], &namespace);
            check(&controller, &namespace[..len]);
            check(&vec![0xFF; len], &vec![0xFF; len]);
        }
    }

    const FIELDS: [usize; 2] = [BYTES - 2, BYTES - 1];
}
