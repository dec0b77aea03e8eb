//! The ramfs: daemon.

fn main() {}
