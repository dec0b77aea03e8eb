//! What is taken from the machine for drivers.

use core::ops::Range;
use std::os::fd::OwnedFd;

use anode_device::{Cache, Machine, Mmio, Registers, Trigger};
use redox::error::{EIO, ENXIO, Error, Result};

use crate::message::Message;

/// The machine, or a test's.
pub(crate) trait Platform {
    /// Mapped registers.
    type Table: Registers;

    /// A memory object over whole pages of physical memory.
    fn memory(&self, pages: Range<u64>) -> Result<OwnedFd>;
    /// A range of ports.
    fn ports(&self, first: u16, count: u16) -> Result<OwnedFd>;
    /// Contiguous memory for a device.
    fn dma(&self, len: u64) -> Result<OwnedFd>;
    /// A level-triggered line.
    fn line(&self, line: u8) -> Result<OwnedFd>;
    /// A new message interrupt.
    fn message(&self) -> Result<(OwnedFd, Message)>;
    /// Registers at any physical place, for ourselves.
    fn table(&self, place: Range<u64>) -> Result<Self::Table>;
}

const PAGE: u64 = 4096;

impl Platform for Machine {
    type Table = Mmio;

    fn memory(&self, pages: Range<u64>) -> Result<OwnedFd> {
        let len = pages.end.saturating_sub(pages.start);
        self.physical(pages.start, len, Cache::Uncached)
    }

    fn ports(&self, first: u16, count: u16) -> Result<OwnedFd> {
        self.port_range(first, count)
    }

    fn dma(&self, len: u64) -> Result<OwnedFd> {
        self.dma_handle(len)
    }

    fn line(&self, line: u8) -> Result<OwnedFd> {
        Self::line(self, line, Trigger::Level).map(anode_device::Interrupt::into_handle)
    }

    fn message(&self) -> Result<(OwnedFd, Message)> {
        let interrupt = Self::message(self)?;
        let (address, data) = interrupt.message()?;
        Ok((interrupt.into_handle(), Message { address, data }))
    }

    fn table(&self, place: Range<u64>) -> Result<Mmio> {
        let at = place.start % PAGE;
        let first = place.start.saturating_sub(at);
        let end = place.end.checked_next_multiple_of(PAGE).ok_or(Error::new(ENXIO))?;
        let size = |len: u64| usize::try_from(len).map_err(|_big| Error::new(ENXIO));
        let mapped = self.map(first, size(end.saturating_sub(first))?, Cache::Uncached)?;
        let len = size(place.end.saturating_sub(place.start))?;
        mapped.window(size(at)?, len).ok_or(Error::new(EIO))
    }
}
