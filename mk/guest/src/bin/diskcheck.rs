//! `diskcheck PATH READS BLOCK SEED`: the checksum of as many blocks at random places.
#![forbid(unsafe_code)]
#![expect(clippy::large_stack_frames, reason = "a program has megabytes of stack")]

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    process::ExitCode,
};

use guest::{Checksum, Random, argument, finish};

fn main() -> ExitCode {
    finish(check())
}

fn check() -> Result<String, String> {
    let path: String = argument(1)?;
    let (reads, block): (u64, u64) = (argument(2)?, argument(3)?);
    let mut random = Random(argument(4)?);
    let failed = |what: &str, error: std::io::Error| format!("{what} {path}: {error}");
    let mut disk = File::open(&path).map_err(|error| failed("open", error))?;
    let size = disk.seek(SeekFrom::End(0)).map_err(|error| failed("size of", error))?;
    let blocks = size.checked_div(block).filter(|blocks| *blocks > 0);
    let blocks = blocks.ok_or_else(|| format!("{path} has {size} bytes, less than a block"))?;
    let mut sum = Checksum::default();
    let mut buffer = vec![0; usize::try_from(block).map_err(|error| error.to_string())?];
    for _read in 0..reads {
        let at = random.below(blocks).saturating_mul(block);
        disk.seek(SeekFrom::Start(at)).map_err(|error| failed("seek", error))?;
        disk.read_exact(&mut buffer).map_err(|error| failed("read", error))?;
        sum.add(&buffer);
    }
    Ok(format!("{:016x}", sum.0))
}
