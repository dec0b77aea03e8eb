//! What the machine keeps of a thread: registers and vector state.

use core::arch::asm;
use core::arch::x86_64::{_fxrstor64, _fxsave64};

use anode_kernel::machine::{Context as ContextId, Regs};
use anode_kernel::num::{index, low};
use x86_64::VirtAddr;
use x86_64::registers::control::Cr4Flags;
use x86_64::registers::model_specific::FsBase;

use crate::boot::{direct, info};

/// Which parts of the state XSAVEOPT and XRSTOR treat: all that XCR0 has on.
const ALL: u32 = u32::MAX;

/// A thread's state, as far as it is not a CPU's.
#[repr(C, align(64))]
pub(crate) struct Context {
    /// What the core sees. The entry code saves it but for the FS base, which only the core
    /// changes; the user's GS base is always 0.
    pub(crate) regs: Regs,
    /// Not 0: leave by IRETQ, as the registers may be anything; see [`LENT`].
    pub(crate) by_iret: u64,
    padding: [u64; 4],
    /// By XSAVE with AVX, or less; the loader makes sure that it is not more.
    vector: [u64; 104],
}

/// Value of [`Context::by_iret`]: the thread is a CPU's, but the core was lent its state, so what
/// holds is in memory, and is to be loaded.
pub(crate) const LENT: u64 = 2;

fn has_xsave() -> bool {
    info().cr4 & Cr4Flags::OSXSAVE.bits() != 0
}

impl Context {
    /// How many there are: the loader has left memory for them, which holds nothing else.
    pub(crate) fn count() -> u32 {
        const SIZE: u64 = size_of::<Context>() as u64;
        low(info().contexts.len / SIZE)
    }

    /// Where a context is; the last one's place if there is no such context.
    #[inline(always)]
    pub(crate) fn of(id: ContextId) -> *mut Self {
        let n = id.0.min(Self::count().wrapping_sub(1));
        direct::<Self>(info().contexts.phys).wrapping_add(index(n))
    }

    /// Saves what of a thread the entry code does not.
    ///
    /// # Safety
    ///
    /// The thread's state is live on this CPU.
    #[inline(always)]
    pub(crate) unsafe fn save(&mut self) {
        let area = (&raw mut self.vector).cast();
        // SAFETY: the area is large enough and 64-byte aligned.
        unsafe {
            match has_xsave() {
                true => asm!("xsaveopt64 [{}]", in(reg) area, in("eax") ALL, in("edx") ALL),
                false => _fxsave64(area),
            }
        }
    }

    /// Loads what [`Context::save`] saved, and the FS base.
    ///
    /// # Safety
    ///
    /// The thread is on no other CPU.
    #[inline(always)]
    pub(crate) unsafe fn load(&mut self) {
        let area = (&raw mut self.vector).cast();
        // SAFETY: the area was written by `save`, `reset` or `copy_vector`, so its header is
        // sound.
        unsafe {
            match has_xsave() {
                true => asm!("xrstor64 [{}]", in(reg) area, in("eax") ALL, in("edx") ALL),
                false => _fxrstor64(area),
            }
        }
        FsBase::write(VirtAddr::new_truncate(self.regs.fs_base));
    }

    /// The state that a program starts with: all zeros with the control words FCW (at 0) and MXCSR
    /// (at 24); the header of the area says that all else is as after reset.
    pub(crate) fn reset(&mut self) {
        self.vector.fill(0);
        [self.vector[0], self.vector[3]] = [0x037F, 0x1F80];
    }

    /// Takes over another thread's saved vector state.
    pub(crate) fn copy_vector(&mut self, from: &Self) {
        self.vector = from.vector;
    }
}
