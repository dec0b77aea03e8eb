//! Writes Anode to a disk or into an image: partition table, boot code, boot slots, filesystems.
//!
//! ```text
//!  ImageSpec ──▶ plan::Plan (pure: layout and steps, may refuse) ──▶ execute (writes, the partition table last)
//!                  ├─ loader  cuts the BIOS loader's ELF file into boot sector and stage 2
//!                  ├─ esp     the UEFI loader's FAT filesystem
//!                  ├─ slot    the boot bundle
//!                  ├─ root    the filesystem, by `mkfs`
//!                  └─ table   GPT and boot sector
//! ```
//!
//! A plan prints as a list of sentences, which is the dry run. What the loaders read is defined by
//! `anode-loader`, and the tests read every image back with its code.
#![forbid(unsafe_code)]
#![expect(clippy::large_stack_frames, reason = "a program's stack has megabytes")]
#![deny(clippy::as_conversions, clippy::expect_used)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(test, expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails"))]

mod error;
mod esp;
pub mod image;
mod loader;
pub mod plan;
mod root;
mod slot;
mod table;

pub use error::Error;

/// Bytes of a sector; other disks are refused before a plan is made.
pub const SECTOR: u64 = 512;
/// Partitions begin at multiples of this.
pub const ALIGN: u64 = 1 << 20;
