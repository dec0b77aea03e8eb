//! The logic of the C library, as safe code over plain data; the C shell around it is thin.
//!
//! ```text
//!  C and Rust programs            relibc (the shell)                 this crate
//!  ───────────────────┐  ┌──────────────────────────────┐  ┌────────────────────────────
//!   open, fork, read ─┼─▶│ extern "C": pointers, errno  │─▶│ path ─▶ what a path names
//!                     │  │      │                       │  │ search, script ─▶ exec
//!                     │  │      ▼                       │  │ class ─▶ malloc's sizes
//!                     │  │ sys::{anode, linux}: calls   │─▶│ linux ─▶ hosted translation
//! ```
//!
//! The C ABI is that of Redox (`abi`, `consts`), whatever the back-end. Read those first.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects, clippy::expect_used)]

#[cfg(test)]
extern crate std;

pub mod abi;
pub mod anode;
pub mod args;
pub mod block;
pub mod class;
pub mod consts;
pub mod dirent;
pub mod errno;
pub mod linux;
pub mod passwd;
pub mod path;
pub mod script;
pub mod search;
pub mod text;
pub mod time;
