//! What each CPU has of its own, reached by GS.

use core::arch::asm;
use core::cell::Cell;
use core::ptr::null_mut;

use anode_abi::boot_info::STACK;
use anode_kernel::machine::Cpu;
use anode_kernel::num::wide;
use x86_64::VirtAddr;
use x86_64::registers::model_specific::GsBase;

use super::context::Context;
use crate::boot::info;

/// One CPU's block.
///
/// # Safety
///
/// Only that CPU touches its block, with interrupts off but for `kept`, which an interrupt of it
/// sets while nothing else looks. That makes the cells safe to share.
#[repr(C)]
pub(crate) struct PerCpu {
    this: Cell<*const Self>,
    /// The context whose registers and vector state are on the CPU; null: none.
    pub(crate) current: Cell<*mut Context>,
    /// Where the stack for traps ends.
    pub(crate) stack_top: Cell<u64>,
    /// For the entry code.
    pub(crate) scratch: Cell<u64>,
    /// What CR3 holds.
    pub(crate) root: Cell<u64>,
    /// Its number.
    pub(crate) cpu: Cpu,
    /// The vector of an interrupt that came in and is not handled yet; 0: none. There is at most
    /// one, as it leaves interrupts off.
    pub(crate) kept: Cell<u8>,
}

// SAFETY: see the type.
unsafe impl Sync for PerCpu {}

/// The block of the CPU that boots.
pub(crate) static FIRST: PerCpu = PerCpu {
    this: Cell::new(null_mut()),
    current: Cell::new(null_mut()),
    stack_top: Cell::new(0),
    scratch: Cell::new(0),
    root: Cell::new(0),
    cpu: Cpu(0),
    kept: Cell::new(0),
};

impl PerCpu {
    /// Makes this the block of this CPU.
    ///
    /// # Safety
    ///
    /// It is no other CPU's, and the CPU is as the loader hands it over.
    pub(crate) unsafe fn settle(&'static self) {
        self.this.set(self);
        let number = usize::from(self.cpu.0).wrapping_mul(4).wrapping_add(1);
        self.stack_top.set(info().stacks.wrapping_add(wide(number.wrapping_mul(STACK))));
        GsBase::write(VirtAddr::from_ptr(self));
        // SAFETY: the kernel's own tables.
        unsafe { self.use_root(info().root) };
    }

    /// Has this CPU, whose block this is, use the page tables with that (physical) root.
    ///
    /// # Safety
    ///
    /// The upper half of the tables is the kernel's.
    #[inline(always)]
    pub(crate) unsafe fn use_root(&self, root: u64) {
        if self.root.replace(root) != root {
            // SAFETY: the caller's word.
            unsafe { asm!("mov cr3, {}", in(reg) root, options(nostack, preserves_flags)) };
        }
    }

    /// The block of this CPU.
    #[inline(always)]
    pub(crate) fn here() -> &'static Self {
        let this: *const Self;
        // SAFETY: GS names this CPU's block in the kernel (`settle` sets it, entry.s swaps it),
        // and its first word is its own address.
        unsafe {
            asm!("mov {}, gs:[0]", out(reg) this, options(nostack, preserves_flags, readonly, pure));
            &*this
        }
    }
}
