//! QEMU's PCI bus with one device of interest, as a firmware and `pci:` leave it to a driver.

use std::cell::Cell;
use std::fs::File;
use std::rc::Rc;

use anode_device::qtest::{Memory, Qemu, Window};
use anode_device::{Interrupt, Registers};

/// BAR `n` of the device is at `BARS + n * BAR_STEP`.
const BARS: u32 = 0xC000_0000;
const BAR_STEP: u32 = 0x10_0000;
/// Where its messages go, and what they say.
const MAILBOX: u32 = 0x8_0000;
const SIGNAL: u32 = 0x4042;
/// Where drivers' memory begins.
const MEMORY: u64 = 0x10_0000;

const MSI: u8 = 0x05;
const MSIX: u8 = 0x11;

/// A machine.
#[derive(Debug)]
pub struct Machine {
    qemu: Qemu,
    severed: Rc<Cell<bool>>,
    next: u64,
}

impl Machine {
    /// The device's place on bus 0.
    pub const SLOT: u32 = 3;

    /// Gives the device its addresses, and lets its messages through.
    pub(super) fn new(qemu: Qemu) -> Self {
        let machine = Self { qemu, severed: Rc::default(), next: MEMORY };
        let mut bar = 0;
        while bar < 6 {
            let register = 0x10 + bar * 4;
            let kind = machine.config(register) & 0b111;
            if kind & 1 == 0 {
                machine.set_config(register, BARS + bar * BAR_STEP);
            }
            // A wide one has its upper half, zero, in the next register.
            bar += if kind == 0b100 { 2 } else { 1 };
        }
        machine.set_config(4, 0b110);
        machine.enable_messages();
        machine
    }

    /// QEMU itself.
    #[must_use]
    pub const fn qemu(&self) -> &Qemu {
        &self.qemu
    }

    /// The first 256 bytes of the device's configuration space.
    #[must_use]
    pub fn configuration(&self) -> Vec<u8> {
        (0..64).flat_map(|at| self.config(at * 4).to_le_bytes()).collect()
    }

    /// Registers in a BAR of the device.
    #[must_use]
    pub fn registers(&self, bar: u8, offset: u32, size: usize) -> Severed {
        let address = BARS + u32::from(bar) * BAR_STEP + offset;
        let window = self.qemu.window(address.into(), size);
        Severed { window, severed: Rc::clone(&self.severed) }
    }

    /// Memory that the device reaches.
    pub fn memory(&mut self, bytes: usize) -> Memory {
        let address = self.next;
        self.next += u64::try_from(bytes.next_multiple_of(4096)).unwrap();
        assert!(self.next <= super::DATA);
        self.qemu.memory(address, bytes)
    }

    /// What stands for the device's interrupt. What it does with it is seen by [`Self::messages`].
    #[must_use]
    pub fn interrupts(&self) -> Vec<Interrupt> {
        vec![Interrupt::new(File::open("/dev/null").unwrap().into())]
    }

    /// Whether the device has sent a message since this was asked last.
    #[must_use]
    pub fn was_told(&self) -> bool {
        let told = self.qemu.read(MAILBOX.into(), 4) == SIGNAL.to_le_bytes();
        self.qemu.write(MAILBOX.into(), &[0; 4]);
        told
    }

    /// Takes the device off the bus: its registers are all ones, and hear nothing.
    pub fn sever(&self) {
        self.severed.set(true);
    }

    fn config(&self, at: u32) -> u32 {
        let mut ports = self.qemu.ports(0xCF8, 8);
        ports.write32(0, 1 << 31 | Self::SLOT << 11 | at);
        ports.read32(4)
    }

    fn set_config(&self, at: u32, value: u32) {
        let mut ports = self.qemu.ports(0xCF8, 8);
        ports.write32(0, 1 << 31 | Self::SLOT << 11 | at);
        ports.write32(4, value);
    }

    /// Lets MSI-X entry 0, or else MSI, write [`SIGNAL`] to [`MAILBOX`].
    fn enable_messages(&self) {
        let mut msi = None;
        let mut at = self.config(0x34) & 0xFC;
        while at != 0 {
            let [id, next, ..] = self.config(at).to_le_bytes();
            match id {
                MSIX => return self.enable_msix(at),
                MSI => msi = Some(at),
                _ => {}
            }
            at = u32::from(next) & 0xFC;
        }
        let at = msi.unwrap();
        let control = self.config(at);
        let data = if control >> 16 & 1 << 7 == 0 { at + 8 } else { at + 12 };
        self.set_config(at + 4, MAILBOX);
        self.set_config(data, SIGNAL);
        self.set_config(at, control | 1 << 16);
    }

    fn enable_msix(&self, at: u32) {
        let place = self.config(at + 4);
        let bar = u8::try_from(place & 7).unwrap();
        let mut table = self.registers(bar, place & !7, 16);
        for (word, value) in [MAILBOX, 0, SIGNAL, 0].into_iter().enumerate() {
            table.write32(word * 4, value);
        }
        self.set_config(at, self.config(at) | 1 << 31);
    }
}

/// Registers of a device that may be taken off the bus.
#[derive(Clone, Debug)]
pub struct Severed {
    window: Window,
    severed: Rc<Cell<bool>>,
}

impl Registers for Severed {
    fn size(&self) -> usize {
        self.window.size()
    }

    fn read8(&self, at: usize) -> u8 {
        if self.severed.get() { u8::MAX } else { self.window.read8(at) }
    }

    fn read16(&self, at: usize) -> u16 {
        if self.severed.get() { u16::MAX } else { self.window.read16(at) }
    }

    fn read32(&self, at: usize) -> u32 {
        if self.severed.get() { u32::MAX } else { self.window.read32(at) }
    }

    fn write8(&mut self, at: usize, value: u8) {
        if !self.severed.get() {
            self.window.write8(at, value);
        }
    }

    fn write16(&mut self, at: usize, value: u16) {
        if !self.severed.get() {
            self.window.write16(at, value);
        }
    }

    fn write32(&mut self, at: usize, value: u32) {
        if !self.severed.get() {
            self.window.write32(at, value);
        }
    }
}
