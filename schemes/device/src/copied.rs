//! A driver's memory that is not mapped but reached by copies: a fake device's, or an emulator's.
#![expect(clippy::arithmetic_side_effects, reason = "code of tests, which are to fail loudly")]

use std::ops::Range;

use redox::error::{EFAULT, Error, Result};

use crate::SharedMemory;

/// Physical memory that is copied from and to.
pub trait Copied {
    /// The bytes at a physical address.
    fn read(&self, physical: u64, len: usize) -> Vec<u8>;
    /// Puts bytes at a physical address.
    fn write(&self, physical: u64, bytes: &[u8]);
}

/// A part of it, as a driver has it.
#[derive(Clone, Debug)]
pub struct Part<M> {
    memory: M,
    physical: u64,
    len: usize,
}

impl<M: Copied> Part<M> {
    /// The `len` bytes from a physical address on.
    pub const fn new(memory: M, physical: u64, len: usize) -> Self {
        Self { memory, physical, len }
    }

    fn at(&self, at: usize) -> u64 {
        self.physical + u64::try_from(at).unwrap_or(u64::MAX)
    }

    fn put(&self, at: usize, bytes: &[u8]) {
        if at + bytes.len() <= self.len {
            self.memory.write(self.at(at), bytes);
        }
    }

    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        if at + N > self.len {
            return [0; N];
        }
        self.memory.read(self.at(at), N).try_into().unwrap_or([0; N])
    }
}

impl<M: Copied> SharedMemory for Part<M> {
    fn size(&self) -> usize {
        self.len
    }

    fn physical(&self) -> u64 {
        self.physical
    }

    fn load16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.get(at))
    }

    fn store16(&mut self, at: usize, value: u16) {
        self.put(at, &value.to_le_bytes());
    }

    fn read32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.get(at))
    }

    fn write16(&mut self, at: usize, value: u16) {
        self.put(at, &value.to_le_bytes());
    }

    fn write32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_le_bytes());
    }

    fn write64(&mut self, at: usize, value: u64) {
        self.put(at, &value.to_le_bytes());
    }

    fn with(
        &mut self,
        range: Range<usize>,
        work: &mut dyn FnMut(&mut [u8]) -> Result<usize>,
    ) -> Result<usize> {
        if range.start > range.end || range.end > self.len {
            return Err(Error::new(EFAULT));
        }
        // A copy, so that `work` may look at the device meanwhile.
        let start = self.at(range.start);
        let mut bytes = self.memory.read(start, range.len());
        let result = work(&mut bytes);
        self.memory.write(start, &bytes);
        result
    }
}
