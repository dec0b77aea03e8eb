//! `stdtest [NAME]`: what ordinary Rust programs use of `std`, checked from inside.
//!
//! The same binary runs natively on the host and in the system; it prints `ok NAME` for each
//! test and a summary, and fails if one of them failed. Started with `child …` it plays the
//! other side of its own tests.
#![forbid(unsafe_code)]
#![expect(clippy::large_stack_frames, reason = "a test says many things one after another")]

use std::{env, error::Error, panic, path::Path, process::ExitCode};

mod files;
mod links;
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
    if wanted.as_deref() == Some(links::IN_ROOT) {
        let directory = arguments.next().unwrap_or_default();
        let run = || links::look_from_the_root(Path::new(&directory));
        return exit(run_one("look_from_the_root", run));
    }
    let tests =
        [runtime::TESTS, files::TESTS, links::TESTS, threads::TESTS, processes::TESTS].concat();
    let chosen = tests.iter().filter(|(name, _)| wanted.as_ref().is_none_or(|some| some == name));
    let outcomes: Vec<bool> = chosen.map(run).collect();
    let passed = outcomes.iter().filter(|outcome| **outcome).count();
    println!("stdtest: {passed} of {} passed", outcomes.len());
    exit(passed == outcomes.len() && passed > 0)
}

#[expect(clippy::fn_params_excessive_bools, reason = "it went well or not")]
fn exit(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one test.
fn run((name, test): &Test) -> bool {
    run_one(name, test)
}

/// A panic is a failure like any other.
fn run_one(name: &str, test: impl FnOnce() -> Outcome + panic::UnwindSafe) -> bool {
    let outcome = panic::catch_unwind(test).unwrap_or_else(|_| Err("it panicked".into()));
    match &outcome {
        Ok(()) => println!("ok {name}"),
        Err(why) => println!("FAILED {name}: {why}"),
    }
    outcome.is_ok()
}
