//! What each CPU has of its own, reached by GS, and the contexts that it runs.

use core::arch::asm;
use core::cell::{Cell, UnsafeCell};
use core::ptr::null_mut;

use anode_kernel::machine::{Cpu, Regs};
use x86_64::structures::gdt::GlobalDescriptorTable;
use x86_64::structures::tss::TaskStateSegment;

/// Registers of a thread, as the entry code knows them; its vector state follows in memory.
#[repr(C, align(64))]
pub(crate) struct Context {
    /// What the core sees.
    pub(crate) regs: Regs,
    /// GS base of the user.
    pub(crate) gs_base: u64,
    /// Not 0: leave by IRETQ, as the registers may be anything; see [`LENT`].
    pub(crate) by_iret: u64,
}

/// Value of [`Context::by_iret`]: the thread is a CPU's, but the core was lent its state, so what
/// holds is in memory, and is to be loaded.
pub(crate) const LENT: u64 = 2;

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
    pub(crate) gdt: UnsafeCell<GlobalDescriptorTable>,
    pub(crate) tss: UnsafeCell<TaskStateSegment>,
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
    gdt: UnsafeCell::new(GlobalDescriptorTable::new()),
    tss: UnsafeCell::new(TaskStateSegment::new()),
};

impl PerCpu {
    /// Lets the block know where it is, before GS names it.
    pub(crate) fn settle(&'static self, stack_top: u64) {
        self.this.set(self);
        self.stack_top.set(stack_top);
    }

    /// The block of this CPU.
    #[inline(always)]
    pub(crate) fn here() -> &'static Self {
        let this: *const Self;
        // SAFETY: GS names this CPU's block in the kernel (gdt.rs sets it, entry.s swaps it), and
        // its first word is its own address.
        unsafe {
            asm!("mov {}, gs:[0]", out(reg) this, options(nostack, preserves_flags, readonly, pure));
            &*this
        }
    }
}
