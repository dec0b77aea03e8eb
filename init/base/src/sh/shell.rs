//! The shell as a value: variables, folder, streams and options. A subshell is a copy of it.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::ast::Command;
use super::streams::{Stream, Streams};

/// Why commands stop before their end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Leave this many loops.
    Break(usize),
    /// Go on with the next round of the loop this many loops out.
    Continue(usize),
    Return(u8),
    Exit(u8),
    /// The user interrupted what ran: all up to the prompt ends.
    Interrupted,
    /// The command cannot be run; the sentence has been written.
    Failed(u8),
}

/// What running commands gives: a status, or why it stopped.
pub(crate) type Outcome = Result<u8, Stop>;

/// A variable's value, and whether programs see it.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) value: String,
    pub(crate) exported: bool,
}

/// Something started with `&`.
#[derive(Debug)]
pub(crate) enum Job {
    Program(Child),
    Commands(JoinHandle<u8>),
}

/// Which shell this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Interactive,
    Script,
    Subshell,
}

/// What `set` turns on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// `-e`: a failing command ends the shell.
    pub(crate) exit: bool,
    /// `-x`: each command is shown before it runs.
    pub(crate) trace: bool,
}

/// All that a command can see or change.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) variables: BTreeMap<String, Variable>,
    pub(crate) functions: BTreeMap<String, Arc<Command>>,
    /// `$0`
    pub(crate) name: String,
    /// `$1` and on.
    pub(crate) arguments: Vec<String>,
    pub(crate) status: u8,
    /// The status of the last `$(…)` of the command that is being expanded.
    pub(crate) substituted: Option<u8>,
    pub(crate) streams: Streams,
    pub(crate) jobs: Vec<Job>,
    /// The process of the last `&`, for `$!`.
    pub(crate) last_job: Option<u32>,
    pub(crate) options: Options,
    pub(crate) level: Level,
    pub(crate) folder: PathBuf,
    /// `folder` is not (or may soon not be) the process's own: relative paths are joined to it.
    pub(crate) apart: bool,
    /// How many conditions we are in, where `set -e` does not hold.
    pub(crate) conditions: usize,
    /// How many functions and sourced files we are in.
    pub(crate) calls: usize,
    /// How many loops we are in.
    pub(crate) loops: usize,
    /// SIGINT came since the command was typed; its subshells see it too.
    pub(crate) interrupt: Arc<AtomicBool>,
}

impl Shell {
    /// A shell with the process's environment and folder.
    pub(crate) fn new(level: Level) -> Self {
        let variables = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .map(|(name, value)| (name, Variable { value, exported: true }))
            .collect();
        let folder = env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let mut shell = Self {
            variables,
            functions: BTreeMap::new(),
            name: "sh".to_owned(),
            arguments: Vec::new(),
            status: 0,
            substituted: None,
            streams: Streams::inherited(),
            jobs: Vec::new(),
            last_job: None,
            options: Options::default(),
            level,
            folder,
            apart: false,
            conditions: 0,
            calls: 0,
            loops: 0,
            interrupt: Arc::default(),
        };
        let folder = shell.folder.to_string_lossy().into_owned();
        shell.export("PWD", folder);
        shell
    }

    /// A copy whose changes stay its own.
    pub(crate) fn subshell(&self) -> Self {
        Self {
            variables: self.variables.clone(),
            functions: self.functions.clone(),
            name: self.name.clone(),
            arguments: self.arguments.clone(),
            streams: self.streams.clone(),
            jobs: Vec::new(),
            level: Level::Subshell,
            folder: self.folder.clone(),
            loops: 0,
            interrupt: Arc::clone(&self.interrupt),
            ..*self
        }
    }

    /// Ends what runs if the user has interrupted it.
    pub(crate) fn go_on(&self) -> Result<(), Stop> {
        if self.interrupt.load(Ordering::Relaxed) { Err(Stop::Interrupted) } else { Ok(()) }
    }

    /// The value of a variable or parameter, if it is set.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        if let Ok(number) = name.parse::<usize>() {
            return match number.checked_sub(1) {
                None => Some(self.name.clone()),
                Some(index) => self.arguments.get(index).cloned(),
            };
        }
        match name {
            "?" => Some(self.status.to_string()),
            "$" => Some(std::process::id().to_string()),
            "#" => Some(self.arguments.len().to_string()),
            "!" => self.last_job.map(|id| id.to_string()),
            "-" => Some(self.flags()),
            "@" | "*" => (!self.arguments.is_empty()).then(|| self.arguments.join(" ")),
            _ => self.variables.get(name).map(|variable| variable.value.clone()),
        }
    }

    fn flags(&self) -> String {
        let flags = [
            ('e', self.options.exit),
            ('x', self.options.trace),
            ('i', self.level == Level::Interactive),
        ];
        flags.iter().filter(|(_, on)| *on).map(|(flag, _)| flag).collect()
    }

    pub(crate) fn set(&mut self, name: &str, value: String) {
        match self.variables.get_mut(name) {
            Some(variable) => variable.value = value,
            None => {
                self.variables.insert(name.to_owned(), Variable { value, exported: false });
            }
        }
    }

    pub(crate) fn export(&mut self, name: &str, value: String) {
        self.variables.insert(name.to_owned(), Variable { value, exported: true });
    }

    /// What programs get as their environment.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        let exported = self.variables.iter().filter(|(_, variable)| variable.exported);
        exported.map(|(name, variable)| (name.as_str(), variable.value.as_str()))
    }

    /// Where a path of the script is to be found by this process.
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        if !self.apart || Path::new(path).is_absolute() || names_scheme(path) {
            return PathBuf::from(path);
        }
        self.folder.join(path)
    }

    /// Says what is wrong, as `sh: …`.
    pub(crate) fn complain(&self, message: &str) {
        // Where even this cannot be written, nobody is there to be told.
        drop(self.streams.error.write(format!("sh: {message}\n").as_bytes()));
    }

    /// Says what is wrong and gives the failure that ends the command.
    pub(crate) fn fail(&self, status: u8, message: &str) -> Stop {
        self.complain(message);
        Stop::Failed(status)
    }

    /// As [`Self::fail`], for what ends a script, but not an interactive shell.
    pub(crate) fn fatal(&self, status: u8, message: &str) -> Stop {
        self.complain(message);
        if self.level == Level::Interactive { Stop::Failed(status) } else { Stop::Exit(status) }
    }

    /// Writes a builtin's output; a closed pipe ends the command quietly.
    pub(crate) fn print(&self, text: &str) -> Outcome {
        match self.streams.output.write(text.as_bytes()) {
            Ok(()) => Ok(0),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                Err(Stop::Exit(crate::failure::BROKEN_PIPE))
            }
            Err(error) => {
                Err(self.fail(1, &format!("write error: {}", crate::failure::reason(&error))))
            }
        }
    }
}

/// Whether a relative path is `NAME:…` of a scheme that this process sees.
fn names_scheme(path: &str) -> bool {
    path.split_once(':').is_some_and(|(name, _)| {
        !name.is_empty() && !name.contains('/') && Path::new("/scheme").join(name).exists()
    })
}

/// A stream that gives nothing and takes everything.
///
/// # Errors
///
/// The system has no null device.
pub(crate) fn nothing() -> std::io::Result<Stream> {
    let file = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    Ok(Stream::file(file))
}
