//! The null: daemon.

fn main() {}
