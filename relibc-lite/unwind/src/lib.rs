//! `libgcc_eh.a`: the unwinder that `std` and C++ call, from the `unwinding` crate.
//!
//! What is ours is how it finds the tables of a static program: by the program headers, whose
//! place the linker tells in `__ehdr_start`. The finder is registered by `.init_array`, which
//! the C library's start runs before `main`.
#![no_std]

use core::panic::PanicInfo;
use unwinding::custom_eh_frame_finder::{
    EhFrameFinder, FrameInfo, FrameInfoKind, set_custom_eh_frame_finder,
};

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

const PT_GNU_EH_FRAME: u32 = 0x6474_e550;

unsafe extern "C" {
    /// The linker's name for the program's own ELF header.
    static __ehdr_start: Header;
}

/// Finds the one table of a static program.
struct Static;

// SAFETY: the address is that of PT_GNU_EH_FRAME, `.eh_frame_hdr` as the linker wrote it; a
// static, non-PIE program's addresses are those of its headers.
unsafe impl EhFrameFinder for Static {
    fn find(&self, _pc: usize) -> Option<FrameInfo> {
        let header = &raw const __ehdr_start;
        // SAFETY: lld defines `__ehdr_start` at the ELF header, in the first loaded page.
        let (offset, count) = unsafe { ((*header).phoff, (*header).phnum) };
        let first = header.addr().checked_add(usize::try_from(offset).ok()?)?;
        let first = core::ptr::with_exposed_provenance::<Segment>(first);
        // SAFETY: the linker puts the program headers, `count` of them, into that page too.
        let segments = unsafe { core::slice::from_raw_parts(first, usize::from(count)) };
        let table = segments.iter().find(|segment| segment.kind == PT_GNU_EH_FRAME)?;
        let address = usize::try_from(table.address).ok()?;
        Some(FrameInfo { text_base: None, kind: FrameInfoKind::EhFrameHdr(address) })
    }
}

/// Called before `main`.
extern "C" fn register() {
    // A second registration would be a second library: the first stays.
    let _first = set_custom_eh_frame_finder(&Static);
}

#[unsafe(link_section = ".init_array")]
#[used]
static REGISTER: extern "C" fn() = register;

/// The unwinder itself never unwinds.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        safe fn abort() -> !;
    }
    abort()
}
