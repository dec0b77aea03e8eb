//! The machine, for the daemons that were given all of it (`ANODE_MACHINE`).

use std::os::fd::OwnedFd;

use anode_abi::info::part;
use anode_scheme::sys;
use redox::error::{EINVAL, Error, Result};

use crate::dma::Dma;
use crate::interrupt::Interrupt;
use crate::mapping::Mapping;
use crate::ports::Ports;
use crate::registers::Mmio;

/// The machine handle: everything physical is a part of it.
#[derive(Debug)]
pub struct Machine {
    handle: OwnedFd,
}

impl Machine {
    /// The whole machine, from `ANODE_MACHINE="machine=N"`.
    ///
    /// # Errors
    ///
    /// A sentence, if this process was not given it.
    pub fn from_env() -> Result<Self, String> {
        anode_scheme::machine("machine").map(|handle| Self { handle })
    }

    /// Physical memory, page aligned, uncached: for tables and registers that are read by call.
    ///
    /// # Errors
    ///
    /// What the kernel answers: `EINVAL` for a range that is not whole pages.
    pub fn physical(&self, address: u64, len: u64, cache: Cache) -> Result<OwnedFd> {
        let kind = match cache {
            Cache::WriteBack => part::MEMORY,
            Cache::WriteCombining => part::COMBINING,
            Cache::Uncached => part::UNCACHED,
        };
        self.part(kind, [address, len])
    }

    /// Physical memory, mapped. `address` and `len` are whole pages.
    ///
    /// # Errors
    ///
    /// As [`Machine::physical`].
    pub fn map(&self, address: u64, len: usize, cache: Cache) -> Result<Mmio> {
        let bytes = u64::try_from(len).map_err(|_big| Error::new(EINVAL))?;
        let handle = self.physical(address, bytes, cache)?;
        Ok(Mmio::new(Mapping::of(&handle, len)?))
    }

    /// The handle of an I/O port range.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    pub fn port_range(&self, first: u16, count: u16) -> Result<OwnedFd> {
        self.part(part::PORTS, [first.into(), count.into()])
    }

    /// A range of I/O ports.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    pub fn ports(&self, first: u16, count: u16) -> Result<Ports> {
        Ok(Ports::new(self.port_range(first, count)?, usize::from(count)))
    }

    /// The handle of contiguous memory of `len` bytes.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or what else the kernel answers.
    pub fn dma_handle(&self, len: u64) -> Result<OwnedFd> {
        self.part(part::DMA, [len, 0])
    }

    /// Contiguous memory of `len` bytes, mapped.
    ///
    /// # Errors
    ///
    /// As [`Machine::dma_handle`].
    pub fn dma(&self, len: u64) -> Result<Dma> {
        Dma::new(self.dma_handle(len)?)
    }

    /// An interrupt line by its global number.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    pub fn line(&self, number: u8, trigger: Trigger) -> Result<Interrupt> {
        let kind = match trigger {
            Trigger::Edge => part::EDGE,
            Trigger::Level => part::LEVEL,
        };
        self.part(kind, [number.into(), 0]).map(Interrupt::new)
    }

    /// A new message-signalled interrupt.
    ///
    /// # Errors
    ///
    /// What the kernel answers when it has no vector left.
    pub fn message(&self) -> Result<Interrupt> {
        self.part(part::MESSAGE, [0, 0]).map(Interrupt::new)
    }

    fn part(&self, kind: usize, [first, second]: [u64; 2]) -> Result<OwnedFd> {
        let kind = u64::try_from(kind).map_err(|_wide| Error::new(EINVAL))?;
        sys::part(&self.handle, [kind, first, second], 0)
    }
}

/// How a physical memory object is cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// As RAM.
    WriteBack,
    /// Writes are collected: framebuffers.
    WriteCombining,
    /// Each access reaches the device.
    Uncached,
}

/// How a line signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// By a rising edge: ISA devices.
    Edge,
    /// By a low level: PCI.
    Level,
}
