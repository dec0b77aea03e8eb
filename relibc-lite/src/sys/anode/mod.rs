//! The native back-end: Anode's system calls (`mk/book/abi.md`).

mod event;
mod exec;
mod file;
mod memory;
mod process;
mod raw;
mod signal;
mod thread;
mod tree;

pub(crate) use event::poll;
pub(crate) use exec::exec;
pub(crate) use file::*;
pub(crate) use memory::*;
pub(crate) use process::*;
pub(crate) use signal::*;
pub(crate) use thread::*;
pub(crate) use tree::*;
