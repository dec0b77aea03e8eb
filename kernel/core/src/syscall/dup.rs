//! Duplicating and passing handles, and what belongs to a handle alone.

use anode_abi::number::{NONE, SYS_DUP, SYS_FCNTL};
use redox::flag::{F_DUPFD, F_GETFD, F_GETFL, F_SETFD, F_SETFL};

use crate::num::{size, wide};
use crate::scheme::submit::op;
use crate::{
    Call, DescriptionId, EBADF, EINVAL, EPERM, End, Finish, Handle, Input, Kernel, Machine,
    O_CLOEXEC, Outcome, ProcessId, Request, Rights, STATUS_FLAGS, Target, ThreadId,
};

/// "At the lowest free number, close-on-exec."
const LOWEST_CLOEXEC: u64 = u64::MAX - 1;
/// Bit of `at`: the new handle is close-on-exec.
const AT_CLOEXEC: u64 = 1 << 32;

impl<M: Machine> Kernel<M> {
    pub(crate) fn handle_call(&mut self, me: ThreadId, call: Call) -> Outcome {
        match size(call.number) {
            SYS_DUP => self.dup(me, call),
            SYS_FCNTL => self.fcntl(me, call),
            _ => self.sendfd(me, call),
        }
    }

    fn dup(&mut self, me: ThreadId, call: Call) -> Outcome {
        let Call { a: number, b: name, c: len, d: at, .. } = call;
        let (handle, target) = self.named_handle(me, number, Rights::empty())?;
        let lowest = at == wide(NONE) || at == LOWEST_CLOEXEC;
        let close_on_exec = at == LOWEST_CLOEXEC || (!lowest && at & AT_CLOEXEC != 0);
        let wanted = (!lowest).then_some(at & !AT_CLOEXEC);
        if len != 0 {
            let len = self.take_path(me, name, len)?;
            let exec = if close_on_exec { O_CLOEXEC } else { 0 };
            return match target {
                Target::Scheme(scheme, id, _) => {
                    self.check_epoch(scheme, handle.description)?;
                    let flags = exec | 0x3_0000;
                    let request = Request {
                        opcode: op::DUP,
                        args: [id, 0, 0, 0, 0],
                        input: Input::Scratch(0..len),
                        finish: Finish::Open { flags, at: wanted },
                        ..Request::new(call)
                    };
                    self.submit(me, scheme, &request)
                }
                Target::Pipe(pipe, End::Read) if self.path(0..len)? == "write" => {
                    self.add_pipe_end(pipe, End::Write);
                    self.open_target(me, Target::Pipe(pipe, End::Write), exec | 0x2_0000, u64::MAX)
                }
                _ => Err(EINVAL),
            };
        }
        if !handle.rights.contains(Rights::PASS) {
            return Err(EPERM);
        }
        let copy = Handle { close_on_exec, ..handle };
        let number = match wanted {
            Some(same) if same == number => return self.give(me, number),
            Some(exact) => {
                self.process(me)?.handles.reach(size(exact))?;
                exact
            }
            None => self.process(me)?.handles.reserve(0)?,
        };
        self.retain_description(copy.description);
        if let Some(old) = self.process(me)?.handles.put(number, copy) {
            self.drop_handle(old);
        }
        self.give(me, number)
    }

    fn fcntl(&mut self, me: ThreadId, call: Call) -> Outcome {
        let Call { a: number, b: command, c: argument, .. } = call;
        let (handle, _) = self.named_handle(me, number, Rights::empty())?;
        let description = self.descriptions.get_mut(handle.description).ok_or(EBADF)?;
        let value = match size(command) {
            F_GETFD if handle.close_on_exec => O_CLOEXEC,
            F_GETFD => 0,
            F_SETFD => {
                let close_on_exec = argument & O_CLOEXEC != 0;
                self.process(me)?.handles.get_mut(number)?.close_on_exec = close_on_exec;
                0
            }
            F_GETFL => {
                let mode = u64::from(handle.rights.bits() & 3);
                description.flags | mode << 16
            }
            F_SETFL => {
                let changed = wide(STATUS_FLAGS);
                description.flags = (description.flags & !changed) | (argument & changed);
                0
            }
            F_DUPFD => {
                if !handle.rights.contains(Rights::PASS) {
                    return Err(EPERM);
                }
                let close_on_exec = argument & O_CLOEXEC != 0;
                let free = self.process(me)?.handles.reserve(argument & !O_CLOEXEC)?;
                self.retain_description(handle.description);
                self.process(me)?.handles.put(free, Handle { close_on_exec, ..handle });
                free
            }
            _ => return Err(EINVAL),
        };
        self.give(me, value)
    }

    fn sendfd(&mut self, me: ThreadId, call: Call) -> Outcome {
        let (scheme, id) = self.scheme_handle(me, call.a)?;
        let (passed, _) = self.named_handle(me, call.b, Rights::PASS)?;
        let request = Request {
            opcode: op::SENDFD,
            args: [id, call.c, call.d, 1, 0],
            passed: Some(Handle { close_on_exec: true, ..passed }),
            ..Request::new(call)
        };
        self.submit(me, scheme, &request)
    }

    /// One more reference to a description.
    pub(crate) fn retain_description(&mut self, id: DescriptionId) {
        if let Some(description) = self.descriptions.get_mut(id) {
            description.references = description.references.saturating_add(1);
        }
    }

    /// Gives a handle's reference back.
    pub(crate) fn drop_handle(&mut self, handle: Handle) {
        self.drop_description(handle.description);
    }

    /// One reference less; the last one closes what the description stands for.
    pub(crate) fn drop_description(&mut self, id: DescriptionId) {
        let Some(description) = self.descriptions.get_mut(id) else { return };
        description.references = description.references.saturating_sub(1);
        if description.references != 0 {
            return;
        }
        let target = description.target;
        if let Some(attached) = description.attached.take() {
            self.let_go(attached);
        }
        if let Target::Scheme(scheme, open, _) = target
            && self.queue_close(scheme, open, id)
        {
            return;
        }
        self.descriptions.remove(id);
        if let Target::Clock(..) = target {
            self.unsubscribe(|s| s.source == crate::object::event::Source::Clock(id));
        }
        self.drop_target(target);
    }

    /// Drops the handles that exec does not keep.
    pub(crate) fn close_on_exec(&mut self, id: ProcessId) {
        loop {
            let Some(process) = self.processes.get_mut(id) else { return };
            let found = process.handles.iter().find(|(_, handle)| handle.close_on_exec);
            let Some((number, _)) = found else { return };
            if let Ok(handle) = process.handles.take(number) {
                self.drop_handle(handle);
            }
        }
    }
}
