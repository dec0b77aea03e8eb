//! A range of I/O ports, reached through its handle.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use anode_scheme::sys;

use crate::registers::Registers;

/// I/O ports `0..size` of a range. Each access is one system call. Clones share the handle.
#[derive(Clone, Debug)]
pub struct Ports {
    handle: Rc<OwnedFd>,
    size: usize,
}

impl Ports {
    /// The ports of an `io/PORT/COUNT` handle; `size` is COUNT.
    #[must_use]
    pub fn new(handle: OwnedFd, size: usize) -> Self {
        Self { handle: Rc::new(handle), size }
    }

    /// Reads into `into`; what cannot be read is all ones.
    fn read<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut into = [0; N];
        let offset = u64::try_from(at).unwrap_or(u64::MAX);
        match sys::read_at(&self.handle, &mut into, offset) {
            Ok(count) if count == N => into,
            Ok(_) | Err(_) => [u8::MAX; N],
        }
    }

    /// Writes; the kernel refuses what is outside of the range, and then nothing happens.
    fn write(&self, at: usize, from: &[u8]) {
        let offset = u64::try_from(at).unwrap_or(u64::MAX);
        // As on a bus where nobody answers: `Registers` promises no more.
        sys::write_at(&self.handle, from, offset).unwrap_or_default();
    }
}

impl Registers for Ports {
    fn size(&self) -> usize {
        self.size
    }

    fn read8(&self, at: usize) -> u8 {
        u8::from_le_bytes(self.read(at))
    }

    fn read16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.read(at))
    }

    fn read32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.read(at))
    }

    fn write8(&mut self, at: usize, value: u8) {
        self.write(at, &value.to_le_bytes());
    }

    fn write16(&mut self, at: usize, value: u16) {
        self.write(at, &value.to_le_bytes());
    }

    fn write32(&mut self, at: usize, value: u32) {
        self.write(at, &value.to_le_bytes());
    }
}
