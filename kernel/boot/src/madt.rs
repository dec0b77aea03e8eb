//! ACPI's table of interrupt controllers (MADT), as far as the kernel needs it.
//!
//! Firmware is not trusted: every length and checksum is looked at, and what does not fit is
//! left out.

use crate::field::{array, u32_at, u64_at};
use anode_abi::boot_info::{MAX_CHIPS, MAX_CPUS, MAX_LINES};

/// Tables that are looked at, and the longest one.
const MAX_TABLES: usize = 64;
const MAX_LENGTH: usize = 1 << 20;
const HEADER: usize = 36;
/// Lines of the ISA bus.
const ISA_LINES: usize = 16;
/// Bits of a redirection entry: low is active; a level and not an edge.
const LOW: u32 = 1 << 13;
const LEVEL: u32 = 1 << 15;

/// The first id that a local APIC cannot name.
const EVERYBODY: u32 = 255;

/// An I/O APIC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chip {
    /// Physical address of its registers.
    pub address: u32,
    /// Number of its first line.
    pub first: u32,
}

/// What the table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Madt {
    /// CPUs that can be used, as the local APICs can name them (x2APIC is not used); at least this
    /// one.
    pub cpu_count: u32,
    /// Local APIC ids of the first of them.
    pub cpus: [u32; MAX_CPUS],
    /// The I/O APICs.
    pub chips: [Option<Chip>; MAX_CHIPS],
    /// How each line is wired, as bits of its redirection entry.
    pub wiring: [u32; MAX_LINES],
}

impl Madt {
    /// What holds without a table.
    const NONE: Self = Self {
        cpu_count: 0,
        cpus: [0; MAX_CPUS],
        chips: [None; MAX_CHIPS],
        wiring: [0; MAX_LINES],
    };

    /// Puts the CPU with the id `this` first.
    fn begin_with(&mut self, this: u32) {
        match self.cpus.iter().position(|id| *id == this) {
            Some(at) if self.cpu_count > 0 => self.cpus.swap(0, at),
            _ => self.cpus[0] = this,
        }
        self.cpu_count = self.cpu_count.max(1);
    }
}

fn sound(table: &[u8]) -> bool {
    table.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) == 0
}

/// Reads the table that ACPI's root pointer leads to, on the CPU with the id `this`; the second
/// value tells whether there is one. `read` lends physical memory, or says that there is none.
pub fn find<'a>(
    rsdp: u64,
    this: u32,
    read: impl Fn(u64, usize) -> Option<&'a [u8]>,
) -> (Madt, bool) {
    let found = search(rsdp, &read);
    let mut madt = found.unwrap_or(Madt::NONE);
    madt.begin_with(this);
    (madt, found.is_some())
}

fn search<'a>(rsdp: u64, read: &impl Fn(u64, usize) -> Option<&'a [u8]>) -> Option<Madt> {
    let (address, size) = root_table(rsdp, read)?;
    let root = table(address, read)?;
    let entries = root.get(HEADER..)?.chunks_exact(size).take(MAX_TABLES);
    let mut addresses = entries.filter_map(|entry| match size {
        8 => u64_at(entry, 0),
        _ => u32_at(entry, 0).map(u64::from),
    });
    let is_madt = |at: &u64| read(*at, HEADER).is_some_and(|head| head.starts_with(b"APIC"));
    parse(table(addresses.find(is_madt)?, read)?)
}

/// Address of the root table and the size of its entries.
fn root_table<'a>(
    rsdp: u64,
    read: &impl Fn(u64, usize) -> Option<&'a [u8]>,
) -> Option<(u64, usize)> {
    let old = read(rsdp, 20).filter(|old| old.starts_with(b"RSD PTR ") && sound(old))?;
    if old.get(15).is_some_and(|revision| *revision >= 2)
        && let Some(new) = read(rsdp, HEADER).filter(|new| sound(new))
    {
        return Some((u64_at(new, 24)?, 8));
    }
    Some((u32_at(old, 16)?.into(), 4))
}

/// A whole table with a good checksum.
fn table<'a>(address: u64, read: &impl Fn(u64, usize) -> Option<&'a [u8]>) -> Option<&'a [u8]> {
    let length = usize::try_from(u32_at(read(address, HEADER)?, 4)?).ok()?;
    if !(HEADER..=MAX_LENGTH).contains(&length) {
        return None;
    }
    read(address, length).filter(|table| sound(table))
}

fn parse(table: &[u8]) -> Option<Madt> {
    let mut madt = Madt::NONE;
    let mut rest = table.get(HEADER..)?.get(8..)?;
    while let Some(&[kind, length]) = rest.first_chunk() {
        // A length below 2 would not move on.
        let entry = rest.get(..usize::from(length).max(2))?;
        rest = rest.get(entry.len()..)?;
        // One that is too short is left out.
        add(&mut madt, kind, entry).unwrap_or_default();
    }
    Some(madt)
}

