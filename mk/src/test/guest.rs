//! Runs the cases of [`crate::guest`]: several on one boot, a new boot after each failure.

use std::path::Path;

use crate::{
    build,
    failure::{Code, Failure, Result},
    guest::{Case, GROUPS, Group, Length},
    needs::{self, Need},
    progress::{Stage, stage},
    qemu::Machine,
    test::{Selection, Tally},
    workspace,
};

/// How much of the serial line is shown when a case fails.
const TAIL: usize = 40;

/// Builds the image, boots it as often as the cases need, and runs them.
pub(super) fn run(selection: &Selection) -> Result<Tally> {
    let groups: Vec<(&Group, Vec<&Case>)> = GROUPS
        .iter()
        .filter(|group| selection.all || group.length == Length::Short)
        .map(|group| (group, chosen(group, selection)))
        .filter(|(_group, cases)| !cases.is_empty())
        .collect();
    let mut tally = Tally::default();
    if groups.is_empty() {
        return Ok(tally);
    }
    needs::ensure(&[Need::Qemu, Need::Ovmf])?;
    let image = build::image()?;
    for (group, cases) in groups {
        tally.add(stage(group.name, |stage| Ok(run_group(stage, group, &cases, &image)))?);
    }
    Ok(tally)
}

fn chosen<'a>(group: &'a Group, selection: &Selection) -> Vec<&'a Case> {
    let wanted = |case: &&Case| selection.wants(&format!("{}: {}", group.name, case.name));
    group.cases.iter().filter(wanted).collect()
}

fn run_group(stage: &mut Stage, group: &Group, cases: &[&Case], image: &Path) -> Tally {
    let mut tally = Tally::default();
    let mut machine = None;
    let mut unbootable = None;
    for case in cases {
        let outcome = match (&unbootable, machine.take()) {
            (Some(_), _) => Err(Failure::new(Code::Crash, "not run: the machine did not boot")),
            (None, Some(machine)) => Ok(machine),
            (None, None) => boot(group, image).inspect_err(|failure| {
                unbootable = Some(failure.code);
            }),
        };
        let outcome = outcome.and_then(|machine| attempt(case, machine));
        match outcome {
            Ok(running) => {
                stage.say(&format!("ok {}: {}", group.name, case.name));
                tally.passed = tally.passed.saturating_add(1);
                machine = running;
            }
            Err(failure) => {
                stage.fail();
                stage.say(&format!("FAILED {}: {}", group.name, case.name));
                eprintln!("    {failure}");
                tally.failed = tally.failed.saturating_add(1);
            }
        }
    }
    tally
}

/// Switches the group's machine on and brings it to where its cases begin.
fn boot(group: &Group, image: &Path) -> Result<Machine> {
    let config = (group.machine)(image)?;
    let mut machine = Machine::start(group.name, &config)?;
    match (group.begin)(&mut machine) {
        Ok(()) => Ok(machine),
        Err(failure) => Err(with_tail(failure, &machine)),
    }
}

/// Runs one case; gives the machine back if it is fit for the next one.
fn attempt(case: &Case, mut machine: Machine) -> Result<Option<Machine>> {
    match (case.run)(&mut machine) {
        Ok(()) => Ok(machine.is_running().then_some(machine)),
        Err(failure) => Err(with_tail(failure, &machine)),
    }
}

/// Adds the end of the serial line to a failure, and what the screen shows.
fn with_tail(failure: Failure, machine: &Machine) -> Failure {
    let log = workspace::relative(machine.log()).display();
    let mut text = format!("{failure}\n--- the end of {log}:\n{}\n---", machine.tail(TAIL));
    let screen = machine.log().with_extension("png");
    if machine.screenshot(&screen).is_ok() {
        text += &format!("\nthe screen: {}", workspace::relative(&screen).display());
    }
    Failure::new(failure.code, text)
}
