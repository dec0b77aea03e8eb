//! Reading, writing and asking about what a handle names.

use anode_abi::number::{
    SYS_CALL, SYS_FCHMOD, SYS_FCHOWN, SYS_FPATH, SYS_FSTAT, SYS_FSTATVFS, SYS_FSYNC, SYS_FTRUNCATE,
    SYS_FUTIMENS, SYS_GETDENTS, SYS_READ2, SYS_WRITE, SYS_WRITE2,
};
use redox::flag::{O_APPEND, O_NONBLOCK};

use crate::prelude::*;

/// "At the description's own offset."
const OWN_OFFSET: u64 = u64::MAX;
const NONBLOCK: u64 = 1;
const APPEND: u64 = 2;
/// Bytes of a directory record before its name.
pub(crate) const DIRENT_HEADER: u64 = 19;

/// A read or write, with everything about it looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    /// The caller.
    pub(crate) me: ThreadId,
    /// The description.
    pub(crate) description: DescriptionId,
    /// The caller's buffer.
    pub(crate) range: UserSlice,
    /// Where; `u64::MAX` where there is no position.
    pub(crate) offset: u64,
    /// Whether the description's own offset was taken, and moves.
    pub(crate) moves: bool,
    /// Whether to refuse rather than wait.
    pub(crate) nonblocking: bool,
    /// The call.
    pub(crate) call: Call,
}

impl<M: Machine> Kernel<M> {
    /// `read`, `read2`, `write` and `write2`.
    pub(crate) fn transfer(&mut self, me: ThreadId, call: Call) -> Outcome {
        let number = size(call.number);
        let writes = matches!(number, SYS_WRITE | SYS_WRITE2);
        let (at, given) = match number {
            SYS_READ2 | SYS_WRITE2 => (call.d, call.e & (NONBLOCK | APPEND)),
            _ => (OWN_OFFSET, 0),
        };
        let rights = if writes { Rights::WRITE } else { Rights::READ };
        let (handle, target) = self.named_handle(me, call.a, rights)?;
        let description = self.descriptions.get(handle.description).ok_or(EINVAL)?;
        let positioned = description.offset != u64::MAX || matches!(target, Target::Ports(..));
        if at != OWN_OFFSET && !positioned {
            return Err(ESPIPE);
        }
        let status = |flag, bit| if description.flags & wide(flag) == 0 { 0 } else { bit };
        let flags = given | status(O_NONBLOCK, NONBLOCK) | status(O_APPEND, APPEND);
        let transfer = Transfer {
            me,
            description: handle.description,
            range: UserSlice::new(call.b, call.c)?.cut(MAX_BYTES),
            offset: if at == OWN_OFFSET { description.offset } else { at },
            moves: at == OWN_OFFSET && positioned,
            nonblocking: flags & NONBLOCK != 0,
            call,
        };
        match (target, description.attached) {
            (Target::Scheme(..), Some(window)) if !writes => {
                count(&mut self.counters.warm_reads);
                self.read_window(window, &transfer)
            }
            (Target::Scheme(scheme, id, _), _) => {
                self.check_epoch(scheme, transfer.description)?;
                let (opcode, input, output) = if writes {
                    (op::WRITE, Input::User(transfer.range), None)
                } else {
                    (op::READ, Input::None, Some(transfer.range))
                };
                let request = Request {
                    input,
                    output,
                    finish: transfer.finish(),
                    nonblocking: transfer.nonblocking,
                    ..Request::new(call, opcode, [id, 0, 0, transfer.offset, flags])
                };
                self.submit(me, scheme, &request)
            }
            _ if writes => self.write_builtin(target, &transfer),
            _ => self.read_builtin(target, &transfer),
        }
    }

    /// Copies from an object to the caller; what a warm read is.
    pub(crate) fn read_window(&mut self, window: Window, transfer: &Transfer) -> Outcome {
        let left = window.bytes.saturating_sub(transfer.offset);
        let len = transfer.range.len().min(size(left));
        let offset = window.offset.checked_add(transfer.offset).ok_or(EOVERFLOW)?;
        let (space, memory) = self.space(transfer.me)?;
        memory.copy(Window { offset, ..window }, (space, transfer.range), len)?;
        self.advance(transfer, len)
    }

