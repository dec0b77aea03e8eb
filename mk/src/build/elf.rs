//! A linker can succeed and give an empty program: what every ELF file must show.

use std::path::Path;

use crate::{
    failure::{Failure, Result},
    files, workspace,
};

const LOAD: u32 = 1;
const EXEC: u16 = 2;
const DYN: u16 = 3;
const HEADER: usize = 56;

/// How a program is placed in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// At the addresses that it was linked for.
    Fixed,
    /// Anywhere.
    Relocatable,
}

/// Fails if the file at `path` is no program of the system.
pub(crate) fn check_program(path: &Path) -> Result<()> {
    check(path, Form::Fixed)
}

/// Fails if the file at `path` is no x86-64 program that could start.
pub(crate) fn check(path: &Path, form: Form) -> Result<()> {
    problem(&files::read(path)?, form).map_or(Ok(()), |problem| {
        Err(Failure::build(format!(
            "{} {problem}: it was not linked as it should have been",
            workspace::relative(path).display()
        )))
    })
}

/// What is wrong with these bytes as a program; `None` if nothing.
fn problem(elf: &[u8], form: Form) -> Option<&'static str> {
    if elf.get(..6) != Some(b"\x7fELF\x02\x01") || u16_at(elf, 18) != Some(62) {
        return Some("is no ELF file for x86-64");
    }
    let wanted = if form == Form::Fixed { EXEC } else { DYN };
    if u16_at(elf, 16) != Some(wanted) {
        return Some("has the wrong ELF type");
    }
    if u64_at(elf, 24).is_none_or(|entry| entry == 0) {
        return Some("has no entry point");
    }
    let segments = u64_at(elf, 32).and_then(|at| elf.get(usize::try_from(at).ok()?..));
    let count = usize::from(u16_at(elf, 56).unwrap_or(0));
    let mut segments = segments.unwrap_or_default().chunks_exact(HEADER).take(count);
    let has_load = segments.any(|segment| u32_at(segment, 0) == Some(LOAD));
    (!has_load).then_some("has nothing to load")
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::{Form, problem};

    fn program() -> Vec<u8> {
        let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
        elf.resize(64 + 56, 0);
        elf[16] = 2;
        elf[18] = 62;
        elf[26] = 0x20; // entry 0x200000
        elf[32] = 64; // program headers behind the header
        elf[56] = 1;
        elf[64] = 1; // PT_LOAD
        elf
    }

    #[test]
    fn a_program_with_an_entry_and_a_segment_is_good() {
        assert_eq!(problem(&program(), Form::Fixed), None);
        assert_eq!(problem(&program(), Form::Relocatable), Some("has the wrong ELF type"));
    }

    #[test]
    fn a_program_without_entry_or_segment_is_not() {
        let mut no_entry = program();
        no_entry[26] = 0;
        let mut no_segment = program();
        no_segment[64] = 2;

        assert_eq!(problem(&no_entry, Form::Fixed), Some("has no entry point"));
        assert_eq!(problem(&no_segment, Form::Fixed), Some("has nothing to load"));
    }

    #[test]
    fn no_mutation_makes_the_check_panic() {
        let good = program();
        for at in 0..good.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                // Whether it is refused does not matter here, only that it is judged.
                problem(&bad, Form::Fixed);
                assert!(problem(&bad[..at], Form::Fixed).is_some());
            }
        }
    }
}
