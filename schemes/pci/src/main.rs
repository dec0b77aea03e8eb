//! `pci:`: finds the functions of the PCI buses and hands each to one driver, as handles.
//!
//! ```text
//!  pci:             00.00.0  00.01.0  00.02.0 …
//!  pci:00.02.0      a directory that one process has at a time. Bridges are ours: EBUSY
//!    info           text: vendor=1af4 device=1042 class=010000 … msix=4 bar4=mem/ADDRESS/SIZE
//!    config         configuration space; writes beyond the header and interrupt capabilities
//!    barN           the whole BAR, a memory object or a port range
//!    barN/OFF/LEN   whole pages of a memory BAR; none that holds a part of the MSI-X table
//!    irq            its line, level-triggered     msi, msix/N   a message, programmed here
//!    dma/LEN        contiguous memory
//! ```
//!
//! A function answers at its addresses from the first handle on that is taken of it, and reaches
//! memory, with data or messages, from the first `dma` on: what an earlier driver told it must
//! not be done any more, so a driver resets it before. When the directory's last handle closes
//! it is taken off the bus, and only then its memory becomes free for others.
//!
//! Numbers in paths are hexadecimal. Read `bus` (what there is), `bar` (what of it a driver may
//! have), `message` (what only this daemon programs), `scheme`.
#![forbid(unsafe_code)]

mod access;
mod bar;
mod bus;
mod ecam;
#[cfg(test)]
mod fake;
mod function;
mod message;
mod platform;
mod scheme;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use anode_device::{Cache, Machine};

use crate::access::{Access, Address, FIRST_PORT, LegacyPorts, PORTS};
use crate::ecam::{BUS_BYTES, Ecam, Place};
use crate::scheme::Pci;

/// The table that says where configuration space lies in memory.
const MCFG: &str = "/scheme/acpi/tables/MCFG";

fn main() -> ExitCode {
    match start() {
        Ok(pci) => anode_scheme::serve("pci", pci),
        Err(sentence) => {
            eprintln!("pcid: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// Looks at all buses.
fn start() -> Result<Pci<Box<dyn Access>, Machine>, String> {
    let machine = Machine::from_env()?;
    let mut access = access()?;
    let functions = bus::functions(&mut access);
    for function in &functions {
        eprint!("pci: {} {function}", function.address);
    }
    eprintln!("pci: no IOMMU is used: drivers are trusted with all memory that DMA reaches");
    Ok(Pci::new(access, machine, functions))
}

/// The way to configuration space: by memory if the firmware says where, else by ports.
fn access() -> Result<Box<dyn Access>, String> {
    let machine = Machine::from_env()?;
    let ports = machine.ports(FIRST_PORT, PORTS);
    let mut ports =
        LegacyPorts(ports.map_err(|error| format!("the configuration ports are taken: {error}"))?);
    let Some(place) = std::fs::read(MCFG).ok().as_deref().and_then(Place::find) else {
        eprintln!("pci: no MCFG: configuration space is reached by ports");
        return Ok(Box::new(ports));
    };
    let said = place.to_string();
    let map = move |address| machine.map(address, BUS_BYTES, Cache::Uncached).ok();
    let mut ecam = Ecam::new(place, Box::new(map));
    // Firmware errs: both ways must lead to the same bridge.
    let bridge = Address { bus: 0, device: 0, function: 0 };
    if ecam.read(bridge, 0) != ports.read(bridge, 0) {
        eprintln!("pci: MCFG is wrong ({said}): configuration space is reached by ports");
        return Ok(Box::new(ports));
    }
    eprintln!("pci: configuration space is at {said}");
    Ok(Box::new(ecam))
}
