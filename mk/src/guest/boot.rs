//! Every firmware and size of memory brings the same image to its login.

use std::path::Path;

use crate::{
    failure::Result,
    guest::{Case, Group, Length, check, plain},
    qemu::{Bus, Config, Firmware, Machine},
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
    machine: |image| uefi(image, Bus::Virtio),
    begin: nothing,
    cases: CASES,
};

pub(super) const UEFI_NVME: Group =
    Group { name: "boot-uefi-nvme", machine: |image| uefi(image, Bus::Nvme), ..ON_A_DISK };

pub(super) const UEFI_AHCI: Group =
    Group { name: "boot-uefi-ahci", machine: |image| uefi(image, Bus::Ahci), ..ON_A_DISK };

/// One whose disk is looked at, too.
const ON_A_DISK: Group = Group {
    begin: Machine::log_in,
    cases: &[Case { name: "it finds the disk that it came from", run: disk }, POWER_OFF],
    ..UEFI
};

fn uefi(image: &Path, bus: Bus) -> Result<Config> {
    let mut config = plain(image)?;
    config.firmware = Firmware::Uefi;
    config.bus = bus;
    Ok(config)
}

fn disk(machine: &mut Machine) -> Result<()> {
    let text = machine.ok("ls disk: && hexdump disk:0 | head -n 40")?;
    check(text.contains("0p2") && text.contains("EFI PART"), || format!("disk:0 is\n{text}"))
}

const CASES: &[Case] = &[LOGIN, POWER_OFF];
const LOGIN: Case = Case { name: "the image reaches its login", run: Machine::log_in };
const POWER_OFF: Case = Case { name: "poweroff switches the machine off", run: power_off };

fn nothing(_machine: &mut Machine) -> Result<()> {
    Ok(())
}

fn power_off(machine: &mut Machine) -> Result<()> {
    machine.send("poweroff\n")?;
    machine.wait()
}
