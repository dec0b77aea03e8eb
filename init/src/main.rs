//! The first process: starts and watches the services.

mod graph;
mod pack;
mod report;
mod supervise;
mod unit;

fn main() {}
