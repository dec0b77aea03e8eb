//! Mapped memory: the one place that touches it by address.

use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, Ordering};
use std::os::fd::OwnedFd;

/// `base..base + len`, mapped readable and writable until this value is dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
    origin: Origin,
}

/// Who lent the memory, and gets it back.
#[derive(Debug)]
enum Origin {
    /// `fmap` mapped it.
    Kernel,
    /// A test's heap.
    #[cfg(test)]
    Heap(std::alloc::Layout),
}

impl Mapping {
    /// Maps `len` bytes of a memory object from its start, shared.
    ///
    /// # Errors
    ///
    /// What `fmap` answers: `ENODEV` for what is no memory object, `ENOMEM`.
    pub(crate) fn of(handle: &OwnedFd, len: usize) -> redox::error::Result<Self> {
        let address = anode_scheme::sys::map(handle, 0, len)?;
        let base = NonNull::new(core::ptr::with_exposed_provenance_mut(address))
            .ok_or(redox::error::Error::new(redox::error::EFAULT))?;
        Ok(Self { base, len, origin: Origin::Kernel })
    }

    /// Zeroed heap memory, page aligned, in place of a device's.
    #[cfg(test)]
    pub(crate) fn fake(len: usize) -> Self {
        let layout = std::alloc::Layout::from_size_align(len, 4096).unwrap();
        // SAFETY: the callers are tests that ask for at least one byte.
        let base = NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) }).unwrap();
        Self { base, len, origin: Origin::Heap(layout) }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The address of `T` at `at`, if it lies inside and is aligned.
    fn place<T>(&self, at: usize) -> Option<NonNull<T>> {
        let inside = at.checked_add(size_of::<T>())? <= self.len;
        let aligned = self.base.addr().get().checked_add(at)?.is_multiple_of(align_of::<T>());
        // SAFETY: point 1 of the crate: `at < len`, so the address is inside the mapping.
        (inside && aligned).then(|| unsafe { self.base.add(at) }.cast())
    }

    /// One volatile read; `None` where nothing is mapped or the address is not aligned.
    pub(crate) fn read<T: Word>(&self, at: usize) -> Option<T> {
        // SAFETY: points 1 and 2: `place` checked range and alignment, any bits are a `Word`.
        self.place::<T>(at).map(|place| unsafe { place.read_volatile() })
    }

    /// One volatile write; `None` as for [`Mapping::read`].
    pub(crate) fn write<T: Word>(&self, at: usize, value: T) -> Option<()> {
        // SAFETY: points 1 and 2: `place` checked range and alignment.
        self.place::<T>(at).map(|place| unsafe { place.write_volatile(value) })
    }

    /// Reads a word that the device writes as its last step (acquire).
    pub(crate) fn load16(&self, at: usize) -> Option<u16> {
        // SAFETY: points 1 and 2; a 16-bit atomic load is one access, as a volatile one is, and
        // this memory is RAM (only `Dma` calls this).
        self.place::<AtomicU16>(at).map(|place| unsafe { place.as_ref() }.load(Ordering::Acquire))
    }

    /// Writes a word after all earlier writes (release).
    pub(crate) fn store16(&self, at: usize, value: u16) -> Option<()> {
        // SAFETY: as for `load16`.
        self.place::<AtomicU16>(at)
            .map(|place| unsafe { place.as_ref() }.store(value, Ordering::Release))
    }

    /// A range of RAM as bytes.
    ///
    /// The device may change RAM that it was told to write, at any time; what a driver lends to
    /// its device it must not hold as a slice. That is the rule of `Dma::with`.
    pub(crate) fn bytes(&mut self, range: Range<usize>) -> Option<&mut [u8]> {
        let len = range.end.checked_sub(range.start)?;
        if range.end > self.len {
            return None;
        }
        // SAFETY: point 1: the range is inside, and `&mut self` keeps every other access of
        // ours away while the slice lives; `Dma::with` states the device's part.
        Some(unsafe { core::slice::from_raw_parts_mut(self.base.add(range.start).as_ptr(), len) })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        match self.origin {
            Origin::Kernel => {
                // SAFETY: point 1: nothing else refers to the mapping, and this value is gone.
                let ended = unsafe { anode_scheme::sys::unmap(self.base.addr().get(), self.len) };
                // An error would mean that the range was never mapped: nothing is to be undone.
                ended.unwrap_or_default();
            }
            #[cfg(test)]
            // SAFETY: `fake` allocated `base` with this very layout.
            Origin::Heap(layout) => unsafe { std::alloc::dealloc(self.base.as_ptr(), layout) },
        }
    }
}

/// An integer that hardware reads or writes in one access.
pub(crate) trait Word: Copy {}
impl Word for u8 {}
impl Word for u16 {}
impl Word for u32 {}
impl Word for u64 {}

#[cfg(test)]
mod tests {
    use super::Mapping;

    #[test]
    fn an_access_outside_or_across_the_end_or_not_aligned_finds_nothing() {
        let mapping = Mapping::fake(8);
        assert_eq!(mapping.write(4, 0x1122_3344_u32), Some(()));
        assert_eq!(mapping.read::<u32>(4), Some(0x1122_3344));
        assert_eq!(mapping.read::<u8>(7), Some(0x11));
        assert_eq!(mapping.read::<u8>(8), None);
        assert_eq!(mapping.read::<u32>(6), None);
        assert_eq!(mapping.read::<u32>(2), None);
        assert_eq!(mapping.read::<u64>(usize::MAX), None);
        assert_eq!(mapping.store16(usize::MAX, 1), None);
    }

    #[test]
    fn a_slice_lies_inside_or_is_refused() {
        let mut mapping = Mapping::fake(4096);
        mapping.bytes(10..12).unwrap().copy_from_slice(&[1, 2]);
        assert_eq!(mapping.load16(10), Some(0x0201));
        assert!(mapping.bytes(0..4097).is_none());
        #[expect(clippy::reversed_empty_ranges, reason = "the point of the test")]
        let backwards = 5..3;
        assert!(mapping.bytes(backwards).is_none());
    }
}
