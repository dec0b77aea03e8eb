//! Device registers, as memory or as ports.

use std::rc::Rc;

use crate::mapping::Mapping;
use crate::ports::Ports;

/// A block of device registers.
///
/// An access outside of the block, or one that the block cannot do in one piece, acts as on a
/// bus where nobody answers: a read gives all ones, a write goes nowhere.
pub trait Registers {
    /// Size of the block in bytes.
    fn size(&self) -> usize;
    /// Reads 8 bits.
    fn read8(&self, at: usize) -> u8;
    /// Reads 16 bits.
    fn read16(&self, at: usize) -> u16;
    /// Reads 32 bits.
    fn read32(&self, at: usize) -> u32;
    /// Writes 8 bits.
    fn write8(&mut self, at: usize, value: u8);
    /// Writes 16 bits.
    fn write16(&mut self, at: usize, value: u16);
    /// Writes 32 bits.
    fn write32(&mut self, at: usize, value: u32);
}

/// Registers in memory: a window of a mapped BAR. Clones share the mapping.
#[derive(Clone, Debug)]
pub struct Mmio {
    mapping: Rc<Mapping>,
    start: usize,
    size: usize,
}

impl Mmio {
    /// The whole of a mapping.
    pub(crate) fn new(mapping: Mapping) -> Self {
        let size = mapping.len();
        Self { mapping: Rc::new(mapping), start: 0, size }
    }

    /// The part `at..at + size`, or `None` if it does not lie inside.
    #[must_use]
    pub fn window(&self, at: usize, size: usize) -> Option<Self> {
        let inside = at.checked_add(size)? <= self.size;
        let start = self.start.checked_add(at)?;
        inside.then(|| Self { mapping: Rc::clone(&self.mapping), start, size })
    }

    /// Where `bytes` bytes at `at` lie in the mapping.
    fn place(&self, at: usize, bytes: usize) -> Option<usize> {
        let inside = at.checked_add(bytes)? <= self.size;
        if inside { self.start.checked_add(at) } else { None }
    }
}

impl Registers for Mmio {
    fn size(&self) -> usize {
        self.size
    }

    fn read8(&self, at: usize) -> u8 {
        self.place(at, 1).and_then(|at| self.mapping.read(at)).unwrap_or(u8::MAX)
    }

    fn read16(&self, at: usize) -> u16 {
        self.place(at, 2).and_then(|at| self.mapping.read(at)).unwrap_or(u16::MAX)
    }

    fn read32(&self, at: usize) -> u32 {
        self.place(at, 4).and_then(|at| self.mapping.read(at)).unwrap_or(u32::MAX)
    }

    fn write8(&mut self, at: usize, value: u8) {
        self.place(at, 1).and_then(|at| self.mapping.write(at, value));
    }

    fn write16(&mut self, at: usize, value: u16) {
        self.place(at, 2).and_then(|at| self.mapping.write(at, value));
    }

    fn write32(&mut self, at: usize, value: u32) {
        self.place(at, 4).and_then(|at| self.mapping.write(at, value));
    }
}

/// What a base address register of a PCI function leads to.
#[derive(Clone, Debug)]
pub enum Bar {
    /// Memory.
    Memory(Mmio),
    /// A range of I/O ports.
    Ports(Ports),
}

#[cfg(test)]
mod tests {
    use super::{Mmio, Registers as _};
    use crate::mapping::Mapping;

    #[test]
    fn a_window_reaches_its_part_and_nothing_else() {
        let mut whole = Mmio::new(Mapping::fake(64));
        let mut part = whole.window(16, 8).unwrap();

        part.write32(4, 0xAABB_CCDD);
        part.write32(8, 0x1111_1111);
        part.write16(7, 0x2222);

        assert_eq!(whole.read32(20), 0xAABB_CCDD);
        assert_eq!(whole.read32(24), 0);
        assert_eq!(part.read16(7), u16::MAX);
        assert_eq!(part.read8(7), 0xAA);
        assert_eq!(part.read8(8), u8::MAX);
        whole.write8(16, 5);
        assert_eq!(part.read8(0), 5);
    }

    #[test]
    fn a_window_that_leaves_its_parent_does_not_exist() {
        let whole = Mmio::new(Mapping::fake(64));
        assert!(whole.window(0, 65).is_none());
        assert!(whole.window(usize::MAX, 2).is_none());
        assert!(whole.window(8, 8).unwrap().window(4, 5).is_none());
    }
}
