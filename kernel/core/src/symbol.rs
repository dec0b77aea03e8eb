//! Names for addresses: the symbol table of an ELF file, for backtraces.

use crate::num::{bytes, long, size, word};

fn half(from: &[u8], at: usize) -> Option<u16> {
    bytes(from, at).map(u16::from_le_bytes)
}

/// The header of a section and what it holds.
fn section(elf: &[u8], number: usize) -> Option<(&[u8], &[u8])> {
    let table = elf.get(size(long(elf, 40)?)..)?;
    let header = table.chunks_exact(usize::from(half(elf, 58)?).max(64)).nth(number)?;
    let content = elf.get(size(long(header, 24)?)..)?.get(..size(long(header, 32)?))?;
    Some((header, content))
}

/// The function of an ELF64 file that holds `address` (as linked): its name as it stands in the
/// file, and how far into it the address is.
pub fn name_of(elf: &[u8], address: u64) -> Option<(&str, u64)> {
    const SYMBOL_TABLE: u32 = 2;
    let count = usize::from(half(elf, 60)?);
    let tables = (1..count).filter_map(|number| section(elf, number));
    let (header, symbols) =
        tables.into_iter().find(|(header, _)| word(header, 4) == Some(SYMBOL_TABLE))?;
    let (_, names) = section(elf, usize::try_from(word(header, 40)?).ok()?)?;
    // The nearest one that begins at or below it; functions (2) and labels in assembly (0).
    let mut best: Option<(u64, u32)> = None;
    for symbol in symbols.chunks_exact(24) {
        let (name, start) = (word(symbol, 0)?, long(symbol, 8)?);
        let is_code = matches!(symbol.get(4)? & 15, 0 | 2) && half(symbol, 6)? != 0;
        if is_code && start <= address && best.is_none_or(|(nearest, _)| nearest <= start) {
            best = Some((start, name));
        }
    }
    let (start, name) = best?;
    let name = names.get(usize::try_from(name).ok()?..)?.split(|byte| *byte == 0).next()?;
    Some((core::str::from_utf8(name).ok()?, address.wrapping_sub(start)))
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "offsets into small tables")]
mod tests {
    use super::name_of;
    use std::vec;
    use std::vec::Vec;

    /// Header, symbols at 64, names at 136, three section headers at 160.
    fn file() -> Vec<u8> {
        let mut elf = vec![0; 160 + 3 * 64];
        elf[40..48].copy_from_slice(&160u64.to_le_bytes());
        elf[58..60].copy_from_slice(&64u16.to_le_bytes());
        elf[60..62].copy_from_slice(&3u16.to_le_bytes());
        for (at, name, info, start) in
            [(64, 1u32, 2, 0x1000u64), (88, 6, 2, 0x2000), (112, 1, 1, 0x2800)]
        {
            elf[at..at + 4].copy_from_slice(&name.to_le_bytes());
            elf[at + 4] = info;
            elf[at + 6] = 1;
            elf[at + 8..at + 16].copy_from_slice(&start.to_le_bytes());
        }
        elf[136..148].copy_from_slice(b"\0main\0other\0");
        for (at, kind, offset, len, link) in [(224, 2, 64u64, 72u64, 2), (288, 3, 136, 12, 0)] {
            elf[at + 4] = kind;
            elf[at + 24..at + 32].copy_from_slice(&offset.to_le_bytes());
            elf[at + 32..at + 40].copy_from_slice(&len.to_le_bytes());
            elf[at + 40] = link;
        }
        elf
    }

    #[test]
    fn an_address_belongs_to_the_last_function_that_begins_before_it() {
        let elf = file();

        assert_eq!(name_of(&elf, 0x1010), Some(("main", 0x10)));
        assert_eq!(name_of(&elf, 0x2000), Some(("other", 0)));
        assert_eq!(name_of(&elf, 0x3000), Some(("other", 0x1000)), "data is no function");
        assert_eq!(name_of(&elf, 0xFFF), None);
    }

    #[test]
    fn no_change_of_the_bytes_makes_it_panic() {
        let good = file();
        for at in 0..good.len() {
            for value in [0, 1, 0x3F, 0x80, 0xFF] {
                let mut elf = good.clone();
                elf[at] = value;
                let _name = name_of(&elf, 0x1010);
            }
            let _name = name_of(&good[..at], 0x1010);
        }
    }
}
