//! `head` and `tail`.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};

use super::Outcome;
use super::call::{BLOCK, Call, Options, fill};
use crate::failure::Failure;

/// What is counted.
#[derive(Clone, Copy)]
enum Count {
    Lines(u64),
    Bytes(u64),
}

/// `-5` is an old way to say `-n 5`.
fn modern(arguments: &mut [OsString]) {
    if let Some(first) = arguments.first_mut() {
        let text = first.to_string_lossy();
        let digits = text.strip_prefix('-').unwrap_or_default();
        if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
            *first = format!("-n{digits}").into();
        }
    }
}

fn heading(call: &mut Call<'_>, options: &Options, path: &str) -> Result<(), Failure> {
    if options.operands.len() > 1 {
        writeln!(call.out, "==> {path} <==")?;
    }
    Ok(())
}

pub(super) fn head(call: &mut Call<'_>) -> Outcome {
    modern(&mut call.arguments);
    let options = call.options("n:c:")?;
    let count = match options.number('c')? {
        Some(bytes) => Count::Bytes(bytes),
        None => Count::Lines(options.number('n')?.unwrap_or(10)),
    };
    call.inputs(&options.operands, |call, path, input| {
        heading(call, &options, path)?;
        match count {
            Count::Bytes(bytes) => copy(call, path, &mut input.take(bytes)),
            Count::Lines(lines) => first_lines(call, path, input, lines),
        }
    })?;
    Ok(0)
}

fn copy(call: &mut Call<'_>, path: &str, input: &mut dyn Read) -> Result<(), Failure> {
    let mut block = vec![0; BLOCK];
    loop {
        let read = fill(input, &mut block, path)?;
        if read == 0 {
            return Ok(());
        }
        call.out.write_all(block.get(..read).unwrap_or_default())?;
    }
}

fn first_lines(
    call: &mut Call<'_>,
    path: &str,
    input: &mut dyn Read,
    mut lines: u64,
) -> Result<(), Failure> {
    // Small blocks: a pipe or device may hold much more than the lines that are wanted.
    let mut block = vec![0; 4096];
    while lines > 0 {
        let read = fill(input, &mut block, path)?;
        if read == 0 {
            break;
        }
        let bytes = block.get(..read).unwrap_or_default();
        for line in bytes.split_inclusive(|&b| b == b'\n') {
            if lines > 0 {
                call.out.write_all(line)?;
                lines = lines.saturating_sub(u64::from(line.ends_with(b"\n")));
            }
        }
        call.out.flush()?;
    }
    Ok(())
}

pub(super) fn tail(call: &mut Call<'_>) -> Outcome {
    modern(&mut call.arguments);
    let options = call.options("n:c:")?;
    let letter = if options.value('c').is_some() { 'c' } else { 'n' };
    let text = options.value(letter).map_or("10".into(), |value| value.to_string_lossy());
    let from_start = text.starts_with('+');
    let number: u64 = text
        .trim_start_matches(['+', '-'])
        .parse()
        .map_err(|_| Failure::Usage(format!("-{letter} {text}: not a number")))?;
    let count = if letter == 'c' { Count::Bytes(number) } else { Count::Lines(number) };
    call.inputs(&options.operands, |call, path, input| {
        heading(call, &options, path)?;
        if from_start { rest(call, path, input, count) } else { last(call, path, input, count) }
    })?;
    Ok(0)
}

/// Everything from the given line or byte on; the first is 1.
fn rest(
    call: &mut Call<'_>,
    path: &str,
    input: &mut dyn Read,
    count: Count,
) -> Result<(), Failure> {
    let mut input = BufReader::new(input);
    match count {
        Count::Bytes(bytes) => {
            let mut skipped = (&mut input).take(bytes.saturating_sub(1));
            std::io::copy(&mut skipped, &mut std::io::sink())
                .map_err(|error| Failure::path(path, &error))?;
        }
        Count::Lines(lines) => {
            for _ in 1..lines {
                let skipped = input.skip_until(b'\n');
                if skipped.map_err(|error| Failure::path(path, &error))? == 0 {
                    break;
                }
            }
        }
    }
    copy(call, path, &mut input)
}

/// The last lines or bytes; keeps no more in memory than these.
fn last(
    call: &mut Call<'_>,
    path: &str,
    input: &mut dyn Read,
    count: Count,
) -> Result<(), Failure> {
    let mut input = BufReader::new(input);
    let mut kept: VecDeque<Vec<u8>> = VecDeque::new();
    let mut size = 0_u64;
    loop {
        let mut piece = Vec::new();
        let read = match count {
            Count::Lines(_) => input.read_until(b'\n', &mut piece),
            Count::Bytes(_) => (&mut input).take(4096).read_to_end(&mut piece),
        };
        if read.map_err(|error| Failure::path(path, &error))? == 0 {
            break;
        }
        size = size.saturating_add(weight(&piece, count));
        kept.push_back(piece);
        while let Some(first) = kept.front()
            && size.saturating_sub(weight(first, count)) >= limit(count)
        {
            size = size.saturating_sub(weight(first, count));
            kept.pop_front();
        }
    }
    let mut excess = match count {
        Count::Lines(lines) => usize::from(lines == 0),
        Count::Bytes(bytes) => usize::try_from(size.saturating_sub(bytes)).unwrap_or(usize::MAX),
    };
    for piece in kept {
        match count {
            Count::Lines(_) if excess > 0 => {}
            Count::Lines(_) => call.out.write_all(&piece)?,
            Count::Bytes(_) => {
                call.out.write_all(piece.get(excess..).unwrap_or_default())?;
                excess = excess.saturating_sub(piece.len());
            }
        }
    }
    Ok(())
}

fn weight(piece: &[u8], count: Count) -> u64 {
    match count {
        Count::Lines(_) => 1,
        Count::Bytes(_) => u64::try_from(piece.len()).unwrap_or(u64::MAX),
    }
}

fn limit(count: Count) -> u64 {
    match count {
        Count::Lines(number) | Count::Bytes(number) => number,
    }
}
