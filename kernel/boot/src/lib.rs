//! The loader's shared core: all that does not depend on the firmware.
//!
//! ```text
//!  bios, uefi (front ends)          this crate
//!  ───────────────────────┐  ┌─────────────────────────────────────────────────┐
//!   sectors      ─ Disk ──┼─▶│ gpt ─▶ slot ─▶ elf ─▶ paging ─▶ load ─▶ BootInfo │
//!   pages of RAM ─ Memory ┼─▶│                                                 │
//!   memory map  ──────────┼─▶│ regions            machine: CR3, jump, serial   │
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
mod field;
pub mod gpt;
mod load;
pub mod machine;
mod memory;
mod paging;
pub mod pc;
pub mod regions;
pub mod seed;
pub mod slot;
#[cfg(test)]
mod testing;
pub mod time;

pub use error::Error;
pub use load::{Facts, Loaded, load};
pub use memory::{Disk, DiskError, Memory, PAGE};
pub use paging::Paging;
