//! What the kernel and userspace agree on: numbers, structs, packets, and the loader's hand-over.
//!
//! ```text
//!  number ── which call      info, signal, args ── what calls take and what programs start with
//!  packet ── what a daemon finds in its ring       boot_info ── what the loader leaves
//! ```
//!
//! From the first release on this crate only grows. The meaning of each call is in
//! `mk/book/abi.md`.
#![no_std]
#![forbid(unsafe_code)]

pub mod args;
pub mod boot_info;
pub mod counters;
pub mod info;
pub mod number;
pub mod packet;
pub mod signal;

/// Error numbers, as POSIX and `redox_syscall` number them.
pub use redox::error;
