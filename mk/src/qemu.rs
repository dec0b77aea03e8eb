//! The machine that the image boots on: QEMU, its serial line and its monitor.

mod machine;
mod qmp;
mod serial;

use std::{
    collections::BTreeSet,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

pub(crate) use machine::Machine;

use crate::{
    failure::{Code, Failure, Result},
    needs,
};

/// QEMU's program.
pub(crate) const PROGRAM: &str = "qemu-system-x86_64";

/// No boot and no command takes this long; the limit is there so that a hang ends.
pub(crate) const LIMIT: Duration = Duration::from_mins(4);

/// How the machine starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Firmware {
    /// SeaBIOS.
    Bios,
    /// OVMF.
    Uefi,
}

/// What the machine is built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Board {
    /// With PCI Express: configuration space in memory, interrupts from 16 on.
    Q35,
    /// With PCI alone; devices can be pulled out of it.
    Pc,
}

/// How a machine's disks are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bus {
    /// virtio-blk.
    Virtio,
    /// virtio-blk without messages: it has only its line.
    VirtioLine,
    /// NVMe, a controller each.
    Nvme,
    /// SATA, at ports of an AHCI adapter.
    Ahci,
    /// SCSI, by an adapter that the firmware knows and the system does not.
    Scsi,
}

impl Bus {
    /// The adapter that all disks need, if they do.
    const fn adapter(self) -> Option<&'static str> {
        match self {
            Self::Virtio | Self::VirtioLine | Self::Nvme => None,
            Self::Ahci => Some("ich9-ahci,id=ahci"),
            Self::Scsi => Some("lsi53c895a,id=scsi"),
        }
    }

    /// The device for the disk of that number, but for its name.
    fn device(self, index: usize) -> String {
        match self {
            Self::Virtio => format!("virtio-blk-pci,drive=disk{index}"),
            Self::VirtioLine => format!("virtio-blk-pci,drive=disk{index},vectors=0"),
            Self::Nvme => format!("nvme,drive=disk{index},serial=disk{index}"),
            Self::Ahci => format!("ide-hd,drive=disk{index},bus=ahci.{index}"),
            Self::Scsi => format!("scsi-hd,drive=disk{index},bus=scsi.0"),
        }
    }
}

/// A disk besides the one that the machine boots from.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    /// A raw file; what is written to it is lost at the end.
    pub(crate) file: PathBuf,
    pub(crate) bus: Bus,
}

/// What the machine consists of.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The disk that it boots from.
    pub(crate) image: PathBuf,
    /// What is written to that disk is kept; else it is lost at the end.
    pub(crate) keeps: bool,
    pub(crate) bus: Bus,
    /// More disks. QEMU calls the first one `disk1`, its device `device1`.
    pub(crate) disks: Vec<Disk>,
    pub(crate) board: Board,
    /// In MiB.
    pub(crate) memory: u32,
    pub(crate) cpus: u32,
    /// A CPU model of QEMU.
    pub(crate) cpu: String,
    pub(crate) firmware: Firmware,
}

impl Config {
    /// A machine with one CPU and 1 GiB that boots `image` by BIOS.
    pub(crate) fn new(image: &Path) -> Self {
        Self {
            image: image.to_owned(),
            keeps: false,
            bus: Bus::Virtio,
            disks: Vec::new(),
            board: Board::Q35,
            memory: 1024,
            cpus: 1,
            cpu: "max".to_owned(),
            firmware: Firmware::Bios,
        }
    }

    /// The arguments that describe it to QEMU, but for display and serial line.
    pub(crate) fn arguments(&self) -> Result<Vec<OsString>> {
        let mut arguments = Arguments::default();
        arguments.pair("-machine", if self.board == Board::Pc { "pc" } else { "q35" });
        arguments.pair("-cpu", &self.cpu);
        arguments.pair("-m", format!("{}M", self.memory));
        arguments.pair("-smp", self.cpus.to_string());
        arguments.pair("-nic", "none");
        arguments.flag("-no-reboot");
        let first = std::iter::once((&self.image, self.bus));
        let disks = first.chain(self.disks.iter().map(|disk| (&disk.file, disk.bus)));
        let adapters: BTreeSet<&str> = disks.clone().filter_map(|(_, bus)| bus.adapter()).collect();
        for adapter in adapters {
            arguments.pair("-device", adapter);
        }
        for (index, (file, bus)) in disks.enumerate() {
            let snapshot = if self.keeps && index == 0 { "off" } else { "on" };
            arguments.drive(&format!("if=none,id=disk{index},snapshot={snapshot}"), file);
            let boot = if index == 0 { ",bootindex=0" } else { "" };
            arguments.pair("-device", format!("{},id=device{index}{boot}", bus.device(index)));
        }
        if self.firmware == Firmware::Uefi {
            let (code, variables) = needs::ovmf().ok_or_else(|| {
                Failure::new(Code::Tool, "OVMF is not installed; run: cargo mk doctor --fix")
            })?;
            arguments.drive("if=pflash,readonly=on", &code);
            arguments.drive("if=pflash,snapshot=on", &variables);
        }
        Ok(arguments.0)
    }
}

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn flag(&mut self, flag: &str) {
        self.0.push(flag.into());
    }

    fn pair(&mut self, flag: &str, value: impl Into<OsString>) {
        self.0.extend([flag.into(), value.into()]);
    }

    /// A raw file as a drive. QEMU wants commas in file names doubled.
    fn drive(&mut self, how: &str, file: &Path) {
        let name = file.to_string_lossy().replace(',', ",,");
        self.pair("-drive", format!("{how},format=raw,file={name}"));
    }
}
