//! `hexdump`: offset, sixteen bytes as numbers, the same as text.

use std::fmt::Write as _;
use std::io::{self, Read, Seek, SeekFrom};

use super::Outcome;
use super::call::{Call, fill};
use crate::failure::Failure;

/// How much is read at once: little, as often only the start of a huge device is wanted.
const BLOCK: usize = 4096;
const ROW: usize = 16;

/// What has been shown so far.
struct Dump {
    offset: u64,
    /// How much may still be shown.
    left: u64,
    /// A row in the making.
    row: Vec<u8>,
    last: Vec<u8>,
    /// The rows like the last one are left out, and a `*` stands for them.
    squeezing: bool,
    verbose: bool,
}

pub(super) fn hexdump(call: &mut Call<'_>) -> Outcome {
    let options = call.options("Cvn:s:")?;
    let mut skip = options.number('s')?.unwrap_or(0);
    let mut dump = Dump {
        offset: skip,
        left: options.number('n')?.unwrap_or(u64::MAX),
        row: Vec::with_capacity(ROW),
        last: Vec::new(),
        squeezing: false,
        verbose: options.has('v'),
    };
    if options.operands.is_empty() {
        dump.input(call, "-", &mut io::stdin().lock(), &mut skip)?;
    }
    for path in &options.operands {
        let name = path.to_string_lossy();
        let outcome = match std::fs::File::open(path) {
            Ok(mut file) => {
                // A file too short to be skipped to is read and counted instead.
                let size = file.metadata().map_or(0, |metadata| metadata.len());
                if skip > 0 && size >= skip && file.seek(SeekFrom::Start(skip)).is_ok() {
                    skip = 0;
                }
                dump.input(call, &name, &mut file, &mut skip)
            }
            Err(error) => Err(Failure::path(path, &error)),
        };
        match outcome {
            Err(Failure::Message(message)) => call.complain(message),
            other => other?,
        }
    }
    dump.finish(call)?;
    Ok(0)
}

impl Dump {
    fn input(
        &mut self,
        call: &mut Call<'_>,
        path: &str,
        input: &mut dyn Read,
        skip: &mut u64,
    ) -> Result<(), Failure> {
        let mut block = vec![0; BLOCK];
        while self.left > 0 {
            let wanted = usize::try_from(self.left.saturating_add(*skip)).unwrap_or(usize::MAX);
            let space = block.get_mut(..wanted.min(BLOCK)).unwrap_or_default();
            let read = fill(input, space, path)?;
            if read == 0 {
                break;
            }
            for &byte in block.iter().take(read) {
                self.byte(call, byte, skip)?;
            }
        }
        Ok(())
    }

    fn byte(&mut self, call: &mut Call<'_>, byte: u8, skip: &mut u64) -> Result<(), Failure> {
        if *skip > 0 {
            *skip = skip.saturating_sub(1);
            return Ok(());
        }
        if self.left == 0 {
            return Ok(());
        }
        self.left = self.left.saturating_sub(1);
        self.row.push(byte);
        if self.row.len() == ROW { self.show(call) } else { Ok(()) }
    }

    fn show(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        if !self.verbose && self.row == self.last {
            if !self.squeezing {
                writeln!(call.out, "*")?;
            }
            self.squeezing = true;
        } else {
            writeln!(call.out, "{}", row(self.offset, &self.row))?;
            self.squeezing = false;
            self.last.clone_from(&self.row);
        }
        self.offset = self.offset.saturating_add(u64::try_from(self.row.len()).unwrap_or(0));
        self.row.clear();
        Ok(())
    }

    /// Shows the last, shorter row and the offset of the end.
    fn finish(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        if !self.row.is_empty() {
            self.show(call)?;
        }
        writeln!(call.out, "{:08x}", self.offset)?;
        Ok(())
    }
}

fn row(offset: u64, bytes: &[u8]) -> String {
    let mut line = format!("{offset:08x} ");
    for index in 0..ROW {
        if index == ROW / 2 {
            line.push(' ');
        }
        match bytes.get(index) {
            // Writing to a String cannot fail.
            Some(byte) => drop(write!(line, " {byte:02x}")),
            None => line.push_str("   "),
        }
    }
    let text: String = bytes.iter().map(|&byte| printable(byte)).collect();
    format!("{line}  |{text}|")
}

fn printable(byte: u8) -> char {
    if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_offset_numbers_and_text() {
        assert_eq!(
            row(0x200, b"EFI PART\0\0\x01\0\x5c\0\0\xff"),
            "00000200  45 46 49 20 50 41 52 54  00 00 01 00 5c 00 00 ff  |EFI PART....\\...|"
        );
        assert_eq!(
            row(0, b"ab"),
            "00000000  61 62                                             |ab|"
        );
    }
}
