//! What went wrong, as a sentence that says what helps.

use std::fmt;

use anode_fs::error::{Error, Failure, Flaw};

/// Something failed, and at what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The thing: a path, or what the sentence calls the device.
    pub at: String,
    /// Why.
    pub why: String,
}

impl Failed {
    /// The filesystem refused.
    pub fn new(at: impl Into<String>, error: Error) -> Self {
        Self { at: at.into(), why: sentence(error) }
    }

    /// The system refused.
    pub fn system(at: impl Into<String>, error: &std::io::Error) -> Self {
        Self { at: at.into(), why: error.to_string() }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.why)
    }
}

impl std::error::Error for Failed {}

/// An error of the filesystem in words.
#[must_use]
pub fn sentence(error: Error) -> String {
    let text = match error {
        Error::NotFound => "there is no such file",
        Error::Exists => "it is there already",
        Error::NotDirectory => "a part of the path is no directory",
        Error::IsDirectory => "it is a directory",
        Error::Forbidden => "nobody may do that",
        Error::NotEmpty => "the directory is not empty",
        Error::NameTooLong => "the name has more than 255 bytes",
        Error::Invalid => "that makes no sense here",
        Error::TooManyLinks => "it has as many names as can be",
        Error::TooLarge => "a file cannot be that long",
        Error::ReadOnly => "it can only be read",
        Error::NoSpace => "no space is left",
        Error::Device(Failure::Io) => "the device failed to read or write",
        Error::Device(Failure::Gone) => "the device is gone",
        Error::Device(Failure::Refused) => {
            "it is smaller than the 16 MiB that a volume needs, or the device refused"
        }
        Error::Stopped => "a write failed before; nothing is written until it is mounted again",
        Error::NotOurs => "there is no volume of Anode; mkfs makes one",
        Error::Newer => "the volume was made by a newer version of Anode",
        Error::Corrupt(fault) => {
            return format!(
                "the volume is damaged: {}, block or file {}; fsck tells more",
                flaw(fault.flaw),
                fault.at
            );
        }
    };
    text.to_owned()
}

/// What is wrong with a structure, in words.
#[must_use]
pub const fn flaw(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::Magic => "it does not begin as it should",
        Flaw::Checksum => "its checksum is wrong",
        Flaw::Address => "a pointer leads nowhere",
        Flaw::Birth => "it is newer than what refers to it",
        Flaw::Role => "it is something else than expected",
        Flaw::Order => "its keys are out of order",
        Flaw::Length => "a length does not fit",
        Flaw::Value => "a field has no defined value",
        Flaw::Sum => "a total does not agree with its parts",
        Flaw::Missing => "something that is referred to is missing",
    }
}
