//! The filesystem on the disk: what was made to last is there, however the machine or the daemon
//! ended, and the volume is whole.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anode_fs::fsck::Depth;

use crate::{
    failure::{Failure, Result},
    files,
    guest::{Case, Group, Length, check, failed, plain},
    qemu::{Config, Machine},
    workspace,
};

pub(super) const GROUP: Group = Group {
    name: "files",
    length: Length::Short,
    machine: on_a_copy,
    begin: Machine::log_in,
    cases: &[
        Case { name: "what is written before reboot is there after it", run: reboot },
        Case { name: "what was synced outlives a power cut", run: power_cut },
        Case { name: "power cuts under a writer leave a whole volume", run: cuts_under_load },
        Case { name: "kill -9 of file: under a writer brings a new one", run: kill_daemon },
    ],
};

/// How many files the writer has synced when the power is cut.
const CUTS: [u32; 3] = [2, 9, 17];

/// The image that this group's machine writes to.
fn copy() -> PathBuf {
    workspace::target().join("run/files.img")
}

/// A machine with a disk that keeps what is written.
fn on_a_copy(image: &Path) -> Result<Config> {
    let copy = copy();
    if let Some(folder) = copy.parent() {
        files::make_dir(folder)?;
    }
    fs::copy(image, &copy).map_err(|error| Failure::file("write", &copy, &error))?;
    again()
}

/// The same machine with the disk as it is.
fn again() -> Result<Config> {
    let mut config = plain(&copy())?;
    config.keeps = true;
    Ok(config)
}

/// Checks the volume on the host, and switches the machine on again.
fn restart(machine: &mut Machine) -> Result<()> {
    whole()?;
    *machine = Machine::start(GROUP.name, &again()?)?;
    machine.log_in()
}

/// The volume on the disk is as it has to be.
fn whole() -> Result<()> {
    let name = copy().display().to_string();
    let disk = fsck::open(&name).map_err(|failed| Failure::build(failed.to_string()))?;
    let verdict = fsck::verdict(disk, Depth::Content, |_bytes| {});
    let verdict = verdict.map_err(|error| Failure::build(mkfs::sentence(error)))?;
    let findings: Vec<String> = verdict.sentences().take(10).collect();
    check(verdict.is_clean(), || format!("fsck finds in {name}:\n{}", findings.join("\n")))
}

fn reboot(machine: &mut Machine) -> Result<()> {
    machine.ok("mkdir /home/new; echo there > /home/new/file; ln -s new/file /home/link")?;
    machine.send("reboot\n")?;
    machine.wait()?;
    restart(machine)?;
    let text = machine.ok("cat /home/link && rm -r /home/new /home/link && df /")?;
    check(text.contains("there"), || format!("after the reboot: {text:?}"))
}

fn power_cut(machine: &mut Machine) -> Result<()> {
    machine.ok("echo kept > /home/kept; sync; echo later > /home/later")?;
    machine.cut_power();
    restart(machine)?;
    let text = machine.ok("cat /home/kept; rm -f /home/kept /home/later")?;
    check(text.trim() == "kept", || format!("after the power cut: {text:?}"))
}

/// Files of all sorts of lengths, a sync each, and a word on the serial line behind it.
const WRITER: &str = "\
mkdir -p /home/w; cd /home/w; n=0
while [ $n -lt 100 ]; do
  head -c $((n * n * 997)) /bin/base > t; mv t f$n; echo $n > n$n; sync; echo \"syn\"ced $n.
  [ $((n % 3)) = 0 ] && rm -f f$((n / 2)); n=$((n + 1))
done
";

fn cuts_under_load(machine: &mut Machine) -> Result<()> {
    for cut in CUTS {
        machine.ok(&format!("echo '{WRITER}' > /tmp/writer"))?;
        machine.send("sh /tmp/writer\n")?;
        machine.expect(&format!("synced {cut}."))?;
        machine.cut_power();
        restart(machine)?;
        for number in 0..=cut {
            let text = machine.ok(&format!("cat /home/w/n{number}"))?;
            check(text.trim() == number.to_string(), || format!("n{number} has {text:?}"))?;
        }
        let size = cut.saturating_mul(cut).saturating_mul(997);
        let text = machine.ok(&format!("wc -c < /home/w/f{cut}; rm -r /home/w"))?;
        check(text.trim() == size.to_string(), || format!("f{cut}: {text:?} bytes, not {size}"))?;
    }
    Ok(())
}

fn kill_daemon(machine: &mut Machine) -> Result<()> {
    machine.ok("cd /; echo kept > /home/kept; sync")?;
    machine
        .ok("(while :; do head -c 50000 /bin/base > /home/busy; done) 2> /dev/null & sleep 1")?;
    let old = daemon(machine)?;
    machine.ok(&format!("kill -9 {old}"))?;
    for _second in 0..30 {
        // Handles of the old daemon are dead, and the shell's directory is one of them.
        machine.sh("cd /; sleep 1")?;
        if let Ok(new) = daemon(machine)
            && new != old
        {
            machine.sh("kill $!")?;
            let text = machine.ok("cat /home/kept; rm -f /home/kept /home/busy; sync")?;
            return check(text.contains("kept"), || format!("the new daemon has {text:?}"));
        }
    }
    failed("no new filed came within 30 s")
}

/// The process that serves `file:`.
fn daemon(machine: &mut Machine) -> Result<u32> {
    let text = machine.ok("svc")?;
    let line = text.lines().find(|line| line.starts_with("file "));
    match line.and_then(|line| line.split_whitespace().find_map(|word| word.parse().ok())) {
        Some(pid) => Ok(pid),
        None => failed(format!("svc shows no file that runs:\n{text}")),
    }
}
