//! The tty: daemon.

fn main() {}
