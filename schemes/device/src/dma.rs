//! Memory that a device reads and writes by itself.

use core::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use redox::error::{EFAULT, EINVAL, Error, Result};

use crate::mapping::Mapping;

/// Memory of the kernel's begins and ends on a page.
const PAGE: u64 = 4096;

/// RAM at one physical address, shared with a device.
///
/// Single accesses outside of it read zero and write nothing: who lays structures out in it has
/// checked [`SharedMemory::size`] once. Only [`SharedMemory::with`] answers an error.
pub trait SharedMemory {
    /// Size in bytes.
    fn size(&self) -> usize;
    /// Address of the first byte, as the device sees it.
    fn physical(&self) -> u64;
    /// Reads a word that the device wrote, and with it all that it wrote before.
    fn load16(&self, at: usize) -> u16;
    /// Writes a word that the device may act upon: all earlier writes are seen before it.
    fn store16(&mut self, at: usize, value: u16);
    /// Reads 32 bits.
    fn read32(&self, at: usize) -> u32;
    /// Writes 16 bits.
    fn write16(&mut self, at: usize, value: u16);
    /// Writes 32 bits.
    fn write32(&mut self, at: usize, value: u32);
    /// Writes 64 bits.
    fn write64(&mut self, at: usize, value: u64);

    /// Lets `work` use a range as bytes, and gives what it gives.
    ///
    /// The device must not have been told to write this range.
    ///
    /// # Errors
    ///
    /// `EFAULT` if the range does not lie inside, else what `work` answers.
    fn with(
        &mut self,
        range: Range<usize>,
        work: &mut dyn FnMut(&mut [u8]) -> Result<usize>,
    ) -> Result<usize>;
}

/// Contiguous memory below 4 GiB; it begins as zeros.
#[derive(Debug)]
pub struct Dma {
    mapping: Mapping,
    physical: u64,
    handle: OwnedFd,
}

impl Dma {
    /// Maps what a handle of DMA memory names, and clears it.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the handle is not that of DMA memory, or what the kernel answers.
    pub fn new(handle: OwnedFd) -> Result<Self> {
        // The kernel gives a range of memory its address as its inode.
        let stat = anode_scheme::sys::stat(&handle)?;
        let physical = stat.st_ino;
        let len = usize::try_from(stat.st_size).map_err(|_big| Error::new(EINVAL))?;
        if !physical.is_multiple_of(PAGE) {
            return Err(Error::new(EINVAL));
        }
        let mut mapping = Mapping::of(&handle, len)?;
        mapping.bytes(0..len).ok_or(Error::new(EFAULT))?.fill(0);
        Ok(Self { mapping, physical, handle })
    }
}

/// The memory object itself, to be registered with a ring.
impl AsFd for Dma {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl SharedMemory for Dma {
    fn size(&self) -> usize {
        self.mapping.len()
    }

    fn physical(&self) -> u64 {
        self.physical
    }

    fn load16(&self, at: usize) -> u16 {
        self.mapping.load16(at).unwrap_or(0)
    }

    fn store16(&mut self, at: usize, value: u16) {
        self.mapping.store16(at, value);
    }

    fn read32(&self, at: usize) -> u32 {
        self.mapping.read(at).unwrap_or(0)
    }

    fn write16(&mut self, at: usize, value: u16) {
        self.mapping.write(at, value);
    }

    fn write32(&mut self, at: usize, value: u32) {
        self.mapping.write(at, value);
    }

    fn write64(&mut self, at: usize, value: u64) {
        self.mapping.write(at, value);
    }

    fn with(
        &mut self,
        range: Range<usize>,
        work: &mut dyn FnMut(&mut [u8]) -> Result<usize>,
    ) -> Result<usize> {
        work(self.mapping.bytes(range).ok_or(Error::new(EFAULT))?)
    }
}
