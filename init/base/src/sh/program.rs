//! Finding and starting programs, and opening the files of redirections.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use rustix::process::{Pid, Signal, kill_process};

use super::ast::{Redirect, RedirectKind};
use super::shell::{Outcome, Shell, Stop, nothing};
use super::streams::{STARTING, Stream};
use crate::failure::reason;

/// The error number of a file that is no program: `ENOEXEC`, the same on all our systems.
const NO_PROGRAM: i32 = 8;
/// `SIGINT`, as on Linux.
const INTERRUPT: i32 = 2;
/// Signals that end a program by the user's wish or with its reader: not worth a line.
const QUIET_SIGNALS: [i32; 2] = [INTERRUPT, 13];

/// The process group of a program: the terminal interrupts the one of its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Same,
    Own,
}

/// What a search for a program finds.
#[derive(Debug)]
pub(crate) enum Found {
    Program(PathBuf),
    Missing,
    /// Something is there that cannot be run; the sentence says why.
    Unfit(String),
}

/// Whether a file begins as a script may: a damaged program shall not be run as one.
fn is_text(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(256).read_to_end(&mut start));
    // An error without a length is a letter that the end of what was read cut in two.
    let whole = std::str::from_utf8(&start).map_or_else(|e| e.error_len().is_none(), |_| true);
    read.is_ok() && whole && !start.contains(&0)
}

impl Shell {
    /// Runs a program and waits for it.
    pub(crate) fn program(&mut self, words: &[String]) -> Outcome {
        let mut child = self.start(words, Group::Same)?;
        let ended = child.wait();
        let name = words.first().map_or("", String::as_str);
        match ended {
            Ok(status) if status.signal() == Some(INTERRUPT) => Err(Stop::Interrupted),
            Ok(status) => Ok(self.status_of(name, status)),
            Err(error) => Err(self.fail(126, &format!("{name}: {}", reason(&error)))),
        }
    }

    /// Starts a program with the shell's streams.
    pub(crate) fn start(&self, words: &[String], group: Group) -> Result<Child, Stop> {
        let name = words.first().map_or("", String::as_str);
        let path = self.find(name)?;
        let _lock = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let spawn = |mut command: Command| match group {
            Group::Same => command.spawn(),
            Group::Own => command.process_group(0).spawn(),
        };
        let started = match spawn(self.prepare(&path, words)?) {
            Err(error) if error.raw_os_error() == Some(NO_PROGRAM) && is_text(&path) => {
                spawn(self.interpreter(&path, words)?)
            }
            other => other,
        };
        let started =
            started.map_err(|error| self.fail(126, &format!("{name}: {}", reason(&error))))?;
        if self.interrupt.load(Ordering::Relaxed) {
            // What came before the new process was another program, its copy of our handler took.
            // It may have ended by itself since.
            let _gone = kill_process(Pid::from_child(&started), Signal::INT);
        }
        Ok(started)
    }

    /// Becomes the program; comes back only with the reason why not.
    pub(crate) fn become_program(&self, words: &[String]) -> Stop {
        let name = words.first().map_or("", String::as_str);
        let prepared = self.find(name).and_then(|path| self.prepare(&path, words));
        match prepared {
            Ok(mut command) => self.fail(126, &format!("{name}: {}", reason(&command.exec()))),
            Err(stop) => stop,
        }
    }

    fn prepare(&self, path: &Path, words: &[String]) -> Result<Command, Stop> {
        let mut command = Command::new(path);
        if let Some((name, arguments)) = words.split_first() {
            command.arg0(name).args(arguments);
        }
        self.dress(&mut command)?;
        Ok(command)
    }

    /// A script without `#!` is for this shell.
    fn interpreter(&self, path: &Path, words: &[String]) -> Result<Command, Stop> {
        let own = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/bin/sh"));
        let mut command = Command::new(own);
        command.arg(path).args(words.iter().skip(1));
        self.dress(&mut command)?;
        Ok(command)
    }

    fn dress(&self, command: &mut Command) -> Result<(), Stop> {
        command.env_clear().envs(self.environment());
        if self.apart {
            command.current_dir(&self.folder);
        }
        let stdio = |stream: &Stream| {
            stream.stdio().map_err(|error| {
                self.fail(1, &format!("cannot share a stream: {}", reason(&error)))
            })
        };
        command.stdin(stdio(&self.streams.input)?);
        command.stdout(stdio(&self.streams.output)?);
        command.stderr(stdio(&self.streams.error)?);
        Ok(())
    }

