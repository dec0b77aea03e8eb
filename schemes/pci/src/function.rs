//! What a function is, read from its configuration space. All of it is the device's word.

use core::fmt;

use crate::access::{Access, Address, read8, read16};
use crate::bar::{self, Bar};

// Offsets in the standard header.
pub(crate) const COMMAND: u8 = 0x04;
const STATUS: u8 = 0x06;
const CLASS: u8 = 0x08;
const HEADER_TYPE: u8 = 0x0E;
const SUBSYSTEM: u8 = 0x2C;
const CAPABILITIES: u8 = 0x34;
const INTERRUPT_LINE: u8 = 0x3C;
const INTERRUPT_PIN: u8 = 0x3D;

const STATUS_HAS_CAPABILITIES: u16 = 1 << 4;
/// Where capabilities may begin.
const FIRST_CAPABILITY: u8 = 0x40;
/// More do not fit in 256 bytes: the list is a loop.
const MAX_CAPABILITIES: usize = 48;

const BRIDGE_CLASS: u32 = 0x06;
const MSI: u8 = 0x05;
const MSIX: u8 = 0x11;

/// A function of a bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) address: Address,
    pub(crate) vendor: u16,
    pub(crate) device: u16,
    /// Class, subclass, interface.
    pub(crate) class: u32,
    pub(crate) revision: u8,
    subsystem: (u16, u16),
    pub(crate) bars: [Option<Bar>; 6],
    /// Whether it leads to a bus: it is no driver's.
    pub(crate) bridge: bool,
    /// The line that the firmware noted, if the function has a pin and the firmware did.
    pub(crate) line: Option<u8>,
    pub(crate) msi: Option<Msi>,
    pub(crate) msix: Option<Msix>,
}

/// The MSI capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Msi {
    /// Offset of the capability.
    pub(crate) at: u8,
    /// Whether the address has 64 bits.
    pub(crate) wide: bool,
    /// Whether messages can be masked.
    pub(crate) maskable: bool,
}

impl Msi {
    /// Length of the capability in bytes.
    pub(crate) const fn len(self) -> u8 {
        match (self.wide, self.maskable) {
            (false, false) => 0x0A,
            (true, false) => 0x0E,
            (false, true) => 0x14,
            (true, true) => 0x18,
        }
    }
}

/// The MSI-X capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Msix {
    /// Offset of the capability.
    pub(crate) at: u8,
    /// Number of table entries, 1 to 2048.
    pub(crate) entries: u16,
    /// The BAR that holds the table.
    pub(crate) bar: u8,
    /// Where in that BAR the table begins.
    pub(crate) table: u32,
}

impl Msix {
    /// Length of the capability in bytes.
    pub(crate) const LEN: u8 = 12;
    /// Length of a table entry in bytes.
    pub(crate) const ENTRY: u32 = 16;

    /// Where in its BAR the table lies.
    pub(crate) fn range(self) -> core::ops::Range<u64> {
        let start = u64::from(self.table);
        start..start.saturating_add(u64::from(self.entries).saturating_mul(Self::ENTRY.into()))
    }
}

impl Function {
    /// Reads a function, or `None` if there is none. Measures its BARs, for which it is
    /// disconnected for a moment.
    pub(crate) fn read(access: &mut impl Access, address: Address) -> Option<Self> {
        let [a, b, c, d] = access.read(address, 0).to_le_bytes();
        let vendor = u16::from_le_bytes([a, b]);
        if matches!(vendor, 0 | 0xFFFF) {
            return None;
        }
        let class = access.read(address, CLASS);
        let [revision, ..] = class.to_le_bytes();
        let mut function = Self {
            address,
            vendor,
            device: u16::from_le_bytes([c, d]),
            class: class >> 8,
            revision,
            subsystem: (0, 0),
            bars: [None; 6],
            bridge: header_type(access, address) != 0 || class >> 24 == BRIDGE_CLASS,
            line: None,
            msi: None,
            msix: None,
        };
        if header_type(access, address) == 0 {
            let [a, b, c, d] = access.read(address, SUBSYSTEM).to_le_bytes();
            function.subsystem = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
            function.bars = bar::measure(access, address);
            function.line = line(access, address);
            function.find_capabilities(access);
        }
        Some(function)
    }

