//! Why an adapter or a disk cannot be used.

use core::fmt;

/// A reason, as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The registers are all ones, or there is no link to the disk any more.
    Gone,
    /// It did not do this in its time.
    Late(&'static str),
    /// What is there cannot be driven.
    Unsuited(&'static str),
    /// It failed a command (error and status).
    Refused(u16),
    /// The link or the adapter reports errors.
    Link(u32),
    /// After a reset there was another disk, or the same one had changed.
    Another,
    /// It was reset too often.
    Hopeless,
    /// There is no memory for it (errno).
    Memory(i32),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the device is gone"),
            Self::Late(what) => write!(f, "the device does not {what} in its time"),
            Self::Unsuited(what) => write!(f, "the device cannot be driven: {what}"),
            Self::Refused(state) => write!(f, "the device failed a command ({state:#06x})"),
            Self::Link(errors) => write!(f, "the link reports errors ({errors:#010x})"),
            Self::Another => f.write_str("it is not the disk that it was before"),
            Self::Hopeless => f.write_str("the device fails again and again"),
            Self::Memory(errno) => write!(f, "there is no memory for it (errno {errno})"),
        }
    }
}

impl core::error::Error for Failure {}
