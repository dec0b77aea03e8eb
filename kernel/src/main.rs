//! The machine: all of the kernel's unsafe code, and no decision.
//!
//! ```text
//!  boot ── from the loader to the first thread      arch/trap ── from a trap to the core and back
//!  memory, heap, arch/paging ── what is the kernel's and what the core's
//!  machine ── `Machine` for the core, over arch/{apic, ioapic, tsc, fpu, serial}
//!  log, panic ── what it says
//! ```
//!
//! Read `arch/entry.s` and `arch/trap.rs` first, then `machine.rs`.
#![no_std]
#![no_main]

extern crate alloc;

mod arch;
mod boot;
mod heap;
mod log;
mod machine;
mod memory;
mod panic;
