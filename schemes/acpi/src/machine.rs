//! The machine behind the two traits.

use core::time::Duration;

use anode_device::{Cache, Machine, Registers as _};

use crate::power::{Bus, Register};
use crate::tables::Physical;

const PAGE: u64 = 4096;

impl Physical for Machine {
    fn read(&self, address: u64, len: usize) -> Option<Vec<u8>> {
        let at = address % PAGE;
        let first = address.checked_sub(at)?;
        let end = address.checked_add(u64::try_from(len).ok()?)?.checked_next_multiple_of(PAGE)?;
        let size = usize::try_from(end.checked_sub(first)?).ok()?;
        let mapped = self.map(first, size, Cache::WriteBack).ok()?;
        let window = mapped.window(usize::try_from(at).ok()?, len)?;
        Some((0..len).map(|at| window.read8(at)).collect())
    }
}

/// How long [`Bus::wait`] waits.
const MOMENT: Duration = Duration::from_millis(10);

/// Ports and memory of the machine. What cannot be reached reads as all ones, and writes to it
/// are lost: both commands end in another way then, and say so.
#[derive(Debug)]
pub(crate) struct MachineBus<'a>(pub(crate) &'a Machine);

impl Bus for MachineBus<'_> {
    fn read16(&mut self, register: Register) -> u16 {
        match register {
            Register::Port(port) => self.0.ports(port, 2).map_or(u16::MAX, |ports| ports.read16(0)),
            Register::Memory(address) => {
                let bytes = self.0.read(address, 2).and_then(|bytes| bytes.try_into().ok());
                bytes.map_or(u16::MAX, u16::from_le_bytes)
            }
        }
    }

    fn write16(&mut self, register: Register, value: u16) {
        match register {
            Register::Port(port) => {
                if let Ok(mut ports) = self.0.ports(port, 2) {
                    ports.write16(0, value);
                }
            }
            Register::Memory(address) => self.write_memory(address, &value.to_le_bytes()),
        }
    }

    fn write8(&mut self, register: Register, value: u8) {
        match register {
            Register::Port(port) => {
                if let Ok(mut ports) = self.0.ports(port, 1) {
                    ports.write8(0, value);
                }
            }
            Register::Memory(address) => self.write_memory(address, &[value]),
        }
    }

    fn wait(&mut self) {
        std::thread::sleep(MOMENT);
    }
}

impl MachineBus<'_> {
    /// Writes one or two bytes of a register, in one access.
    fn write_memory(&self, address: u64, bytes: &[u8]) {
        let at = address % PAGE;
        let first = address.saturating_sub(at);
        let Ok(mut registers) = self.0.map(first, 4096, Cache::Uncached) else { return };
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        match *bytes {
            [low, high] => registers.write16(at, u16::from_le_bytes([low, high])),
            [byte] => registers.write8(at, byte),
            _ => {}
        }
    }
}
