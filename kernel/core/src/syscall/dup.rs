//! Duplicating and passing handles, and what belongs to a handle alone.

use redox::flag::{F_DUPFD, F_GETFD, F_GETFL, F_SETFD, F_SETFL};

use crate::prelude::*;

/// "At the lowest free number, close-on-exec."
const LOWEST_CLOEXEC: u64 = u64::MAX - 1;
/// Bit of `at`: the new handle is close-on-exec.
const AT_CLOEXEC: u64 = 1 << 32;
/// Only writing.
const O_WRONLY: u64 = 0x2_0000;

impl<M: Machine> Kernel<M> {
    pub(crate) fn dup(&mut self, me: ThreadId, call: Call) -> Outcome {
        let Call { a: number, b: name, c: len, d: at, .. } = call;
        let (handle, target) = self.named_handle(me, number, Rights::empty())?;
        let lowest = at == wide(NONE) || at == LOWEST_CLOEXEC;
        let close_on_exec = at == LOWEST_CLOEXEC || (!lowest && at & AT_CLOEXEC != 0);
        let at = (!lowest).then_some(at & !AT_CLOEXEC);
        if len == 0 {
            return self.share(me, number, at, Handle { close_on_exec, ..handle });
        }
        let len = self.take_path(me, name, len)?;
        let exec = if close_on_exec { O_CLOEXEC } else { 0 };
        match target {
            Target::Scheme(open) if lowest => self.submit(
                me,
                &Request {
                    buffer: Buffer::Path(0..len),
                    // No right that the handle has not.
                    finish: Finish::Open(exec | handle.mode()),
                    ..Request::new(open, op::DUP, [0; 4])
                },
            ),
            Target::Pipe(pipe, End::Read) if self.path(0..len)? == "write" => {
                self.pipes.update(pipe, |pipe| pipe.writers = pipe.writers.saturating_add(1));
                self.open_target(me, Target::Pipe(pipe, End::Write), exec | O_WRONLY)
            }
            _ => Err(EINVAL),
        }
    }

    /// One more handle on the same description.
    fn share(&mut self, me: ThreadId, from: u64, at: Option<u64>, copy: Handle) -> Outcome {
        if at == Some(from) {
            return self.give(me, from);
        }
        self.descriptions.retain(copy.description);
        let process = self.owner(me)?;
        let number = self.install(process, at, copy)?;
        self.give(me, number)
    }

    pub(crate) fn fcntl(&mut self, me: ThreadId, call: Call) -> Outcome {
        let Call { a: number, b: command, c: argument, .. } = call;
        let (handle, description) = self.described(me, number, Rights::empty())?;
        let close_on_exec = argument & O_CLOEXEC != 0;
        let value = match size(command) {
            F_GETFD if handle.close_on_exec => O_CLOEXEC,
            F_GETFD => 0,
            F_SETFD => {
                self.process(me)?.handles.get_mut(number)?.close_on_exec = close_on_exec;
                0
            }
            F_GETFL => description.flags | handle.mode(),
            F_SETFL => {
                let changed = wide(STATUS_FLAGS);
                description.flags = (description.flags & !changed) | (argument & changed);
                0
            }
            F_DUPFD => {
                let free = self.process(me)?.handles.reserve(argument & !O_CLOEXEC)?;
                return self.share(me, number, Some(free), Handle { close_on_exec, ..handle });
            }
            _ => return Err(EINVAL),
        };
        self.give(me, value)
    }

    pub(crate) fn sendfd(&mut self, me: ThreadId, call: Call) -> Outcome {
        let (_, target) = self.named_handle(me, call.a, Rights::empty())?;
        let Target::Scheme(open) = target else { return Err(ENOTDIR) };
        let (passed, _) = self.named_handle(me, call.b, Rights::PASS)?;
        let request = Request::new(open, op::SENDFD, [call.c, call.d, 1, 0]);
        self.submit(me, &Request { finish: Finish::Pass(passed), ..request })
    }

    /// One reference less; the last one closes what the description stands for.
    pub(crate) fn drop_description(&mut self, id: DescriptionId) {
        if !self.descriptions.release(id) {
            return;
        }
        let Some(description) = self.descriptions.get_mut(id) else { return };
        let target = description.target;
        if let Some(attached) = description.attached.take() {
            self.memory.release(attached.object);
        }
        if let Target::Scheme(open) = target
            && self.queue_close(open, id)
        {
            return;
        }
        self.descriptions.remove(id);
        self.drop_target(target);
    }

    /// Drops the handles that exec does not keep.
    pub(crate) fn close_on_exec(&mut self, id: ProcessId) {
        while let Some(process) = self.processes.get_mut(id) {
            let found = process.handles.iter().find(|(_, handle)| handle.close_on_exec);
            let taken = found.map(|(number, _)| process.handles.take(number));
            let Some(Ok(handle)) = taken else { return };
            self.drop_description(handle.description);
        }
    }
}
