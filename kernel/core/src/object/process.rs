//! Processes: a space, handles, a namespace, credentials, and how it ended.

use crate::prelude::*;

/// A process's name: what `ps` and `sys:exe` show.
pub type ProgramName = Name<127>;

/// Whether a process runs, and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It has threads.
    Alive,
    /// It ended with this wait status; its parent has not asked yet.
    Ended(u32),
}

/// Signals of a process: the page shared with libc, and what is pending for all threads.
#[derive(Debug)]
pub struct Signals<S> {
    /// The signal page and its frame, which is pinned.
    pub page: Option<(S, Frame)>,
    /// Its address in the process.
    pub address: u64,
    /// Where handlers are entered.
    pub trampoline: u64,
    /// Pending signals, bit n-1.
    pub pending: u64,
}

/// A process.
#[derive(Debug)]
pub struct Process<M: Machine> {
    /// Its number, never used again soon.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// Its session.
    pub session: u32,
    /// Whose it is.
    pub uid: u32,
    /// Its group of users.
    pub gid: u32,
    /// The program it runs.
    pub name: ProgramName,
    /// Its memory; none once it ended.
    pub space: Option<Space>,
    /// Its handles.
    pub handles: Handles,
    /// What names mean to it.
    pub namespace: NamespaceId,
    /// Threads that it has.
    pub threads: u32,
    /// Its signals.
    pub signals: Signals<M::Shared>,
    /// Whether it runs.
    pub life: Life,
    /// Priority of its new threads.
    pub priority: u8,
    /// CPU time of its ended threads, in ns.
    pub cpu_ns: u64,
    /// Whether it lives on its parent's promises: a fork that has not called exec.
    pub borrowing: bool,
}
