//! Who a process is, and what it may do to another.

use anode_abi::info::id;

use crate::prelude::*;
use crate::syscall::thread::thread_number;

impl<M: Machine> Kernel<M> {
    /// The process that a pid argument means (0: the caller's).
    fn named(&mut self, me: ThreadId, pid: u64) -> Result<ProcessId> {
        if pid == 0 { self.owner(me) } else { self.process_by_pid(low(pid)) }
    }

    /// Whether the caller may act on a process: root on all, anybody on its own and its children.
    pub(crate) fn may_act(&mut self, me: ThreadId, other: ProcessId) -> Result<()> {
        let own = self.owner(me)?;
        let caller = self.process(me)?;
        let (uid, pid) = (caller.uid, caller.pid);
        let other_process = self.processes.get(other).ok_or(EPERM)?;
        let allowed =
            uid == 0 || own == other || other_process.uid == uid || other_process.parent == pid;
        if allowed { Ok(()) } else { Err(EPERM) }
    }

    pub(crate) fn getid(&mut self, me: ThreadId, call: Call) -> Outcome {
        let process = self.named(me, call.b)?;
        let cpus = self.memory.machine.cpus();
        let process = self.processes.get(process).ok_or(EINVAL)?;
        let value = match size(call.a) {
            id::PID => process.pid,
            id::PPID => process.parent,
            id::TID => thread_number(me),
            id::UID => process.uid,
            id::GID => process.gid,
            id::PGID => process.group,
            id::SID => process.session,
            id::PRIORITY => u32::from(process.priority),
            id::CPUS => u32::from(cpus),
            _ => return Err(EINVAL),
        };
        self.give(me, u64::from(value))
    }

    pub(crate) fn setid(&mut self, me: ThreadId, call: Call) -> Outcome {
        let id = self.named(me, call.b)?;
        self.may_act(me, id)?;
        let root = self.process(me)?.uid == 0;
        let value = u32::try_from(call.c).map_err(|_wide| EINVAL)?;
        let process = self.processes.get_mut(id).ok_or(EINVAL)?;
        match size(call.a) {
            id::UID if root || value == process.uid => process.uid = value,
            id::GID if root || value == process.gid => process.gid = value,
            id::UID | id::GID => return Err(EPERM),
            id::PGID => process.group = if value == 0 { process.pid } else { value },
            id::SID if process.group == process.pid && process.session != process.pid => {
                return Err(EPERM);
            }
            id::SID => {
                process.session = process.pid;
                process.group = process.pid;
            }
            id::PRIORITY => {
                let value = u8::try_from(value).ok().filter(|value| *value <= 7).ok_or(EINVAL)?;
                if !root && value > process.priority.min(ORDINARY) {
                    return Err(EPERM);
                }
                self.set_priority(id, value);
            }
            _ => return Err(EINVAL),
        }
        self.give(me, 0)
    }

    /// Gives all threads of a process a priority; those in a run queue have it from their next
    /// turn on.
    pub(crate) fn set_priority(&mut self, id: ProcessId, priority: u8) {
        self.processes.update(id, |process| process.priority = priority);
    }
}
