//! Pipes: bounded byte queues in the pages of an anonymous object.

use crate::{Id, ObjectId};

/// Names a pipe.
pub type PipeId = Id<Pipe>;

/// Bytes that a pipe holds.
pub const CAPACITY: u64 = 64 * 1024;

/// The end of a pipe that a description is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Bytes come out.
    Read,
    /// Bytes go in.
    Write,
}

/// A pipe.
#[derive(Debug)]
pub struct Pipe {
    /// Where its bytes lie: byte n at n modulo [`CAPACITY`].
    pub object: ObjectId,
    /// Bytes ever read.
    pub head: u64,
    /// Bytes ever written.
    pub tail: u64,
    /// Descriptions of the read end.
    pub readers: u32,
    /// Descriptions of the write end.
    pub writers: u32,
    /// Whether a full pipe drops and counts instead of blocking.
    pub lossy: bool,
    /// Bytes that were dropped.
    pub dropped: u64,
}

impl Pipe {
    /// Bytes that can be read.
    pub fn used(&self) -> u64 {
        self.tail.saturating_sub(self.head)
    }

    /// Bytes that can be written.
    pub fn room(&self) -> u64 {
        CAPACITY.saturating_sub(self.used())
    }
}
