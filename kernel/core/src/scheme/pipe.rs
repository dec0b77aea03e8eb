//! `pipe:`: reading, writing and the end of either end.

use anode_abi::info::ready;

use crate::error::EPIPE;
use crate::num::{size, wide};
use crate::object::pipe::CAPACITY;
use crate::syscall::signal::SIGPIPE;
use crate::{
    Access, Channel, EAGAIN, EIO, End, Errno, Kernel, Machine, Memory, Object, Outcome, PAGE_SIZE,
    Pipe, PipeId, Sleep, Source, Target, ThreadId, Transfer, UserSlice,
};

/// Up to this many bytes are written whole or not at all (`PIPE_BUF`).
const ATOMIC: u64 = 4096;

impl<M: Machine> Kernel<M> {
    /// A new pipe; the target is its read end.
    pub(crate) fn new_pipe(&mut self, lossy: bool) -> Result<Target, Errno> {
        let Memory { machine, frames, objects } = &mut self.memory;
        let mut object = Object::anonymous(frames, machine)?;
        object.resize(CAPACITY, frames, machine)?;
        let object = objects.insert(object, frames, machine)?;
        let (readers, writers) = (1, 0);
        let pipe = Pipe { object, head: 0, tail: 0, readers, writers, lossy, dropped: 0 };
        match self.pipes.insert(pipe) {
            Ok(pipe) => Ok(Target::Pipe(pipe, End::Read)),
            Err(errno) => {
                self.memory.objects.release(object);
                self.grave.objects = true;
                Err(errno)
            }
        }
    }

    /// One more description of an end.
    pub(crate) fn add_pipe_end(&mut self, id: PipeId, end: End) {
        if let Some(pipe) = self.pipes.get_mut(id) {
            match end {
                End::Read => pipe.readers = pipe.readers.saturating_add(1),
                End::Write => pipe.writers = pipe.writers.saturating_add(1),
            }
        }
    }

    /// A description of an end is gone; the other end hears of the last one.
    pub(crate) fn drop_pipe_end(&mut self, id: PipeId, end: End) {
        let Some(pipe) = self.pipes.get_mut(id) else { return };
        match end {
            End::Read => pipe.readers = pipe.readers.saturating_sub(1),
            End::Write => pipe.writers = pipe.writers.saturating_sub(1),
        }
        let (readers, writers) = (pipe.readers, pipe.writers);
        if readers == 0 && writers == 0 {
            self.unsubscribe(|s| matches!(s.source, Source::Pipe(pipe, _) if pipe == id));
            if let Some(pipe) = self.pipes.remove(id) {
                self.memory.objects.release(pipe.object);
                self.grave.objects = true;
            }
            return;
        }
        if readers == 0 {
            self.wake_all(Channel::Pipe(id), u64::MAX);
            self.notify(Source::Pipe(id, End::Write), ready::WRITE | ready::ERROR);
        } else if writers == 0 {
            self.wake_all(Channel::Pipe(id), u64::MAX);
            self.notify(Source::Pipe(id, End::Read), ready::READ | ready::HANGUP);
        }
    }

    pub(crate) fn read_pipe(&mut self, me: ThreadId, id: PipeId, transfer: &Transfer) -> Outcome {
        let pipe = self.pipes.get(id).ok_or(EIO)?;
        let (head, used) = (pipe.head, pipe.used());
        let len = used.min(wide(transfer.range.len()));
        if len == 0 {
            if transfer.range.is_empty() || pipe.writers == 0 {
                return self.give(me, 0);
            }
            if transfer.nonblocking {
                return Err(EAGAIN);
            }
            return self.sleep(me, Channel::Pipe(id), Sleep::retry(transfer.call));
        }
        self.move_bytes(me, (id, head), transfer.range.cut(size(len)), Access::Write)?;
        if let Some(pipe) = self.pipes.get_mut(id) {
            pipe.head = pipe.head.saturating_add(len);
        }
        self.wake_all(Channel::Pipe(id), u64::MAX);
        self.notify(Source::Pipe(id, End::Write), ready::WRITE);
        self.give(me, len)
    }

    pub(crate) fn write_pipe(&mut self, me: ThreadId, id: PipeId, transfer: &Transfer) -> Outcome {
        let pipe = self.pipes.get_mut(id).ok_or(EIO)?;
        let (tail, room, wanted) = (pipe.tail, pipe.room(), wide(transfer.range.len()));
        if pipe.readers == 0 {
            if let Some(thread) = self.threads.get_mut(me) {
                thread.fail(EPIPE);
            }
            let process = self.owner(me)?;
            self.post_signal(process, SIGPIPE);
            return if self.threads.get(me).is_some() {
                Err(EPIPE)
            } else {
                Ok(crate::sched::Next::Pick)
            };
        }
        let whole = wanted <= ATOMIC;
        if wanted != 0 && (room == 0 || (whole && room < wanted)) {
            if pipe.lossy {
                pipe.dropped = pipe.dropped.saturating_add(wanted);
                return self.give(me, wanted);
            }
            if transfer.nonblocking {
                return Err(EAGAIN);
            }
            return self.sleep(me, Channel::Pipe(id), Sleep::retry(transfer.call));
        }
        let len = room.min(wanted);
        self.move_bytes(me, (id, tail), transfer.range.cut(size(len)), Access::Read)?;
        if let Some(pipe) = self.pipes.get_mut(id) {
            pipe.tail = pipe.tail.saturating_add(len);
        }
        self.wake_all(Channel::Pipe(id), u64::MAX);
        self.notify(Source::Pipe(id, End::Read), ready::READ);
        self.give(me, len)
    }

    /// Copies between a pipe, from its byte number `at` on, and the caller.
    fn move_bytes(
        &mut self,
        me: ThreadId,
        (id, at): (PipeId, u64),
        range: UserSlice,
        access: Access,
    ) -> Result<(), Errno> {
        let object = self.pipes.get(id).ok_or(EIO)?.object;
        let mut done = 0usize;
        while done < range.len() {
            let place = at.saturating_add(wide(done)).checked_rem(CAPACITY).ok_or(EIO)?;
            let rest = range.skip(done);
            let (inside, outside) = (size(place & 0xFFF), size(rest.start() & 0xFFF));
            let piece = PAGE_SIZE.saturating_sub(inside.max(outside)).min(rest.len());
            let user = self.with_space(me, |space, memory| {
                Ok(space.frame_at(memory, rest.start(), access)?)
            })?;
            let Memory { machine, frames, objects } = &mut self.memory;
            let page = objects.get(object).ok_or(EIO)?.page(place >> 12, frames, machine)?;
            if access == Access::Write {
                machine.copy((page, inside), (user, outside), piece);
            } else {
                machine.copy((user, outside), (page, inside), piece);
            }
            done = done.saturating_add(piece);
        }
        Ok(())
    }
}
