//! x86-64.

pub(crate) mod apic;
pub(crate) mod clock;
pub(crate) mod context;
pub(crate) mod ioapic;
pub(crate) mod percpu;
pub(crate) mod serial;
pub(crate) mod trap;