/// Takes one entry in; `None`: it is too short.
fn add(madt: &mut Madt, kind: u8, entry: &[u8]) -> Option<()> {
    match kind {
        // A CPU, by its 8-bit or 32-bit id; bit 0 of the flags: it may be started.
        0 if u32_at(entry, 4)? & 1 != 0 => madt.add_cpu((*entry.get(3)?).into()),
        9 if u32_at(entry, 8)? & 1 != 0 && u32_at(entry, 4)? < EVERYBODY => {
            madt.add_cpu(u32_at(entry, 4)?);
        }
        1 => {
            let chip = Chip { address: u32_at(entry, 4)?, first: u32_at(entry, 8)? };
            if let Some(free) = madt.chips.iter_mut().find(|chip| chip.is_none()) {
                *free = Some(chip);
            }
        }
        // A line of the ISA bus that does not arrive, as an edge, at the line of its own number.
        2 if usize::from(*entry.get(3)?) < ISA_LINES => {
            let flags = u16::from_le_bytes(array(entry, 8)?);
            let low = if flags & 3 == 3 { LOW } else { 0 };
            let level = if (flags >> 2) & 3 == 3 { LEVEL } else { 0 };
            let line = usize::try_from(u32_at(entry, 4)?).ok()?;
            if let Some(wiring) = madt.wiring.get_mut(line) {
                *wiring = low | level;
            }
        }
        _ => {}
    }
    Some(())
}

impl Madt {
    fn add_cpu(&mut self, id: u32) {
        let place = usize::try_from(self.cpu_count).ok().and_then(|at| self.cpus.get_mut(at));
        if let Some(place) = place {
            *place = id;
        }
        self.cpu_count = self.cpu_count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::{Chip, LEVEL, Madt, find};
    use std::vec;
    use std::vec::Vec;

    const BASE: u64 = 0xE_0000;

    fn seal(table: &mut [u8], at: usize) {
        let sum = table.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        table[at] = table[at].wrapping_sub(sum);
    }

    fn with_header(signature: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut table = vec![0; 36];
        table[..4].copy_from_slice(signature);
        table.extend_from_slice(body);
        let len = u32::try_from(table.len()).unwrap();
        table[4..8].copy_from_slice(&len.to_le_bytes());
        seal(&mut table, 9);
        table
    }

    /// RSDP at 0, XSDT at 0x40, MADT at 0x100.
    fn firmware() -> Vec<u8> {
        let mut body = vec![0; 8];
        body.extend([0, 8, 0, 4, 1, 0, 0, 0]);
        body.extend([0, 8, 1, 1, 0, 0, 0, 0]);
        body.extend([9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        body.extend([9, 16, 0, 0, 0x80, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        body.extend([1, 12, 0, 0, 0, 0, 0xC0, 0xFE, 0, 0, 0, 0]);
        body.extend([2, 10, 0, 9, 9, 0, 0, 0, 0x0D, 0]);
        body.extend([2, 10, 0, 0, 2, 0, 0, 0, 0, 0]);
        let madt = with_header(b"APIC", &body);
        let xsdt = with_header(b"XSDT", &(BASE + 0x100).to_le_bytes());
        let mut rsdp = vec![0; 36];
        rsdp[..8].copy_from_slice(b"RSD PTR ");
        rsdp[15] = 2;
        rsdp[24..32].copy_from_slice(&(BASE + 0x40).to_le_bytes());
        seal(&mut rsdp[..20], 8);
        seal(&mut rsdp, 32);
        let mut memory = vec![0; 0x200];
        for (at, table) in [(0, &rsdp), (0x40, &xsdt), (0x100, &madt)] {
            memory[at..at + table.len()].copy_from_slice(table);
        }
        memory
    }

    fn read(memory: &[u8], this: u32) -> (Madt, bool) {
        find(BASE, this, |at, len| {
            let start = usize::try_from(at.checked_sub(BASE)?).ok()?;
            memory.get(start..start.checked_add(len)?)
        })
    }

    #[test]
    fn chips_and_wires_are_read_and_disabled_cpus_do_not_count() {
        let (madt, found) = read(&firmware(), 4);

        assert!(found);
        assert_eq!((madt.cpu_count, &madt.cpus[..3]), (2, &[4, 0x80, 0][..]));
        assert_eq!(madt.chips[0], Some(Chip { address: 0xFEC0_0000, first: 0 }));
        assert_eq!((madt.wiring[9], madt.wiring[2], madt.wiring[1]), (LEVEL, 0, 0));
    }

    #[test]
    fn the_cpu_that_boots_is_the_first() {
        assert_eq!(read(&firmware(), 0x80).0.cpus[..2], [0x80, 4]);
        let (none, found) = read(&[], 3);
        assert_eq!((none.cpu_count, none.cpus[0], found), (1, 3, false));
    }

    #[test]
    fn a_table_with_a_bad_checksum_is_not_believed() {
        let mut memory = firmware();
        memory[0x140] ^= 1;

        assert!(!read(&memory, 0).1);
    }

    #[test]
    fn no_change_of_the_bytes_makes_it_panic_or_hang() {
        let good = firmware();
        for at in 0..good.len() {
            for value in [0, 1, 2, 0x7F, 0x80, 0xFF] {
                let mut memory = good.clone();
                memory[at] = value;
                // Checksums that fit, so that the change is looked at.
                seal(&mut memory[..20], 8);
                let old = memory[4 + 0x100];
                let len = usize::from(old).clamp(36, 0x100);
                seal(&mut memory[0x100..0x100 + len], 9);
                let _madt = read(&memory, 0);
                let _short = read(&memory[..at], 0);
            }
        }
    }
}
