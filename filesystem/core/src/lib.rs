//! The filesystem: copy-on-write, checksummed, and true to its word after every crash.
//!
//! What stands: the device that it will be written against, and the disk that it is tested on.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::expect_used)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod device;
pub mod error;
pub mod executor;
mod num;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod testing;
#[cfg(test)]
mod tests;

/// Bytes of a block: the unit of space and of every transfer.
pub const BLOCK: usize = 4096;

/// The most bytes of a name.
pub const NAME_MAX: usize = 255;
