//! The hosted back-end: Redox's ABI above, Linux's system calls below.

mod file;
mod process;
mod raw;
mod signal;
mod thread;
mod tree;

pub(crate) use file::*;
pub(crate) use process::*;
pub(crate) use signal::*;
pub(crate) use thread::*;
pub(crate) use tree::*;
