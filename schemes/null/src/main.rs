//! `null:`: reads are empty, writes vanish. The smallest daemon, and the template for others.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anode_scheme::{Context, Opened, Scheme, serve};
use redox::error::{ENOENT, Error, Result};

/// There is one thing here, and nothing to know of it.
struct Null;

impl Scheme for Null {
    type Open = ();

    /// `null:` is all there is: no path lies beneath it.
    fn open(&mut self, path: &str, _: &Context) -> Result<Opened<()>> {
        if path.is_empty() { Ok(Opened::stream(())) } else { Err(Error::new(ENOENT)) }
    }

    /// The end of the file, always.
    fn read(&mut self, (): &mut (), _: &mut [u8], _: u64, _: &Context) -> Result<usize> {
        Ok(0)
    }

    /// All of it was written, nowhere.
    fn write(&mut self, (): &mut (), from: &[u8], _: u64, _: &Context) -> Result<usize> {
        Ok(from.len())
    }
}

fn main() -> ExitCode {
    serve("null", Null)
}

#[cfg(test)]
mod tests;