    /// Where the program of that name is, or the failure that says why it cannot run.
    fn find(&self, name: &str) -> Result<PathBuf, Stop> {
        match self.look_up(name) {
            Found::Program(path) => Ok(path),
            Found::Missing => Err(self.fail(127, &format!("{name}: not found"))),
            Found::Unfit(message) => Err(self.fail(126, &message)),
        }
    }

    /// Looks for a program: by its path, or by its name in the folders of PATH.
    pub(crate) fn look_up(&self, name: &str) -> Found {
        if name.is_empty() {
            return Found::Missing;
        }
        if name.contains('/') {
            return self.at(name);
        }
        let folders = self.value("PATH").unwrap_or_else(|| "/bin".to_owned());
        let mut result = Found::Missing;
        for folder in folders.split(':') {
            let folder = if folder.is_empty() { "." } else { folder };
            match self.at(&format!("{folder}/{name}")) {
                Found::Program(path) => return Found::Program(path),
                Found::Unfit(message) => result = Found::Unfit(message),
                Found::Missing => {}
            }
        }
        result
    }

    fn at(&self, path: &str) -> Found {
        match fs::metadata(self.resolve(path)) {
            Ok(found) if found.is_dir() => Found::Unfit(format!("{path}: is a folder")),
            Ok(found) if found.permissions().mode() & 0o111 == 0 => {
                Found::Unfit(format!("{path}: Permission denied"))
            }
            Ok(_) => Found::Program(PathBuf::from(path)),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Found::Missing
            }
            Err(error) => Found::Unfit(format!("{path}: {}", reason(&error))),
        }
    }

    /// The status of a program that ended; a signal is 128 and its number.
    pub(crate) fn status_of(&self, name: &str, status: ExitStatus) -> u8 {
        if let Some(signal) = status.signal() {
            if !QUIET_SIGNALS.contains(&signal) {
                self.complain(&format!("{name}: ended by signal {signal}"));
            }
            return u8::try_from(signal.saturating_add(128)).unwrap_or(u8::MAX);
        }
        status.code().and_then(|code| u8::try_from(code & 0xff).ok()).unwrap_or(1)
    }

    /// Opens what redirections name, in order.
    pub(crate) fn redirect(&mut self, redirects: &[Redirect]) -> Result<(), Stop> {
        for redirect in redirects {
            let target = self.text(&redirect.target)?;
            let opened = match redirect.kind {
                RedirectKind::Read => File::open(self.resolve(&target)),
                RedirectKind::Write => File::create(self.resolve(&target)),
                RedirectKind::Append => {
                    OpenOptions::new().append(true).create(true).open(self.resolve(&target))
                }
                RedirectKind::Share => {
                    let stream = self.shared(&target, redirect.descriptor)?;
                    self.put(redirect.descriptor, stream);
                    continue;
                }
            };
            let file =
                opened.map_err(|error| self.fail(1, &format!("{target}: {}", reason(&error))))?;
            self.put(redirect.descriptor, Stream::file(file));
        }
        Ok(())
    }

    fn put(&mut self, descriptor: u8, stream: Stream) {
        match descriptor {
            0 => self.streams.input = stream,
            1 => self.streams.output = stream,
            _ => self.streams.error = stream,
        }
    }

    fn shared(&self, target: &str, descriptor: u8) -> Result<Stream, Stop> {
        let stream = match target {
            "-" => nothing().map_err(|e| self.fail(1, &format!("/dev/null: {}", reason(&e))))?,
            "0" => self.streams.input.clone(),
            "1" => self.streams.output.clone(),
            "2" => self.streams.error.clone(),
            _ => return Err(self.fail(1, &format!("{target}: no such descriptor"))),
        };
        let for_reading = matches!(stream, Stream::Input);
        let for_writing = matches!(stream, Stream::Output | Stream::Error);
        if (descriptor == 0 && for_writing) || (descriptor != 0 && for_reading) {
            let message = format!("{target}: cannot be shared with descriptor {descriptor}");
            return Err(self.fail(1, &message));
        }
        Ok(stream)
    }
}
