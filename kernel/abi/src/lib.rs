//! Numbers and structs that the kernel and userspace share.

pub mod packet;
