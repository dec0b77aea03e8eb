//! The NVMe driver: serves the namespaces of all its controllers.
//!
//! ```text
//!  Namespace ── trait Disk ──▶ Controller ──▶ Queue ──▶ memory ◀── device
//!  (facts, commands)           (slots, reset)  └─▶ Bank: registers, doorbells
//! ```
//!
//! Read `controller`, then `namespace`; `facts` reads what the device says of itself. Names,
//! partitions, unaligned requests and their order are `anode-block`'s.
#![forbid(unsafe_code)]

mod bank;
mod command;
mod controller;
mod facts;
mod failure;
mod namespace;
mod queue;
mod reset;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

fn main() -> ExitCode {
    let devices = anode_device::Device::all_from_env().unwrap_or_else(|error| {
        eprintln!("nvme: no device in ANODE_DEVICE: {error}");
        Vec::new()
    });
    // The directory handles stay open as they were given, and with them the bus to the devices.
    let disks = devices.iter().flat_map(|device| {
        let opened = namespace::open(device);
        opened.unwrap_or_else(|why| {
            eprintln!("nvme: a controller was left out: {why}");
            Vec::new()
        })
    });
    anode_block::serve("nvme", disks)
}
