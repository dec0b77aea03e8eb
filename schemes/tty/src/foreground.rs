//! Whom a key like `^C` interrupts.
//!
//! The group that a program named (`tcsetpgrp`); else that of the process which read from the
//! terminal last. An interactive shell leads that group and catches the signal, so `^C` ends
//! the command that runs and not the shell under it.

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

    /// Whether the process `pid` leads the group, as far as that is known.
    pub(crate) fn leads(&self, pid: u64) -> bool {
        matches!(self.number(), 0) || u64::from(self.number()) == pid
    }

    /// Sends a signal to all of the group.
    pub(crate) fn signal(&mut self, signal: usize) {
        if let Some(group) = self.named {
            if send(group, signal) {
                return;
            }
            // The group is gone without a farewell: the rule for no group holds again.
            self.named = None;
        }
        if let Some(group) = self.reader {
            send(group, signal);
        }
    }

    /// Tells the group that the window has another size.
    pub(crate) fn resized(&self) {
        if self.number() != 0 {
            send(self.number(), SIGWINCH);
        }
    }
}

/// Sends to a group; false if there is nobody to get it.
fn send(group: u32, signal: usize) -> bool {
    let group = i64::from(group).saturating_neg();
    isize::try_from(group).is_ok_and(|group| sys::kill(group, signal).is_ok())
}
