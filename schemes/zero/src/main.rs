//! The zero: daemon.

fn main() {}
