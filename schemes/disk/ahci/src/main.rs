//! The AHCI driver: serves the SATA disks on all its host adapters.
//!
//! ```text
//!  Sata ── trait Disk ──▶ slots, order, errors ──▶ Port: registers ──▶ device
//!                          └─▶ Tables: commands in memory ◀────────────┘
//! ```
//!
//! Read `sata`, then `port` and `tables`; `facts` reads what a disk says of itself, `hba` is what
//! all ports share. Names, partitions, unaligned requests and their order are `anode-block`'s.
#![forbid(unsafe_code)]

mod facts;
mod failure;
mod fis;
mod hba;
mod port;
mod sata;
mod tables;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

fn main() -> ExitCode {
    let devices = anode_device::Device::all_from_env().unwrap_or_else(|error| {
        eprintln!("ahci: no device in ANODE_DEVICE: {error}");
        Vec::new()
    });
    // The directory handles stay open as they were given, and with them the bus to the devices.
    let disks = devices.iter().flat_map(|device| {
        let opened = sata::open(device);
        opened.unwrap_or_else(|why| {
            eprintln!("ahci: a host adapter was left out: {why}");
            Vec::new()
        })
    });
    anode_block::serve("ahci", disks)
}
