//! Calls of a daemon on its ring.

use std::os::fd::{AsFd, OwnedFd};

use anode_abi::number::{SYS_RING_COPY, SYS_RING_NEW, SYS_RING_TAKE, SYS_RING_WAIT};
use redox::error::{EIO, Error, Result};

use super::{input, number, output, owned, raw, word};

/// Direction bit of `ring_copy`'s length: from the daemon to the client.
const TO_CLIENT: usize = 1 << 63;

/// Makes the ring of the scheme that `owner` owns, and gives its address.
///
/// # Errors
///
/// `EBUSY` while another process has a ring of it, `EINVAL` for a size that a ring cannot have.
pub fn ring_new(owner: impl AsFd, entries: u32) -> Result<(OwnedFd, u64)> {
    let mut base = 0;
    let place = (&raw mut base).expose_provenance();
    let entries = word(u64::from(entries))?;
    // SAFETY: point 1: the kernel writes this one word.
    let ring = unsafe { raw(SYS_RING_NEW, [number(&owner), entries, place, 0, 0]) }?;
    Ok((owned(ring)?, base))
}

/// Hands over all answers, and sleeps until the tail of the requests differs from `seen`.
///
/// Gives the new tail. The deadline is monotonic, in ns; 0 does not sleep.
///
/// # Errors
///
/// `EINTR`; `EBADF` when the scheme is gone.
pub fn ring_wait(ring: impl AsFd, seen: u32, deadline: u64) -> Result<u32> {
    let arguments = [number(&ring), word(u64::from(seen))?, word(deadline)?, 0, 0];
    // SAFETY: no address is passed.
    let tail = unsafe { raw(SYS_RING_WAIT, arguments) }?;
    u32::try_from(tail).map_err(|_too_wide| Error::new(EIO))
}

/// Pulls bytes of a request's input; gives how many came.
///
/// # Errors
///
/// `EINVAL` for an offset or tag that is not the request's.
pub fn ring_copy_in(ring: impl AsFd, tag: u32, offset: u64, into: &mut [u8]) -> Result<usize> {
    let (ring, tag, offset) = (number(&ring), word(u64::from(tag))?, word(offset)?);
    in_parts(into.len(), |done| {
        let (address, len) = output(into.get_mut(done..).unwrap_or_default());
        let at = offset.saturating_add(done);
        // SAFETY: point 1: the kernel writes within the slice; a slice's length leaves bit 63
        // free.
        unsafe { raw(SYS_RING_COPY, [ring, tag, at, address, len]) }
    })
}

/// Puts bytes into the output of a request; gives how many went.
///
/// # Errors
///
/// As for [`ring_copy_in`].
pub fn ring_copy_out(ring: impl AsFd, tag: u32, offset: u64, from: &[u8]) -> Result<usize> {
    let (ring, tag, offset) = (number(&ring), word(u64::from(tag))?, word(offset)?);
    in_parts(from.len(), |done| {
        let (address, len) = input(from.get(done..).unwrap_or_default());
        let at = offset.saturating_add(done);
        // SAFETY: point 1: the kernel reads the slice.
        unsafe { raw(SYS_RING_COPY, [ring, tag, at, address, len | TO_CLIENT]) }
    })
}

/// Copies `len` bytes by calls that each copy as much as the kernel does in one go.
fn in_parts(len: usize, mut part: impl FnMut(usize) -> Result<usize>) -> Result<usize> {
    let mut done = 0_usize;
    loop {
        let copied = part(done)?;
        done = done.saturating_add(copied);
        if copied == 0 || done >= len {
            return Ok(done);
        }
    }
}

/// Takes the handle that a `Sendfd` request carries.
///
/// # Errors
///
/// `EINVAL` if the request carries none or it was taken, `EMFILE`.
pub fn ring_take(ring: impl AsFd, tag: u32) -> Result<OwnedFd> {
    let arguments = [number(&ring), word(u64::from(tag))?, 0, 0, 0];
    // SAFETY: no address is passed.
    owned(unsafe { raw(SYS_RING_TAKE, arguments) }?)
}
