//! How an operation fails: who is to blame decides what helps.

use anode_abi::error as errno;

/// What may fail.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why an operation failed. The volume is then as it was before the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is no such name, or no such file any more.
    NotFound,
    /// The name is taken.
    Exists,
    /// A directory is needed here.
    NotDirectory,
    /// A directory cannot be used so.
    IsDirectory,
    /// No one may do that: give a directory a second name.
    Forbidden,
    /// The directory has entries.
    NotEmpty,
    /// A name is longer than [`crate::NAME_MAX`] bytes.
    NameTooLong,
    /// An argument makes no sense: an empty name, `/` in it, a directory moved below itself.
    Invalid,
    /// A file has as many names as can be counted.
    TooManyLinks,
    /// The file would grow beyond the largest size.
    TooLarge,
    /// The mount, or the device, is for reading only.
    ReadOnly,
    /// No space is left but what deleting and committing need.
    NoSpace,
    /// The device did not do what it was asked.
    Device(Failure),
    /// A write that had to last failed before: nothing is changed any more until the next mount.
    Stopped,
    /// No superblock of ours is on the device.
    NotOurs,
    /// The volume uses features that this version does not know.
    Newer,
    /// What was read from the device is not what was written.
    Corrupt(Fault),
}

/// Who has to do something about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The program that asked.
    Caller,
    /// Whoever can make space.
    Space,
    /// Whoever cares for the device.
    Device,
    /// Whoever cares for the volume: `fsck`, a copy, an update of the system.
    Volume,
}

/// How a block device fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// This request failed; another may not.
    Io,
    /// The device is not there any more.
    Gone,
    /// The device cannot do such a thing, or has no such block.
    Refused,
}

/// A structure that is not what it has to be, and where it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub flaw: Flaw,
    /// The first block of the structure, or the number of the file it belongs to.
    pub at: u64,
}

/// What can be wrong with a structure on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// It does not begin as such a structure does.
    Magic,
    /// Its checksum is another: torn, rotten, misdirected or lost.
    Checksum,
    /// A pointer leads outside the device, or has an impossible length.
    Address,
    /// It was written after the transaction that refers to it.
    Birth,
    /// It is of another kind, level or owner than its parent says.
    Role,
    /// Its keys are out of order or out of the range that its parent gives.
    Order,
    /// A length or count does not fit.
    Length,
    /// A field has a value that is not defined.
    Value,
    /// A number that sums up others does not agree with them.
    Sum,
    /// A thing is missing to which another refers.
    Missing,
}

impl Flaw {
    /// The error of a structure with this flaw.
    #[must_use]
    pub const fn at(self, at: u64) -> Error {
        Error::Corrupt(Fault { flaw: self, at })
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Device(failure)
    }
}

impl Error {
    /// Whether what was to be read is gone, at this place: another copy may help.
    pub(crate) const fn is_damage(self) -> bool {
        matches!(self, Self::Corrupt(_) | Self::Device(Failure::Io))
    }

    /// Who has to do something about it.
    #[must_use]
    pub const fn blame(self) -> Blame {
        match self {
            Self::NotFound
            | Self::Exists
            | Self::NotDirectory
            | Self::IsDirectory
            | Self::Forbidden
            | Self::NotEmpty
            | Self::NameTooLong
            | Self::Invalid
            | Self::TooManyLinks
            | Self::TooLarge
            | Self::ReadOnly => Blame::Caller,
            Self::NoSpace => Blame::Space,
            Self::Device(_) | Self::Stopped => Blame::Device,
            Self::NotOurs | Self::Newer | Self::Corrupt(_) => Blame::Volume,
        }
    }

    /// The errno that a program gets.
    #[must_use]
    pub const fn errno(self) -> i32 {
        match self {
            Self::NotFound => errno::ENOENT,
            Self::Exists => errno::EEXIST,
            Self::NotDirectory => errno::ENOTDIR,
            Self::IsDirectory => errno::EISDIR,
            Self::Forbidden => errno::EPERM,
            Self::NotEmpty => errno::ENOTEMPTY,
            Self::NameTooLong => errno::ENAMETOOLONG,
            Self::Invalid | Self::NotOurs => errno::EINVAL,
            Self::TooManyLinks => errno::EMLINK,
            Self::TooLarge => errno::EFBIG,
            Self::ReadOnly | Self::Stopped => errno::EROFS,
            Self::NoSpace => errno::ENOSPC,
            Self::Device(Failure::Gone) => errno::ENODEV,
            Self::Device(Failure::Io | Failure::Refused) => errno::EIO,
            Self::Newer => errno::EOPNOTSUPP,
            Self::Corrupt(_) => errno::EUCLEAN,
        }
    }
}
