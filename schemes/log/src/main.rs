//! `log:`: keeps what services and programs say.
//!
//! Services write into lossy pipes of the kernel, whose read ends init passes here, so nobody
//! ever waits for this daemon; programs write to `log:` itself. A read of `log:` gives the
//! kernel's own log and then all that was kept; each line is shown on `debug:` as it comes.

#![forbid(unsafe_code)]

mod lines;
mod serve;
mod store;

use std::{fs::OpenOptions, process::ExitCode};

fn main() -> ExitCode {
    let console = OpenOptions::new().write(true).open("/scheme/debug").ok();
    anode_scheme::serve("log", serve::Log::new(console))
}