    fn find_capabilities(&mut self, access: &mut impl Access) {
        for (id, at) in capabilities(access, self.address) {
            let control = read16(access, self.address, at.saturating_add(2));
            if id == MSI && self.msi.is_none() {
                let (wide, maskable) = (control & 1 << 7 != 0, control & 1 << 8 != 0);
                let msi = Msi { at, wide, maskable };
                self.msi = at.checked_add(msi.len()).map(|_end| msi);
            }
            if id == MSIX && self.msix.is_none() {
                self.msix = self.msix_at(access, at, control);
            }
        }
    }

    /// The MSI-X capability at `at`, if its table lies in a BAR.
    fn msix_at(&self, access: &mut impl Access, at: u8, control: u16) -> Option<Msix> {
        at.checked_add(Msix::LEN)?;
        let place = access.read(self.address, at.checked_add(4)?);
        let [bar, ..] = (place & 7).to_le_bytes();
        let entries = (control & 0x7FF).saturating_add(1);
        let msix = Msix { at, entries, bar, table: place & !7 };
        let Some(Bar::Memory { size, .. }) = self.bars.get(usize::from(bar)).copied().flatten()
        else {
            return None;
        };
        (msix.range().end <= size).then_some(msix)
    }

    /// Whether a driver may write the configuration byte at `at`.
    ///
    /// Not the header, whose BARs and command register are ours, nor the interrupt
    /// capabilities: with them it could reach other devices' memory or vectors.
    pub(crate) fn may_write(&self, at: u8) -> bool {
        let within = |start: u8, len: u8| at >= start && at.saturating_sub(start) < len;
        let msi = self.msi.is_some_and(|msi| within(msi.at, msi.len()));
        let msix = self.msix.is_some_and(|msix| within(msix.at, Msix::LEN));
        at >= FIRST_CAPABILITY && !msi && !msix
    }
}

/// The text of `info`: words `key=value`, numbers hexadecimal.
impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (vendor, device) = self.subsystem;
        write!(
            f,
            "vendor={:04x} device={:04x} class={:06x} ",
            self.vendor, self.device, self.class
        )?;
        write!(f, "revision={:02x} subsystem={vendor:04x}:{device:04x}", self.revision)?;
        if let Some(line) = self.line {
            write!(f, " irq={line:x}")?;
        }
        if self.msi.is_some() {
            write!(f, " msi=1")?;
        }
        if let Some(msix) = self.msix {
            write!(f, " msix={:x} msix-table={}/{:x}", msix.entries, msix.bar, msix.table)?;
        }
        for (number, bar) in self.bars.iter().enumerate() {
            match bar {
                Some(Bar::Memory { address, size }) => {
                    write!(f, " bar{number}=mem/{address:x}/{size:x}")?;
                }
                Some(Bar::Ports { first, count }) => {
                    write!(f, " bar{number}=io/{first:x}/{count:x}")?;
                }
                None => {}
            }
        }
        writeln!(f)
    }
}

/// Kind of the header: 0 a device, 1 a bridge.
pub(crate) fn header_type(access: &mut impl Access, address: Address) -> u8 {
    read8(access, address, HEADER_TYPE) & 0x7F
}

/// Whether a device has functions beyond 0.
pub(crate) fn is_multifunction(access: &mut impl Access, address: Address) -> bool {
    read8(access, address, HEADER_TYPE) & 0x80 != 0
}

/// The interrupt line, if the function has a pin and the firmware routed it.
fn line(access: &mut impl Access, address: Address) -> Option<u8> {
    let pin = read8(access, address, INTERRUPT_PIN);
    let line = read8(access, address, INTERRUPT_LINE);
    ((1..=4).contains(&pin) && (1..=23).contains(&line)).then_some(line)
}

/// Id and offset of each capability, in the order of the list.
fn capabilities(access: &mut impl Access, address: Address) -> Vec<(u8, u8)> {
    let mut found = Vec::new();
    if read16(access, address, STATUS) & STATUS_HAS_CAPABILITIES == 0 {
        return found;
    }
    let mut next = read8(access, address, CAPABILITIES) & !3;
    while next >= FIRST_CAPABILITY && found.len() < MAX_CAPABILITIES {
        let [id, after] = read16(access, address, next).to_le_bytes();
        if id == 0xFF {
            break;
        }
        found.push((id, next));
        next = after & !3;
    }
    found
}
