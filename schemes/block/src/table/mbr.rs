//! The table of the first sector, and the chain of logical partitions.

use redox::error::Result;

use super::{Blocks, Partition, inside, word32};

const SIGNATURE_AT: usize = 510;
const SIGNATURE: [u8; 2] = [0x55, 0xAA];
const TABLE_AT: usize = 446;
const ENTRY_BYTES: usize = 16;
/// Longer chains of logical partitions are cut here; a loop ends here, too.
const MAX_LOGICAL: u32 = 60;

/// One of the four entries of a sector, unchecked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    kind: u8,
    block: u32,
    blocks: u32,
}

impl Entry {
    /// Whether it says "the whole disk belongs to a GPT".
    pub(super) const fn is_gpt(&self) -> bool {
        self.kind == 0xEE
    }

    const fn is_extended(&self) -> bool {
        matches!(self.kind, 0x05 | 0x0F | 0x85)
    }

    const fn is_used(&self) -> bool {
        self.kind != 0 && self.blocks != 0
    }
}

/// The four entries of a sector, or `None` if it holds no table.
///
/// A boot sector of a filesystem has the same signature; it is told by its "active" bytes, which
/// are 0x00 or 0x80 in a table.
pub(super) fn entries(sector: &[u8]) -> Option<[Entry; 4]> {
    if sector.get(SIGNATURE_AT..SIGNATURE_AT.saturating_add(2))? != SIGNATURE {
        return None;
    }
    let table = sector.get(TABLE_AT..SIGNATURE_AT)?;
    let mut entries = [Entry { kind: 0, block: 0, blocks: 0 }; 4];
    for (entry, raw) in entries.iter_mut().zip(table.chunks_exact(ENTRY_BYTES)) {
        if raw.first()? & 0x7F != 0 {
            return None;
        }
        *entry = Entry { kind: *raw.get(4)?, block: word32(raw, 8)?, blocks: word32(raw, 12)? };
    }
    Some(entries)
}

/// Primary partitions 1 to 4, then the logical ones from 5.
pub(super) fn partitions(disk: &mut impl Blocks, table: &[Entry; 4]) -> Result<Vec<Partition>> {
    let mut found = Vec::new();
    let mut extended = None;
    for (number, entry) in (1..).zip(table) {
        if entry.is_extended() {
            extended = extended.or(Some(u64::from(entry.block)));
        } else if entry.is_used() && !entry.is_gpt() {
            found.extend(inside(disk, number, entry.block.into(), entry.blocks.into()));
        }
    }
    if let Some(base) = extended {
        logical(disk, base, &mut found)?;
    }
    Ok(found)
}

/// Follows the chain: each sector names one partition, relative to itself, and the next sector,
/// relative to the first.
fn logical(disk: &mut impl Blocks, base: u64, found: &mut Vec<Partition>) -> Result<()> {
    let mut at = base;
    for number in 5..MAX_LOGICAL.saturating_add(5) {
        if at == 0 || at >= disk.count() {
            break;
        }
        let sector = disk.read(at, 512)?;
        let Some([entry, next, ..]) = entries(&sector) else { break };
        if entry.is_used() {
            let block = at.saturating_add(entry.block.into());
            found.extend(inside(disk, number, block, entry.blocks.into()));
        }
        if !next.is_extended() || next.block == 0 {
            break;
        }
        at = base.saturating_add(next.block.into());
    }
    Ok(())
}
