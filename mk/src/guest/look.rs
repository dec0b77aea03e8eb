//! What a stranger finds who logs in and looks round.

use crate::{
    failure::Result,
    guest::{Case, Group, Length, check, failed, plain},
    qemu::Machine,
};

pub(super) const GROUP: Group = Group {
    name: "look",
    length: Length::Short,
    machine: plain,
    begin: Machine::log_in,
    cases: &[
        Case { name: "ls /scheme names the namespace", run: namespace },
        Case { name: "ps shows each driver as a process", run: processes },
        Case { name: "words go through a pipeline", run: pipeline },
        Case { name: "a file is written, read and removed", run: file },
        Case { name: "what is removed gives its room back, and a full disk says so", run: room },
        Case { name: "small tools do what they say", run: tools },
        Case { name: "a missing file gives a sentence and a status", run: missing },
        Case { name: "n reads of null: are n packets", run: packets },
    ],
};

/// The schemes that the first system promises.
const SCHEMES: [&str; 17] = [
    "debug", "disk", "event", "file", "initfs", "irq", "log", "memory", "null", "pci", "pipe",
    "proc", "rand", "sys", "time", "tty", "zero",
];

fn namespace(machine: &mut Machine) -> Result<()> {
    let text = machine.ok("ls /scheme")?;
    let names: Vec<&str> = text.split_whitespace().collect();
    let missing: Vec<&&str> = SCHEMES.iter().filter(|name| !names.contains(name)).collect();
    check(missing.is_empty(), || format!("{missing:?} are not among {names:?}"))
}

fn processes(machine: &mut Machine) -> Result<()> {
    let text = machine.ok("ps")?;
    let missing =
        ["init", "virtio-blk", "pcid", "ttyd"].into_iter().find(|name| !text.contains(name));
    check(missing.is_none(), || format!("{missing:?} is not in:\n{text}"))
}

fn pipeline(machine: &mut Machine) -> Result<()> {
    let text = machine.ok("echo hello | cat | cat")?;
    check(text.trim() == "hello", || format!("the pipe gave {text:?}"))
}

fn file(machine: &mut Machine) -> Result<()> {
    let text = machine.ok("echo kept > /tmp/a && cat /tmp/a && rm /tmp/a && ls /tmp")?;
    check(text.trim() == "kept", || format!("the file gave {text:?}"))
}

/// KiB that the tree of a full volume may take beside the files.
const TREE: u64 = 2048;

/// Three times as much as there is room for, one after another; then more than that at once.
fn room(machine: &mut Machine) -> Result<()> {
    let (before, free) = space(machine)?;
    let most = free.saturating_mul(1024 / 8 * 7);
    for _round in 0..3 {
        machine.ok(&format!("head -c {most} zero: > /tmp/big && rm /tmp/big"))?;
    }
    let more = free.saturating_add(16 << 10).saturating_mul(1024);
    let output = machine.sh(&format!("head -c {more} zero: > /tmp/big"))?;
    let refused = output.status != 0 && output.text.contains("No space left on device");
    check(refused, || format!("{more} bytes into {free} KiB: {output:?}"))?;
    let full = machine.ok("df /")?;
    check(full.contains("100%"), || format!("df of what is full says\n{full}"))?;
    machine.ok("> /tmp/big")?;
    let (after, _) = space(machine)?;
    machine.ok("rm /tmp/big")?;
    let back = after < before.saturating_add(TREE);
    check(back, || format!("{before} KiB were used before, {after} are after"))
}

/// KiB that are used and free of the file system.
fn space(machine: &mut Machine) -> Result<(u64, u64)> {
    let text = machine.ok("df /")?;
    let mut fields = text.lines().last().unwrap_or_default().split_whitespace().skip(2);
    let mut number = || fields.next().and_then(|number| number.parse().ok());
    match (number(), number()) {
        (Some(used), Some(free)) => Ok((used, free)),
        _ => failed(format!("df / shows no numbers of KiB:\n{text}")),
    }
}

/// Modes, checksums and trees, as the kernel and the schemes have them.
fn tools(machine: &mut Machine) -> Result<()> {
    machine.ok("echo 'echo ran' > /tmp/run && chmod 644 /tmp/run")?;
    let output = machine.sh("/tmp/run")?;
    check(output.status == 126, || format!("a file without x ran: {output:?}"))?;
    let text = machine.ok("chmod u+x /tmp/run && /tmp/run && rm /tmp/run")?;
    check(text.trim() == "ran", || format!("a file with x gave {text:?}"))?;
    let text = machine.ok("echo -n abc | sha256sum")?;
    let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  -";
    check(text.trim() == sum, || format!("sha256sum of abc gave {text:?}"))?;
    let text = machine
        .ok("sha256sum /etc/motd /bin/sh > /tmp/sums && sha256sum -c /tmp/sums && rm /tmp/sums")?;
    check(text.contains("/etc/motd: OK"), || format!("sha256sum -c gave {text:?}"))?;
    let line = "find /etc -type f -name motd | cut -d / -f 3 | tr a-z A-Z | uniq -c";
    let text = machine.ok(line)?;
    check(text.trim() == "1 MOTD", || format!("`{line}` gave {text:?}"))?;
    machine.ok("cmp /etc/motd initfs:etc/motd && du -s /etc").map(drop)
}

fn missing(machine: &mut Machine) -> Result<()> {
    let output = machine.sh("cat /no/such/file")?;
    check(output.status != 0 && output.text.contains("/no/such/file"), || format!("{output:?}"))
}

/// `head -c 0`-like programs read more than they are asked to, so a program of ours does it.
fn packets(machine: &mut Machine) -> Result<()> {
    for reads in [1, 100, 1000] {
        let text = machine.ok(&format!("/test/packets null: {reads}"))?;
        let Some(counted) = text.split_whitespace().last().and_then(|n| n.parse::<u64>().ok())
        else {
            return failed(format!("/test/packets gave {text:?}"));
        };
        check(counted == reads, || format!("{reads} reads of null: were {counted} packets"))?;
    }
    Ok(())
}
