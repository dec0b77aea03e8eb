//! Every firmware and size of memory brings the same image to its login.

use crate::{
    failure::Result,
    guest::{Case, Group, Length, plain},
    qemu::{Firmware, Machine},
};

/// The least memory that the serial system promises to run in.
pub(super) const SMALL: Group = Group {
    name: "boot-256M",
    length: Length::Short,
    machine: |image| {
        let mut config = plain(image)?;
        config.memory = 256;
        Ok(config)
    },
    begin: nothing,
    cases: CASES,
};

/// Memory above the hole below 4 GiB.
pub(super) const LARGE: Group = Group {
    name: "boot-4G",
    length: Length::Short,
    machine: |image| {
        let mut config = plain(image)?;
        config.memory = 4096;
        Ok(config)
    },
    begin: nothing,
    cases: CASES,
};

/// The same disk under the other firmware.
pub(super) const UEFI: Group = Group {
    name: "boot-uefi",
    length: Length::Short,
    machine: |image| {
        let mut config = plain(image)?;
        config.firmware = Firmware::Uefi;
        Ok(config)
    },
    begin: nothing,
    cases: CASES,
};

const CASES: &[Case] = &[
    Case { name: "the image reaches its login", run: Machine::log_in },
    Case { name: "poweroff switches the machine off", run: power_off },
];

fn nothing(_machine: &mut Machine) -> Result<()> {
    Ok(())
}

fn power_off(machine: &mut Machine) -> Result<()> {
    machine.send("poweroff\n")?;
    machine.wait()
}
