//! All small programs in one file: `/bin/NAME` are links to it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    base::programs::main()
}
