//! The first process: starts and watches the services.

fn main() {}
