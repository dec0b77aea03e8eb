//! The block layer: a scheme over any disk driver.
//!
//! ```text
//!  client ─▶ scheme ──────────▶ Engine ─────────▶ trait Disk ─▶ device
//!            names, clipping,   bounce memory,    submit,
//!            partitions         splitting, order  finish
//! ```
//!
//! A driver implements [`Disk`]: it starts operations on physical memory and reports which
//! ended, in any order. Everything else is here. [`Engine`] turns byte ranges of clients into
//! operations on whole blocks, splits them to what the device takes, reads and merges the
//! blocks at the edges of an unaligned write, and lets no two writes of the same block overlap.
//! [`table`] finds partitions, [`protocol`] is what clients may ask beyond read, write and
//! fsync.
//!
//! Data goes through memory that the device reaches: a read is answered from it, so the kernel
//! copies once, and a write's bytes are pulled straight into it.
#![forbid(unsafe_code)]

mod disk;
mod engine;
mod name;
mod plan;
mod pool;
pub mod protocol;
mod scheme;
#[cfg(feature = "suite")]
pub mod suite;
pub mod table;
#[cfg(test)]
mod tests;
mod unit;

pub use disk::{Access, Disk, Durability, Info, MAX_BYTES, Op, Submitted, WriteCache};
pub use engine::{Client, Engine};
pub use name::Name;
pub use plan::Task;
pub use scheme::{Disks, serve};
pub use unit::{patience, patience_of};
