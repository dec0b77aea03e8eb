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
        CLOSE = Close DUP = Dup READ = Read WRITE = Write FSIZE = Fsize FCHMOD = Fchmod
        FCHOWN = Fchown FEVENT = Fevent SENDFD = Sendfd FPATH = Fpath FRENAME = Frename
        FSTAT = Fstat FSTATVFS = Fstatvfs FSYNC = Fsync FTRUNCATE = Ftruncate
        FUTIMENS = Futimens CANCEL = Cancel GETDENTS = Getdents CALL = Call OPEN_AT = OpenAt
        FLINK = Flink UNLINK_AT = UnlinkAt
    }
}

/// What goes to the daemon with a request.
#[derive(Clone, Debug)]
pub enum Input {
    /// Nothing.
    None,
    /// A part of the kernel's scratch buffer.
    Scratch(Range<usize>),
    /// Bytes of the client.
    User(UserSlice),
}

/// A request to be.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked: an opcode of [`op`].
    pub opcode: u8,
    /// Arguments; where there is a buffer, the second and third are filled in.
    pub args: [u64; 5],
    /// Bytes for the daemon.
    pub input: Input,
    /// Where its bytes go.
    pub output: Option<UserSlice>,
    /// A handle for it.
    pub passed: Option<Handle>,
    /// What the answer leads to.
    pub finish: Finish,
    /// Whether to refuse rather than wait for a slot.
    pub nonblocking: bool,
    /// The call, to be made again when it must wait for a slot.
    pub call: Call,
}

impl Request {
    /// A request of numbers alone.
    pub fn new(call: Call, opcode: u8, args: [u64; 5]) -> Self {
        let (input, finish) = (Input::None, Finish::Value);
        let (output, passed, nonblocking) = (None, None, false);
        Self { opcode, args, input, output, passed, finish, nonblocking, call }
    }
}

impl<M: Machine> Kernel<M> {
    /// Hands a request to the daemon of a scheme; the caller sleeps until it is answered.
    ///
    /// # Errors
    ///
    /// `EDEADLK`: the daemon asks itself; `EAGAIN`: no free slot and not to wait; `EIO`: the
    /// daemon is dead; `EFAULT`, `ENOMEM`: the buffer.
    pub(crate) fn submit(&mut self, me: ThreadId, id: SchemeId, request: &Request) -> Outcome {
        let scheme = self.schemes.get(id).ok_or(ENODEV)?;
        let Some(ring) = scheme.ring else {
            let wait = scheme.policy.orphan_ns;
            let until = scheme.orphan_since.map_or(u64::MAX, |since| since.saturating_add(wait));
            if self.memory.machine.now() >= until {
                return Err(EIO);
            }
            return self.sleep(me, Channel::Scheme(id), Sleep::retry_until(request.call, until));
        };
        let process = self.owner(me)?;
        let door = self.rings.get(ring).ok_or(ENODEV)?;
        if door.process == process {
            return Err(EDEADLK);
        }
        let free = door.free.front().copied().filter(|_| self.within_quota(ring, process));
        let Some(slot) = free else {
            if request.nonblocking {
                return Err(EAGAIN);
            }
            return self.sleep(me, Channel::Scheme(id), Sleep::retry(request.call));
        };
        self.load_slot(me, (ring, slot), request)?;
        // Nothing below refuses: the request exists from here on.
        Ok(self.post(me, ring, slot))
    }

    /// Refuses a description whose daemon is dead; what it meant died with it.
    pub(crate) fn check_epoch(&self, scheme: SchemeId, id: DescriptionId) -> Result<()> {
        let epoch = self.schemes.get(scheme).map_or(0, |scheme| scheme.epoch);
        let opened = self.descriptions.get(id).map_or(0, |description| description.epoch);
        if epoch == opened { Ok(()) } else { Err(EIO) }
    }

