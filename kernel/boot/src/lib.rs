//! The loader's shared core: all that does not depend on the firmware.
//!
//! ```text
//!  bios, uefi (front ends)          this crate
//!  ───────────────────────┐  ┌─────────────────────────────────────────────────┐
//!   sectors      ─ Disk ──┼─▶│ load: gpt ─▶ slot ─▶ elf, window, room (paging)  │
//!   pages of RAM ─ Memory ┼─▶│ handover: facts, regions, symbols ─▶ BootInfo   │
//!   memory map  ──────────┼─▶│ machine: the CPU, the controllers, the jump     │
//!  ───────────────────────┘  └─────────────────────────────────────────────────┘
//! ```
//!
//! Read `load` first (the order of things), then `slot` (what lies on the disk). Everything read
//! from the disk is hostile until its checksum and each of its numbers have been checked; all
//! unsafe code is in `machine`.
#![no_std]
#![deny(unsafe_code)]
#![expect(clippy::large_stack_frames, reason = "both front ends run on at least 64 KiB of stack")]
#![deny(clippy::as_conversions, clippy::expect_used)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(test, expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails"))]

#[cfg(test)]
extern crate std;

pub mod elf;
mod error;
mod facts;
mod field;
pub mod gpt;
mod handover;
mod load;
pub mod machine;
pub mod madt;
mod memory;
mod paging;
pub mod pc;
pub mod regions;
mod room;
pub mod seed;
pub mod slot;
mod symbols;
#[cfg(test)]
mod testing;
pub mod time;
mod window;

pub use error::Error;
pub use facts::{BootMethod, Channel, Facts, Framebuffer};
pub use handover::Measured;
pub use load::{Hardware, KERNEL_BASE, Loaded, load};
pub use memory::{Disk, DiskError, Memory, PAGE};
pub use paging::Paging;
