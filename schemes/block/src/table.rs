//! Partition tables: GPT, else MBR. Every byte of them is foreign.

mod gpt;
mod mbr;

use redox::error::Result;

/// A partition of a disk, in bytes; it lies inside of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number, from 1: `disk:0p1`.
    pub number: u32,
    /// First byte.
    pub start: u64,
    /// Length in bytes, not 0.
    pub len: u64,
}

/// The disk as a table parser sees it.
pub trait Blocks {
    /// Block size in bytes.
    fn block(&self) -> u32;
    /// Number of blocks.
    fn count(&self) -> u64;
    /// Reads `bytes` bytes (rounded up to whole blocks) from a block on.
    ///
    /// # Errors
    ///
    /// What the disk answers.
    fn read(&mut self, block: u64, bytes: u32) -> Result<Vec<u8>>;
}

/// The partitions of a disk in the order of their numbers; none if there is no valid table.
///
/// A GPT counts if the MBR says that there is one (or is no MBR), from its backup if need be.
/// Entries that do not lie inside of the disk are left out.
///
/// # Errors
///
/// What reading the disk answers; a malformed table is not an error.
pub fn partitions(disk: &mut impl Blocks) -> Result<Vec<Partition>> {
    if disk.count() == 0 {
        return Ok(Vec::new());
    }
    let first = disk.read(0, 512)?;
    let table = mbr::entries(&first);
    let protective = table.as_ref().is_none_or(|entries| entries.iter().any(mbr::Entry::is_gpt));
    if protective && let Some(found) = gpt::partitions(disk)? {
        return Ok(found);
    }
    match table {
        Some(entries) => mbr::partitions(disk, &entries),
        None => Ok(Vec::new()),
    }
}

/// `block..block + blocks` as a partition, if it is not empty and inside of the disk.
fn inside(disk: &impl Blocks, number: u32, block: u64, blocks: u64) -> Option<Partition> {
    let end = block.checked_add(blocks)?;
    if blocks == 0 || block == 0 || end > disk.count() {
        return None;
    }
    let size = u64::from(disk.block());
    Some(Partition { number, start: block.checked_mul(size)?, len: blocks.checked_mul(size)? })
}

fn word32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

fn word64(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests;
