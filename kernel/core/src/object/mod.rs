//! What there is: threads, processes, handles, namespaces, schemes, rings and small sources.

pub mod event;
pub mod handle;
pub mod namespace;
pub mod pipe;
pub mod process;
pub mod ring;
pub mod thread;
