//! The kernel core: every decision the kernel takes, as safe code over plain state.
//!
//! ```text
//!  trap (kernel/src)              this crate                            machine (kernel/src)
//!  ─────────────────────┐  ┌───────────────────────────────────┐  ┌─────────────────────────
//!   registers saved,    │  │ kernel.handle(cpu, trap)          │  │ trait Machine: frames as
//!   why we came      ───┼─▶│   syscall ─▶ scheme ─▶ object     │─▶│ words, timer, kicks, irq
//!   whom to run    ◀────┼──│     └── sched ◀── Next ◀──┘       │  │ lines, ports, registers
//!  ─────────────────────┘  └───────────────────────────────────┘  └─────────────────────────
//! ```
//!
//! Read `trap` and `kernel` first, then `syscall` (what can be asked), `scheme` (who answers)
//! and `object` (what there is).
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::expect_used)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod error;
pub mod kernel;
pub mod machine;
pub mod madt;
pub mod num;
pub mod sched;
pub mod symbol;
pub mod table;
pub mod trap;
