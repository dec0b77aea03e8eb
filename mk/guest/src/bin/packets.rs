//! `packets PATH READS`: how many packets the kernel counts for as many reads.
#![forbid(unsafe_code)]

use std::{fs::File, io::Read, process::ExitCode};

use anode_abi::{counters::Counters, info::fact};
use anode_scheme::sys;
use guest::{argument, finish};

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

/// The counter's value, from the kernel itself: asking `sys:` would be packets too.
fn packets() -> Result<u64, String> {
    let counters = sys::info_words(fact::COUNTERS, 0).map_err(|error| error.to_string())?;
    let mut counters = Counters::NAMES.iter().zip(counters);
    let found = counters.find(|(name, _)| **name == "packets");
    found.map(|(_, value)| value).ok_or_else(|| "the kernel counts no packets".to_owned())
}
