//! `stdtest [NAME]`: what ordinary Rust programs use of `std`, checked from inside.
//!
//! The same binary runs natively on the host and in the system; it prints `ok NAME` for each
//! test and a summary, and fails if one of them failed. Started with `child …` it plays the
//! other side of its own tests.
#![forbid(unsafe_code)]
#![expect(clippy::large_stack_frames, reason = "a test says many things one after another")]

use std::{env, error::Error, panic, process::ExitCode};

mod files;
mod processes;
mod runtime;
mod threads;

/// What a test comes to.
type Outcome = Result<(), Box<dyn Error>>;
/// A test and its name.
type Test = (&'static str, fn() -> Outcome);

/// Fails the test with a sentence unless `condition` holds.
#[expect(clippy::fn_params_excessive_bools, reason = "what is claimed is true or false")]
fn check(condition: bool, sentence: &str) -> Outcome {
    if condition { Ok(()) } else { Err(sentence.into()) }
}

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let wanted = arguments.next();
    if wanted.as_deref() == Some("child") {
        return processes::child(&arguments.collect::<Vec<_>>());
    }
    let tests = [runtime::TESTS, files::TESTS, threads::TESTS, processes::TESTS].concat();
    let chosen = tests.iter().filter(|(name, _)| wanted.as_ref().is_none_or(|some| some == name));
    let outcomes: Vec<bool> = chosen.map(run).collect();
    let passed = outcomes.iter().filter(|outcome| **outcome).count();
    println!("stdtest: {passed} of {} passed", outcomes.len());
    if passed == outcomes.len() && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one test; a panic is a failure like any other.
fn run((name, test): &Test) -> bool {
    let outcome = panic::catch_unwind(test).unwrap_or_else(|_| Err("it panicked".into()));
    match &outcome {
        Ok(()) => println!("ok {name}"),
        Err(why) => println!("FAILED {name}: {why}"),
    }
    outcome.is_ok()
}
