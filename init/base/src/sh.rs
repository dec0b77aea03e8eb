//! `/bin/sh`: a small shell of the POSIX kind.
//!
//! ```text
//!  text ─▶ lexer ─▶ parser ─▶ ast ─▶ exec ─┬─▶ builtin
//!           words, operators    expand ◀───┤
//!                               pattern    └─▶ program (std's Command)
//! ```
//!
//! The shell is a value (`shell::Shell`): a subshell, a stage of a pipeline and a `$(…)` run
//! on a copy of it, in a thread where they must run beside others. So nothing here forks but
//! std's `Command`. Read `ast` first, then `exec`.
//!
//! `^C` ends a program by its signal; an interactive shell catches the signal as a flag, which it
//! looks at between commands.
//!
//! Left out: here-documents, aliases, traps, job control, descriptors above 2.

mod arith;
mod ast;
mod builtin;
mod exec;
mod expand;
mod lexer;
mod parser;
pub(crate) mod pattern;
mod program;
mod shell;
pub(crate) mod streams;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::failure::reason;
use crate::system;
use lexer::SyntaxError;
use parser::Parser;
use shell::{Level, Shell, Stop};
use signal_hook::consts::SIGINT;

const USAGE: &str = "usage: sh [-eix] [-c COMMANDS [NAME [ARGUMENT…]] | FILE [ARGUMENT…]]";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    Text(String),
    File(String),
    Input,
}

/// Runs the shell with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    ExitCode::from(run(arguments))
}

fn run(arguments: Vec<OsString>) -> u8 {
    let mut words = Vec::new();
    for argument in arguments {
        match argument.into_string() {
            Ok(word) => words.push(word),
            Err(word) => {
                eprintln!("sh: {}: an argument is not UTF-8", word.display());
                return 2;
            }
        }
    }
    let mut shell = Shell::new(Level::Script);
    let source = match options(&mut shell, words) {
        Ok(source) => source,
        Err(message) => {
            eprintln!("sh: {message}\n{USAGE}");
            return 2;
        }
    };
    let outcome = match source {
        Source::Text(text) => shell.script(&text, ""),
        Source::File(path) => match std::fs::read(&path) {
            Ok(bytes) => shell.script(&String::from_utf8_lossy(&bytes), &format!("{path}: ")),
            Err(error) => {
                let status = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
                Err(shell.fail(status, &format!("{path}: {}", reason(&error))))
            }
        },
        Source::Input => {
            if std::io::stdin().is_terminal() {
                shell.level = Level::Interactive;
            }
            shell.input()
        }
    };
    shell.end(outcome)
}

/// Takes the options off `words`, sets `$0` and on.
fn options(shell: &mut Shell, words: Vec<String>) -> Result<Source, String> {
    let mut words = words.into_iter().peekable();
    let mut commands = false;
    while let Some(word) = words.next_if(|word| word.len() > 1 && word.starts_with('-')) {
        if word == "--" {
            break;
        }
        for flag in word.chars().skip(1) {
            match flag {
                'c' => commands = true,
                'e' => shell.options.exit = true,
                'x' => shell.options.trace = true,
                'i' => shell.level = Level::Interactive,
                's' | 'l' => {}
                _ => return Err(format!("-{flag}: no such option")),
            }
        }
    }
    let source = match (words.next(), commands) {
        (None, true) => return Err("-c needs the commands".to_owned()),
        (Some(text), true) => {
            if let Some(name) = words.next() {
                shell.name = name;
            }
            Source::Text(text)
        }
        (Some(path), false) => {
            shell.name.clone_from(&path);
            Source::File(path)
        }
        (None, false) => Source::Input,
    };
    shell.arguments = words.collect();
    Ok(source)
}

