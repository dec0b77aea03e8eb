//! The machine, for the daemons that were given all of it (`ANODE_MACHINE`).

use std::os::fd::OwnedFd;

use anode_scheme::sys;
use redox::error::{EINVAL, Error, Result};

use crate::dma::Dma;
use crate::interrupt::Interrupt;
use crate::mapping::Mapping;
use crate::ports::Ports;
use crate::registers::Mmio;

/// The machine handle: everything physical is opened relative to it.
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
        sys::openat(&self.handle, &format!("phys/{address:x}/{len:x}/{cache}"), redox::flag::O_RDWR)
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
        sys::openat(&self.handle, &format!("io/{first:x}/{count:x}"), redox::flag::O_RDWR)
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
        sys::openat(&self.handle, &format!("dma/{len:x}"), redox::flag::O_RDWR)
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
        let path = match trigger {
            Trigger::Edge => format!("irq/{number:x}"),
            Trigger::Level => format!("irq/{number:x}/level"),
        };
        sys::openat(&self.handle, &path, redox::flag::O_RDWR).map(Interrupt::new)
    }

    /// A new message-signalled interrupt.
    ///
    /// # Errors
    ///
    /// What the kernel answers when it has no vector left.
    pub fn message(&self) -> Result<Interrupt> {
        sys::openat(&self.handle, "msi", redox::flag::O_RDWR).map(Interrupt::new)
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

impl core::fmt::Display for Cache {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::WriteBack => "wb",
            Self::WriteCombining => "wc",
            Self::Uncached => "uc",
        })
    }
}

/// How a line signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// By a rising edge: ISA devices.
    Edge,
    /// By a low level: PCI.
    Level,
}
