//! The log: daemon.

fn main() {}
