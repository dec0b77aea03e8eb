//! A request from a client to a daemon: everything is checked, then it exists.

use anode_abi::packet::BIG;
use anode_ring::{Pages, pack};
use redox::schemev2::SqeFlags;

use crate::prelude::*;

/// Opcodes as the numbers that stand in packets.
pub mod op {
    use redox::schemev2::Opcode;

    macro_rules! opcodes {
        ($($name:ident = $opcode:ident)*) => {$(
            #[doc = concat!("`", stringify!($opcode), "`.")]
            pub const $name: u8 = Opcode::$opcode as u8;
        )*};
    }
    opcodes! {
        CLOSE = Close DUP = Dup READ = Read WRITE = Write FCHMOD = Fchmod FCHOWN = Fchown
        FEVENT = Fevent SENDFD = Sendfd FPATH = Fpath FRENAME = Frename FSTAT = Fstat
        FSTATVFS = Fstatvfs FSYNC = Fsync FTRUNCATE = Ftruncate FUTIMENS = Futimens
        CANCEL = Cancel GETDENTS = Getdents CALL = Call OPEN_AT = OpenAt FLINK = Flink
        UNLINK_AT = UnlinkAt
    }
}

/// Bytes that travel with a request.
#[derive(Clone, Debug)]
pub enum Buffer {
    /// None.
    None,
    /// To the daemon: a part of the kernel's scratch buffer.
    Path(Range<usize>),
    /// To the daemon: bytes of the client's.
    In(UserSlice),
    /// To the client.
    Out(UserSlice),
    /// To the daemon and back, at most a page.
    Both(UserSlice),
}

/// A request to be.
#[derive(Clone, Debug)]
pub struct Request {
    /// What it is about.
    pub open: Open,
    /// What is asked: an opcode of [`op`].
    pub opcode: u8,
    /// The arguments after the id; the first two are the buffer's, if there is one.
    pub args: [u64; 4],
    /// Bytes that travel with it.
    pub buffer: Buffer,
    /// What the answer leads to.
    pub finish: Finish,
    /// Whether to refuse rather than wait for a slot.
    pub nonblocking: bool,
}

impl Request {
    /// A request of numbers alone, answered by a value.
    pub fn new(open: Open, opcode: u8, args: [u64; 4]) -> Self {
        let (buffer, finish) = (Buffer::None, Finish::Value);
        Self { open, opcode, args, buffer, finish, nonblocking: false }
    }
}

impl<M: Machine> Kernel<M> {
    /// Hands a request to its daemon; the caller sleeps until it is answered.
    ///
    /// # Errors
    ///
    /// `EDEADLK`: the daemon asks itself; `EAGAIN`: no free slot and not to wait; `EIO`: the
    /// daemon is dead, or the one that opened this is; `EFAULT`, `ENOMEM`: the buffer, or no room
    /// for what is to be opened.
    pub(crate) fn submit(&mut self, me: ThreadId, request: &Request) -> Outcome {
        let Self { rings, threads, processes, schemes, descriptions, memory, .. } = self;
        let Open { scheme: id, epoch, .. } = request.open;
        let scheme = schemes.get(id).ok_or(ENODEV)?;
        if epoch != 0 && epoch != scheme.epoch {
            return Err(EIO);
        }
        let Some((door, ring)) = scheme.ring.and_then(|door| Some((door, rings.get_mut(door)?)))
        else {
            let until = scheme.orphaned_until;
            let late = self.is_past(until);
            return if late { Err(EIO) } else { self.queue_up(me, id, until) };
        };
        let client = threads.get_mut(me).ok_or(ESRCH)?;
        let caller = processes.get_mut(client.process).ok_or(ESRCH)?;
        if ring.process == client.process {
            return Err(EDEADLK);
        }
        let Ok(number) = ring.slot_for((client.process, caller.who.uid), scheme.per_client) else {
            self.end_violator(door);
            return Err(EIO);
        };
        let Some(number) = number else {
            ring.crowded = true;
            return if request.nonblocking { Err(EAGAIN) } else { self.queue_up(me, id, u64::MAX) };
        };
        let opens = matches!(request.finish, Finish::Open(_));
        if opens && !descriptions.has_room(caller.who.uid) {
            return Err(ENOMEM);
        }
        if !ring.fill(number, request, caller, (memory, &self.scratch))? {
            return self.pause(me, Then::Resume(0));
        }
        // Nothing below refuses: the request exists from here on.
        ring.accept(number, (me, client.process));
        count(&mut self.counters.packets);
        (client.state, client.deadline) = (State::Reply(door, number), u64::MAX);
        if let Finish::Pass(Handle { description, .. }) = request.finish {
            descriptions.retain(description);
        }
        if ring.notes {
            return Ok(self.pump(door).map_or(Next::Pick, Next::To));
        }
        Ok(ring.show(threads).map_or(Next::Pick, Next::To))
    }

