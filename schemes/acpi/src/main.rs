//! The acpi: daemon.

fn main() {}
