//! Access to configuration space.

use core::fmt;

use anode_device::{Ports, Registers};

/// Where a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) bus: u8,
    /// 0 to 31.
    pub(crate) device: u8,
    /// 0 to 7.
    pub(crate) function: u8,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}.{:02x}.{:x}", self.bus, self.device, self.function)
    }
}

impl Address {
    /// Reads the form `00.02.0`, as [`fmt::Display`] writes it.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('.').map(|part| u8::from_str_radix(part, 16).ok());
        let (bus, device, function) = (parts.next()??, parts.next()??, parts.next()??);
        let address = Self { bus, device, function };
        // One function has one name: `0.2.0` is not another one.
        (device < 32 && function < 8 && address.to_string() == name).then_some(address)
    }
}

/// Configuration space of all functions, in aligned words of 32 bits. What is not there reads as
/// all ones.
pub(crate) trait Access {
    /// Reads the word at `at`, a multiple of 4 below 256.
    fn read(&mut self, function: Address, at: u8) -> u32;
    /// Writes the word at `at`.
    fn write(&mut self, function: Address, at: u8, value: u32);
}

impl Access for Box<dyn Access> {
    fn read(&mut self, function: Address, at: u8) -> u32 {
        (**self).read(function, at)
    }

    fn write(&mut self, function: Address, at: u8, value: u32) {
        (**self).write(function, at, value);
    }
}

/// The two ports of the first PCI machines, which every PC still has: they reach 256 bytes of
/// each function.
#[derive(Debug)]
pub(crate) struct LegacyPorts<R = Ports>(pub(crate) R);

/// First of the ports: the address; the data is at offset 4.
pub(crate) const FIRST_PORT: u16 = 0xCF8;
/// Their number.
pub(crate) const PORTS: u16 = 8;
const DATA: usize = 4;

impl<R: Registers> LegacyPorts<R> {
    fn select(&mut self, function: Address, at: u8) {
        let Address { bus, device, function } = function;
        let word = 1 << 31
            | u32::from(bus) << 16
            | u32::from(device & 31) << 11
            | u32::from(function & 7) << 8
            | u32::from(at & !3);
        self.0.write32(0, word);
    }
}

impl<R: Registers> Access for LegacyPorts<R> {
    fn read(&mut self, function: Address, at: u8) -> u32 {
        self.select(function, at);
        self.0.read32(DATA)
    }

    fn write(&mut self, function: Address, at: u8, value: u32) {
        self.select(function, at);
        self.0.write32(DATA, value);
    }
}

/// Reads one byte.
pub(crate) fn read8(access: &mut impl Access, function: Address, at: u8) -> u8 {
    let word = access.read(function, at & !3).to_le_bytes();
    word.get(usize::from(at & 3)).copied().unwrap_or(u8::MAX)
}

/// Reads 16 bits at an even place.
pub(crate) fn read16(access: &mut impl Access, function: Address, at: u8) -> u16 {
    let [a, b, c, d] = access.read(function, at & !3).to_le_bytes();
    u16::from_le_bytes(if at & 2 == 0 { [a, b] } else { [c, d] })
}

/// Writes bytes that lie in one word, and leaves the rest of the word as it reads.
pub(crate) fn write_part(access: &mut impl Access, function: Address, at: u8, bytes: &[u8]) {
    let mut word = access.read(function, at & !3).to_le_bytes();
    for (to, from) in word.iter_mut().skip(usize::from(at & 3)).zip(bytes) {
        *to = *from;
    }
    access.write(function, at & !3, u32::from_le_bytes(word));
}

#[cfg(test)]
mod tests {
    use super::{Address, read8, read16, write_part};
    use crate::fake::Bus;

    #[test]
    fn a_function_has_one_name() {
        let address = Address { bus: 0, device: 0x1F, function: 2 };
        assert_eq!(address.to_string(), "00.1f.2");
        assert_eq!(Address::parse("00.1f.2"), Some(address));
        for name in ["", "0.1f.2", "00.1F.2", "00.20.0", "00.00.8", "00.00", "00.00.0.0", "+0.00.0"]
        {
            assert_eq!(Address::parse(name), None, "{name}");
        }
    }

    #[test]
    fn parts_of_a_word_are_read_and_written_alone() {
        let mut bus = Bus::default();
        let address = Address { bus: 0, device: 1, function: 0 };
        bus.add(address, &[(0x40, 0x4433_2211)]);
        assert_eq!(read8(&mut bus, address, 0x42), 0x33);
        assert_eq!(read16(&mut bus, address, 0x42), 0x4433);
        write_part(&mut bus, address, 0x41, &[0xAA]);
        write_part(&mut bus, address, 0x43, &[0xBB, 0xCC]);
        assert_eq!(bus.word(address, 0x40), 0xBB33_AA11);
        assert_eq!(read8(&mut bus, Address { bus: 9, device: 9, function: 0 }, 0), 0xFF);
    }
}
