//! Thread-local storage of a static program: variant II, the image ends at the thread pointer.

use crate::c;
use crate::thread::Thread;
use relibc_core::consts::PAGE;

/// The parts of an ELF header that lead to the program headers.
#[repr(C)]
struct Header {
    before: [u8; 32],
    phoff: u64,
    between: [u8; 14],
    phentsize: u16,
    phnum: u16,
}

/// A program header.
#[repr(C)]
#[derive(Clone, Copy)]
struct Segment {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    physical: u64,
    file_size: u64,
    memory_size: u64,
    align: u64,
}

const PT_TLS: u32 = 7;

unsafe extern "C" {
    /// The linker's name for the program's own ELF header.
    static __ehdr_start: Header;
}

/// The image that every thread's storage begins as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Image {
    bytes: &'static [u8],
    /// Bytes of the storage, zeroes behind the image included.
    size: usize,
    align: usize,
}

/// Address, size of one and number of the program headers.
pub(crate) fn program_headers() -> (usize, usize, usize) {
    let header = &raw const __ehdr_start;
    // SAFETY: lld defines `__ehdr_start` at the ELF header, which is in the first loaded page.
    let (phoff, phnum) = unsafe { ((*header).phoff, (*header).phnum) };
    (header.addr().saturating_add(c::narrow(phoff)), size_of::<Segment>(), usize::from(phnum))
}

/// Finds the program's TLS image.
pub(crate) fn image() -> Image {
    let (address, _, count) = program_headers();
    // SAFETY: the linker puts the program headers, `count` of them, into the first loaded page.
    let segments = unsafe {
        core::slice::from_raw_parts(core::ptr::with_exposed_provenance::<Segment>(address), count)
    };
    let Some(tls) = segments.iter().find(|segment| segment.kind == PT_TLS) else {
        return Image { bytes: &[], size: 0, align: 1 };
    };
    let start = core::ptr::with_exposed_provenance::<u8>(c::narrow(tls.address));
    // SAFETY: the loader mapped this segment, as it lies within a PT_LOAD; nothing writes to it.
    let bytes = unsafe { core::slice::from_raw_parts(start, c::narrow(tls.file_size)) };
    Image { bytes, size: c::narrow(tls.memory_size), align: c::narrow(tls.align).max(1) }
}

impl Image {
    /// Alignment of the thread pointer.
    fn alignment(&self) -> usize {
        self.align.max(align_of::<Thread>()).max(64)
    }

    /// Bytes of storage and [`Thread`] together, whole pages.
    pub(crate) fn room(&self) -> usize {
        let parts = [size_of::<Thread>(), self.size, self.alignment(), self.alignment()];
        parts.iter().sum::<usize>().next_multiple_of(PAGE)
    }

    /// Lays storage and the place of a [`Thread`] out below `top`; gives the latter.
    ///
    /// # Safety
    ///
    /// The [`Image::room`] bytes below `top` are mapped, zeroed, writable, and used by no one.
    pub(crate) unsafe fn lay_out(&self, top: *mut u8) -> *mut Thread {
        let below = top.wrapping_sub(size_of::<Thread>());
        let thread = below.wrapping_sub(below.addr() & self.alignment().wrapping_sub(1));
        let storage = thread.wrapping_sub(self.size.next_multiple_of(self.align));
        // SAFETY: `room` counts both parts and two alignments, so all is within the caller's
        // bytes; they are no part of the image.
        unsafe { storage.copy_from_nonoverlapping(self.bytes.as_ptr(), self.bytes.len()) };
        thread.cast()
    }
}
