//! The filesystem: copy-on-write, checksummed, and true to its word after every crash: the state
//! is a prefix of the operations, at least as long as the last `fsync`.
//!
//! ```text
//!   daemon, tools            this crate                                            a disk
//!  ─────────────┐  ┌──────────────────────────────────────────────────────┐  ┌───────────────
//!   create,     │  │ volume ── change ── tree ── store ── device::Writer ─┼─▶│ BlockDevice:
//!   write,    ──┼─▶│   │  a copy,  one B+tree,   checksums,               │  │ read, write,
//!   rename ...  │  │   │  kept if  shared by     nodes read     format ───┼─▶│ flush, forced
//!   fsync,    ──┼─▶│   ├─ log      its copies    before         (bytes)   │  │ write, discard
//!   commit      │  │   └─ commit ── space: free blocks, held for 3 supers │  │
//!   reading   ──┼─▶│ view: the volume as it was at one moment             │  │
//!   fsck      ──┼─▶│ fsck: a walk over all of it, which names findings    │  │
//!  ─────────────┘  └──────────────────────────────────────────────────────┘  └───────────────
//! ```
//!
//! Read `format` first (what is on disk), then `volume` (what can be asked, fsync and commit),
//! `change` (what an operation does), `tree` and `space`. The tests stand on `testing`: a disk
//! that fails as disks do, and every state that a power cut may leave.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::expect_used)]
#![expect(clippy::large_stack_frames, reason = "it counts a future again at each await")]
#![expect(clippy::wildcard_enum_match_arm, reason = "what cannot be here is refused alike")]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod cache;
mod change;
pub mod device;
pub mod error;
pub mod executor;
mod format;
pub mod fsck;
mod lock;
mod num;
mod op;
mod space;
mod store;
mod tree;
mod view;
mod volume;

pub use format::{Inode, Kind, Name};
pub use op::{Attributes, New};
pub use view::View;
pub use volume::{Format, Health, Mode, Scrub, Snapshot, Statistics, Volume, format, mount};

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod testing;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod tests;

/// Bytes of a block: the unit of space and of every transfer.
pub const BLOCK: usize = 4096;

/// The most bytes of a name.
pub const NAME_MAX: usize = 255;
