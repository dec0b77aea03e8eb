//! `wc`: counts lines, words and bytes.

use std::io::Read;

use super::Outcome;
use super::call::{BLOCK, Call, Options, fill};
use crate::failure::Failure;

#[derive(Clone, Copy, Default)]
struct Counts {
    lines: u64,
    words: u64,
    bytes: u64,
}

pub(super) fn wc(call: &mut Call<'_>) -> Outcome {
    let options = call.options("lwc")?;
    let mut total = Counts::default();
    call.inputs(&options.operands, |call, path, input| {
        let counts = count(input, path)?;
        total.lines = total.lines.saturating_add(counts.lines);
        total.words = total.words.saturating_add(counts.words);
        total.bytes = total.bytes.saturating_add(counts.bytes);
        let name = if options.operands.is_empty() { "" } else { path };
        show(call, &options, counts, name)
    })?;
    if options.operands.len() > 1 {
        show(call, &options, total, "total")?;
    }
    Ok(0)
}

fn count(input: &mut dyn Read, path: &str) -> Result<Counts, Failure> {
    let mut counts = Counts::default();
    let mut block = vec![0; BLOCK];
    let mut in_word = false;
    loop {
        let read = fill(input, &mut block, path)?;
        if read == 0 {
            return Ok(counts);
        }
        for &byte in block.iter().take(read) {
            counts.bytes = counts.bytes.saturating_add(1);
            counts.lines = counts.lines.saturating_add(u64::from(byte == b'\n'));
            let blank = byte.is_ascii_whitespace() || byte == 0x0b;
            counts.words = counts.words.saturating_add(u64::from(!blank && !in_word));
            in_word = !blank;
        }
    }
}

fn show(call: &mut Call<'_>, options: &Options, counts: Counts, name: &str) -> Result<(), Failure> {
    let columns = [('l', counts.lines), ('w', counts.words), ('c', counts.bytes)];
    let all = !columns.iter().any(|(flag, _)| options.has(*flag));
    let shown: Vec<u64> =
        columns.iter().filter(|(flag, _)| all || options.has(*flag)).map(|c| c.1).collect();
    let line = match shown.as_slice() {
        [one] => one.to_string(),
        several => {
            several.iter().map(|number| format!("{number:>7}")).collect::<Vec<_>>().join(" ")
        }
    };
    writeln!(call.out, "{}", format!("{line} {name}").trim_end())?;
    Ok(())
}
