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

use crate::copied::{Copied, Part};

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
        Memory::new(self.clone(), BASE + range.start as u64, range.len())
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
pub type Memory = Part<Ram>;

impl Copied for Ram {
    fn read(&self, physical: u64, len: usize) -> Vec<u8> {
        Self::read(self, physical, len)
    }

    fn write(&self, physical: u64, bytes: &[u8]) {
        Self::write(self, physical, bytes);
    }
}
