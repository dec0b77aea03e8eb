//! Calls into the BIOS.
//!
//! # Safety
//!
//! The memory below stage 2 is laid out in `start.s`: the registers of a call at 0x6000, a small
//! buffer at 0x6100, the stack of 16-bit mode above it; a large buffer at 0x60000. It is mapped one
//! to one, nothing else uses it, and the BIOS writes to it only while a call runs.

use core::ptr;

/// The registers of a call; each side sees the other's values.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Registers {
    pub(crate) eax: u32,
    pub(crate) ebx: u32,
    pub(crate) ecx: u32,
    pub(crate) edx: u32,
    pub(crate) esi: u32,
    pub(crate) edi: u32,
    pub(crate) ds: u16,
    pub(crate) es: u16,
    pub(crate) flags: u16,
    pub(crate) padding: u16,
}

impl Registers {
    /// Whether the carry flag is set, which mostly means failure.
    pub(crate) const fn carry(&self) -> bool {
        self.flags & 1 != 0
    }

    /// AH.
    pub(crate) const fn status(&self) -> u32 {
        (self.eax >> 8) & 0xff
    }
}

unsafe extern "sysv64" {
    /// In `start.s`: calls with the registers at [`REGISTERS`].
    fn call_bios(interrupt: u32);
}

const REGISTERS: usize = 0x6000;

/// Calls interrupt `interrupt` with `registers`; returns what the BIOS left in them.
pub(crate) fn call(interrupt: u8, registers: Registers) -> Registers {
    let place: *mut Registers = ptr::with_exposed_provenance_mut(REGISTERS);
    // SAFETY: the module's rule; `call_bios` keeps all registers of its caller and comes back in
    // 64-bit mode.
    unsafe {
        place.write_volatile(registers);
        call_bios(u32::from(interrupt));
        place.read_volatile()
    }
}

/// A buffer that the BIOS reads and fills.
#[derive(Debug)]
pub(crate) struct Buffer {
    address: usize,
    len: usize,
}

impl Buffer {
    /// For small answers.
    pub(crate) const SMALL: Self = Self { address: 0x6100, len: 0x600 };
    /// For sectors.
    pub(crate) const LARGE: Self = Self { address: 0x6_0000, len: 0x1_0000 };

    /// The segment at whose offset 0 it begins.
    pub(crate) fn segment(&self) -> u16 {
        u16::try_from(self.address >> 4).unwrap_or(0)
    }

    /// Its size in bytes.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Copies what the BIOS wrote to `out`, as much as there is.
    pub(crate) fn read(&self, out: &mut [u8]) {
        let from: *const u8 = ptr::with_exposed_provenance(self.address);
        // SAFETY: the module's rule, and no more than the buffer's length; `out` is Rust's, so
        // elsewhere.
        unsafe { ptr::copy_nonoverlapping(from, out.as_mut_ptr(), out.len().min(self.len)) }
    }

    /// Copies `bytes` to where the BIOS reads them, as many as fit.
    pub(crate) fn write(&self, bytes: &[u8]) {
        let to: *mut u8 = ptr::with_exposed_provenance_mut(self.address);
        // SAFETY: as in `read`.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len().min(self.len)) }
    }
}
