//! What can go wrong, each with a sentence that says what to do about it.

use std::fmt;
use std::io;

/// A plan that is refused or a step that failed.
#[derive(Debug)]
pub enum Error {
    /// The target is smaller than all parts together.
    TooSmall {
        /// Bytes that it has.
        have: u64,
        /// Bytes that it needs.
        need: u64,
    },
    /// A part does not fit where it belongs.
    TooLarge {
        /// What it is.
        what: &'static str,
        /// Its bytes.
        bytes: u64,
        /// The bytes that there is room for.
        room: u64,
    },
    /// A part is empty.
    Missing(&'static str),
    /// The BIOS loader is not what the build makes.
    Loader(&'static str),
    /// A step failed.
    Write {
        /// What was being written.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The filesystem could not be made.
    Root(mkfs::Failed),
    /// The partition table could not be written.
    Table(String),
}

impl Error {
    /// A failed transfer in `what`, for `map_err`.
    pub(crate) fn write(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Write { what, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall { have, need } => {
                write!(f, "the target has {have} bytes and needs {need}: take a larger one")
            }
            Self::TooLarge { what, bytes, room } => {
                write!(
                    f,
                    "the {what} is {bytes} bytes long and there is room for {room}: make it smaller"
                )
            }
            Self::Missing(what) => write!(f, "the {what} is empty: build it first"),
            Self::Loader(why) => {
                write!(f, "the BIOS loader cannot be used, as {why}: build it again")
            }
            Self::Write { what, source } => write!(f, "the {what} could not be written: {source}"),
            Self::Root(failed) => write!(f, "the filesystem could not be made: {failed}"),
            Self::Table(why) => write!(f, "the partition table could not be written: {why}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Write { source, .. } => Some(source),
            Self::TooSmall { .. }
            | Self::TooLarge { .. }
            | Self::Missing(_)
            | Self::Loader(_)
            | Self::Root(_)
            | Self::Table(_) => None,
        }
    }
}
