//! How processes end, and who hears of it.

use anode_abi::info::WAIT_NO_HANG;

use crate::error::ECHILD;
use crate::num::wide;
use crate::syscall::signal::SIGCHLD;
use crate::{
    Call, Channel, ESRCH, Errno, Kernel, Life, Machine, Next, Outcome, Power, ProcessId, Sleep,
    ThreadId,
};

impl<M: Machine> Kernel<M> {
    /// The number of a process: its place, and how often that was used.
    pub(crate) fn pid_of(&self, id: ProcessId) -> u32 {
        let capacity = self.memory.machine.contexts().max(1);
        let round = id.generation().wrapping_sub(1);
        round.wrapping_mul(capacity).wrapping_add(id.index()).wrapping_add(1) & 0x7FFF_FFFF
    }

    /// The process of that number.
    pub(crate) fn process_by_pid(&self, pid: u32) -> Result<ProcessId, Errno> {
        let capacity = self.memory.machine.contexts().max(1);
        let at = pid.wrapping_sub(1).checked_rem(capacity).ok_or(ESRCH)?;
        let id = self.processes.at(at).ok_or(ESRCH)?;
        let process = self.processes.get(id).ok_or(ESRCH)?;
        if process.pid == pid { Ok(id) } else { Err(ESRCH) }
    }

    pub(crate) fn exit(&mut self, me: ThreadId, call: Call) -> Outcome {
        let process = self.owner(me)?;
        let status = crate::num::low(call.a & 0xFF);
        self.end_process(process, status.wrapping_shl(8));
        Ok(Next::Pick)
    }

    /// Ends a process with a wait status. Its threads stop now; what it held is given back in
    /// slices; its children belong to init; its parent is told.
    pub(crate) fn end_process(&mut self, id: ProcessId, status: u32) {
        while let Some(thread) = self.thread_of(id, None) {
            self.drop_thread(thread);
        }
        self.close_rings(id);
        let Some(process) = self.processes.get_mut(id) else { return };
        process.life = Life::Ended(status);
        process.signals.pending = 0;
        let (pid, parent, namespace) = (process.pid, process.parent, process.namespace);
        let handles = core::mem::take(&mut process.handles);
        let space = process.space.take();
        if let Some((_, frame)) = process.signals.page.take() {
            self.memory.frames.release(frame);
        }
        self.grave.handles.push(handles);
        if let Some(space) = space {
            self.bury_space(space);
        }
        self.drop_namespace(namespace);
        self.orphan(pid);
        if pid == 1 {
            log::error!("init ended with status {status:#x}: the machine restarts");
            self.memory.machine.power(Power::Reboot);
        }
        if let Ok(parent) = self.process_by_pid(parent) {
            self.post_signal(parent, SIGCHLD);
            self.wake_all(Channel::Child(parent), u64::MAX);
        } else {
            self.processes.remove(id);
        }
    }

    /// A thread of a process, other than `but`.
    pub(crate) fn thread_of(&self, process: ProcessId, but: Option<ThreadId>) -> Option<ThreadId> {
        let mut all = self.threads.iter();
        all.find(|(id, thread)| thread.process == process && Some(*id) != but).map(|(id, _)| id)
    }

    /// Ends all threads of the caller's process but itself.
    pub(crate) fn drop_other_threads(&mut self, me: ThreadId) {
        let Ok(process) = self.owner(me) else { return };
        while let Some(other) = self.thread_of(process, Some(me)) {
            self.drop_thread(other);
        }
    }

    /// Gives the children of a process that ended to init.
    fn orphan(&mut self, pid: u32) {
        let mut at = 0;
        let mut told = false;
        while let Some(id) = self.processes.find_from(at, |process| process.parent == pid) {
            at = id.index().wrapping_add(1);
            if let Some(process) = self.processes.get_mut(id) {
                told |= matches!(process.life, Life::Ended(_));
                process.parent = 1;
            }
        }
        if told && let Ok(init) = self.process_by_pid(1) {
            self.post_signal(init, SIGCHLD);
            self.wake_all(Channel::Child(init), u64::MAX);
        }
    }

    pub(crate) fn waitpid(&mut self, me: ThreadId, call: Call) -> Outcome {
        let parent = self.owner(me)?;
        let caller = self.process(me)?;
        let (pid, group) = (caller.pid, caller.group);
        let wanted = call.a.cast_signed();
        let matches = |child: u32, its_group: u32| match wanted {
            -1 => true,
            0 => its_group == group,
            1.. => i64::from(child) == wanted,
            _ => i64::from(its_group) == wanted.wrapping_neg(),
        };
        let mut any = false;
        let mut ended = None;
        for (id, process) in self.processes.iter() {
            if process.parent == pid && matches(process.pid, process.group) {
                any = true;
                if let Life::Ended(status) = process.life {
                    ended = Some((id, process.pid, status));
                    break;
                }
            }
        }
        if let Some((id, child, status)) = ended {
            self.processes.remove(id);
            return self.give(me, u64::from(child) | u64::from(status) << 32);
        }
        if !any {
            return Err(ECHILD);
        }
        if call.b & wide(WAIT_NO_HANG) != 0 {
            return self.give(me, 0);
        }
        self.sleep(me, Channel::Child(parent), Sleep::retry(call))
    }
}
