//! The virtio block driver: serves all its devices.
//!
//! `disk` is the device, `facts` what its configuration says; names, partitions, unaligned
//! requests and their order are `anode-block`'s.
#![forbid(unsafe_code)]

mod disk;
mod facts;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

fn main() -> ExitCode {
    let devices = anode_device::Device::all_from_env().unwrap_or_else(|error| {
        eprintln!("virtio-blk: no device in ANODE_DEVICE: {error}");
        Vec::new()
    });
    // The directory handles stay open as they were given, and with them the bus to the devices.
    let start = |device| {
        let started = disk::open(&device);
        started.inspect_err(|why| eprintln!("virtio-blk: a disk was left out: {why}")).ok()
    };
    anode_block::serve("virtio-blk", devices.into_iter().filter_map(start))
}
