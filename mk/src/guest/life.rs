//! Programs and daemons die, and the rest goes on.

use crate::{
    failure::Result,
    guest::{Case, Group, Length, check, failed, plain},
    qemu::Machine,
};

pub(super) const GROUP: Group = Group {
    name: "life",
    length: Length::Short,
    machine: plain,
    begin: Machine::log_in,
    cases: &[
        Case { name: "kill -9 of a program leaves the rest running", run: kill_program },
        Case { name: "kill -9 of the disk driver brings a new one", run: kill_driver },
    ],
};

fn kill_program(machine: &mut Machine) -> Result<()> {
    let text = machine.ok("sleep 1000 & echo pid $!")?;
    let Some(pid) = number_after(&text, "pid ") else {
        return failed(format!("the shell named no background program: {text:?}"));
    };
    machine.ok(&format!("kill -9 {pid}"))?;
    let text = machine.ok("wait; ps")?;
    check(!text.contains("sleep") && text.contains("init"), || format!("ps shows:\n{text}"))
}

fn kill_driver(machine: &mut Machine) -> Result<()> {
    let old = driver(machine)?;
    machine.ok(&format!("kill -9 {old}"))?;
    // Reads wait for the successor or fail; init's back-off is a matter of seconds at most.
    for _second in 0..30 {
        if let Ok(new) = driver(machine)
            && new != old
        {
            let text = machine.ok("hexdump disk:0 | head -n 40")?;
            return check(text.contains("EFI PART"), || format!("the new driver reads:\n{text}"));
        }
        machine.sh("sleep 1")?;
    }
    failed("no new virtio-blk came within 30 s")
}

/// The disk driver's process.
fn driver(machine: &mut Machine) -> Result<u32> {
    let text = machine.ok("svc")?;
    let line = text.lines().find(|line| line.contains("virtio-blk"));
    match line.and_then(|line| line.split_whitespace().find_map(|word| word.parse().ok())) {
        Some(pid) => Ok(pid),
        None => failed(format!("svc shows no virtio-blk that runs:\n{text}")),
    }
}

fn number_after(text: &str, words: &str) -> Option<u32> {
    let rest = text.split(words).nth(1)?;
    rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}
