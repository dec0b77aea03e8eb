//! The machine: all of the kernel's unsafe code, and no decision.
//!
//! ```text
//!  boot ── from the loader to the first thread      arch/trap ── from a trap to the core and back
//!  machine ── `Machine` for the core, over arch/{apic, ioapic, clock, context}
//!  heap ── memory for the core's tables             log, panic ── what it says, over arch/serial
//! ```
//!
//! Read `arch/entry.s` and `arch/trap.rs` first, then `machine.rs`. What has to be done but once
//! has been done by the loader: `anode_abi::boot_info` says what the kernel finds.
#![no_std]
#![no_main]

extern crate alloc;

mod arch;
mod boot;
mod heap;
mod log;
mod machine;
mod panic;
