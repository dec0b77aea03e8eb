//! Segments, the stacks of the exceptions that need their own, and the entry of system calls.

use anode_kernel::num::wide;
use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, FS, GS, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::registers::model_specific::{GsBase, KernelGsBase, LStar, SFMask, Star};
use x86_64::registers::rflags::RFlags;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::tss::TaskStateSegment;

use super::percpu::PerCpu;

/// Bytes from the start of one stack to the next; the first page of each stays unmapped.
pub(crate) const STACK: usize = 0x8000;
/// Selectors that the entry code leaves the kernel with.
pub(crate) const USER_DATA: u16 = 0x1B;
/// See [`USER_DATA`].
pub(crate) const USER_CODE: u16 = 0x23;

/// Which stack an exception that must not share one takes; 0: the stack for traps.
pub(crate) const fn stack_of(vector: u8) -> u8 {
    match vector {
        2 => 1,
        8 => 2,
        18 => 3,
        _ => 0,
    }
}

unsafe extern "C" {
    static boot_stacks: [u8; 4 * STACK];
    fn syscall_entry();
}

/// The first CPU's stacks: address and length.
pub(crate) fn boot_stack_area() -> (u64, usize) {
    ((&raw const boot_stacks).addr() as u64, 4 * STACK)
}

/// Gives this CPU its own segments and stacks (four of [`STACK`] bytes at `stacks`).
///
/// # Safety
///
/// `cpu` is used by no other CPU, and nothing of it is borrowed.
pub(crate) unsafe fn load(cpu: &'static PerCpu, stacks: u64) {
    let top = |n: usize| stacks.wrapping_add(wide(STACK.wrapping_mul(n.wrapping_add(1))));
    cpu.settle(top(0));
    // SAFETY: this CPU alone uses the block, and only here (the caller's word).
    let (tss, gdt) = unsafe { (&mut *cpu.tss.get(), &mut *cpu.gdt.get()) };
    let stack = |n| VirtAddr::new_truncate(top(n));
    tss.privilege_stack_table = [stack(0); 3];
    // In the order of `stack_of`.
    tss.interrupt_stack_table =
        [stack(1), stack(2), stack(3), stack(0), stack(0), stack(0), stack(0)];
    *gdt = GlobalDescriptorTable::new();
    let code = gdt.append(Descriptor::kernel_code_segment());
    let data = gdt.append(Descriptor::kernel_data_segment());
    gdt.append(Descriptor::user_data_segment());
    gdt.append(Descriptor::user_code_segment());
    // SAFETY: the block is a static, so table and task segment stay where they are.
    let task = gdt.append(unsafe { Descriptor::tss_segment_unchecked(cpu.tss.get()) });
    // SAFETY: the selectors name the descriptors just made, in a table that lives as long.
    unsafe {
        (*cpu.gdt.get()).load_unsafe();
        CS::set_reg(code);
        SS::set_reg(data);
        for set in [DS::set_reg, ES::set_reg, FS::set_reg, GS::set_reg] {
            set(SegmentSelector::NULL);
        }
        load_tss(task);
    }
    GsBase::write(VirtAddr::from_ptr(cpu));
    KernelGsBase::write(VirtAddr::zero());
    // SAFETY: `syscall_entry` is what the CPU may jump to with these selectors; both are fixed.
    // (SYSRET makes data = base + 8 and code = base + 16, each with privilege 3.)
    unsafe { Star::write_raw(0x13, code.0) };
    LStar::write(VirtAddr::new_truncate(syscall_entry as *const () as u64));
    let off = RFlags::INTERRUPT_FLAG | RFlags::DIRECTION_FLAG | RFlags::TRAP_FLAG;
    SFMask::write(off | RFlags::NESTED_TASK | RFlags::ALIGNMENT_CHECK);
}

const _: () = assert!(size_of::<TaskStateSegment>() == 104);
