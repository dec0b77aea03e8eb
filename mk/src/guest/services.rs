//! What is wrong with some services keeps the others from nothing.

use std::path::Path;

use crate::{
    build,
    failure::Result,
    guest::{Case, Group, Length, check, plain},
    qemu::{Bus, Config, Machine},
};

pub(super) const GROUP: Group = Group {
    name: "services",
    length: Length::Short,
    machine: with_bad_files,
    begin: Machine::log_in,
    cases: &[Case { name: "bad service files are told and left out", run: bad_files }],
};

/// A machine whose only disk has no driver.
pub(super) const DISKLESS: Group = Group {
    name: "diskless",
    length: Length::Short,
    machine: |image| {
        let mut config = plain(image)?;
        config.bus = Bus::Scsi;
        Ok(config)
    },
    begin: Machine::log_in,
    cases: &[
        Case { name: "without a disk that it knows the system comes up", run: no_disk },
        Case { name: "reboot starts the machine again", run: reboot },
    ],
};

/// One file for each way to be wrong, and where it is wrong.
const BAD: [(&str, &str); 6] = [
    ("etc/init/bad-toml.toml", "name = \"bad-toml\"\nprogram = [\n"),
    ("etc/init/bad-key.toml", "name = \"bad-key\"\nprogram = \"/bin/nulld\"\ncolour = 1\n"),
    ("etc/init/bad-program.toml", "# a comment\nname = \"lost\"\nprogram = \"/bin/lost\"\n"),
    (
        "etc/init/circle-a.toml",
        "name = \"circle-a\"\nprogram = \"/bin/nulld\"\nschemes = [\"a\"]\nuses = [\"b\"]\n",
    ),
    (
        "etc/init/circle-b.toml",
        "name = \"circle-b\"\nprogram = \"/bin/nulld\"\nuses = [\"a\"]\nschemes = [\"b\"]\n",
    ),
    ("etc/init/user.toml", "name = \"user\"\nprogram = \"/bin/nulld\"\nuses = [\"a\"]\n"),
];

/// Each sentence's place and its cure.
const SENTENCES: [(&str, &str); 5] = [
    ("/etc/init/bad-toml.toml:", "correct this line"),
    ("/etc/init/bad-key.toml:3: unknown field `colour`, expected one of", "correct this line"),
    ("/etc/init/bad-program.toml:3: there is no program /bin/lost", "name one that is there"),
    ("circle-a uses b: of circle-b (/etc/init/circle-a.toml:4)", "take one of these out"),
    ("/etc/init/user.toml:3: user is not started", ""),
];

fn with_bad_files(_image: &Path) -> Result<Config> {
    plain(&build::image_with("bad-services", &BAD)?)
}

fn bad_files(machine: &mut Machine) -> Result<()> {
    let log = machine.ok("dmesg")?;
    for (place, cure) in SENTENCES {
        let told = log.lines().any(|line| line.contains(place) && line.contains(cure));
        check(told, || format!("no line of the log has {place:?} and {cure:?}:\n{log}"))?;
    }
    let text = machine.ok("svc")?;
    let all = ["console", "file", "log", "null", "virtio-blk"];
    let missing = all.into_iter().find(|name| !text.contains(name));
    check(missing.is_none() && !text.contains("circle"), || format!("svc shows:\n{text}"))
}

fn no_disk(machine: &mut Machine) -> Result<()> {
    let log = machine.ok("dmesg")?;
    let told = "virtio-blk is not needed: this machine has no free device for it";
    check(log.contains(told), || format!("the log does not say {told:?}:\n{log}"))?;
    let text = machine.ok("svc")?;
    let row = text.lines().find(|row| row.starts_with("virtio-blk"));
    check(row.is_some_and(|row| row.contains("no-device")), || format!("svc shows:\n{text}"))?;
    // It must not wait for a driver that will never come.
    let output = machine.sh("ls disk:")?;
    check(output.status != 0 || output.text.trim().is_empty(), || format!("ls disk: {output:?}"))
}

/// QEMU is told to end where a machine would start again.
fn reboot(machine: &mut Machine) -> Result<()> {
    machine.send("reboot\n")?;
    machine.wait()
}
