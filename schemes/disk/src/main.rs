//! `disk:`: all disks under one name, whatever driver has them.
//!
//! ```text
//!  open("disk:2p1") ─▶ diskd ── open("nvme:1p1") ─▶ nvme ── handle ─▶ client ◀═ reads, writes ═▶ nvme
//! ```
//!
//! Each driver serves its disks under its own name, from 0. Here they are numbered through, in
//! the order of [`FAMILIES`], and an open is answered with the driver's own handle: what follows
//! never comes here. Read `numbers`, then `scheme`; `drivers` is what is asked of them.
//!
//! This daemon waits for drivers, one open after another. It may, as no driver opens `disk:`;
//! but while a driver starts or is replaced, opens of its disks keep those of others waiting. A
//! driver that does not answer in time is left out until it does (`waiter`).
#![forbid(unsafe_code)]

mod drivers;
mod numbers;
mod scheme;
#[cfg(test)]
mod tests;
mod waiter;

use std::process::ExitCode;

/// The drivers' services and schemes. Disks of the first ones have the first numbers.
const FAMILIES: [&str; 3] = ["virtio-blk", "nvme", "ahci"];

fn main() -> ExitCode {
    match drivers::Real::new() {
        Ok(drivers) => anode_scheme::serve("disk", scheme::Disks::new(drivers)),
        Err(error) => {
            eprintln!("diskd: no threads to ask the drivers with: {error}");
            ExitCode::FAILURE
        }
    }
}
