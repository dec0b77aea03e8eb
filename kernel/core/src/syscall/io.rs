//! Reading, writing and asking about what a handle names.

use anode_abi::number::{
    SYS_CALL, SYS_FCHMOD, SYS_FCHOWN, SYS_FPATH, SYS_FSTAT, SYS_FSTATVFS, SYS_FSYNC, SYS_FTRUNCATE,
    SYS_FUTIMENS, SYS_GETDENTS, SYS_READ2, SYS_WRITE2,
};
use redox::flag::{O_APPEND, O_NONBLOCK};

use crate::counters::count;
use crate::num::{size, wide};
use crate::scheme::answer::copy_object;
use crate::scheme::submit::op;
use crate::{
    Access, Call, DescriptionId, EINVAL, EOVERFLOW, ESPIPE, Errno, Finish, Input, Kernel,
    MAX_BYTES, Machine, Outcome, Request, Rights, Target, ThreadId, UserSlice, Window,
};

/// "At the description's own offset."
const OWN_OFFSET: u64 = u64::MAX;
const NONBLOCK: u64 = 1;
const APPEND: u64 = 2;

/// A read or write, with everything about it looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
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
    /// `RwFlags`.
    pub(crate) flags: u64,
    /// The call.
    pub(crate) call: Call,
}

impl<M: Machine> Kernel<M> {
    fn transfer(
        &mut self,
        me: ThreadId,
        call: Call,
        (rights, explicit): (Rights, bool),
    ) -> Result<(Transfer, Target, Option<Window>), Errno> {
        let (handle, target) = self.named_handle(me, call.a, rights)?;
        let description = self.descriptions.get(handle.description).ok_or(EINVAL)?;
        let explicit = explicit && call.d != OWN_OFFSET;
        let positioned = description.offset != u64::MAX || matches!(target, Target::Ports(..));
        if explicit && !positioned {
            return Err(ESPIPE);
        }
        let given = if explicit || size(call.number) == SYS_READ2 { call.e } else { 0 };
        let status = description.flags;
        let mut flags = given & (NONBLOCK | APPEND);
        if status & wide(O_NONBLOCK) != 0 {
            flags |= NONBLOCK;
        }
        if status & wide(O_APPEND) != 0 {
            flags |= APPEND;
        }
        let transfer = Transfer {
            description: handle.description,
            range: UserSlice::new(call.b, call.c)?.cut(MAX_BYTES),
            offset: if explicit { call.d } else { description.offset },
            moves: !explicit && positioned,
            nonblocking: flags & NONBLOCK != 0,
            flags,
            call,
        };
        Ok((transfer, target, description.attached))
    }

    pub(crate) fn read(&mut self, me: ThreadId, call: Call) -> Outcome {
        let explicit = size(call.number) == SYS_READ2;
        let (transfer, target, attached) = self.transfer(me, call, (Rights::READ, explicit))?;
        let Target::Scheme(scheme, id, _) = target else {
            return self.read_builtin(me, target, &transfer);
        };
        if let Some(window) = attached {
            count(&mut self.counters.warm_reads);
            return self.read_window(me, window, &transfer);
        }
        self.check_epoch(scheme, transfer.description)?;
        let request = Request {
            opcode: op::READ,
            args: [id, 0, 0, transfer.offset, transfer.flags],
            output: Some(transfer.range),
            finish: if transfer.moves {
                Finish::Advance(transfer.description)
            } else {
                Finish::Data
            },
            nonblocking: transfer.nonblocking,
            ..Request::new(call)
        };
        self.submit(me, scheme, &request)
    }

    pub(crate) fn write(&mut self, me: ThreadId, call: Call) -> Outcome {
        let explicit = size(call.number) == SYS_WRITE2;
        let (transfer, target, _) = self.transfer(me, call, (Rights::WRITE, explicit))?;
        let Target::Scheme(scheme, id, _) = target else {
            return self.write_builtin(me, target, &transfer);
        };
        self.check_epoch(scheme, transfer.description)?;
        let request = Request {
            opcode: op::WRITE,
            args: [id, 0, wide(transfer.range.len()), transfer.offset, transfer.flags],
            input: Input::User(transfer.range),
            finish: if transfer.moves {
                Finish::Advance(transfer.description)
            } else {
                Finish::Value
            },
            nonblocking: transfer.nonblocking,
            ..Request::new(call)
        };
        self.submit(me, scheme, &request)
    }

    /// Copies from an object to the caller; what a warm read is.
    pub(crate) fn read_window(
        &mut self,
        me: ThreadId,
        window: Window,
        transfer: &Transfer,
    ) -> Outcome {
        let left = window.bytes.saturating_sub(transfer.offset);
        let len = transfer.range.len().min(size(left));
        let from = window.offset.checked_add(transfer.offset).ok_or(EOVERFLOW)?;
        let window = Window { offset: from, ..window };
        self.with_space(me, |space, memory| {
            copy_object(memory, window, len, |memory, (frame, offset), done, piece| {
                let target = transfer.range.skip(done).cut(piece);
                space.copy_in(memory, (frame, offset), target)
            })
        })?;
        self.advance(me, transfer, len)
    }

