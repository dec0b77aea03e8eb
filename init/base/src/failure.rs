//! Errors as sentences, and the statuses that programs end with.

use std::fmt;
use std::io;
use std::path::Path;

/// The status of a program whose reader went away: as if SIGPIPE had ended it.
pub(crate) const BROKEN_PIPE: u8 = 141;

/// Why a program ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is wrong: status 2 and the usage line.
    Usage(String),
    /// Something is wrong with the world: status 1.
    Message(String),
    /// Nobody reads our output any more: the end, without a word.
    BrokenPipe,
}

impl Failure {
    /// `PATH: reason`
    pub(crate) fn path(path: impl AsRef<Path>, error: &io::Error) -> Self {
        Self::Message(format!("{}: {}", path.as_ref().display(), reason(error)))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Message(message) => f.write_str(message),
            Self::BrokenPipe => f.write_str("nobody reads the output"),
        }
    }
}

/// Errors without a path come from writing the output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::BrokenPipe;
        }
        Self::Message(format!("write error: {}", reason(&error)))
    }
}

/// The system's sentence for an error, without its number.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(at) => text.get(..at).unwrap_or(&text).to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_a_sentence_without_a_number() {
        let error = std::fs::metadata("/no/such/file").unwrap_err();
        assert_eq!(reason(&error), "No such file or directory");
    }
}
