//! `packets PATH READS`: how many packets the kernel counts for as many reads.
#![forbid(unsafe_code)]

use std::{
    fs::{self, File},
    io::Read,
    process::ExitCode,
};

use guest::{argument, finish};

const COUNTERS: &str = "/scheme/sys/counters";

fn main() -> ExitCode {
    finish(count())
}

fn count() -> Result<String, String> {
    let (path, reads): (String, u64) = (argument(1)?, argument(2)?);
    let failed = |error: std::io::Error| format!("{path}: {error}");
    let mut file = File::open(&path).map_err(failed)?;
    let before = packets()?;
    for _read in 0..reads {
        let mut byte = [0];
        file.read(&mut byte).map_err(failed)?;
    }
    Ok(packets()?.saturating_sub(before).to_string())
}

/// The counter's value: the number behind its name.
fn packets() -> Result<u64, String> {
    let text = fs::read_to_string(COUNTERS).map_err(|error| format!("{COUNTERS}: {error}"))?;
    let mut words = text.split(|letter: char| letter.is_whitespace() || letter == '=');
    let value =
        words.find(|word| *word == "packets").and_then(|_name| words.find(|w| !w.is_empty()));
    value.and_then(|value| value.parse().ok()).ok_or_else(|| format!("no packets in:\n{text}"))
}