    /// While half of a ring is free nobody counts; then each process has its share.
    fn within_quota(&self, ring: RingId, process: ProcessId) -> bool {
        let Some(ring) = self.rings.get(ring) else { return false };
        let entries = ring.slots.len();
        if ring.free.len().saturating_mul(2) >= entries {
            return true;
        }
        let policy = self.schemes.get(ring.scheme).map_or(0, |scheme| scheme.policy.per_client);
        let share = if policy == 0 { entries / 4 } else { usize::from(policy) };
        let taken = ring.slots.iter().filter(|slot| slot.state != SlotState::Free);
        taken.filter(|slot| slot.process == Some(process)).count() < share.max(1)
    }

    /// Fills a free slot, and its input page; it stays free if this fails.
    fn load_slot(
        &mut self,
        me: ThreadId,
        (ring, number): (RingId, u16),
        request: &Request,
    ) -> Result<()> {
        let process = self.owner(me)?;
        let Self { rings, processes, memory, scratch, descriptions, .. } = self;
        let ring = rings.get_mut(ring).ok_or(ENODEV)?;
        let caller = processes.get_mut(process).ok_or(ESRCH)?;
        let space = caller.space.as_mut().ok_or(ESRCH)?;
        let (frame, input) = ring.input(number).ok_or(ENODEV)?;
        let (_, output) = ring.output(number).ok_or(ENODEV)?;
        let slot = ring.slot(number).ok_or(ENODEV)?;
        let mut big = SqeFlags::empty();
        let mut buffer = None;
        if let Some(range) = request.output {
            let range = range.cut(MAX_BYTES);
            slot.pins.pin((space, range), memory, Access::Write)?;
            buffer = Some((output, range.len()));
        }
        match &request.input {
            Input::None => {}
            Input::Scratch(part) => {
                memory.machine.write(frame, 0, scratch.get(part.clone()).unwrap_or_default());
                buffer = Some((input, part.len()));
            }
            Input::User(range) if range.len() <= PAGE_SIZE => {
                let copied = memory.copy((space, *range), frame, range.len());
                copied.inspect_err(|_| slot.pins.clear(memory))?;
                buffer = Some((input, range.len()));
            }
            Input::User(range) => {
                let range = range.cut(MAX_BYTES);
                slot.pins.pin((space, range), memory, Access::Read)?;
                big = SqeFlags::from_bits_retain(BIG);
                buffer = Some((0, range.len()));
            }
        }
        let [a, b, c, d, e] = request.args;
        let (b, c) = buffer.map_or((b, c), |(address, len)| (address, wide(len)));
        let credentials = u64::from(caller.uid) | u64::from(caller.gid) << 32;
        slot.sqe = Sqe {
            opcode: request.opcode,
            sqe_flags: big,
            args: [a, b, c, d, e, credentials],
            caller: caller.pid.into(),
            ..Sqe::default()
        };
        slot.output = request.output.is_some();
        (slot.client, slot.process) = (Some(me), Some(process));
        (slot.finish, slot.passed) = (request.finish, request.passed);
        if let Some(passed) = request.passed {
            descriptions.retain(passed.description);
        }
        if let Finish::Advance(id) | Finish::Seek(id, _) = request.finish {
            descriptions.retain(id);
        }
        Ok(())
    }

    /// The point of no return: the slot is taken, the client sleeps, the daemon is woken.
    fn post(&mut self, me: ThreadId, id: RingId, number: u16) -> Next {
        self.requests = self.requests.wrapping_add(1);
        if let Some(ring) = self.rings.get_mut(id) {
            ring.free.pop_front();
            ring.waiting.push_back(number);
            if let Some(slot) = ring.slot(number) {
                slot.state = SlotState::Waiting;
                slot.generation = slot.generation.wrapping_add(1);
                slot.request = self.requests;
            }
        }
        self.threads.update(me, |thread| {
            thread.state = State::Blocked(Blocked::Reply(id, number));
            thread.sleep.deadline = u64::MAX;
        });
        self.pump(id).map_or(Next::Pick, Next::To)
    }
}
