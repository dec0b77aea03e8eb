//! Tests of pure logic, by `cargo test` on the host.

use std::process::Command;

use crate::{
    failure::{Failure, Result},
    progress::{Stage, stage},
    test::{Selection, Tally},
    workspace,
};

/// Runs the tests of every crate that runs on the host, and the models of the ring.
pub(crate) fn run(selection: &Selection) -> Result<Tally> {
    let mut tally = stage("host tests", |stage| {
        let mut cargo = workspace::host_cargo();
        cargo.args(["test", "--no-fail-fast"]);
        suite(stage, &mut cargo, selection)
    })?;
    if workspace::root().join("kernel/ring/tests/loom.rs").exists() {
        tally.add(stage("ring models", |stage| {
            let mut cargo = workspace::host_cargo();
            cargo.args(["test", "-p", "anode-ring", "--release", "--test", "loom"]);
            cargo.env("RUSTFLAGS", "--cfg loom");
            cargo.env("CARGO_TARGET_DIR", workspace::target().join("loom"));
            suite(stage, &mut cargo, selection)
        })?);
    }
    Ok(tally)
}

/// Runs one `cargo test`, and shows what it printed if a test failed.
fn suite(stage: &mut Stage, cargo: &mut Command, selection: &Selection) -> Result<Tally> {
    if let Some(filter) = &selection.filter {
        cargo.args(["--", filter]);
    }
    cargo.env("CARGO_TERM_COLOR", "never");
    let (status, text) = stage.output(cargo)?;
    let tally = count(&text);
    if status.success() {
        return Ok(tally);
    }
    eprintln!("\n{text}");
    if tally.failed == 0 {
        return Err(Failure::build("the host tests could not be built; the errors are above"));
    }
    for name in failures(&text) {
        println!("FAILED {name}");
    }
    Ok(tally)
}

/// Adds up the lines `test result: ok. 3 passed; 0 failed; …`.
fn count(text: &str) -> Tally {
    let mut tally = Tally::default();
    for line in text.lines().filter(|line| line.starts_with("test result: ")) {
        let number = |word: &str| {
            let before = line.split(word).next().unwrap_or_default().trim_end();
            before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        tally.add(Tally { passed: number("passed"), failed: number("failed") });
    }
    tally
}

/// The names of the tests that failed.
fn failures(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"))
}

#[cfg(test)]
mod tests {
    use super::{Tally, count, failures};

    const TEXT: &str = "\
running 3 tests
test a::one ... ok
test a::two ... FAILED
test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 4 filtered out; finished in 0.00s
running 12 tests
test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.32s
";

    #[test]
    fn results_of_all_binaries_are_added_up() {
        assert_eq!(count(TEXT), Tally { passed: 14, failed: 1 });
    }

    #[test]
    fn failed_tests_are_named() {
        assert_eq!(failures(TEXT).collect::<Vec<_>>(), ["a::two"]);
    }
}
