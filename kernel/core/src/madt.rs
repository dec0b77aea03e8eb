//! ACPI's table of interrupt controllers (MADT), as far as the kernel needs it.
//!
//! Firmware is not trusted: every length and checksum is looked at, and what does not fit is
//! left out.

use crate::num::{bytes, index, long, wide, word};

/// Most I/O APICs that are looked at.
pub const MAX_CHIPS: usize = 4;
/// Lines of the ISA bus.
pub const ISA_LINES: usize = 16;
/// Tables that are looked at, and the longest one.
const MAX_TABLES: usize = 64;
const MAX_LENGTH: usize = 1 << 20;
const HEADER: usize = 36;

/// An I/O APIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chip {
    /// Physical address of its registers.
    pub address: u32,
    /// Number of its first line.
    pub first: u32,
}

/// How the firmware wired a line of the ISA bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// The line (GSI) that it arrives at.
    pub line: u32,
    /// Low is active.
    pub low: bool,
    /// A level, not an edge.
    pub level: bool,
}

/// What the table says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Madt {
    /// CPUs that can be used.
    pub cpus: u32,
    /// The I/O APICs.
    pub chips: [Option<Chip>; MAX_CHIPS],
    /// Lines of the ISA bus that do not arrive, as an edge, at the line of their own number.
    pub wires: [Option<Wire>; ISA_LINES],
}

fn sound(table: &[u8]) -> bool {
    table.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)) == 0
}

/// Finds the table by ACPI's root pointer; `read` lends physical memory, or says that there is
/// none.
pub fn find<'a>(rsdp: u64, read: impl Fn(u64, usize) -> Option<&'a [u8]>) -> Option<Madt> {
    let (address, size) = root_table(rsdp, &read)?;
    let root = table(address, &read)?;
    let entries = root.get(HEADER..)?.chunks_exact(size).take(MAX_TABLES);
    let mut addresses = entries.filter_map(|entry| match size {
        8 => long(entry, 0),
        _ => word(entry, 0).map(u64::from),
    });
    let is_madt = |at: &u64| read(*at, HEADER).is_some_and(|head| head.starts_with(b"APIC"));
    parse(table(addresses.find(is_madt)?, &read)?)
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
        return Some((long(new, 24)?, 8));
    }
    Some((word(old, 16)?.into(), 4))
}

/// A whole table with a good checksum.
fn table<'a>(address: u64, read: &impl Fn(u64, usize) -> Option<&'a [u8]>) -> Option<&'a [u8]> {
    let length = index(word(read(address, HEADER)?, 4)?);
    if !(HEADER..=MAX_LENGTH).contains(&length) {
        return None;
    }
    read(address, length).filter(|table| sound(table))
}

fn parse(table: &[u8]) -> Option<Madt> {
    let mut madt = Madt::default();
    let mut rest = table.get(HEADER..)?.get(8..)?;
    while let Some(&[kind, length]) = rest.first_chunk() {
        // A length below 2 would not move on.
        let entry = rest.get(..usize::from(length).max(2))?;
        rest = rest.get(entry.len()..)?;
        if add(&mut madt, kind, entry).is_none() {
            log::warn!("the firmware's MADT has an entry of kind {kind} that is too short");
        }
    }
    Some(madt)
}

/// Takes one entry in; `None`: it is too short.
fn add(madt: &mut Madt, kind: u8, entry: &[u8]) -> Option<()> {
    match kind {
        // A CPU, by its 8-bit or 32-bit id; bit 0 of the flags: it may be started.
        0 | 9 => {
            let flags = word(entry, if kind == 0 { 4 } else { 8 })?;
            madt.cpus = madt.cpus.saturating_add(flags & 1);
        }
        1 => {
            let chip = Chip { address: word(entry, 4)?, first: word(entry, 8)? };
            if let Some(free) = madt.chips.iter_mut().find(|chip| chip.is_none()) {
                *free = Some(chip);
            }
        }
        2 => {
            let flags = u16::from_le_bytes(bytes(entry, 8)?);
            let line = word(entry, 4)?;
            let wire = Wire { line, low: flags & 3 == 3, level: (flags >> 2) & 3 == 3 };
            if let Some(slot) = madt.wires.get_mut(usize::from(*entry.get(3)?)) {
                *slot = Some(wire);
            }
        }
        _ => {}
    }
    Some(())
}

/// Lends `len` bytes at `address` out of memory that begins at `base`.
pub fn window(memory: &[u8], base: u64, address: u64, len: usize) -> Option<&[u8]> {
    let start = usize::try_from(address.checked_sub(base)?).ok()?;
    let end = address.checked_add(wide(len))?.checked_sub(base)?;
    memory.get(start..usize::try_from(end).ok()?)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "offsets into small tables")]
mod tests {
    use super::{Chip, Madt, Wire, find, window};
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
        body.extend([0, 8, 0, 0, 1, 0, 0, 0]);
        body.extend([0, 8, 1, 1, 0, 0, 0, 0]);
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

    fn read(memory: &[u8]) -> Option<Madt> {
        find(BASE, |at, len| window(memory, BASE, at, len))
    }

    #[test]
    fn chips_and_wires_are_read_and_disabled_cpus_do_not_count() {
        let madt = read(&firmware()).unwrap();

        assert_eq!(madt.cpus, 1);
        assert_eq!(madt.chips[0], Some(Chip { address: 0xFEC0_0000, first: 0 }));
        assert_eq!(madt.wires[9], Some(Wire { line: 9, low: false, level: true }));
        assert_eq!(madt.wires[0], Some(Wire { line: 2, low: false, level: false }));
        assert_eq!(madt.wires[1], None);
    }

    #[test]
    fn a_table_with_a_bad_checksum_is_not_believed() {
        let mut memory = firmware();
        memory[0x140] ^= 1;

        assert_eq!(read(&memory), None);
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
                let _madt = read(&memory);
                let _short = read(&memory[..at]);
            }
        }
    }
}
