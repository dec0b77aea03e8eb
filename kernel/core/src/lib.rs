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
//! Read `trap` and `kernel` first, then `syscall` (what can be asked), `scheme` (who answers),
//! `object` (what there is) and `mem` (where it lies).
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::expect_used)]
#![expect(clippy::large_stack_frames, reason = "it counts what never lives at once")]
#![expect(clippy::wildcard_enum_match_arm, reason = "what a target cannot do is refused")]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod error;
mod exec;
pub mod kernel;
pub mod machine;
pub mod mem;
pub mod num;
pub mod object;
mod prelude;
pub mod random;
pub mod sched;
pub mod scheme;
mod syscall;
pub mod table;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod testing;
#[cfg(test)]
mod tests;
pub mod trap;
