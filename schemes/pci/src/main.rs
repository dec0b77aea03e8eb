//! The pci: daemon.

fn main() {}
