//! The guest's test programs on the host: the same std and C library, over Linux's system calls.

use std::process::{Command, Stdio};

use crate::{
    build::{self, Variant},
    failure::Result,
    needs::{self, Need},
    progress::cannot_start,
    test::{Selection, Tally},
    toolchain::Toolchain,
    workspace,
};

/// Programs with their arguments. Each must succeed; a line `FAILED …` of one is shown.
const PROGRAMS: &[(&str, &[&str])] =
    &[("stdtest", &[]), ("posix", &[]), ("signals", &[]), ("forks", &["2000"])];

/// Builds the programs on the hosted library and runs them.
pub(super) fn run(selection: &Selection) -> Result<Tally> {
    let wanted: Vec<_> = PROGRAMS
        .iter()
        .filter(|(program, _arguments)| selection.wants(&format!("hosted: {program}")))
        .collect();
    let mut tally = Tally::default();
    if wanted.is_empty() {
        return Ok(tally);
    }
    needs::ensure(&Need::BUILD)?;
    let toolchain = Toolchain::get()?;
    build::libc(&toolchain, Variant::Hosted)?;
    let folder = build::build_hosted(&toolchain, &workspace::packages()?)?;
    for (program, arguments) in wanted {
        let mut command = Command::new(folder.join(program));
        command.args(*arguments).stdin(Stdio::null());
        let output = command.output().map_err(|error| cannot_start(&command, &error))?;
        if output.status.success() {
            println!("ok hosted: {program}");
            tally.passed = tally.passed.saturating_add(1);
            continue;
        }
        println!("FAILED hosted: {program}");
        let text = [output.stdout, output.stderr].concat();
        eprintln!("    {}\n{}", output.status, String::from_utf8_lossy(&text));
        tally.failed = tally.failed.saturating_add(1);
    }
    Ok(tally)
}
