//! The seam: the only code that asks the system for anything, once for each system.
//!
//! Both back-ends give the same functions with Redox's numbers and structs; which one is
//! compiled in, the feature `hosted` decides. A file handle is C's `int`; a path comes as an
//! [`At`], after `path` has decided what it names.

use core::ffi::{CStr, c_int};

#[cfg(not(feature = "hosted"))]
mod anode;
#[cfg(feature = "hosted")]
mod linux;

#[cfg(not(feature = "hosted"))]
pub(crate) use anode::*;
#[cfg(feature = "hosted")]
pub(crate) use linux::*;

/// A path and the directory that a relative one starts from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    /// An open directory, or `AT_FDCWD`.
    pub(crate) dir: c_int,
    /// Absolute, in a scheme by name, or relative to `dir`.
    pub(crate) path: &'a CStr,
}

/// Whether an operation acts on a link at the end of a path or on what it points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// Go through it.
    Follow,
    /// It is meant itself.
    Keep,
}

/// Whether memory is promised when it is mapped, or only given when it is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commit {
    /// A touch never fails.
    Now,
    /// For stacks, of which most is never touched.
    Lazy,
}

/// What `wait` reports of a child.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// Its process id; 0 if none has ended yet.
    pub(crate) pid: c_int,
    /// Its status, as POSIX encodes it.
    pub(crate) status: c_int,
}

/// Ids of the calling process that can be asked for and partly be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    Process,
    Parent,
    User,
    Group,
}
