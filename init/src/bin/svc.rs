//! `svc`: lists services; starts, stops and restarts them.

#![forbid(unsafe_code)]

use std::{
    fs::{File, OpenOptions},
    io::{Error, ErrorKind, Read, Write},
    process::ExitCode,
};

const USAGE: &str = "usage: svc [list | start NAME | stop NAME | restart NAME]";

fn main() -> ExitCode {
    let words = std::env::args_os().skip(1);
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        [] | ["list"] => list(),
        [verb @ ("start" | "stop" | "restart"), name] => command(verb, name),
        _ => Err(USAGE.to_owned()),
    };
    match outcome.and_then(|text| {
        std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("stdout: {error}"))
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("svc: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn list() -> Result<String, String> {
    std::fs::read_to_string("/scheme/svc/list").map_err(|error| unreachable_init(&error))
}

fn command(verb: &str, name: &str) -> Result<String, String> {
    let control = OpenOptions::new().read(true).write(true).open("/scheme/svc/control");
    let control = control.map_err(|error| {
        if error.kind() == ErrorKind::PermissionDenied {
            "only root may start and stop services".to_owned()
        } else {
            unreachable_init(&error)
        }
    })?;
    let answer =
        ask(control, &format!("{verb} {name}")).map_err(|error| unreachable_init(&error))?;
    match answer.split_once(' ') {
        Some(("ok", _)) => Ok(String::new()),
        Some(("error", sentence)) => Err(sentence.trim_end().to_owned()),
        _ => Err(format!("init answered {answer:?}, which this program does not know")),
    }
}

fn ask(mut control: File, line: &str) -> Result<String, Error> {
    control.write_all(line.as_bytes())?;
    let mut answer = String::new();
    control.read_to_string(&mut answer)?;
    Ok(answer)
}

fn unreachable_init(error: &Error) -> String {
    format!("init does not answer on svc: ({error})")
}
