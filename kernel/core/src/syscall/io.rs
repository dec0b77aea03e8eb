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
    /// The caller's buffer, but for what is done.
    pub(crate) range: UserSlice,
    /// Bytes that are done.
    pub(crate) done: usize,
    /// Where; `u64::MAX` where there is no position.
    pub(crate) offset: u64,
    /// Whether the description's own offset was taken, and moves.
    pub(crate) moves: bool,
    /// Whether to refuse rather than wait.
    pub(crate) nonblocking: bool,
}

impl<M: Machine> Kernel<M> {
    /// `read`, `read2`, `write` and `write2`.
    pub(crate) fn transfer(&mut self, me: ThreadId, call: &Call) -> Outcome {
        self.go_on_with(me, call, None)
    }

    /// The same, of which some bytes may be done, by that description.
    pub(crate) fn go_on_with(
        &mut self,
        me: ThreadId,
        call: &Call,
        begun: Option<(DescriptionId, usize)>,
    ) -> Outcome {
        let number = size(call.number);
        let writes = matches!(number, SYS_WRITE | SYS_WRITE2);
        let (at, given) = match number {
            SYS_READ2 | SYS_WRITE2 => (call.d, call.e & (NONBLOCK | APPEND)),
            _ => (OWN_OFFSET, 0),
        };
        let rights = if writes { Rights::WRITE } else { Rights::READ };
        let (handle, description) = self.described(me, call.a, rights)?;
        let (begun_by, done) = begun.unwrap_or((handle.description, 0));
        if begun_by != handle.description {
            return Err(EBADF);
        }
        let target = description.target;
        let positioned = description.offset != u64::MAX || matches!(target, Target::Ports(..));
        let own = at == OWN_OFFSET;
        if !own && !positioned {
            return Err(ESPIPE);
        }
        let status = |flag, bit| if description.flags & wide(flag) == 0 { 0 } else { bit };
        let flags = given | status(O_NONBLOCK, NONBLOCK) | status(O_APPEND, APPEND);
        let nonblocking = flags & NONBLOCK != 0;
        let range = UserSlice::new(call.b, call.c)?.cut(MAX_BYTES);
        let offset = if own { description.offset } else { at.saturating_add(wide(done)) };
        let attached = description.attached.filter(|_| !writes);
        if let (Target::Scheme(open), None) = (target, attached) {
            let (opcode, buffer) = match writes {
                true => (op::WRITE, Buffer::In(range)),
                false => (op::READ, Buffer::Out(range)),
            };
            let finish = match own && positioned {
                true => Finish::Advance(handle.description),
                false => Finish::Value,
            };
            let args = [0, 0, offset, flags];
            return self.submit(me, &Request { open, opcode, args, buffer, finish, nonblocking });
        }
        let transfer = Transfer {
            me,
            description: handle.description,
            range: range.skip(done),
            done,
            offset,
            moves: own && positioned,
            nonblocking,
        };
        match attached {
            Some(window) => {
                count(&mut self.counters.warm_reads);
                self.read_window(window, &transfer)
            }
            None if writes => self.write_builtin(target, &transfer),
            None => self.read_builtin(target, &transfer),
        }
    }

    /// Copies from an object to the caller; what a warm read is.
    pub(crate) fn read_window(&mut self, window: Window, transfer: &Transfer) -> Outcome {
        let left = window.bytes.saturating_sub(transfer.offset);
        let len = transfer.range.len().min(size(left));
        let offset = window.offset.checked_add(transfer.offset).ok_or(EOVERFLOW)?;
        let (space, memory) = self.space(transfer.me)?;
        let part = len.min(COPY_BYTES);
        memory.copy(Window { offset, ..window }, (space, transfer.range), part)?;
        self.go_on_or_end(transfer, part, len)
    }

    /// Goes on with a transfer of which a part was done, once others had the lock, or ends it.
    pub(crate) fn go_on_or_end(&mut self, transfer: &Transfer, part: usize, len: usize) -> Outcome {
        if transfer.moves {
            let offset = transfer.offset.saturating_add(wide(part));
            self.descriptions.update(transfer.description, |d| d.offset = offset);
        }
        let done = transfer.done.saturating_add(part);
        if part == len {
            return self.give(transfer.me, wide(done));
        }
        self.pause(transfer.me, Then::Transfer(transfer.description, done))
    }

    /// Lets a transfer wait for something, if it may. What is done of a long one is not kept.
    pub(crate) fn wait(&mut self, channel: Channel, transfer: &Transfer) -> Outcome {
        if transfer.nonblocking || transfer.done > 0 {
            return Err(EAGAIN);
        }
        self.sleep(transfer.me, channel, Then::Retry, u64::MAX)
    }

    /// Libc asks for the size where it is to count from the end.
    pub(crate) fn lseek(&mut self, me: ThreadId, call: Call) -> Outcome {
        let (_, description) = self.described(me, call.a, Rights::empty())?;
        let base = match call.c {
            _ if description.offset == u64::MAX => return Err(ESPIPE),
            0 => 0,
            1 => description.offset,
            _ => return Err(EINVAL),
        };
        let offset = base.checked_add_signed(call.b.cast_signed());
        description.offset = offset.filter(|at| *at < 1 << 63).ok_or(EINVAL)?;
        let offset = description.offset;
        self.give(me, offset)
    }

    /// Calls about a handle: with a buffer that comes out, goes in, or both, or with numbers.
    pub(crate) fn ask(&mut self, me: ThreadId, call: Call) -> Outcome {
        let number = size(call.number);
        let needed = if number == SYS_FTRUNCATE { Rights::WRITE } else { Rights::empty() };
        let (_, target) = self.named_handle(me, call.a, needed)?;
        let Target::Scheme(open) = target else { return self.ask_builtin(me, target, call) };
        let range = || UserSlice::new(call.b, call.c).map(|range| range.cut(PAGE_SIZE));
        let (opcode, buffer, [third, fourth]) = match number {
            SYS_FSTAT => (op::FSTAT, Buffer::Out(range()?), [0; 2]),
            SYS_FSTATVFS => (op::FSTATVFS, Buffer::Out(range()?), [0; 2]),
            SYS_FPATH => (op::FPATH, Buffer::Out(range()?), [0; 2]),
            SYS_GETDENTS => (op::GETDENTS, Buffer::Out(range()?), [DIRENT_HEADER, call.d]),
            SYS_FUTIMENS => (op::FUTIMENS, Buffer::In(range()?), [0; 2]),
            SYS_CALL if call.e == 0 => (op::CALL, Buffer::Both(range()?), [0; 2]),
            SYS_CALL => (op::CALL, Buffer::Both(range()?), self.words(me, call.e)?),
            SYS_FSYNC => (op::FSYNC, Buffer::None, [0; 2]),
            SYS_FTRUNCATE => (op::FTRUNCATE, Buffer::None, [0; 2]),
            SYS_FCHMOD => (op::FCHMOD, Buffer::None, [0; 2]),
            SYS_FCHOWN => (op::FCHOWN, Buffer::None, [0; 2]),
            _ => return Err(EINVAL),
        };
        let args = [call.b, call.c, third, fourth];
        self.submit(me, &Request { buffer, ..Request::new(open, opcode, args) })
    }
}
