//! Why a controller cannot be used.

use core::fmt;

/// A reason, as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Its registers are all ones: it was pulled out, or lost its power.
    Gone,
    /// What it says that it can do is not enough for this driver.
    Unsuited(&'static str),
    /// It did not do this in the time that it asks for.
    Late(&'static str),
    /// It reports a fatal error.
    Fatal,
    /// It refuses a command, with this status.
    Refused(&'static str, u16),
    /// It breaks the protocol.
    Violation(&'static str),
    /// There is no memory for it (errno).
    Memory(i32),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the device is gone"),
            Self::Unsuited(what) => write!(f, "the device cannot be driven: {what}"),
            Self::Late(what) => write!(f, "the device does not {what} in its time"),
            Self::Fatal => f.write_str("the device reports a fatal error"),
            Self::Refused(what, status) => write!(f, "the device refuses to {what} ({status:#x})"),
            Self::Violation(what) => write!(f, "the device {what}"),
            Self::Memory(errno) => write!(f, "there is no memory for it (errno {errno})"),
        }
    }
}

impl core::error::Error for Failure {}