    /// Ends a transfer of `len` bytes.
    pub(crate) fn advance(&mut self, transfer: &Transfer, len: usize) -> Outcome {
        if transfer.moves {
            let offset = transfer.offset.saturating_add(wide(len));
            self.descriptions.update(transfer.description, |d| d.offset = offset);
        }
        self.give(transfer.me, wide(len))
    }

    /// Lets a transfer wait for something, if it may.
    pub(crate) fn wait(&mut self, channel: Channel, transfer: &Transfer) -> Outcome {
        if transfer.nonblocking {
            return Err(EAGAIN);
        }
        self.sleep(transfer.me, channel, Sleep::retry(transfer.call))
    }

    pub(crate) fn lseek(&mut self, me: ThreadId, call: Call) -> Outcome {
        let (handle, target) = self.named_handle(me, call.a, Rights::empty())?;
        let description = self.descriptions.get(handle.description).ok_or(EINVAL)?;
        if description.offset == u64::MAX {
            return Err(ESPIPE);
        }
        let delta = call.b.cast_signed();
        let base = match (call.c, target, description.attached) {
            (0, ..) => 0,
            (1, ..) => description.offset,
            (2, _, Some(window)) => window.bytes,
            (2, Target::Scheme(scheme, id, _), None) => {
                self.check_epoch(scheme, handle.description)?;
                let finish = Finish::Seek(handle.description, delta);
                let request = Request { finish, ..Request::new(call, op::FSIZE, [id, 0, 0, 0, 0]) };
                return self.submit(me, scheme, &request);
            }
            (2, target, None) => self.size_of(target)?,
            _ => return Err(EINVAL),
        };
        let offset = base.checked_add_signed(delta).filter(|at| *at < 1 << 63).ok_or(EINVAL)?;
        self.descriptions.update(handle.description, |description| description.offset = offset);
        self.give(me, offset)
    }

    /// Calls about a handle: with a buffer that comes out, goes in, or both, or with numbers.
    pub(crate) fn ask(&mut self, me: ThreadId, call: Call) -> Outcome {
        let number = size(call.number);
        let needed = if number == SYS_FTRUNCATE { Rights::WRITE } else { Rights::empty() };
        let (handle, target) = self.named_handle(me, call.a, needed)?;
        let Target::Scheme(scheme, id, _) = target else {
            return self.ask_builtin(me, target, call);
        };
        self.check_epoch(scheme, handle.description)?;
        let numbers = |opcode| Request::new(call, opcode, [id, call.b, call.c, 0, 0]);
        let range = || UserSlice::new(call.b, call.c).map(|range| range.cut(PAGE_SIZE));
        let out = |opcode, args| {
            range().map(|range| Request { output: Some(range), ..Request::new(call, opcode, args) })
        };
        let request = match number {
            SYS_FSTAT => out(op::FSTAT, [id, 0, 0, 0, 0])?,
            SYS_FSTATVFS => out(op::FSTATVFS, [id, 0, 0, 0, 0])?,
            SYS_FPATH => out(op::FPATH, [id, 0, 0, 0, 0])?,
            SYS_GETDENTS => out(op::GETDENTS, [id, 0, 0, DIRENT_HEADER, call.d])?,
            SYS_FUTIMENS => Request {
                input: Input::User(range()?),
                ..Request::new(call, op::FUTIMENS, [id, 0, 0, 0, 0])
            },
            SYS_CALL => {
                let [first, second] = if call.e == 0 { [0; 2] } else { self.words(me, call.e)? };
                let asked = out(op::CALL, [id, 0, 0, first, second])?;
                Request { input: Input::User(range()?), ..asked }
            }
            SYS_FSYNC => numbers(op::FSYNC),
            SYS_FTRUNCATE => numbers(op::FTRUNCATE),
            SYS_FCHMOD => numbers(op::FCHMOD),
            SYS_FCHOWN => numbers(op::FCHOWN),
            _ => return Err(EINVAL),
        };
        self.submit(me, scheme, &request)
    }
}

impl Transfer {
    fn finish(&self) -> Finish {
        if self.moves { Finish::Advance(self.description) } else { Finish::Value }
    }
}
