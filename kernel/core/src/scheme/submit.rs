//! A request from a client to a daemon: everything is checked, then it exists.

use core::ops::Range;

use anode_abi::packet::BIG;

use crate::error::EDEADLK;
use crate::num::wide;
use crate::{
    Access, Blocked, Call, Channel, DescriptionId, EAGAIN, EIO, ENODEV, ESRCH, Errno, Finish,
    Handle, Kernel, MAX_BYTES, Machine, Next, Outcome, PAGE_SIZE, RingId, SchemeId, Sleep,
    SlotState, State, ThreadId, UserSlice,
};

/// Opcodes as the numbers that stand in packets.
pub mod op {
    use redox::schemev2::Opcode;

    macro_rules! opcodes {
        ($($name:ident = $opcode:ident)*) => {$(
            #[doc = concat!("`", stringify!($opcode), "`.")]
            #[expect(clippy::as_conversions, reason = "the discriminant of a u8 enum")]
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
    /// A request without anything yet.
    pub fn new(call: Call) -> Self {
        Self {
            opcode: op::FSYNC,
            args: [0; 5],
            input: Input::None,
            output: None,
            passed: None,
            finish: Finish::Value,
            nonblocking: false,
            call,
        }
    }
}

/// The daemon's ring, or what to do without it.
enum Door {
    Open(RingId),
    Wait(u64),
}

impl<M: Machine> Kernel<M> {
    /// Hands a request to the daemon of a scheme; the caller sleeps until it is answered.
    ///
    /// # Errors
    ///
    /// `EDEADLK`: the daemon asks itself; `EAGAIN`: no free slot and not to wait; `EIO`: the
    /// daemon is dead; `EFAULT`, `ENOMEM`: the buffer.
    pub(crate) fn submit(&mut self, me: ThreadId, scheme: SchemeId, request: &Request) -> Outcome {
        let ring = match self.door(scheme)? {
            Door::Open(ring) => ring,
            Door::Wait(until) => {
                let sleep = Sleep::retry_until(request.call, until);
                return self.sleep(me, Channel::Scheme(scheme), sleep);
            }
        };
        let process = self.owner(me)?;
        let door = self.rings.get(ring).ok_or(ENODEV)?;
        if door.process == process {
            return Err(EDEADLK);
        }
        let free = door.free.first().filter(|_| self.within_quota(ring, process));
        let Some(slot) = free else {
            if request.nonblocking {
                return Err(EAGAIN);
            }
            return self.sleep(me, Channel::Scheme(scheme), Sleep::retry(request.call));
        };
        self.load(me, ring, slot, request)?;
        // Nothing below refuses: the request exists from here on.
        Ok(self.post(me, ring, slot))
    }

    fn door(&self, scheme: SchemeId) -> Result<Door, Errno> {
        let scheme = self.schemes.get(scheme).ok_or(ENODEV)?;
        match (scheme.ring, scheme.orphan_since) {
            (Some(ring), _) => Ok(Door::Open(ring)),
            (None, None) => Ok(Door::Wait(u64::MAX)),
            (None, Some(since)) => {
                let until = since.saturating_add(scheme.policy.orphan_ns);
                if self.memory.machine.now() < until { Ok(Door::Wait(until)) } else { Err(EIO) }
            }
        }
    }

    /// Refuses a description whose daemon is dead; what it meant died with it.
    pub(crate) fn check_epoch(&self, scheme: SchemeId, id: DescriptionId) -> Result<(), Errno> {
        let epoch = self.schemes.get(scheme).map_or(0, |scheme| scheme.epoch);
        let opened = self.descriptions.get(id).map_or(0, |description| description.epoch);
        if epoch == opened { Ok(()) } else { Err(EIO) }
    }

    /// While half of a ring is free nobody counts; then each process has its share.
    fn within_quota(&self, ring: RingId, process: crate::table::ProcessId) -> bool {
        let Some(ring) = self.rings.get(ring) else { return false };
        let entries = ring.slots.len();
        if ring.free.len().saturating_mul(2) >= entries {
            return true;
        }
        let policy = self.schemes.get(ring.scheme).map_or(0, |scheme| scheme.policy.per_client);
        let share = if policy == 0 { entries / 4 } else { usize::from(policy) };
        let used = ring
            .slots
            .iter()
            .filter(|slot| slot.process == process && slot.state != SlotState::Free);
        used.count() < share.max(1)
    }

    /// Fills a free slot, and its input page; it stays free if this fails.
    fn load(
        &mut self,
        me: ThreadId,
        ring: RingId,
        number: u16,
        request: &Request,
    ) -> Result<(), Errno> {
        let process = self.owner(me)?;
        let Self { rings, processes, memory, scratch, .. } = self;
        let ring = rings.get_mut(ring).ok_or(ENODEV)?;
        let caller = processes.get_mut(process).ok_or(ESRCH)?;
        let space = caller.space.as_mut().ok_or(ESRCH)?;
        let (input, output) = (ring.input_address(number), ring.output_address(number));
        let (frame, _) = *ring.buffers.get(usize::from(number)).ok_or(ENODEV)?;
        let slot = ring.slots.get_mut(usize::from(number)).ok_or(ENODEV)?;
        let [a, mut address, mut len, d, e] = request.args;
        slot.flags = 0;
        slot.output = request.output.is_some();
        if let Some(range) = request.output {
            let range = range.cut(MAX_BYTES);
            space.pin(memory, range, Access::Write, &mut slot.pins)?;
            (address, len) = (output, wide(range.len()));
        }
        match &request.input {
            Input::None => {}
            Input::Scratch(part) => {
                memory.machine.write(frame, 0, scratch.get(part.clone()).unwrap_or_default());
                (address, len) = (input, wide(part.len()));
            }
            Input::User(range) if range.len() <= PAGE_SIZE => {
                let copied = copy_in(space, memory, *range, frame);
                if let Err(errno) = copied {
                    slot.pins.clear(memory);
                    return Err(errno);
                }
                (address, len) = (input, wide(range.len()));
            }
            Input::User(range) => {
                let range = range.cut(MAX_BYTES);
                space.pin(memory, range, Access::Read, &mut slot.pins)?;
                slot.flags = BIG;
                (address, len) = (0, wide(range.len()));
            }
        }
        let credentials = u64::from(caller.uid) | u64::from(caller.gid) << 32;
        slot.opcode = request.opcode;
        slot.args = [a, address, len, d, e, credentials];
        if !has_buffer(request) {
            let [_, b, c, ..] = request.args;
            slot.args = [a, b, c, d, e, credentials];
        }
        slot.client = Some(me);
        slot.process = process;
        slot.caller = caller.pid;
        slot.finish = request.finish;
        slot.passed = request.passed;
        if let Some(passed) = request.passed {
            self.retain_description(passed.description);
        }
        if let Finish::Advance(id) | Finish::Seek(id, _) = request.finish {
            self.retain_description(id);
        }
        Ok(())
    }

    /// The point of no return: the slot is taken, the client sleeps, the daemon is woken.
    fn post(&mut self, me: ThreadId, id: RingId, number: u16) -> Next {
        self.requests = self.requests.wrapping_add(1);
        if let Some(ring) = self.rings.get_mut(id) {
            ring.free.pop();
            ring.waiting.push(number);
            if let Some(slot) = ring.slots.get_mut(usize::from(number)) {
                slot.state = SlotState::Waiting;
                slot.generation = slot.generation.wrapping_add(1);
                slot.cancel = false;
                slot.tries = 0;
                slot.request = self.requests;
            }
        }
        if let Some(thread) = self.threads.get_mut(me) {
            thread.state = State::Blocked(Blocked::Reply(id, number));
            thread.deadline = u64::MAX;
        }
        match self.pump(id) {
            Some(daemon) => Next::To(daemon),
            None => Next::Pick,
        }
    }
}

fn has_buffer(request: &Request) -> bool {
    request.output.is_some() || !matches!(request.input, Input::None)
}

/// Copies at most a page of a client's bytes into an input slot.
fn copy_in<M: Machine>(
    space: &mut crate::mem::space::Space,
    memory: &mut crate::mem::Memory<M>,
    range: UserSlice,
    frame: crate::machine::Frame,
) -> Result<(), Errno> {
    let mut done = 0usize;
    while done < range.len() {
        let rest = range.skip(done);
        let offset = crate::num::size(rest.start() & 0xFFF);
        let piece = PAGE_SIZE.saturating_sub(offset).min(rest.len());
        let from = space.frame_at(memory, rest.start(), Access::Read)?;
        memory.machine.copy((from, offset), (frame, done), piece);
        done = done.saturating_add(piece);
    }
    Ok(())
}
