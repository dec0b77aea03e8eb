//! How processes end, and who hears of it.

use anode_abi::info::WAIT_NO_HANG;

use crate::prelude::*;
use crate::syscall::signal::SIGCHLD;

impl<M: Machine> Kernel<M> {
    /// The number of a process: its place, and how often that was used.
    pub(crate) fn pid_of(&self, id: ProcessId) -> u32 {
        let capacity = self.memory.machine.contexts().max(1);
        let round = id.generation().wrapping_sub(1);
        round.wrapping_mul(capacity).wrapping_add(id.index()).wrapping_add(1) & 0x7FFF_FFFF
    }

    /// The process of that number.
    pub(crate) fn process_by_pid(&self, pid: u32) -> Result<ProcessId> {
        let capacity = self.memory.machine.contexts().max(1);
        let id = self.processes.at(pid.wrapping_sub(1).checked_rem(capacity).ok_or(ESRCH)?);
        id.filter(|id| self.pid_of(*id) == pid).ok_or(ESRCH)
    }

    pub(crate) fn exit(&mut self, me: ThreadId, call: Call) -> Outcome {
        let process = self.owner(me)?;
        let status = low(call.a & 0xFF);
        self.end_process(process, status.wrapping_shl(8));
        Ok(Next::Pick)
    }

    /// Ends a process with a wait status. Its threads stop now; what it held is given back in
    /// slices; its children belong to init; its parent is told.
    pub(crate) fn end_process(&mut self, id: ProcessId, status: u32) {
        self.drop_threads(id, None);
        self.close_rings(id);
        let alive = |process: &&mut Process| process.life == Life::Alive;
        let Some(process) = self.processes.get_mut(id).filter(alive) else { return };
        process.life = Life::Ended(status);
        let Who { pid, parent, namespace, .. } = process.who;
        self.grave.handles.push(core::mem::take(&mut process.handles));
        self.grave.spaces.extend(process.space.take());
        self.drop_namespace(namespace);
        self.orphan(pid);
        if pid == 1 {
            let machine = &mut self.memory.machine;
            machine.warn(format_args!("init ended with status {status:#x}: the machine restarts"));
            machine.reboot();
        }
        match self.process_by_pid(parent) {
            Ok(parent) => self.tell_parent(parent),
            Err(_) => drop(self.processes.remove(id)),
        }
    }

    fn tell_parent(&mut self, parent: ProcessId) {
        self.post_signal(parent, SIGCHLD);
        self.wake_all(Channel::Child(parent));
    }

    /// Gives the children of a process that ended to init.
    fn orphan(&mut self, pid: u32) {
        let (mut told, mut last) = (false, None);
        while let Some(id) = self.processes.next(last, |process| process.who.parent == pid) {
            last = Some(id);
            self.processes.update(id, |process| {
                told |= process.life != Life::Alive;
                process.who.parent = 1;
            });
        }
        if told && let Ok(init) = self.process_by_pid(1) {
            self.tell_parent(init);
        }
    }

    pub(crate) fn waitpid(&mut self, me: ThreadId, call: Call) -> Outcome {
        let (parent, caller) = (self.owner(me)?, self.process(me)?.who);
        let mine = |child: &Process| {
            child.who.parent == caller.pid && child.who.is_meant(call.a.cast_signed(), &caller)
        };
        if let Some(id) = self.processes.next(None, |c| mine(c) && c.life != Life::Alive)
            && let Some(Process { who, life: Life::Ended(status), .. }) = self.processes.remove(id)
        {
            return self.give(me, u64::from(who.pid) | u64::from(status) << 32);
        }
        self.processes.next(None, mine).ok_or(ECHILD)?;
        if call.b & wide(WAIT_NO_HANG) != 0 {
            return self.give(me, 0);
        }
        self.sleep(me, Channel::Child(parent), Then::Retry, u64::MAX)
    }
}
