//! What the configuration of a virtio block device says.

use anode_block::{Access, Durability, Info, MAX_BYTES, WriteCache};

// Feature bits.
pub(crate) const SIZE_MAX: u64 = 1 << 1;
pub(crate) const READ_ONLY: u64 = 1 << 5;
pub(crate) const BLOCK_SIZE: u64 = 1 << 6;
pub(crate) const FLUSH: u64 = 1 << 9;
pub(crate) const TOPOLOGY: u64 = 1 << 10;
pub(crate) const DISCARD: u64 = 1 << 13;
pub(crate) const WRITE_ZEROES: u64 = 1 << 14;

/// All that this driver makes use of.
pub(crate) const WANTED: u64 =
    SIZE_MAX | READ_ONLY | BLOCK_SIZE | FLUSH | TOPOLOGY | DISCARD | WRITE_ZEROES;

/// Bytes of configuration that are looked at.
pub(crate) const CONFIG_BYTES: usize = 60;
/// The unit of the device's numbers, whatever its block is.
pub(crate) const SECTOR: u32 = 512;

const CAPACITY_AT: usize = 0;
const SIZE_MAX_AT: usize = 8;
const BLOCK_SIZE_AT: usize = 20;
const PHYSICAL_EXPONENT_AT: usize = 24;
const MAX_DISCARD_AT: usize = 36;
const MAX_ZEROES_AT: usize = 48;

/// The disk's facts from its configuration and the features that were agreed on.
///
/// The numbers are the device's; the block layer checks them ([`Info::is_sound`]).
pub(crate) fn info(features: u64, config: &[u8; CONFIG_BYTES]) -> Info {
    let has = |feature: u64| features & feature != 0;
    let block = if has(BLOCK_SIZE) { word32(config, BLOCK_SIZE_AT) } else { SECTOR };
    let sectors_per_block = block.checked_div(SECTOR).unwrap_or(0).max(1);
    let exponent = config.get(PHYSICAL_EXPONENT_AT).copied().filter(|_| has(TOPOLOGY)).unwrap_or(0);
    let limit = if has(SIZE_MAX) { word32(config, SIZE_MAX_AT).min(MAX_BYTES) } else { MAX_BYTES };
    let blocks_of = |at: usize, feature: u64| {
        let sectors = if has(feature) { word32(config, at) } else { 0 };
        sectors.checked_div(sectors_per_block).unwrap_or(0)
    };
    Info {
        block,
        physical_block: block.checked_shl(exponent.into()).unwrap_or(block).max(block),
        blocks: capacity(config).checked_div(sectors_per_block.into()).unwrap_or(0),
        access: if has(READ_ONLY) { Access::ReadOnly } else { Access::ReadWrite },
        cache: if has(FLUSH) { WriteCache::Volatile } else { WriteCache::Through },
        // Of a virtio device no single write can be forced.
        writes: Durability::Flushed,
        max_bytes: limit.checked_rem(block).map_or(0, |rest| limit.saturating_sub(rest)),
        max_discard: blocks_of(MAX_DISCARD_AT, DISCARD),
        max_zero: blocks_of(MAX_ZEROES_AT, WRITE_ZEROES),
        identity: String::new(),
    }
}

fn capacity(config: &[u8; CONFIG_BYTES]) -> u64 {
    let high = word32(config, CAPACITY_AT.saturating_add(4));
    u64::from(high) << 32 | u64::from(word32(config, CAPACITY_AT))
}

fn word32(config: &[u8; CONFIG_BYTES], at: usize) -> u32 {
    let bytes = at.checked_add(4).and_then(|end| config.get(at..end));
    bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use anode_block::{Access, WriteCache};

    use super::{CONFIG_BYTES, FLUSH, READ_ONLY, WANTED, info};

    fn config() -> [u8; CONFIG_BYTES] {
        let mut config = [0; CONFIG_BYTES];
        config[..8].copy_from_slice(&8000_u64.to_le_bytes());
        config[8..12].copy_from_slice(&10_000_u32.to_le_bytes());
        config[20..24].copy_from_slice(&4096_u32.to_le_bytes());
        config[24] = 2;
        config[36..40].copy_from_slice(&80_u32.to_le_bytes());
        config[48..52].copy_from_slice(&17_u32.to_le_bytes());
        config
    }

    #[test]
    fn sectors_of_the_device_become_blocks() {
        let info = info(WANTED & !READ_ONLY, &config());
        assert_eq!((info.block, info.physical_block, info.blocks), (4096, 16384, 1000));
        assert_eq!((info.max_bytes, info.max_discard, info.max_zero), (8192, 10, 2));
        assert_eq!((info.access, info.cache), (Access::ReadWrite, WriteCache::Volatile));
        assert!(info.is_sound());
    }

    #[test]
    fn fields_count_only_with_their_feature() {
        let info = info(READ_ONLY, &config());
        assert_eq!((info.block, info.physical_block, info.blocks), (512, 512, 8000));
        assert_eq!((info.max_discard, info.max_zero), (0, 0));
        assert_eq!((info.access, info.cache), (Access::ReadOnly, WriteCache::Through));
        assert!(info.max_bytes >= 1 << 20);
    }

    #[test]
    fn no_configuration_breaks_the_arithmetic() {
        for at in 0..CONFIG_BYTES {
            for value in [0, 1, 0x7F, 0xFF] {
                let mut bad = config();
                bad[at] = value;
                let found = info(WANTED, &bad);
                assert!(!found.is_sound() || found.max_bytes.is_multiple_of(found.block));
            }
        }
        assert!(!info(WANTED | FLUSH, &[0xFF; CONFIG_BYTES]).is_sound());
        assert!(!info(WANTED, &[0; CONFIG_BYTES]).is_sound());
    }
}
