//! `pipe:`: reading, writing and the end of either end.

use crate::object::pipe::CAPACITY;
use crate::prelude::*;
use crate::syscall::signal::SIGPIPE;

/// Up to this many bytes are written whole or not at all (`PIPE_BUF`).
const ATOMIC: usize = 4096;

impl<M: Machine> Kernel<M> {
    /// A new pipe of a user's, with a read end.
    pub(crate) fn new_pipe(&mut self, dropped: Option<u64>, uid: u32) -> Result<PipeId> {
        let object = self.memory.anonymous(CAPACITY, uid)?;
        let pipe = Pipe { object, head: 0, tail: 0, readers: 1, writers: 0, dropped };
        self.pipes.insert(pipe, uid).inspect_err(|_| self.memory.release(object))
    }

    /// A description of an end is gone; the other end hears of the last one.
    pub(crate) fn drop_pipe_end(&mut self, id: PipeId, end: End) {
        let Some(pipe) = self.pipes.get_mut(id) else { return };
        let (ends, other) = match end {
            End::Read => (&mut pipe.readers, End::Write),
            End::Write => (&mut pipe.writers, End::Read),
        };
        *ends = ends.saturating_sub(1);
        let (object, left) = (pipe.object, pipe.readers.max(pipe.writers));
        let gone = pipe.readers == 0 || pipe.writers == 0;
        if left == 0 {
            self.unsubscribe(|s| matches!(s.source, Some(Target::Pipe(pipe, _)) if pipe == id));
            self.pipes.remove(id);
            self.memory.release(object);
        } else if gone {
            self.pipe_moved(id, other);
        }
    }

    /// A pipe changed so that one end may go on.
    fn pipe_moved(&mut self, id: PipeId, end: End) {
        self.wake_all(Channel::Pipe(id));
        let ready = self.pipes.get(id).map_or(0, |pipe| pipe.ready(end));
        self.notify(Target::Pipe(id, end), ready);
    }

    pub(crate) fn read_pipe(&mut self, id: PipeId, transfer: &Transfer) -> Outcome {
        let pipe = self.pipes.get(id).ok_or(EIO)?;
        let (from, len) = (pipe.bytes(pipe.head), size(pipe.used()).min(transfer.range.len()));
        let part = len.min(COPY_BYTES);
        if len == 0 {
            if transfer.range.len() == 0 || pipe.writers == 0 {
                return self.go_on_or_end(transfer, 0, 0);
            }
            return self.wait(Channel::Pipe(id), transfer);
        }
        let (space, memory) = self.space(transfer.me)?;
        memory.copy(from, (space, transfer.range), part)?;
        self.pipes.update(id, |pipe| pipe.head = pipe.head.saturating_add(wide(part)));
        self.pipe_moved(id, End::Write);
        self.go_on_or_end(transfer, part, len)
    }

    pub(crate) fn write_pipe(&mut self, id: PipeId, transfer: &Transfer) -> Outcome {
        let pipe = self.pipes.get_mut(id).ok_or(EIO)?;
        let (room, wanted) = (size(pipe.room()), transfer.range.len());
        if pipe.readers == 0 {
            let process = self.owner(transfer.me)?;
            self.post_signal(process, SIGPIPE);
            return self.give(transfer.me, encode(EPIPE));
        }
        let whole = wanted <= ATOMIC;
        if wanted != 0 && (room == 0 || (whole && room < wanted)) {
            if let Some(dropped) = &mut pipe.dropped {
                *dropped = dropped.saturating_add(wide(wanted));
                return self.go_on_or_end(transfer, wanted, wanted);
            }
            return self.wait(Channel::Pipe(id), transfer);
        }
        let (to, len) = (pipe.bytes(pipe.tail), room.min(wanted));
        let part = len.min(COPY_BYTES);
        let (space, memory) = self.space(transfer.me)?;
        memory.copy((space, transfer.range), to, part)?;
        self.pipes.update(id, |pipe| pipe.tail = pipe.tail.saturating_add(wide(part)));
        self.pipe_moved(id, End::Read);
        self.go_on_or_end(transfer, part, len)
    }
}
