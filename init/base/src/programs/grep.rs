//! `grep`: the lines in which a pattern is. Status 0 if there are some, 1 if none, 2 on errors.

use std::io::{BufRead, BufReader, Read};

use super::Outcome;
use super::call::{Call, Options};
use super::regex::Regex;
use crate::failure::Failure;

pub(super) fn grep(call: &mut Call<'_>) -> Outcome {
    let mut options = call.options_and_operands("ivnclqFE")?;
    let pattern = options.operands.remove(0).to_string_lossy().into_owned();
    let pattern = if options.has('i') { pattern.to_lowercase() } else { pattern };
    let regex = if options.has('F') {
        Regex::literal(&pattern)
    } else {
        Regex::parse(&pattern).map_err(Failure::Usage)?
    };
    let mut found = 0_u64;
    call.inputs(&options.operands, |call, path, input| {
        let hits = search(call, &options, &regex, path, input)?;
        found = found.saturating_add(hits);
        Ok(())
    })?;
    Ok(if call.failed { 2 } else { u8::from(found == 0) })
}

/// Shows what is found in one input; how many lines.
fn search(
    call: &mut Call<'_>,
    options: &Options,
    regex: &Regex,
    path: &str,
    input: &mut dyn Read,
) -> Result<u64, Failure> {
    let prefix = if options.operands.len() > 1 { format!("{path}:") } else { String::new() };
    let mut input = BufReader::new(input);
    let (mut number, mut hits) = (0_u64, 0_u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = input.read_until(b'\n', &mut line);
        if read.map_err(|error| Failure::path(path, &error))? == 0 {
            break;
        }
        number = number.saturating_add(1);
        let bytes = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = String::from_utf8_lossy(bytes);
        let is_in =
            if options.has('i') { regex.is_in(&text.to_lowercase()) } else { regex.is_in(&text) };
        if is_in == options.has('v') {
            continue;
        }
        hits = hits.saturating_add(1);
        if options.has('q') || options.has('l') {
            break;
        }
        if !options.has('c') {
            let number = if options.has('n') { format!("{number}:") } else { String::new() };
            call.out.write_all(format!("{prefix}{number}").as_bytes())?;
            call.out.write_all(bytes)?;
            call.out.write_all(b"\n")?;
        }
    }
    if options.has('q') {
        return Ok(hits);
    }
    if options.has('l') && hits > 0 {
        writeln!(call.out, "{path}")?;
    } else if options.has('c') {
        writeln!(call.out, "{prefix}{hits}")?;
    }
    Ok(hits)
}
