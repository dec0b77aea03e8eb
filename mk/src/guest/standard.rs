//! Ordinary Rust programs over std, from inside.

use crate::{
    failure::Result,
    guest::{Case, Group, Length, check, plain},
    qemu::Machine,
};

pub(super) const GROUP: Group = Group {
    name: "std",
    length: Length::Short,
    machine: plain,
    begin: Machine::log_in,
    cases: &[
        Case { name: "files, threads, processes and panics behave", run: everything },
        Case { name: "signals, poll and terminals behave", run: beyond },
        Case { name: "no signal is lost between two processes", run: signals },
        Case { name: "forks beside busy threads leave memory and locks whole", run: forks },
    ],
};

pub(super) const LONG: Group = Group {
    name: "std-long",
    length: Length::Long,
    machine: plain,
    begin: Machine::log_in,
    cases: &[Case { name: "so do 10,000 forks", run: many_forks }],
};

fn everything(machine: &mut Machine) -> Result<()> {
    succeeds(machine, "/test/stdtest")
}

fn beyond(machine: &mut Machine) -> Result<()> {
    succeeds(machine, "/test/posix")
}

fn signals(machine: &mut Machine) -> Result<()> {
    succeeds(machine, "/test/signals")
}

fn forks(machine: &mut Machine) -> Result<()> {
    succeeds(machine, "/test/forks 1000")
}

fn many_forks(machine: &mut Machine) -> Result<()> {
    (0..10).try_for_each(|_run| forks(machine))
}

/// Runs a test program; its lines `FAILED …` are the reason if it fails.
fn succeeds(machine: &mut Machine, line: &str) -> Result<()> {
    let output = machine.sh(line)?;
    check(output.status == 0, || {
        let failed: Vec<&str> =
            output.text.lines().filter(|line| line.starts_with("FAILED")).collect();
        let why = if failed.is_empty() { output.text.clone() } else { failed.join("\n    ") };
        format!("`{line}` ended with status {}:\n    {why}", output.status)
    })
}
