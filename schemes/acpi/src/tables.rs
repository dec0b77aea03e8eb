//! Finding the firmware's tables. Addresses and lengths are the firmware's word, and checked.

use core::fmt;

/// Physical memory, read by copies.
pub(crate) trait Physical {
    /// The bytes at an address; `None` if they cannot be reached.
    fn read(&self, address: u64, len: usize) -> Option<Vec<u8>>;
}

/// Length of a table's header.
const HEADER: usize = 36;
/// The longest table that is believed.
const MAX_TABLE: u32 = 4 << 20;
/// The most tables that a machine has.
const MAX_TABLES: usize = 256;

const RSDP_SIGNATURE: &[u8; 8] = b"RSD PTR ";
const RSDP_V1: usize = 20;
const RSDP_V2: usize = 36;

/// Why there are no tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The firmware told the loader of no tables.
    Pointer,
    /// What the pointer leads to is no root pointer.
    Rsdp,
    /// Neither an XSDT nor an RSDT is sound.
    Root,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pointer => "the firmware has no ACPI tables (sys:boot has no rsdp)",
            Self::Rsdp => "the firmware's ACPI root pointer is damaged",
            Self::Root => "the firmware's ACPI root table is damaged",
        })
    }
}

/// A table's place, under the name that clients see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The signature; `.1`, `.2` … behind it for further tables of the same one.
    pub(crate) name: String,
    pub(crate) address: u64,
}

/// The address after `rsdp` in the text of `sys:boot`.
pub(crate) fn rsdp_address(boot: &str) -> Option<u64> {
    let mut lines = boot.lines().map(|line| line.split_whitespace());
    let mut found = lines.find_map(|mut words| (words.next()? == "rsdp").then_some(words))?;
    let word = found.next()?;
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok().filter(|address| *address != 0)
}

/// Lists the tables that the root table names, and the DSDT that the FADT names.
pub(crate) fn list(memory: &impl Physical, rsdp: u64) -> Result<Vec<Entry>, Missing> {
    let (address, width) = root(memory, rsdp).ok_or(Missing::Rsdp)?;
    let root = read(memory, address).ok_or(Missing::Root)?;
    let mut entries = Vec::new();
    for pointer in root.get(HEADER..).unwrap_or_default().chunks_exact(width).take(MAX_TABLES) {
        let address = pointer.iter().rev().fold(0, |address, byte| address << 8 | u64::from(*byte));
        add(memory, &mut entries, address);
    }
    let fadt = entries.iter().find(|entry| entry.name == "FACP").map(|entry| entry.address);
    if let Some(fadt) = fadt.and_then(|address| read(memory, address)) {
        let wide = word64(&fadt, 140).filter(|address| *address != 0);
        let dsdt = wide.or_else(|| word32(&fadt, 40).map(u64::from));
        dsdt.into_iter().for_each(|address| add(memory, &mut entries, address));
    }
    Ok(entries)
}

/// Reads a table whole; `None` unless its length is believable and its bytes add up to zero.
pub(crate) fn read(memory: &impl Physical, address: u64) -> Option<Vec<u8>> {
    let header = memory.read(address, HEADER)?;
    let len = word32(&header, 4).filter(|len| *len <= MAX_TABLE)?;
    let len = usize::try_from(len).ok().filter(|len| *len >= HEADER)?;
    let table = memory.read(address, len)?;
    (table.len() == len && sums_to_zero(&table)).then_some(table)
}

/// Address of the root table, and the size of its pointers.
fn root(memory: &impl Physical, rsdp: u64) -> Option<(u64, usize)> {
    let first = memory.read(rsdp, RSDP_V1)?;
    if first.get(..8)? != RSDP_SIGNATURE || !sums_to_zero(&first) {
        return None;
    }
    let revision = *first.get(15)?;
    let extended = memory.read(rsdp, RSDP_V2).filter(|it| revision >= 2 && sums_to_zero(it));
    let xsdt = extended.and_then(|it| word64(&it, 24)).filter(|address| *address != 0);
    if let Some(address) = xsdt.filter(|address| read(memory, *address).is_some()) {
        return Some((address, 8));
    }
    Some((u64::from(word32(&first, 16)?), 4))
}

/// Adds a table by its signature, if it has one.
fn add(memory: &impl Physical, entries: &mut Vec<Entry>, address: u64) {
    let Some(header) = memory.read(address, HEADER).filter(|_| address != 0) else { return };
    let Some(signature) = header.get(..4).and_then(|name| core::str::from_utf8(name).ok()) else {
        return;
    };
    if !signature.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return;
    }
    let same = |entry: &&Entry| entry.name.get(..4) == Some(signature);
    let name = match entries.iter().filter(same).count() {
        0 => signature.to_owned(),
        count => format!("{signature}.{count}"),
    };
    if entries.iter().all(|entry| entry.address != address) {
        entries.push(Entry { name, address });
    }
}

fn sums_to_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) == 0
}

pub(crate) fn word32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

pub(crate) fn word64(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
}
