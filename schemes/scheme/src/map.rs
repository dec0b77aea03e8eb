//! The ring's memory, as the daemon sees it.
//!
//! Indices and packets are atomic words. Bytes go through slots, each of which one side
//! writes at a time, so they are copied plainly; no reference to them ever exists.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicU64;

use anode_ring::{Layout, PAGE_WORDS};
use redox::error::{EFAULT, Error, Result};

use crate::sys;

/// Words of shared memory; a ring's stays mapped until its process ends.
pub(crate) type Area = &'static [AtomicU64];

/// Makes the ring of the scheme that `owner` owns; gives its handle and its memory.
pub(crate) fn ring(owner: impl AsFd, layout: Layout) -> Result<(OwnedFd, Area)> {
    let (ring, base) = sys::ring_new(owner, layout.entries.get())?;
    let (base, pages) = (usize::try_from(base), usize::try_from(layout.pages));
    let (Ok(base), Ok(pages)) = (base, pages) else { return Err(Error::new(EFAULT)) };
    let words: *const AtomicU64 = std::ptr::with_exposed_provenance(base);
    if words.is_null() || !words.is_aligned() {
        return Err(Error::new(EFAULT));
    }
    // SAFETY: the kernel just mapped these pages for this ring and never unmaps them while
    // the process lives; nobody else knows the address. They are read and written as atomics
    // only, but for `read_slot` and `write_slot` below. A store to the read-only part would
    // be a fault, not undefined; the queues make none.
    Ok((ring, unsafe { std::slice::from_raw_parts(words, pages.saturating_mul(PAGE_WORDS)) }))
}

/// Ordinary memory in place of a ring's, for tests; never freed, as a mapping is not.
pub(crate) fn heap(pages: usize) -> Area {
    let words = pages.saturating_mul(PAGE_WORDS);
    Box::leak((0..words).map(|_| AtomicU64::new(0)).collect())
}

/// Copies bytes out of a slot, from its byte `at` on; gives how many there were.
///
/// The other side must not write the slot meanwhile: the kernel does not touch `in[slot]`
/// between the packet's publication and its answer.
pub(crate) fn read_slot(slot: &[AtomicU64], at: usize, into: &mut [u8]) -> usize {
    let len = size_of_val(slot).saturating_sub(at).min(into.len());
    let first = slot.as_ptr().cast::<u8>().wrapping_add(at);
    // SAFETY: `at + len` bytes lie within the slot, `len` within `into`, which is no shared
    // memory. That nobody writes the slot meanwhile is the kernel's rule (above).
    unsafe { first.copy_to_nonoverlapping(into.as_mut_ptr(), len) };
    len
}

/// Copies bytes into a slot, from its byte `at` on; gives how many there was room for.
///
/// The other side reads `out[slot]` only when it takes the answer, which comes after.
#[inline]
pub(crate) fn write_slot(slot: &[AtomicU64], at: usize, from: &[u8]) -> usize {
    let len = size_of_val(slot).saturating_sub(at).min(from.len());
    let first = slot.as_ptr().cast::<u8>().cast_mut().wrapping_add(at);
    // SAFETY: `at + len` bytes lie within the slot, which is atomics and so may change behind
    // a shared reference; `from` is no shared memory. The kernel does not read it yet (above).
    unsafe { first.copy_from_nonoverlapping(from.as_ptr(), len) };
    len
}

#[cfg(test)]
mod tests {
    use super::{heap, read_slot, write_slot};

    #[test]
    fn bytes_that_leave_a_slot_are_cut() {
        let page = heap(1);
        assert_eq!(write_slot(page, 4090, b"0123456789"), 6);
        let mut bytes = [0xFF; 10];
        assert_eq!(read_slot(page, 4088, &mut bytes), 8);
        assert_eq!(&bytes, b"\0\x00012345\xFF\xFF");
        assert_eq!(read_slot(page, 4097, &mut bytes), 0);
        assert_eq!(write_slot(page, usize::MAX, b"x"), 0);
    }
}
