//! The first programs of the system: the shell, login, and the small ones.
//!
//! ```text
//!  bin/sh     ─▶ sh        the shell
//!  bin/login  ─▶ login     who you are, then a shell
//!  bin/base   ─▶ programs  ls, cat, ps, …: one binary, called by many names
//!                   │
//!                   ▼
//!                 system   what the kernel's schemes tell, read as text
//! ```
//!
//! All of it is plain `std` and runs on any Unix, where its tests run; only `system` knows
//! names of ours.
#![forbid(unsafe_code)]
#![expect(
    clippy::large_stack_frames,
    reason = "the limit is the kernel's; a program has megabytes"
)]

mod failure;
pub mod login;
pub mod programs;
pub mod sh;
mod system;
