//! What the CPU can do, its control registers, and the vector state of contexts.

use core::arch::asm;
use core::arch::x86_64::{_fxrstor64, _fxsave64};

use anode_kernel::num::index;
use raw_cpuid::CpuId;
use x86_64::VirtAddr;
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags};
use x86_64::registers::model_specific::{Efer, EferFlags, FsBase, Msr};
use x86_64::registers::segmentation::{FS, GS, Segment64};
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};

use super::percpu::Context;

/// What entry 1 of PAT is after reset, write-through, becomes write-combining; the others stay:
/// 0 write-back, 2 uncached unless MTRRs say otherwise, 3 uncached.
const PAT: u64 = 0x0007_0406_0007_0106;
/// Which parts of the state XSAVEOPT and XRSTOR treat: all that XCR0 has on.
const ALL: u32 = u32::MAX;
/// Bytes that FXSAVE writes, and the header of XSAVE after them.
const LEGACY: usize = 512;
const HEADER: usize = 64;

/// The vector unit: how a context's state is saved and loaded.
#[derive(Clone, Copy)]
pub(crate) struct Vector {
    /// By XSAVEOPT and XRSTOR; else by FXSAVE and FXRSTOR, which know no AVX.
    by_xsave: bool,
    /// Whether the user can change its FS and GS base by itself.
    bases: bool,
    /// Bytes of the state, a multiple of 64.
    pub(crate) size: usize,
}

/// Sets this CPU's control registers up and says how to treat its vector unit.
///
/// # Errors
///
/// A sentence: something is missing without which there is no protection.
pub(crate) fn enable() -> Result<Vector, &'static str> {
    let id = CpuId::new();
    let extended = id.get_extended_processor_and_feature_identifiers();
    let extended = extended.ok_or("the CPU does not say what it can do")?;
    if !extended.has_execute_disable() || !extended.has_syscall_sysret() {
        return Err("the CPU lacks NX or SYSCALL, or the firmware hides it");
    }
    let state = id.get_extended_state_info().filter(|state| state.has_xsaveopt());
    let mut cr4 = Cr4::read() & (Cr4Flags::PHYSICAL_ADDRESS_EXTENSION | Cr4Flags::L5_PAGING);
    cr4 |= Cr4Flags::OSFXSR | Cr4Flags::OSXMMEXCPT_ENABLE | Cr4Flags::PAGE_GLOBAL;
    cr4 |= Cr4Flags::MACHINE_CHECK_EXCEPTION;
    cr4.set(Cr4Flags::OSXSAVE, state.is_some());
    if let Some(more) = id.get_extended_feature_info() {
        cr4.set(Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION, more.has_smep());
        cr4.set(Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION, more.has_smap());
        cr4.set(Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION, more.has_umip());
        cr4.set(Cr4Flags::FSGSBASE, more.has_fsgsbase());
    }
    let cr0 = Cr0Flags::PROTECTED_MODE_ENABLE | Cr0Flags::PAGING | Cr0Flags::WRITE_PROTECT;
    let efer = EferFlags::NO_EXECUTE_ENABLE | EferFlags::SYSTEM_CALL_EXTENSIONS;
    let avx = id.get_feature_info().is_some_and(|info| info.has_avx());
    // SAFETY: protection only gets stricter; the kernel touches no user address (machine.rs goes
    // by the direct map), the loader maps W^X, and the kernel uses no vector register itself.
    unsafe {
        Efer::update(|old| *old |= efer);
        Cr0::write(cr0 | Cr0Flags::MONITOR_COPROCESSOR | Cr0Flags::NUMERIC_ERROR);
        Cr4::write(cr4);
        Msr::new(0x277).write(PAT);
        if state.is_some() {
            let avx = if avx { XCr0Flags::AVX } else { XCr0Flags::empty() };
            XCr0::write(XCr0Flags::X87 | XCr0Flags::SSE | avx);
        }
    }
    // Asked again, as the size is that of what is now switched on.
    let state = id.get_extended_state_info().filter(|_| state.is_some());
    let size = state.as_ref().map_or(0, |now| index(now.xsave_area_size_enabled_features()));
    let size = size.max(LEGACY + HEADER).next_multiple_of(64);
    let bases = cr4.contains(Cr4Flags::FSGSBASE);
    Ok(Vector { by_xsave: state.is_some(), bases, size })
}

/// Where a context's vector state lies: after the registers.
fn area(context: *mut Context) -> *mut u64 {
    context.wrapping_add(1).cast()
}

impl Vector {
    /// Saves what of a thread the entry code does not: vector state, FS and GS base.
    ///
    /// # Safety
    ///
    /// `context` is one of the pool's, and its thread's state is live on this CPU.
    #[inline(always)]
    pub(crate) unsafe fn save(self, context: *mut Context) {
        let area = area(context).cast();
        // SAFETY: a context of the pool has `size` bytes after it, 64-byte aligned; the bases may
        // be read as CR4 allows it, and nothing uses GS between the swaps.
        unsafe {
            match self.by_xsave {
                true => asm!("xsaveopt64 [{}]", in(reg) area, in("eax") ALL, in("edx") ALL),
                false => _fxsave64(area),
            }
            if self.bases {
                (*context).regs.fs_base = FS::read_base().as_u64();
                GS::swap();
                (*context).gs_base = GS::read_base().as_u64();
                GS::swap();
            }
        }
    }

    /// Loads what [`Vector::save`] saved.
    ///
    /// # Safety
    ///
    /// `context` is one of the pool's, and on no other CPU.
    #[inline(always)]
    pub(crate) unsafe fn load(self, context: *mut Context) {
        let area = area(context).cast();
        // SAFETY: the area was written by `save`, `reset` or `copy`, so its header is sound; the
        // bases are made canonical, and nothing uses GS between the swaps.
        unsafe {
            match self.by_xsave {
                true => asm!("xrstor64 [{}]", in(reg) area, in("eax") ALL, in("edx") ALL),
                false => _fxrstor64(area),
            }
            let fs = VirtAddr::new_truncate((*context).regs.fs_base);
            if self.bases {
                FS::write_base(fs);
                GS::swap();
                GS::write_base(VirtAddr::new_truncate((*context).gs_base));
                GS::swap();
            } else {
                FsBase::write(fs);
            }
        }
    }

    /// Gives a context the state that a program starts with.
    ///
    /// # Safety
    ///
    /// `context` is one of the pool's, and on no CPU.
    pub(crate) unsafe fn reset(self, context: *mut Context) {
        let area = area(context);
        // SAFETY: `size` bytes are the context's. All zeros with the control words FCW (at 0) and
        // MXCSR (at 24) is a sound state: its header says that all else is as after reset.
        unsafe {
            area.write_bytes(0, self.size / 8);
            area.write(0x037F);
            area.wrapping_add(3).write(0x1F80);
            (*context).gs_base = 0;
        }
    }

    /// Copies the saved state of one context to another.
    ///
    /// # Safety
    ///
    /// Both are of the pool, different, and on no CPU.
    pub(crate) unsafe fn copy(self, from: *mut Context, to: *mut Context) {
        // SAFETY: `size` bytes are each context's own.
        unsafe {
            area(to).copy_from_nonoverlapping(area(from), self.size / 8);
            (*to).gs_base = (*from).gs_base;
        }
    }
}
