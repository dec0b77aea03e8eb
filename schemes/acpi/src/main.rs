//! `acpi:`: turns the machine off and on again, and shows the firmware's tables.
//!
//! ```text
//!  acpi:power         write `poweroff` or `reboot` (uid 0); ENODEV: the firmware cannot
//!  acpi:tables/NAME   a table, raw: FACP, DSDT, SSDT, SSDT.1 …
//! ```
//!
//! AML is not interpreted: the one package that power-off needs is found by its bytes (`power`).
//! Everything that the firmware says is checked (`tables`).
#![forbid(unsafe_code)]

mod machine;
mod power;
mod scheme;
mod tables;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use anode_abi::info::fact;
use anode_device::Machine;
use anode_scheme::sys;

use crate::machine::MachineBus;
use crate::power::Bus;
use crate::scheme::{Acpi, Host};
use crate::tables::Missing;

impl Host for Machine {
    fn bus(&self) -> impl Bus {
        MachineBus(self)
    }
}

fn main() -> ExitCode {
    let machine = match Machine::from_env() {
        Ok(machine) => machine,
        Err(sentence) => {
            eprintln!("acpid: {sentence}");
            return ExitCode::FAILURE;
        }
    };
    let boot = sys::info_bytes(fact::BOOT).unwrap_or_default();
    let rsdp = tables::rsdp_address(&String::from_utf8_lossy(&boot)).ok_or(Missing::Pointer);
    let entries = rsdp.and_then(|rsdp| tables::list(&machine, rsdp)).unwrap_or_else(|missing| {
        eprintln!("acpi: {missing}; only the keyboard controller can reset this machine");
        Vec::new()
    });
    let acpi = Acpi::new(machine, entries);
    if !acpi.can_turn_off() {
        eprintln!("acpi: the firmware does not say how to turn this machine off");
    }
    anode_scheme::serve("acpi", acpi)
}
