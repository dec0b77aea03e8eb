//! Builds page tables, of four or five levels, in pages that the front end gives.

use crate::regions::RegionKind;
use crate::{Error, Memory, PAGE};

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
/// Write-through and not cached at all.
const UNCACHED: u64 = 0b11 << 3;
const HUGE: u64 = 1 << 7;
const GLOBAL: u64 = 1 << 8;
const NO_EXECUTE: u64 = 1 << 63;
/// The address in an entry.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// 2 MiB and 1 GiB.
pub(crate) const LARGE: u64 = 1 << 21;
pub(crate) const GIANT: u64 = 1 << 30;

/// What the CPU can do with page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paging {
    /// Levels in use: 4 or 5.
    pub levels: u32,
    /// It has pages of 1 GiB.
    pub giant_pages: bool,
}

/// What may be done with a page of the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    Read,
    Write,
    Execute,
    /// Device registers: written and read as they are.
    Device,
    /// Executed in the lower half, for the jump: gone when CR3 changes.
    Jump,
}

impl Rights {
    const fn bits(self) -> u64 {
        match self {
            Self::Read => PRESENT | GLOBAL | NO_EXECUTE,
            Self::Write => PRESENT | GLOBAL | NO_EXECUTE | WRITABLE,
            Self::Execute => PRESENT | GLOBAL,
            Self::Device => PRESENT | GLOBAL | NO_EXECUTE | WRITABLE | UNCACHED,
            Self::Jump => PRESENT,
        }
    }
}

/// A tree of page tables.
#[derive(Debug)]
pub(crate) struct Tables {
    root: u64,
    paging: Paging,
    /// What its pages are.
    kind: RegionKind,
}

impl Tables {
    /// An empty tree.
    pub(crate) fn new(
        memory: &mut impl Memory,
        paging: Paging,
        kind: RegionKind,
    ) -> Result<Self, Error> {
        Ok(Self { root: memory.allocate(PAGE, kind)?, paging, kind })
    }

    /// A tree of the loader's that has the upper half of this one, as that is now.
    pub(crate) fn with_upper_half(&self, memory: &mut impl Memory) -> Result<Self, Error> {
        let other = Self::new(memory, self.paging, RegionKind::LOADER)?;
        let half = |root: u64| (root.saturating_add(PAGE / 2), PAGE / 2);
        let (from, to) = memory.pair(half(self.root), half(other.root))?;
        to.copy_from_slice(from);
        Ok(other)
    }

    /// Physical address of the root.
    pub(crate) const fn root(&self) -> u64 {
        self.root
    }

    /// Maps `len` bytes at `virt` to `phys`, all multiples of a page, in pages of at most `largest`
    /// bytes.
    pub(crate) fn map(
        &self,
        memory: &mut impl Memory,
        [virt, phys, len]: [u64; 3],
        rights: Rights,
        largest: u64,
    ) -> Result<(), Error> {
        let mut done = 0;
        while done < len {
            let (to, at) = (phys.checked_add(done), virt.checked_add(done));
            let (to, at) = to.zip(at).ok_or(Error::Bug("a mapping wraps"))?;
            let left = len.saturating_sub(done);
            let fits = |&size: &u64| {
                size <= largest && size <= left && (to | at) & size.wrapping_sub(1) == 0
            };
            let size = [GIANT, LARGE, PAGE]
                .into_iter()
                .find(fits)
                .ok_or(Error::Bug("a mapping is not in pages"))?;
            self.map_page(memory, at, to, rights, size)?;
            done = done.saturating_add(size);
        }
        Ok(())
    }

    /// Maps one page of `size` bytes, making the tables above it.
    fn map_page(
        &self,
        memory: &mut impl Memory,
        virt: u64,
        phys: u64,
        rights: Rights,
        size: u64,
    ) -> Result<(), Error> {
        let (leaf, huge) = match size {
            GIANT => (3, HUGE),
            LARGE => (2, HUGE),
            _ => (1, 0),
        };
        let mut table = self.root;
        for level in (leaf..=self.paging.levels).rev() {
            let slot = slot(virt, level);
            let entry = entry(memory, table, slot)?;
            table = match entry {
                0 if level == leaf => {
                    return set(memory, table, slot, phys | huge | rights.bits());
                }
                0 => {
                    let new = memory.allocate(PAGE, self.kind)?;
                    set(memory, table, slot, new | WRITABLE | PRESENT)?;
                    new
                }
                entry if level > leaf && entry & HUGE == 0 => entry & ADDRESS,
                _ => return Err(Error::Bug("a page is mapped twice")),
            };
        }
        Ok(())
    }
}

/// Index of `virt` in a table of `level`, 1 being the lowest.
fn slot(virt: u64, level: u32) -> u64 {
    let shift = level.saturating_sub(1).saturating_mul(9).saturating_add(12);
    virt.checked_shr(shift).unwrap_or(0) & 0x1ff
}

/// Entry `slot` of the table at `table`.
fn entry(memory: &mut impl Memory, table: u64, slot: u64) -> Result<u64, Error> {
    let bytes = memory.bytes(table.saturating_add(slot.saturating_mul(8)), 8)?;
    bytes.first_chunk().copied().map(u64::from_le_bytes).ok_or(Error::Bug("a short entry"))
}

/// Sets entry `slot` of the table at `table`.
fn set(memory: &mut impl Memory, table: u64, slot: u64, value: u64) -> Result<(), Error> {
    memory
        .bytes(table.saturating_add(slot.saturating_mul(8)), 8)?
        .copy_from_slice(&value.to_le_bytes());
    Ok(())
}

#[cfg(test)]
impl Tables {
    /// What `virt` leads to: the physical address and the entry's flags.
    pub(crate) fn walk(
        memory: &mut impl Memory,
        root: u64,
        levels: u32,
        virt: u64,
    ) -> Option<(u64, u64)> {
        let mut table = root;
        for level in (1..=levels).rev() {
            let entry = entry(memory, table, slot(virt, level)).ok()?;
            if entry & PRESENT == 0 {
                return None;
            }
            if level == 1 || entry & HUGE != 0 {
                let size = 1 << (12 + 9 * (level - 1));
                return Some(((entry & ADDRESS) + virt % size, entry & !ADDRESS));
            }
            table = entry & ADDRESS;
        }
        None
    }
}
