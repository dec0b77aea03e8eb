//! A request from a client to a daemon: everything is checked, then it exists.

use anode_abi::packet::BIG;
use redox::schemev2::{Sqe, SqeFlags};

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
    /// The call, to be made again when it must wait for a slot.
    pub call: Call,
}

impl Request {
    /// A request of numbers alone, answered by a value.
    pub fn new(call: Call, open: Open, opcode: u8, args: [u64; 4]) -> Self {
        let (buffer, finish) = (Buffer::None, Finish::Value);
        Self { open, opcode, args, buffer, finish, nonblocking: false, call }
    }
}

impl<M: Machine> Kernel<M> {
    /// Hands a request to its daemon; the caller sleeps until it is answered.
    ///
    /// # Errors
    ///
    /// `EDEADLK`: the daemon asks itself; `EAGAIN`: no free slot and not to wait; `EIO`: the
    /// daemon is dead, or the one that opened this is; `EFAULT`, `ENOMEM`: the buffer.
    pub(crate) fn submit(&mut self, me: ThreadId, request: &Request) -> Outcome {
        let Open { scheme: id, epoch, .. } = request.open;
        let scheme = self.schemes.get(id).ok_or(ENODEV)?;
        if epoch != 0 && epoch != scheme.epoch {
            return Err(EIO);
        }
        let Some(ring) = scheme.ring else {
            let until = scheme.orphaned_until;
            if self.is_past(until) {
                return Err(EIO);
            }
            return self.sleep(me, Channel::Scheme(id), Sleep::retry_until(request.call, until));
        };
        let process = self.owner(me)?;
        let door = self.rings.get(ring).ok_or(ENODEV)?;
        if door.process == process {
            return Err(EDEADLK);
        }
        match door.slot_for(process, scheme.per_client) {
            Some(number) => {
                self.take_slot(me, (ring, number), request)?;
                // Nothing below refuses: the request exists from here on.
                Ok(self.pump(ring).map_or(Next::Pick, Next::To))
            }
            None if request.nonblocking => Err(EAGAIN),
            None => self.sleep(me, Channel::Scheme(id), Sleep::retry(request.call)),
        }
    }

    /// Takes and fills a free slot, and its input page, and puts the client to sleep; nothing of
    /// that happens if this fails.
    fn take_slot(
        &mut self,
        me: ThreadId,
        (id, number): (RingId, u16),
        request: &Request,
    ) -> Result<()> {
        let Self { rings, threads, processes, memory, scratch, descriptions, .. } = self;
        let (ring, client) = (rings.get_mut(id), threads.get_mut(me));
        let (ring, client) = ring.zip(client).ok_or(ESRCH)?;
        let caller = processes.get_mut(client.process).ok_or(ESRCH)?;
        let space = caller.space.as_mut().ok_or(ESRCH)?;
        let ((frame, input), (_, output)) = ring.pages_of(number).ok_or(ENODEV)?;
        let slot = ring.slots.get_mut(usize::from(number)).ok_or(ENODEV)?;
        let mut flags = SqeFlags::empty();
        let (address, len) = match &request.buffer {
            Buffer::None => {
                let [address, len, ..] = request.args;
                (address, len)
            }
            Buffer::Path(part) => {
                memory.machine.write(frame, 0, scratch.get(part.clone()).unwrap_or_default());
                (input, wide(part.len()))
            }
            Buffer::In(range) if range.len() > PAGE_SIZE => {
                slot.pins.pin((space, *range), memory, MapFlags::READ)?;
                flags = SqeFlags::from_bits_retain(BIG);
                (0, wide(range.len()))
            }
            Buffer::In(range) => {
                memory.copy((space, *range), frame, range.len())?;
                (input, wide(range.len()))
            }
            Buffer::Out(range) => {
                slot.pins.pin((space, *range), memory, MapFlags::WRITE)?;
                (output, wide(range.len()))
            }
            Buffer::Both(range) => {
                memory.copy((&mut *space, *range), frame, range.len())?;
                slot.pins.pin((space, *range), memory, MapFlags::WRITE)?;
                (input, wide(range.len()))
            }
        };
        let [_, _, third, fourth] = request.args;
        let credentials = u64::from(caller.uid) | u64::from(caller.gid) << 32;
        slot.sqe = Sqe {
            opcode: request.opcode,
            sqe_flags: flags,
            _rsvd: 0,
            // The upper half counts the uses of the slot.
            tag: slot.sqe.tag.wrapping_add(0x1_0000),
            args: [request.open.id, address, len, third, fourth, credentials],
            caller: caller.pid.into(),
        };
        slot.state = SlotState::Waiting;
        slot.output = matches!(request.buffer, Buffer::Out(_) | Buffer::Both(_));
        (slot.client, slot.process) = (Some(me), Some(client.process));
        slot.finish = request.finish;
        if let Some(held) = request.finish.held() {
            descriptions.retain(held);
        }
        ring.free.pop();
        ring.waiting.push_back(number);
        client.state = State::Blocked(Blocked::Reply(id, number));
        client.sleep.deadline = u64::MAX;
        Ok(())
    }
}
