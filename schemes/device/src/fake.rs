//! The memory that a fake device and its driver share, for the host tests of drivers.
//!
//! Misuse panics: it is a test.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::missing_panics_doc,
    reason = "code of tests, which are to fail loudly"
)]

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use redox::error::{EFAULT, Error, Result};

use crate::dma::SharedMemory;

/// Physical address of the first byte of [`Ram`].
pub const BASE: u64 = 0x10_0000;

/// Memory that a device reaches.
#[derive(Clone, Debug)]
pub struct Ram(Rc<RefCell<Vec<u8>>>);

impl Ram {
    /// Zeroed memory.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Rc::new(RefCell::new(vec![0; bytes])))
    }

    /// The driver's view of a part.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Memory {
        assert!(range.end <= self.0.borrow().len());
        Memory { ram: self.clone(), range }
    }

    /// The device reads at a physical address.
    #[must_use]
    pub fn read(&self, physical: u64, len: usize) -> Vec<u8> {
        let at = (physical - BASE) as usize;
        self.0.borrow()[at..at + len].to_vec()
    }

    /// The device writes at a physical address.
    pub fn write(&self, physical: u64, bytes: &[u8]) {
        let at = (physical - BASE) as usize;
        self.0.borrow_mut()[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// The device reads a number of up to 8 bytes.
    #[must_use]
    pub fn word(&self, physical: u64, len: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(&self.read(physical, len));
        u64::from_le_bytes(bytes)
    }
}

/// A part of [`Ram`] as a driver has it.
#[derive(Clone, Debug)]
pub struct Memory {
    ram: Ram,
    range: Range<usize>,
}

impl Memory {
    fn put(&self, at: usize, bytes: &[u8]) {
        if at + bytes.len() <= self.range.len() {
            self.ram.write(self.physical() + at as u64, bytes);
        }
    }
}

impl SharedMemory for Memory {
    fn size(&self) -> usize {
        self.range.len()
    }

    fn physical(&self) -> u64 {
        BASE + self.range.start as u64
    }

    fn load16(&self, at: usize) -> u16 {
        self.ram.word(self.physical() + at as u64, 2) as u16
    }

    fn store16(&mut self, at: usize, value: u16) {
        self.put(at, &value.to_le_bytes());
    }

    fn read32(&self, at: usize) -> u32 {
        self.ram.word(self.physical() + at as u64, 4) as u32
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
        let physical = self.physical();
        if range.start > range.end || range.end > self.range.len() {
            return Err(Error::new(EFAULT));
        }
        // A copy, so that `work` may look at the device meanwhile.
        let mut bytes = self.ram.read(physical + range.start as u64, range.len());
        let result = work(&mut bytes);
        self.ram.write(physical + range.start as u64, &bytes);
        result
    }
}
