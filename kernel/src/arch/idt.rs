//! The interrupt descriptor table: all vectors go to stubs of entry.s.

use core::cell::UnsafeCell;

use x86_64::VirtAddr;
use x86_64::instructions::tables::lidt;
use x86_64::structures::DescriptorTablePointer;

use super::gdt::stack_of;

const VECTORS: usize = 256;
/// Bytes of a stub.
const STUB: usize = 16;
const KERNEL_CODE: u64 = 8;
const BREAKPOINT: u8 = 3;

/// Two words for each vector; written once, by the first CPU, before any CPU loads it.
struct Table(UnsafeCell<[[u64; 2]; VECTORS]>);

// SAFETY: `fill` runs once, before there is another CPU; the CPUs only read it.
unsafe impl Sync for Table {}

static TABLE: Table = Table(UnsafeCell::new([[0; 2]; VECTORS]));

unsafe extern "C" {
    static interrupt_stubs: [[u8; STUB]; VECTORS];
}

/// Fills the table.
///
/// # Safety
///
/// Called once, by the first CPU, before [`load`].
pub(crate) unsafe fn fill() {
    // SAFETY: nobody else uses the table yet (the caller's word).
    let table = unsafe { &mut *TABLE.0.get() };
    let stubs = (&raw const interrupt_stubs).addr();
    for (vector, gate) in (0..=u8::MAX).zip(table) {
        let stub = stubs.wrapping_add(usize::from(vector).wrapping_mul(STUB)) as u64;
        // An interrupt gate that is present; the user may only raise a breakpoint himself.
        let kind: u64 = if vector == BREAKPOINT { 0xEE00 } else { 0x8E00 };
        let low = (stub & 0xFFFF) | KERNEL_CODE << 16 | u64::from(stack_of(vector)) << 32;
        *gate = [low | kind << 32 | (stub >> 16 & 0xFFFF) << 48, stub >> 32];
    }
}

/// Has this CPU use the table.
pub(crate) fn load() {
    let base = VirtAddr::from_ptr(TABLE.0.get());
    // SAFETY: the table is a static that `fill` filled with stubs of entry.s.
    unsafe { lidt(&DescriptorTablePointer { limit: 0xFFF, base }) };
}

/// Takes all vectors away, so that the next trap resets the machine.
pub(crate) fn unload() {
    // SAFETY: the caller wants the machine to end.
    unsafe { lidt(&DescriptorTablePointer { limit: 0, base: VirtAddr::zero() }) };
}
