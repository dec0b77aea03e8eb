//! Who a process is.

use anode_abi::info::id;

use crate::prelude::*;
use crate::syscall::thread::thread_number;

impl<M: Machine> Kernel<M> {
    /// The process that a pid argument means (0: the caller's).
    fn named(&self, me: ThreadId, pid: u64) -> Result<ProcessId> {
        if pid == 0 { self.owner(me) } else { self.process_by_pid(low(pid)) }
    }

    pub(crate) fn getid(&mut self, me: ThreadId, call: Call) -> Outcome {
        let process = self.named(me, call.b)?;
        let who = &self.processes.get(process).ok_or(ESRCH)?.who;
        let value = match size(call.a) {
            id::PID => who.pid,
            id::PPID => who.parent,
            id::TID => thread_number(me),
            id::UID => who.uid,
            id::GID => who.gid,
            id::PGID => who.group,
            id::SID => who.session,
            id::PRIORITY => who.priority.into(),
            id::CPUS => self.memory.machine.cpus().into(),
            _ => return Err(EINVAL),
        };
        self.give(me, value.into())
    }

    pub(crate) fn setid(&mut self, me: ThreadId, call: Call) -> Outcome {
        let id = self.named(me, call.b)?;
        let caller = self.process(me)?.who;
        let process = self.processes.get_mut(id).ok_or(ESRCH)?;
        if !caller.may_act(&process.who) {
            return Err(EPERM);
        }
        process.who.set(size(call.a), call.c, caller.uid)?;
        self.give(me, 0)
    }
}
