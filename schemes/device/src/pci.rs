//! A PCI function that a driver was given (`ANODE_DEVICE`): a directory handle of `pci:`.

use std::os::fd::OwnedFd;

use anode_scheme::sys;
use redox::error::{EIO, ENODEV, ENXIO, Error, Result};

use crate::dma::Dma;
use crate::env;
use crate::interrupt::Interrupt;
use crate::mapping::Mapping;
use crate::ports::Ports;
use crate::registers::{Bar, Mmio};

/// Registers are mapped in whole pages.
const PAGE: u64 = 4096;

/// A PCI function.
#[derive(Debug)]
pub struct Device {
    directory: OwnedFd,
    facts: Facts,
}

impl Device {
    /// All functions that this process was given, in the order given.
    ///
    /// # Errors
    ///
    /// `ENODEV` if there is none or the list is malformed, or what reading their facts
    /// answers.
    pub fn all_from_env() -> Result<Vec<Self>> {
        let list = std::env::var("ANODE_DEVICE").unwrap_or_default();
        let handles = env::handles(&list).filter(|handles| !handles.is_empty());
        let handles = handles.ok_or(Error::new(ENODEV))?;
        handles.into_iter().map(|number| Self::new(env::adopt(number)?)).collect()
    }

    /// The function behind a directory handle of `pci:`.
    ///
    /// # Errors
    ///
    /// What reading `info` answers; `EIO` if it is not understood.
    pub fn new(directory: OwnedFd) -> Result<Self> {
        let info = sys::openat(&directory, "info", redox::flag::O_RDONLY)?;
        let mut text = vec![0; 4096];
        let count = sys::read_at(&info, &mut text, 0)?;
        let text = text.get(..count).and_then(|text| core::str::from_utf8(text).ok());
        let facts = text.and_then(Facts::parse).ok_or(Error::new(EIO))?;
        Ok(Self { directory, facts })
    }

    /// What `pci:` says of it.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The first 256 bytes of its configuration space.
    ///
    /// # Errors
    ///
    /// What reading answers; `EIO` if it is short.
    pub fn config(&self) -> Result<Vec<u8>> {
        let config = self.open("config")?;
        let mut bytes = vec![0; 256];
        let count = sys::read_at(&config, &mut bytes, 0)?;
        if count == bytes.len() { Ok(bytes) } else { Err(Error::new(EIO)) }
    }

    /// A whole BAR.
    ///
    /// # Errors
    ///
    /// `ENXIO`: there is no such BAR. `EACCES`: it holds the MSI-X table; take a
    /// [`Device::window`] beside it. Else what `pci:` or the kernel answers.
    pub fn bar(&self, bar: u8) -> Result<Bar> {
        let kind = self.facts.bar(bar).ok_or(Error::new(ENXIO))?;
        let handle = self.open(&format!("bar{bar}"))?;
        match kind {
            BarKind::Ports { size } => Ok(Bar::Ports(Ports::new(handle, usize::from(size)))),
            BarKind::Memory { size } => {
                let len = usize::try_from(size).map_err(|_big| Error::new(ENXIO))?;
                Mapping::of(&handle, len).map(Mmio::new).map(Bar::Memory)
            }
        }
    }

    /// The registers at `offset..offset + len` of a memory BAR; only their pages are mapped.
    ///
    /// # Errors
    ///
    /// `ENXIO`: the BAR has no such part. `EACCES`: the part shares a page with the MSI-X
    /// table. Else what `pci:` or the kernel answers.
    pub fn window(&self, bar: u8, offset: u32, len: u32) -> Result<Mmio> {
        let Some(BarKind::Memory { size }) = self.facts.bar(bar) else {
            return Err(Error::new(ENXIO));
        };
        let (pages, at) = pages(offset, len, size).ok_or(Error::new(ENXIO))?;
        let path =
            format!("bar{bar}/{:x}/{:x}", pages.start, pages.end.saturating_sub(pages.start));
        let handle = self.open(&path)?;
        let bytes = pages.end.saturating_sub(pages.start);
        let bytes = usize::try_from(bytes).map_err(|_big| Error::new(ENXIO))?;
        let len = usize::try_from(len).map_err(|_big| Error::new(ENXIO))?;
        let mapped = Mmio::new(Mapping::of(&handle, bytes)?);
        mapped.window(at, len).ok_or(Error::new(ENXIO))
    }

    /// Contiguous memory of `len` bytes for this function.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or what else `pci:` or the kernel answers.
    pub fn dma(&self, len: usize) -> Result<Dma> {
        Dma::new(self.open(&format!("dma/{len:x}"))?)
    }

    /// Its interrupt line (`INTx`).
    ///
    /// # Errors
    ///
    /// `ENXIO` if it has none, or what else `pci:` or the kernel answers.
    pub fn line(&self) -> Result<Interrupt> {
        self.open("irq").map(Interrupt::new)
    }

    /// Entry `entry` of its MSI-X table.
    ///
    /// # Errors
    ///
    /// `ENXIO` if it has no such entry, or what else `pci:` or the kernel answers.
    pub fn msix(&self, entry: u16) -> Result<Interrupt> {
        self.open(&format!("msix/{entry:x}")).map(Interrupt::new)
    }

    /// Its MSI.
    ///
    /// # Errors
    ///
    /// `ENXIO` if it has none, or what else `pci:` or the kernel answers.
    pub fn msi(&self) -> Result<Interrupt> {
        self.open("msi").map(Interrupt::new)
    }

