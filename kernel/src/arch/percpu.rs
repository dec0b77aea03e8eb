//! What each CPU has of its own, reached by GS.

use core::arch::asm;
use core::cell::Cell;
use core::ptr::null_mut;

use anode_abi::boot_info::STACK;
use anode_kernel::machine::Cpu;
use anode_kernel::num::wide;
use x86_64::registers::control::{Cr3, Cr3Flags};
use x86_64::registers::model_specific::GsBase;
use x86_64::structures::paging::PhysFrame;
use x86_64::{PhysAddr, VirtAddr};

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
    /// It is no other CPU's, and the final tables are in use.
    pub(crate) unsafe fn settle(&'static self) {
        self.this.set(self);
        let stacks =
            wide(STACK.wrapping_mul(usize::from(self.cpu.0).wrapping_mul(4).wrapping_add(1)));
        self.stack_top.set(info().stacks.wrapping_add(stacks));
        self.root.set(info().root);
        GsBase::write(VirtAddr::from_ptr(self));
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

/// Switches this CPU to the page tables with that (physical) root; drops what it had cached of
/// the lower half.
///
/// # Safety
///
/// The upper half of the tables is the kernel's.
pub(crate) unsafe fn write_root(root: u64) {
    let frame = PhysFrame::containing_address(PhysAddr::new_truncate(root));
    // SAFETY: the caller's word.
    unsafe { Cr3::write(frame, Cr3Flags::empty()) };
}