    /// Ends a transfer of `len` bytes.
    pub(crate) fn advance(&mut self, me: ThreadId, transfer: &Transfer, len: usize) -> Outcome {
        if transfer.moves
            && let Some(description) = self.descriptions.get_mut(transfer.description)
        {
            description.offset = transfer.offset.saturating_add(wide(len));
        }
        self.give(me, wide(len))
    }

    pub(crate) fn lseek(&mut self, me: ThreadId, call: Call) -> Outcome {
        let (handle, target) = self.named_handle(me, call.a, Rights::empty())?;
        let description = self.descriptions.get_mut(handle.description).ok_or(EINVAL)?;
        if description.offset == u64::MAX {
            return Err(ESPIPE);
        }
        let delta = call.b.cast_signed();
        let attached = description.attached;
        let base = match (call.c, target) {
            (0, _) => 0,
            (1, _) => description.offset,
            (2, Target::Scheme(scheme, id, _)) if attached.is_none() => {
                self.check_epoch(scheme, handle.description)?;
                let request = Request {
                    opcode: op::FSIZE,
                    args: [id, 0, 0, 0, 0],
                    finish: Finish::Seek(handle.description, delta),
                    ..Request::new(call)
                };
                return self.submit(me, scheme, &request);
            }
            (2, target) => match attached {
                Some(window) => window.bytes,
                None => self.size_of(target)?,
            },
            _ => return Err(EINVAL),
        };
        let offset = base.checked_add_signed(delta).filter(|at| *at < 1 << 63).ok_or(EINVAL)?;
        if let Some(description) = self.descriptions.get_mut(handle.description) {
            description.offset = offset;
        }
        self.give(me, offset)
    }

    /// Calls with a buffer that goes in or comes out.
    pub(crate) fn buffer_call(&mut self, me: ThreadId, call: Call) -> Outcome {
        let (handle, target) = self.named_handle(me, call.a, Rights::empty())?;
        let range = UserSlice::new(call.b, call.c)?;
        let number = size(call.number);
        let Target::Scheme(scheme, id, _) = target else {
            return self.ask_builtin(me, (handle.description, target), (number, range), call);
        };
        self.check_epoch(scheme, handle.description)?;
        let out = Some(range.cut(4096));
        let base = Request { args: [id, 0, 0, 0, 0], finish: Finish::Data, ..Request::new(call) };
        let request = match number {
            SYS_FSTAT => Request { opcode: op::FSTAT, output: out, ..base },
            SYS_FSTATVFS => Request { opcode: op::FSTATVFS, output: out, ..base },
            SYS_FPATH => Request { opcode: op::FPATH, output: out, ..base },
            SYS_GETDENTS => {
                Request { opcode: op::GETDENTS, output: out, args: [id, 0, 0, 19, call.d], ..base }
            }
            SYS_FUTIMENS => {
                let input = Input::User(range.cut(4096));
                Request { opcode: op::FUTIMENS, input, finish: Finish::Value, ..base }
            }
            SYS_CALL => {
                let words: [u64; 3] = if call.e == 0 {
                    [0; 3]
                } else {
                    self.with_space(me, |space, memory| space.read_words(memory, call.e))?
                };
                let [first, second, _] = words;
                let args = [id, 0, 0, first, second];
                let input = Input::User(range.cut(4096));
                Request { opcode: op::CALL, input, output: out, args, ..base }
            }
            _ => return Err(EINVAL),
        };
        self.submit(me, scheme, &request)
    }

    /// Calls with plain numbers.
    pub(crate) fn value_call(&mut self, me: ThreadId, call: Call) -> Outcome {
        let number = size(call.number);
        let needed = if number == SYS_FTRUNCATE { Rights::WRITE } else { Rights::empty() };
        let (handle, target) = self.named_handle(me, call.a, needed)?;
        let Target::Scheme(scheme, id, _) = target else {
            return self.set_builtin(me, target, number, call.b);
        };
        self.check_epoch(scheme, handle.description)?;
        let opcode = match number {
            SYS_FSYNC => op::FSYNC,
            SYS_FTRUNCATE => op::FTRUNCATE,
            SYS_FCHMOD => op::FCHMOD,
            SYS_FCHOWN => op::FCHOWN,
            _ => return Err(EINVAL),
        };
        let request = Request { opcode, args: [id, call.b, call.c, 0, 0], ..Request::new(call) };
        self.submit(me, scheme, &request)
    }
}

impl crate::mem::space::Space {
    /// Copies bytes of a frame to a user range that may cross pages.
    pub(crate) fn copy_in<M: Machine>(
        &mut self,
        memory: &mut crate::mem::Memory<M>,
        (from, offset): (crate::machine::Frame, usize),
        target: UserSlice,
    ) -> Result<(), Errno> {
        let mut done = 0usize;
        while done < target.len() {
            let rest = target.skip(done);
            let inside = size(rest.start() & 0xFFF);
            let piece = 4096usize.saturating_sub(inside).min(rest.len());
            let to = self.frame_at(memory, rest.start(), Access::Write)?;
            memory.machine.copy((from, offset.saturating_add(done)), (to, inside), piece);
            done = done.saturating_add(piece);
        }
        Ok(())
    }
}
