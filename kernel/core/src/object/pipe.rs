//! Pipes: bounded byte queues in the pages of an anonymous object.

use crate::mem::bytes::{Bytes, Located};
use crate::prelude::*;

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
    /// Bytes that were dropped; none: a full pipe blocks its writers.
    pub dropped: Option<u64>,
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

    /// Its bytes from number `at` on, for copying.
    pub fn bytes(&self, at: u64) -> Cycle {
        Cycle { object: self.object, at }
    }

    /// What an end is ready for.
    pub fn ready(&self, end: End) -> u64 {
        match end {
            End::Read if self.writers == 0 => ready::READ | ready::HANGUP,
            End::Read if self.used() > 0 => ready::READ,
            End::Write if self.readers == 0 => ready::WRITE | ready::ERROR,
            End::Write if self.room() > 0 => ready::WRITE,
            End::Read | End::Write => 0,
        }
    }
}

/// The bytes of a pipe from a number on.
#[derive(Clone, Copy, Debug)]
pub struct Cycle {
    object: ObjectId,
    at: u64,
}

impl<M: Machine> Bytes<M> for Cycle {
    fn locate(&mut self, memory: &mut Memory<M>, at: usize, _: MapFlags) -> Located {
        let place = self.at.saturating_add(wide(at)).checked_rem(CAPACITY).ok_or(EFAULT)?;
        Ok((memory.page(self.object, place >> 12)?, size(place & 0xFFF)))
    }
}
