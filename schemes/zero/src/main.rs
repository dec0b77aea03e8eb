//! `zero:`: reads give zero bytes without end, writes vanish.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anode_scheme::{Context, Opened, Scheme, serve};
use redox::error::{ENOENT, Error, Result};

/// There is one thing here, and nothing to know of it.
struct Zero;

impl Scheme for Zero {
    type Open = ();

    fn open(&mut self, path: &str, _: &Context) -> Result<Opened<()>> {
        if path.is_empty() { Ok(Opened::stream(())) } else { Err(Error::new(ENOENT)) }
    }

    fn read(&mut self, (): &mut (), into: &mut [u8], _: u64, _: &Context) -> Result<usize> {
        into.fill(0);
        Ok(into.len())
    }

    fn write(&mut self, (): &mut (), from: &[u8], _: u64, _: &Context) -> Result<usize> {
        Ok(from.len())
    }
}

fn main() -> ExitCode {
    serve("zero", Zero)
}

#[cfg(test)]
mod tests;
