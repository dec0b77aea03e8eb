//! What the machine keeps of a thread: registers, vector state, FS and GS base.

use core::arch::asm;
use core::arch::x86_64::{_fxrstor64, _fxsave64};

use anode_kernel::machine::Regs;
use x86_64::VirtAddr;
use x86_64::registers::control::Cr4Flags;
use x86_64::registers::model_specific::FsBase;
use x86_64::registers::segmentation::{FS, GS, Segment64};

use crate::boot::info;

/// Which parts of the state XSAVEOPT and XRSTOR treat: all that XCR0 has on.
const ALL: u32 = u32::MAX;

/// A thread's state, as far as it is not a CPU's.
#[repr(C, align(64))]
pub(crate) struct Context {
    /// What the core sees, and the entry code saves.
    pub(crate) regs: Regs,
    /// GS base of the user.
    gs_base: u64,
    /// Not 0: leave by IRETQ, as the registers may be anything; see [`LENT`].
    pub(crate) by_iret: u64,
    padding: [u64; 3],
    /// By XSAVE with AVX, or less; the loader makes sure that it is not more.
    vector: [u64; 104],
}

/// Value of [`Context::by_iret`]: the thread is a CPU's, but the core was lent its state, so what
/// holds is in memory, and is to be loaded.
pub(crate) const LENT: u64 = 2;

/// Whether CR4 has that on.
fn has(flag: Cr4Flags) -> bool {
    info().cr4 & flag.bits() != 0
}

impl Context {
    /// Its size in bytes.
    pub(crate) const SIZE: u64 = size_of::<Self>() as u64;

    /// Saves what of a thread the entry code does not.
    ///
    /// # Safety
    ///
    /// The thread's state is live on this CPU.
    #[inline(always)]
    pub(crate) unsafe fn save(&mut self) {
        let area = (&raw mut self.vector).cast();
        // SAFETY: the area is large enough and 64-byte aligned; the bases may be read as CR4
        // allows it, and nothing uses GS between the swaps.
        unsafe {
            match has(Cr4Flags::OSXSAVE) {
                true => asm!("xsaveopt64 [{}]", in(reg) area, in("eax") ALL, in("edx") ALL),
                false => _fxsave64(area),
            }
            if has(Cr4Flags::FSGSBASE) {
                self.regs.fs_base = FS::read_base().as_u64();
                GS::swap();
                self.gs_base = GS::read_base().as_u64();
                GS::swap();
            }
        }
    }

    /// Loads what [`Context::save`] saved.
    ///
    /// # Safety
    ///
    /// The thread is on no other CPU.
    #[inline(always)]
    pub(crate) unsafe fn load(&mut self) {
        let area = (&raw mut self.vector).cast();
        // SAFETY: the area was written by `save`, `reset` or `copy_vector`, so its header is
        // sound; the bases are made canonical, and nothing uses GS between the swaps.
        unsafe {
            match has(Cr4Flags::OSXSAVE) {
                true => asm!("xrstor64 [{}]", in(reg) area, in("eax") ALL, in("edx") ALL),
                false => _fxrstor64(area),
            }
            let fs = VirtAddr::new_truncate(self.regs.fs_base);
            if has(Cr4Flags::FSGSBASE) {
                FS::write_base(fs);
                GS::swap();
                GS::write_base(VirtAddr::new_truncate(self.gs_base));
                GS::swap();
            } else {
                FsBase::write(fs);
            }
        }
    }

    /// The state that a program starts with: all zeros with the control words FCW (at 0) and MXCSR
    /// (at 24); the header of the area says that all else is as after reset.
    pub(crate) fn reset(&mut self) {
        self.vector.fill(0);
        [self.vector[0], self.vector[3]] = [0x037F, 0x1F80];
        self.gs_base = 0;
    }

    /// Takes over another thread's saved state but for its registers.
    pub(crate) fn copy_vector(&mut self, from: &Self) {
        self.vector = from.vector;
        self.gs_base = from.gs_base;
    }
}
