//! Programs that test the system from inside.

fn main() {}
