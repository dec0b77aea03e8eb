//! Whom a key like `^C` interrupts.
//!
//! If a program named a process group (`tcsetpgrp`), all of that group. Else the group of the
//! process that read from the terminal last, but neither its leader (the login shell) nor a
//! process that has a child in the group (a shell that waits for its command): so `^C` ends the
//! command that runs, and never the shell under it.

use anode_abi::info::id;
use anode_scheme::sys;

const SIGWINCH: usize = 28;

/// The group in the foreground.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// As `tcsetpgrp` named it.
    named: Option<u32>,
    /// That of the process that read last.
    reader: Option<u32>,
}

/// A process, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: u32,
    group: u32,
}

impl Group {
    /// The process `pid` reads from the terminal.
    pub(crate) fn read_by(&mut self, pid: u64) {
        let group = usize::try_from(pid).ok().and_then(|pid| sys::get_id(id::PGID, pid).ok());
        if let Some(group) = group.and_then(|group| u32::try_from(group).ok()) {
            self.reader = Some(group);
        }
    }

    /// A program named the group.
    pub(crate) const fn set(&mut self, group: u32) {
        self.named = Some(group);
    }

    /// The group's number; 0 while nobody has read.
    pub(crate) fn number(&self) -> u32 {
        self.named.or(self.reader).unwrap_or(0)
    }

    /// Sends a signal; false if there was nobody to get it.
    pub(crate) fn signal(&mut self, signal: usize) -> bool {
        if let Some(group) = self.named {
            if send_to_group(group, signal) {
                return true;
            }
            // The group is gone without a farewell: the rule for no group holds again.
            self.named = None;
        }
        let Some(group) = self.reader else { return false };
        let targets = targets(&processes(), group);
        targets.into_iter().filter(|pid| send(i64::from(*pid), signal)).count() > 0
    }

    /// Tells the group that the window has another size.
    pub(crate) fn resized(&self) {
        if self.number() != 0 {
            send_to_group(self.number(), SIGWINCH);
        }
    }
}

fn send(pid: i64, signal: usize) -> bool {
    isize::try_from(pid).is_ok_and(|pid| sys::kill(pid, signal).is_ok())
}

fn send_to_group(group: u32, signal: usize) -> bool {
    send(i64::from(group).saturating_neg(), signal)
}

/// Who of `group` is interrupted.
fn targets(processes: &[Process], group: u32) -> Vec<u32> {
    let members = || processes.iter().filter(|process| process.group == group);
    members()
        .filter(|process| process.pid != group)
        .filter(|process| !members().any(|child| child.parent == process.pid))
        .map(|process| process.pid)
        .collect()
}

/// All processes.
fn processes() -> Vec<Process> {
    let pids = sys::processes().unwrap_or_default();
    pids.into_iter().filter_map(|pid| Process::of(&sys::process(pid).ok()?)).collect()
}

impl Process {
    /// What matters here of what the kernel tells.
    fn of(info: &sys::ProcessInfo) -> Option<Self> {
        let [pid, parent, group] =
            [info.pid, info.parent, info.group].map(|number| u32::try_from(number).ok());
        Some(Self { pid: pid?, parent: parent?, group: group? })
    }
}

#[cfg(test)]
mod tests {
    use super::{Process, targets};

    const fn process(pid: u32, parent: u32, group: u32) -> Process {
        Process { pid, parent, group }
    }

    #[test]
    fn the_command_is_interrupted_and_the_shells_are_not() {
        let all = [
            process(1, 0, 1),
            process(5, 1, 5),
            process(6, 5, 5),
            process(7, 6, 5),
            process(8, 6, 5),
            process(9, 1, 9),
        ];
        assert_eq!(targets(&all, 5), [7, 8]);
    }

    #[test]
    fn a_login_shell_at_its_prompt_is_nobody_to_interrupt() {
        assert!(targets(&[process(1, 0, 1), process(5, 1, 5)], 5).is_empty());
    }
}