    /// Waits for a daemon, or for a slot of it, and makes the call again.
    fn queue_up(&mut self, me: ThreadId, scheme: SchemeId, until: u64) -> Outcome {
        self.sleep(me, Channel::Scheme(scheme), Then::Retry, until)
    }
}

impl<M: Machine> Ring<M> {
    /// Fills a free slot, and its input page; if this fails, it is as free as before. `false`: so
    /// it is, but the request is to be made again, as others need the lock.
    #[inline]
    fn fill(
        &mut self,
        number: u16,
        request: &Request,
        caller: &mut Process,
        (memory, scratch): (&mut Memory<M>, &[u8]),
    ) -> Result<bool> {
        let space = caller.space.as_mut().ok_or(ESRCH)?;
        let ((frame, input), (_, output)) = self.pages_of(number).ok_or(ENODEV)?;
        let slot = self.slot(number).ok_or(ENODEV)?;
        let [first, second, third, fourth] = request.args;
        let mut flags = SqeFlags::empty();
        // What is copied into the slot, and what is pinned for later.
        let (copied, pinned, address, len) = match &request.buffer {
            Buffer::None => (None, None, first, second),
            Buffer::Path(part) => {
                memory.machine.write(frame, 0, scratch.get(part.clone()).unwrap_or_default());
                (None, None, input, wide(part.len()))
            }
            Buffer::In(range) if range.len() > PAGE_SIZE => {
                flags = SqeFlags::from_bits_retain(BIG);
                (None, Some((*range, MapFlags::READ)), 0, wide(range.len()))
            }
            Buffer::In(range) => (Some(*range), None, input, wide(range.len())),
            Buffer::Out(range) => {
                (None, Some((*range, MapFlags::WRITE)), output, wide(range.len()))
            }
            Buffer::Both(range) => {
                (Some(*range), Some((*range, MapFlags::WRITE)), input, wide(range.len()))
            }
        };
        slot.output = false;
        if let Some(range) = copied {
            memory.copy((&mut *space, range), frame, range.len())?;
        }
        if let Some((range, access)) = pinned {
            slot.output = access == MapFlags::WRITE;
            if !slot.pins.pin((space, range), memory, access)? {
                return Ok(false);
            }
        }
        let credentials = u64::from(caller.who.uid) | u64::from(caller.who.gid) << 32;
        slot.finish = request.finish;
        slot.sqe.opcode = request.opcode;
        slot.sqe.sqe_flags = flags;
        slot.sqe.args = [request.open.id, address, len, third, fourth, credentials];
        slot.sqe.caller = caller.who.pid.into();
        Ok(true)
    }

    /// A slot that was filled becomes a request: its packet is in the queue.
    #[inline]
    fn accept(&mut self, number: u16, (client, process): (ThreadId, ProcessId)) {
        let Self { slots, producer, kernel_pages, free, .. } = self;
        free.pop();
        if let Some(slot) = slots.get_mut(usize::from(number))
            && let Some((_, entries)) = kernel_pages.split_first()
        {
            (slot.client, slot.process) = (Some(client), Some(process));
            // The upper half counts the uses of the slot.
            slot.sqe.tag = slot.sqe.tag.wrapping_add(0x1_0000);
            let put = producer.put(&Pages(entries), pack(&slot.sqe));
            debug_assert!(put);
        }
    }
}
