//! The kernel's functions, digested for its backtraces: a sorted table and their readable names.
//!
//! A file without symbols, or with damaged ones, gives an empty or shorter table, never an error:
//! backtraces then have addresses only.

use crate::field::{Text, array, put, u32_at, u64_at};
use core::fmt::Write;
use rustc_demangle::demangle;

/// Bytes of an entry of ELF's table, and of ours.
const ELF_SYMBOL: usize = 24;
const SYMBOL: usize = size_of::<anode_abi::boot_info::Symbol>();
/// Kind of the section that holds symbols.
const SYMBOL_TABLE: u32 = 2;

/// The symbols of an ELF64 file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Symbols<'a> {
    entries: &'a [u8],
    names: &'a [u8],
}

/// The header of a section and what it holds.
fn section(elf: &[u8], number: usize) -> Option<(&[u8], &[u8])> {
    let place = |at: u64| usize::try_from(at).ok();
    let size = u16::from_le_bytes(array(elf, 58)?);
    let table = elf.get(place(u64_at(elf, 40)?)?..)?;
    let header = table.chunks_exact(usize::from(size).max(64)).nth(number)?;
    let content = elf.get(place(u64_at(header, 24)?)?..)?.get(..place(u64_at(header, 32)?)?)?;
    Some((header, content))
}

impl<'a> Symbols<'a> {
    /// Looks for the table; it is empty if there is none.
    pub(crate) fn new(elf: &'a [u8]) -> Self {
        Self::find(elf).unwrap_or_default()
    }

    fn find(elf: &'a [u8]) -> Option<Self> {
        let count = usize::from(u16::from_le_bytes(array(elf, 60)?));
        let mut sections = (1..count).filter_map(|number| section(elf, number));
        let (header, entries) =
            sections.find(|(header, _)| u32_at(header, 4) == Some(SYMBOL_TABLE))?;
        let (_, names) = section(elf, usize::try_from(u32_at(header, 40)?).ok()?)?;
        Some(Self { entries, names })
    }

    /// Address and name of each function (2) and of each label in assembly (0).
    fn functions(self) -> impl Iterator<Item = (u64, &'a str)> {
        self.entries.chunks_exact(ELF_SYMBOL).filter_map(move |symbol| {
            let is_code = matches!(symbol.get(4)? & 15, 0 | 2) && array(symbol, 6)? != [0_u8; 2];
            let name = self.names.get(usize::try_from(u32_at(symbol, 0)?).ok()?..)?;
            let name = core::str::from_utf8(name.split(|byte| *byte == 0).next()?).ok()?;
            let address = u64_at(symbol, 8)?;
            (is_code && !name.is_empty()).then_some((address, name))
        })
    }

    /// Bytes that [`Symbols::write`] needs for the table and for the names. A readable name is
    /// seldom longer than the other; one for which there is no room is left out.
    pub(crate) fn room(self) -> (u64, u64) {
        let wide = |len: usize| u64::try_from(len).unwrap_or(0);
        (wide(self.functions().count().saturating_mul(SYMBOL)), wide(self.names.len()))
    }

    /// Writes the table, ascending, for an image that lies `slide` above what the file says, and
    /// the names; gives the bytes of both.
    pub(crate) fn write(self, slide: u64, table: &mut [u8], names: &mut [u8]) -> (u64, u64) {
        let mut text = Text::new(names);
        let mut used = 0_usize;
        let (places, _) = table.as_chunks_mut::<SYMBOL>();
        for (address, name) in self.functions() {
            let start = text.len();
            if write!(text, "{:#}", demangle(name)).is_err() {
                text.cut(start);
                continue;
            }
            let Some(place) = places.get_mut(used) else { break };
            let len = text.len().saturating_sub(start);
            put(place, 0, &slide.wrapping_add(address).to_le_bytes());
            // Both are shorter than 4 GiB, as the file is.
            put(place, 8, &(start | len << 32).to_le_bytes());
            used = used.saturating_add(1);
        }
        let places = places.get_mut(..used).unwrap_or_default();
        places.sort_unstable_by_key(|place| u64_at(place, 0));
        (u64::try_from(used.saturating_mul(SYMBOL)).unwrap_or(0), text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::Symbols;
    use crate::field::{u32_at, u64_at};
    use std::string::String;
    use std::vec;
    use std::vec::Vec;

    /// Header, symbols at 64, names at 136, three section headers at 200.
    fn file() -> Vec<u8> {
        let mut elf = vec![0; 200 + 3 * 64];
        elf[40..48].copy_from_slice(&200u64.to_le_bytes());
        elf[58..60].copy_from_slice(&64u16.to_le_bytes());
        elf[60..62].copy_from_slice(&3u16.to_le_bytes());
        for (at, name, info, start) in
            [(64, 6u32, 2, 0x2000u64), (88, 1, 2, 0x1000), (112, 1, 1, 0x2800)]
        {
            elf[at..at + 4].copy_from_slice(&name.to_le_bytes());
            elf[at + 4] = info;
            elf[at + 6] = 1;
            elf[at + 8..at + 16].copy_from_slice(&start.to_le_bytes());
        }
        let names = b"\0main\0_ZN4core3fmt5write17h0123456789abcdefE\0";
        elf[136..136 + names.len()].copy_from_slice(names);
        for (at, kind, offset, len, link) in [(264, 2, 64u64, 72u64, 2), (328, 3, 136, 64, 0)] {
            elf[at + 4] = kind;
            elf[at + 24..at + 32].copy_from_slice(&offset.to_le_bytes());
            elf[at + 32..at + 40].copy_from_slice(&len.to_le_bytes());
            elf[at + 40] = link;
        }
        elf
    }

    fn digest(elf: &[u8]) -> Vec<(u64, String)> {
        let symbols = Symbols::new(elf);
        let (table, names) = symbols.room();
        let mut table = vec![0; usize::try_from(table).unwrap()];
        let mut names = vec![0; usize::try_from(names).unwrap()];
        let (used, text) = symbols.write(0x10_0000, &mut table, &mut names);
        assert!(text <= u64::try_from(names.len()).unwrap());
        let used = &table[..usize::try_from(used).unwrap()];
        let name = |entry: &[u8]| {
            let at = usize::try_from(u32_at(entry, 8).unwrap()).unwrap();
            let len = usize::try_from(u32_at(entry, 12).unwrap()).unwrap();
            String::from_utf8(names[at..at + len].to_vec()).unwrap()
        };
        used.chunks(16).map(|entry| (u64_at(entry, 0).unwrap(), name(entry))).collect()
    }

    #[test]
    fn functions_come_in_order_with_readable_names() {
        let expected =
            [(0x10_1000, String::from("main")), (0x10_2000, String::from("core::fmt::write"))];

        assert_eq!(digest(&file()), expected, "data is no function");
        assert_eq!(digest(b"no ELF file"), []);
    }

    #[test]
    fn no_change_of_the_bytes_makes_it_panic() {
        let good = file();
        for at in 0..good.len() {
            for value in [0, 1, 0x3F, 0x80, 0xFF] {
                let mut elf = good.clone();
                elf[at] = value;
                digest(&elf);
            }
            digest(&good[..at]);
        }
    }
}
