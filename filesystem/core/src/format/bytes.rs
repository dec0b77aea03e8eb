//! A cursor over foreign bytes.

use crate::error::Flaw;
use crate::num::size;

/// What is left to be read; each step takes from the front or tells that it is too short.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes<'b>(pub(crate) &'b [u8]);

impl<'b> Bytes<'b> {
    /// The next so many bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'b [u8], Flaw> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Flaw::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Flaw::Length)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// One byte.
    pub(crate) fn byte(&mut self) -> Result<u8, Flaw> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    /// Four bytes.
    pub(crate) fn word(&mut self) -> Result<u32, Flaw> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes.
    pub(crate) fn long(&mut self) -> Result<u64, Flaw> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Bytes behind their length in four bytes.
    pub(crate) fn run(&mut self) -> Result<&'b [u8], Flaw> {
        let length = self.word()?;
        self.take(size(u64::from(length)))
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), Flaw> {
        if self.0.is_empty() { Ok(()) } else { Err(Flaw::Length) }
    }
}
