//! `mk doctor`: what this machine has, and what it lacks.

use lexopt::Arg;

use crate::{
    failure::{Code, Failure, Result},
    needs::{self, Need},
    workspace,
};

/// A first build takes this much, in MiB.
pub(crate) const DISK: u64 = 3 << 10;

/// `mk doctor [--fix]`
pub(crate) fn command(mut arguments: lexopt::Parser) -> Result<()> {
    let mut fix = false;
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("fix") => fix = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let missing = needs::missing(&Need::ALL);
    if fix && !missing.is_empty() {
        needs::install(&missing)?;
    }
    for need in Need::ALL {
        match need.found() {
            Some(what) => println!("✓ {}: {what}", need.label()),
            None => println!("✗ {}: missing", need.label()),
        }
    }
    let free = needs::free_disk(&workspace::root());
    match free {
        Some(free) if free < DISK => println!("✗ disk: {free} MiB free, a build needs {DISK}"),
        Some(free) => println!("✓ disk: {free} MiB free"),
        None => println!("– disk: cannot tell how much is free"),
    }
    let kvm = crate::run::has_kvm();
    println!(
        "{}",
        if kvm { "✓ KVM" } else { "– no KVM: QEMU emulates, slower by a factor of ten" }
    );
    let display = crate::run::has_display();
    println!("{}", if display { "✓ display" } else { "– no display: `run` uses this terminal" });
    let missing = needs::missing(&Need::ALL);
    if missing.is_empty() && free.is_none_or(|free| free >= DISK) {
        println!("ready: cargo mk run");
        return Ok(());
    }
    let fixable =
        if missing.is_empty() { "free some disk space" } else { "`cargo mk doctor --fix`" };
    Err(Failure::new(Code::Tool, format!("not ready; what helps: {fixable}")))
}
