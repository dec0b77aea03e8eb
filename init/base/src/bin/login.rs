//! `/bin/login`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    base::login::main()
}
