//! Processes: a space, handles, who it is, and how it ended.

use anode_abi::info::id;
use arrayvec::ArrayString;

use crate::prelude::*;

/// A process's name: what `ps` and `sys:exe` show.
pub type ProgramName = ArrayString<127>;

/// Whether a process runs, and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It has threads.
    Alive,
    /// It ended with this wait status; its parent has not asked yet.
    Ended(u32),
}

/// Who a process is; a child begins as its parent is.
#[derive(Clone, Copy, Debug)]
pub struct Who {
    /// Its number, never used again soon.
    pub pid: u32,
    /// Its parent's; 0: it has none, and nobody asks how it ended.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// Its session.
    pub session: u32,
    /// Whose it is.
    pub uid: u32,
    /// Its group of users.
    pub gid: u32,
    /// Priority of its threads: 0 to 7.
    pub priority: u8,
    /// The program it runs.
    pub name: ProgramName,
    /// What names mean to it.
    pub namespace: NamespaceId,
}

impl Who {
    /// Whether it is meant where a call names processes: 0 the caller's group, -1 all, others
    /// that process, or the group of that number negated.
    pub fn is_meant(&self, target: i64, caller: &Self) -> bool {
        match target {
            0 => self.group == caller.group,
            -1 => true,
            1.. => i64::from(self.pid) == target,
            _ => i64::from(self.group) == target.wrapping_neg(),
        }
    }

    /// Whether it may act on another: root on all, anybody on its own and its children.
    pub fn may_act(&self, other: &Self) -> bool {
        let own = self.uid == other.uid || self.pid == other.pid;
        own || self.uid == 0 || self.pid == other.parent
    }

    /// Sets what [`id`] numbers, as a user may who is `by`.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there is no such number, or it has not that value; `EPERM`.
    pub fn set(&mut self, which: usize, value: u64, by: u32) -> Result<()> {
        let root = by == 0;
        let value = u32::try_from(value).map_err(|_wide| EINVAL)?;
        match which {
            id::UID if root || value == self.uid => self.uid = value,
            id::GID if root || value == self.gid => self.gid = value,
            id::PRIORITY if value > 7 => return Err(EINVAL),
            id::PRIORITY if root || value <= self.priority.into() => {
                self.priority = u8::try_from(value).map_err(|_wide| EINVAL)?;
            }
            id::UID | id::GID | id::PRIORITY => return Err(EPERM),
            id::PGID if value == 0 => self.group = self.pid,
            id::PGID => self.group = value,
            id::SID if self.group == self.pid && self.session != self.pid => return Err(EPERM),
            id::SID => (self.session, self.group) = (self.pid, self.pid),
            _ => return Err(EINVAL),
        }
        Ok(())
    }
}

/// A process.
#[derive(Debug)]
pub struct Process {
    /// Who it is.
    pub who: Who,
    /// Its memory; none once it ended.
    pub space: Option<Space>,
    /// Its handles.
    pub handles: Handles,
    /// Threads that it has.
    pub threads: u32,
    /// Addresses of its signal page, once it has one, and of where handlers are entered.
    pub signals: Option<(u64, u64)>,
    /// Signals that wait for that page.
    pub pending: u64,
    /// Whether it runs.
    pub life: Life,
    /// CPU time that its threads were charged for, in ns.
    pub cpu_ns: u64,
    /// Whether it lives on its parent's promises: a fork that has not called exec.
    pub borrowing: bool,
}
