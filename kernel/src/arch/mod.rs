//! x86-64.

pub(crate) mod apic;
pub(crate) mod fpu;
pub(crate) mod gdt;
pub(crate) mod idt;
pub(crate) mod ioapic;
pub(crate) mod paging;
pub(crate) mod percpu;
pub(crate) mod serial;
pub(crate) mod trap;
pub(crate) mod tsc;
