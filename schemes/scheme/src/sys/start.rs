//! What a program was started with: handles by number, the boot image; and the clocks.

use std::os::fd::AsFd;

use anode_abi::number::{SYS_CLOCK_GETTIME, SYS_FMAP};
use redox::data::Map;
use redox::error::{EINVAL, Error, Result};
use redox::flag::{CLOCK_MONOTONIC, CLOCK_REALTIME, MapFlags};

use super::{input, number, raw, stat};

/// The whole of the initfs image, for reading; it stays mapped until the process ends.
///
/// # Errors
///
/// `EINVAL` for an empty object, `ENODEV` for what is no memory object, `ENOMEM`.
pub fn map_image(image: impl AsFd) -> Result<&'static [u8]> {
    let image = image.as_fd();
    let size = usize::try_from(stat(image)?.st_size).map_err(|_wide| Error::new(EINVAL))?;
    if size == 0 || isize::try_from(size).is_err() {
        return Err(Error::new(EINVAL));
    }
    let flags = MapFlags::MAP_PRIVATE | MapFlags::PROT_READ;
    let map = Map { offset: 0, size, flags, address: 0 };
    let (address, len) = input(&map);
    // SAFETY: point 1: the kernel reads the struct. No fixed address is asked for, so the
    // mapping takes nobody's memory.
    let base = unsafe { raw(SYS_FMAP, [number(&image), address, len, 0, 0]) }?;
    let base = std::ptr::with_exposed_provenance::<u8>(base);
    // SAFETY: the kernel just mapped `size` readable bytes there, which nobody unmaps, as the
    // address is known here only. They do not change: the loader filled the image before the
    // kernel started, init passes it to none but `initfs:` and `file:`, and neither writes it.
    Ok(unsafe { std::slice::from_raw_parts(base, size) })
}

/// The monotonic clock in ns, which [`Scheme::deadline`](crate::Scheme::deadline) counts in.
#[must_use]
pub fn monotonic() -> u64 {
    clock(CLOCK_MONOTONIC)
}

/// The wall clock in ns since 1970-01-01 UTC.
#[must_use]
pub fn wall_time() -> u64 {
    clock(CLOCK_REALTIME)
}

/// Away from Anode there are no such clocks, and all deadlines lie ahead.
fn clock(number: usize) -> u64 {
    // SAFETY: no address is passed.
    let read = unsafe { raw(SYS_CLOCK_GETTIME, [number, 0, 0, 0, 0]) };
    read.ok().and_then(|ns| u64::try_from(ns).ok()).unwrap_or(0)
}