/// Takes SIGINT as a word to the command that runs, and makes this shell the leader of a process
/// group: `tty:` interrupts the group of the terminal's reader. Elsewhere a terminal would have to
/// be told.
fn lead(shell: &Shell) {
    if let Err(error) = signal_hook::flag::register(SIGINT, Arc::clone(&shell.interrupt)) {
        shell.complain(&format!("an interrupt will end this shell: {}", reason(&error)));
    }
    if Path::new(system::SCHEMES).exists()
        && let Err(error) = rustix::process::setpgid(None, None)
        // What already leads a session leads its group too.
        && error != rustix::io::Errno::PERM
    {
        shell.complain(&format!("cannot lead a process group: {}", reason(&error.into())));
    }
}

impl Shell {
    /// Runs a text line by line, so that what comes before a syntax error is done.
    fn script(&mut self, text: &str, place: &str) -> shell::Outcome {
        let mut parser = Parser::new(text);
        loop {
            match parser.line() {
                Ok(Some(list)) => self.list(&list)?,
                Ok(None) => return Ok(self.status),
                Err(error) => {
                    self.complain(&format!("{place}{error}"));
                    return Err(Stop::Exit(2));
                }
            };
        }
    }

    /// Runs what standard input says, a command as soon as it is complete.
    fn input(&mut self) -> shell::Outcome {
        if self.level == Level::Interactive {
            lead(self);
        }
        let mut text = String::new();
        loop {
            self.reap();
            if self.level == Level::Interactive {
                self.print(&self.prompt(&text))?;
            }
            let line = self.streams.input.line();
            let line = line.map_err(|error| self.fail(1, &format!("input: {}", reason(&error))))?;
            if self.was_interrupted() {
                // The terminal has dropped what was typed before, so this line came after.
                text.clear();
            }
            let ended = line.is_none();
            text.push_str(&String::from_utf8_lossy(&line.unwrap_or_default()));
            if ended && text.is_empty() {
                return self.hung_up();
            }
            let joined = text.ends_with("\\\n") && !text.ends_with("\\\\\n");
            match Parser::new(&text).whole() {
                Ok(_) if joined && !ended => continue,
                Err(error) if error.incomplete && !ended => continue,
                parsed => self.entered(parsed)?,
            }
            self.was_interrupted();
            text.clear();
        }
    }

    /// Whether SIGINT came; it is forgotten then, but for the status.
    fn was_interrupted(&mut self) -> bool {
        let came = self.interrupt.swap(false, Ordering::Relaxed);
        if came {
            self.status = exec::INTERRUPTED;
        }
        came
    }

    /// The input has ended: what comes next on a terminal begins its own line.
    fn hung_up(&self) -> shell::Outcome {
        if self.level == Level::Interactive {
            self.print("\n")?;
        }
        Ok(self.status)
    }

    /// Runs a command that was typed; only `exit` ends an interactive shell.
    fn entered(&mut self, parsed: Result<ast::List, SyntaxError>) -> Result<(), Stop> {
        let outcome = match parsed {
            Ok(list) => self.list(&list),
            Err(error) => Err(self.fatal(2, &error.to_string())),
        };
        match outcome {
            Ok(_) => Ok(()),
            Err(Stop::Failed(status)) => {
                self.status = status;
                Ok(())
            }
            Err(Stop::Interrupted) if self.level == Level::Interactive => {
                self.status = exec::INTERRUPTED;
                Ok(())
            }
            Err(Stop::Break(_) | Stop::Continue(_)) => Ok(()),
            Err(stop @ (Stop::Interrupted | Stop::Exit(_) | Stop::Return(_))) => Err(stop),
        }
    }

    /// What is shown before a line; `before` are the lines of a command that is not complete.
    fn prompt(&self, before: &str) -> String {
        if !before.is_empty() {
            return "> ".to_owned();
        }
        let root = system::identity().is_some_and(|who| who.uid == 0);
        let user =
            self.value("USER").unwrap_or_else(|| if root { "root" } else { "user" }.to_owned());
        let sign = if root { '#' } else { '$' };
        format!("{user}@anode:{}{sign} ", self.folder.display())
    }
}
