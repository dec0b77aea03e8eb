//! How a command fails: an exit code and one sentence that says what to do.

use std::{fmt, io, path::Path};

/// A failed command. The numbers are the exit codes of `mk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Something could not be built, or a check failed.
    Build = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A test failed.
    Test = 3,
    /// The guest crashed.
    Crash = 4,
    /// The guest did not answer in time.
    Timeout = 5,
    /// A tool is missing.
    Tool = 6,
}

/// Why a command failed, for whoever typed it.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) text: String,
}

/// What nearly every function of this program returns.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    pub(crate) fn build(text: impl Into<String>) -> Self {
        Self::new(Code::Build, text)
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(Code::Usage, text)
    }

    /// `what` could not be done to the file at `path`.
    pub(crate) fn file(what: &str, path: &Path, error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::StorageFull => ": the disk is full; free some space and try again",
            io::ErrorKind::ReadOnlyFilesystem => ": the disk is read-only",
            _ => return Self::build(format!("cannot {what} {}: {error}", path.display())),
        };
        Self::build(format!("cannot {what} {}{hint}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::usage(format!("{error}; `cargo mk help` lists the commands and their flags"))
    }
}
