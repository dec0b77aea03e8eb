//! `pci:`: finds the functions of the PCI buses and hands each to one driver, as handles.
//!
//! ```text
//!  pci:             00.00.0  00.01.0  00.02.0 …
//!  pci:00.02.0      a directory that one process has at a time. From the first handle that is
//!                   taken of it (bar, dma, interrupt) the function may use the bus, until the
//!                   directory's last handle closes. Bridges are ours: EBUSY
//!    info           text: vendor=1af4 device=1042 class=010000 … msix=4 bar4=mem/ADDRESS/SIZE
//!    config         configuration space; writes beyond the header and interrupt capabilities
//!    barN           the whole BAR, a memory object or a port range
//!    barN/OFF/LEN   whole pages of a memory BAR; none that holds a part of the MSI-X table
//!    irq            its line, level-triggered     msi, msix/N   a message, programmed here
//!    dma/LEN        contiguous memory
//! ```
//!
//! Numbers in paths are hexadecimal. Read `bus` (what there is), `bar` (what of it a driver may
//! have), `message` (what only this daemon programs), `scheme`.
#![forbid(unsafe_code)]

mod access;
mod bar;
mod bus;
#[cfg(test)]
mod fake;
mod function;
mod message;
mod platform;
mod scheme;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use anode_device::Machine;

use crate::access::{FIRST_PORT, LegacyPorts, PORTS};
use crate::scheme::Pci;

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
fn start() -> Result<Pci<LegacyPorts, Machine>, String> {
    let machine = Machine::from_env()?;
    let ports = machine.ports(FIRST_PORT, PORTS);
    let ports = ports.map_err(|error| format!("the configuration ports are taken: {error}"))?;
    let mut access = LegacyPorts(ports);
    let functions = bus::functions(&mut access);
    for function in &functions {
        eprint!("pci: {} {function}", function.address);
    }
    eprintln!("pci: no IOMMU is used: drivers are trusted with all memory that DMA reaches");
    Ok(Pci::new(access, machine, functions))
}
