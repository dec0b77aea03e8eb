//! Memory objects and mappings.

use std::os::fd::{AsFd, OwnedFd};

use anode_abi::number::{SYS_FMAP, SYS_FUNMAP};
use redox::data::Map;
use redox::error::Result;
use redox::flag::{MapFlags, O_RDWR};

use super::{input, number, open, raw, truncate, word};

/// A new anonymous memory object of `len` zero bytes.
///
/// # Errors
///
/// `EMFILE` or `ENOMEM`.
pub fn memory(len: u64) -> Result<OwnedFd> {
    let object = open("memory:", O_RDWR)?;
    truncate(&object, len)?;
    Ok(object)
}

/// Maps a range of a memory object, shared, for reading and writing; gives its address.
///
/// # Errors
///
/// `ENODEV` for what is no memory object, `EACCES` without the right to write, `ENOMEM`.
pub fn map(object: impl AsFd, offset: u64, len: usize) -> Result<usize> {
    let flags = MapFlags::MAP_SHARED | MapFlags::PROT_READ | MapFlags::PROT_WRITE;
    let map = Map { offset: word(offset)?, size: len, flags, address: 0 };
    let (address, len) = input(&map);
    // SAFETY: point 1: the kernel reads the struct. The mapping is new, as no fixed address
    // is asked for, so it takes nobody's memory.
    unsafe { raw(SYS_FMAP, [number(&object), address, len, 0, 0]) }
}

/// Ends the mapping of a range.
///
/// # Safety
///
/// Nothing may use that memory afterwards.
///
/// # Errors
///
/// `EINVAL` for what is no range of whole pages.
pub unsafe fn unmap(address: usize, len: usize) -> Result<()> {
    // SAFETY: the caller vouches that the memory is used by nobody.
    unsafe { raw(SYS_FUNMAP, [address, len, 0, 0, 0]) }.map(drop)
}