    fn open(&self, path: &str) -> Result<OwnedFd> {
        sys::openat(&self.directory, path, redox::flag::O_RDWR)
    }
}

/// The pages of a BAR that hold `offset..offset + len`, and where in them it begins.
fn pages(offset: u32, len: u32, size: u64) -> Option<(core::ops::Range<u64>, usize)> {
    let start = u64::from(offset);
    let end = start.checked_add(u64::from(len))?;
    if len == 0 || end > size.next_multiple_of(PAGE) {
        return None;
    }
    let at = start.checked_rem(PAGE)?;
    let first = start.checked_sub(at)?;
    Some((first..end.next_multiple_of(PAGE), usize::try_from(at).ok()?))
}

/// What a BAR is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarKind {
    /// Memory of `size` bytes.
    Memory {
        /// In bytes.
        size: u64,
    },
    /// `size` I/O ports.
    Ports {
        /// Number of ports.
        size: u16,
    },
}

/// The text `info` of a function, parsed. Unknown words are skipped: the text only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Vendor id.
    pub vendor: u16,
    /// Device id.
    pub device: u16,
    /// Class, subclass and programming interface, in that order from the top of 24 bits.
    pub class: u32,
    /// Number of MSI-X table entries.
    pub msix: u16,
    /// Number of MSI messages.
    pub msi: u16,
    bars: [Option<BarKind>; 6],
}

impl Facts {
    /// Parses `vendor=1af4 device=1042 class=010000 msix=4 bar1=mem/fe000000/1000 …`.
    ///
    /// `None` without vendor and device, or if a number does not fit.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut facts = Self::default();
        let mut seen = (false, false);
        for (key, value) in text.split_whitespace().filter_map(|word| word.split_once('=')) {
            match key {
                "vendor" => (facts.vendor, seen.0) = (word16(value)?, true),
                "device" => (facts.device, seen.1) = (word16(value)?, true),
                "class" => facts.class = u32::try_from(env::hex(value)?).ok()?,
                "msix" => facts.msix = word16(value)?,
                "msi" => facts.msi = word16(value)?,
                _ => facts.parse_bar(key, value)?,
            }
        }
        (seen == (true, true)).then_some(facts)
    }

    /// The BAR of this number, if there is one.
    #[must_use]
    pub fn bar(&self, bar: u8) -> Option<BarKind> {
        self.bars.get(usize::from(bar)).copied().flatten()
    }

    /// Takes `barN=KIND/ADDRESS/SIZE`; skips every other key.
    fn parse_bar(&mut self, key: &str, value: &str) -> Option<()> {
        let Some(number) = key.strip_prefix("bar").and_then(|n| n.parse::<usize>().ok()) else {
            return Some(());
        };
        let mut parts = value.split('/');
        let (kind, size) = (parts.next()?, env::hex(parts.nth(1)?)?);
        *self.bars.get_mut(number)? = Some(match kind {
            "mem" => BarKind::Memory { size },
            "io" => BarKind::Ports { size: u16::try_from(size).ok()? },
            _ => return None,
        });
        Some(())
    }
}

fn word16(value: &str) -> Option<u16> {
    u16::try_from(env::hex(value)?).ok()
}

#[cfg(test)]
mod tests {
    use super::{BarKind, Facts, pages};

    #[test]
    fn the_facts_of_a_function_are_read_from_its_text() {
        let text = "vendor=1af4 device=1042 class=010000 new=word msix=4 msi=0\n\
                    bar0=io/c000/80 bar4=mem/fe000000/4000\n";
        let facts = Facts::parse(text).unwrap();
        assert_eq!((facts.vendor, facts.device, facts.class), (0x1AF4, 0x1042, 0x01_0000));
        assert_eq!((facts.msix, facts.msi), (4, 0));
        assert_eq!(facts.bar(0), Some(BarKind::Ports { size: 0x80 }));
        assert_eq!(facts.bar(4), Some(BarKind::Memory { size: 0x4000 }));
        assert_eq!(facts.bar(1), None);
        assert_eq!(facts.bar(200), None);
    }

    #[test]
    fn malformed_facts_are_refused() {
        for text in ["", "vendor=1af4", "vendor=1af4 device=11042", "vendor=g device=1"] {
            assert_eq!(Facts::parse(text), None, "{text}");
        }
        for bar in ["bar6=mem/0/10", "bar0=mem/0", "bar0=rom/0/10", "bar0=io/0/20000"] {
            assert_eq!(Facts::parse(&format!("vendor=1 device=2 {bar}")), None, "{bar}");
        }
    }

    #[test]
    fn a_window_maps_the_pages_around_it() {
        assert_eq!(pages(0x1010, 0x20, 0x4000), Some((0x1000..0x2000, 0x10)));
        assert_eq!(pages(0xFFE, 4, 0x4000), Some((0..0x2000, 0xFFE)));
        assert_eq!(pages(0, 0x4000, 0x4000), Some((0..0x4000, 0)));
        assert_eq!(pages(0x10, 0x20, 0x100), Some((0..0x1000, 0x10)));
        assert_eq!(pages(0x4000, 1, 0x4000), None);
        assert_eq!(pages(u32::MAX, u32::MAX, 0x4000), None);
        assert_eq!(pages(0, 0, 0x4000), None);
    }
}
