//! Answers: each is read once, checked against the slot that it names, and ends that request.

use anode_abi::packet::{ANSWER_OBJECT, ANSWER_OPENED, AnswerRange, OPENED_POSITIONED, Opened};
use anode_ring::{Page, Pages, unpack_cqe};
use redox::schemev2::Cqe;

use crate::counters::count;
use crate::error::{encode, errno};
use crate::num::{index, size, wide};
use crate::scheme::submit::op;
use crate::syscall::open::rights_of;
use crate::{
    DescriptionId, EIO, EMFILE, Errno, Finish, Frame, Handle, Kernel, Machine, Memory, O_CLOEXEC,
    PAGE_SIZE, Pins, Place, Rights, RingId, STATUS_FLAGS, SlotState, Source, Target, ThreadId,
    Window,
};

/// Answers that one trap takes.
const BATCH: u32 = 64;

const RESPOND: u8 = 0;
const RESPOND_FD: u8 = 1;
const SEND_FEVENT: u8 = 2;
const RESPOND_DETACH: u8 = 5;

/// Where the bytes of an answer lie.
enum Bytes {
    Slot(Frame),
    Object(Window),
}

impl<M: Machine> Kernel<M> {
    /// Takes in what a daemon answered. Gives one client that can run and is in no queue yet,
    /// so that the CPU may go to it directly; others are enqueued.
    pub(crate) fn take_answers(&mut self, id: RingId) -> Option<ThreadId> {
        let mut heir = None;
        for _ in 0..BATCH {
            let Some(cqe) = self.next_answer(id) else { break };
            count(&mut self.counters.answers);
            if let Some(client) = self.answer(id, &cqe) {
                match heir {
                    None => heir = Some(client),
                    Some(_) => self.enqueue(client, Place::Last),
                }
            }
        }
        let ring = self.rings.get(id)?;
        if let Some(control) = ring.kernel_pages.first() {
            let control: &Page = control;
            ring.consumer.publish(control);
        }
        heir
    }

    fn next_answer(&mut self, id: RingId) -> Option<Cqe> {
        let ring = self.rings.get_mut(id)?;
        let control: &Page = ring.daemon_pages.first()?;
        let entries = Pages(ring.daemon_pages.get(1..).unwrap_or_default());
        if let Some(entry) = ring.consumer.take(&entries) {
            return Some(unpack_cqe(entry));
        }
        match ring.consumer.refresh(control) {
            Ok(0) => None,
            Ok(_) => ring.consumer.take(&entries).map(unpack_cqe),
            Err(_violation) => {
                let process = ring.process;
                log::warn!("a daemon wrote an impossible ring index and is ended");
                self.end_process(process, crate::syscall::signal::SIGKILL);
                None
            }
        }
    }

    /// One answer. Gives the client that can run now.
    fn answer(&mut self, id: RingId, cqe: &Cqe) -> Option<ThreadId> {
        let kind = cqe.flags & 7;
        let ring = self.rings.get_mut(id)?;
        if kind == SEND_FEVENT {
            let source = Source::Scheme(ring.scheme, cqe.result);
            self.notify(source, u64::from(cqe.tag));
            return None;
        }
        let Some((number, slot)) = ring.open_slot(cqe.tag) else {
            count(&mut self.counters.stray_answers);
            return None;
        };
        let failure = failure(cqe.result);
        let client = slot.client;
        if slot.state == SlotState::Zombie {
            ring.zombies = ring.zombies.saturating_sub(1);
        }
        let value = match failure {
            Some(errno) => encode(errno),
            None => match self.succeed(id, number, kind, cqe) {
                Ok(value) => value,
                Err(errno) => encode(errno),
            },
        };
        self.free_slot(id, number);
        let thread = self.threads.get_mut(client?)?;
        thread.result = Some(value);
        thread.restart = None;
        thread.deadline = u64::MAX;
        client
    }

    /// What a good answer leads to; gives the value for the client.
    fn succeed(&mut self, id: RingId, number: u16, kind: u8, cqe: &Cqe) -> Result<u64, Errno> {
        let ring = self.rings.get_mut(id).ok_or(EIO)?;
        let slot = ring.slots.get(usize::from(number)).ok_or(EIO)?;
        let (finish, opcode) = (slot.finish, slot.opcode);
        let value = match (finish, kind) {
            (Finish::Open { flags, at }, _) => {
                return self.finish_open(id, number, kind, (cqe, flags, at));
            }
            (_, RESPOND | RESPOND_DETACH | ANSWER_OBJECT) => {
                self.finish_data(id, number, kind, cqe)?
            }
            _ => return Err(EIO),
        };
        match finish {
            Finish::Advance(description) => {
                if let Some(description) = self.descriptions.get_mut(description)
                    && description.offset != u64::MAX
                {
                    description.offset = description.offset.saturating_add(value);
                }
            }
            Finish::Seek(description, delta) => {
                let offset = i64::try_from(value).ok().and_then(|size| size.checked_add(delta));
                let offset = offset.and_then(|offset| u64::try_from(offset).ok());
                let offset = offset.ok_or(Errno(errno::EINVAL))?;
                if let Some(description) = self.descriptions.get_mut(description) {
                    description.offset = offset;
                }
                return Ok(offset);
            }
            Finish::Subscribe(subscription) => {
                self.tell_if_ready(subscription, value);
                return Ok(24);
            }
            Finish::Value | Finish::Data | Finish::Open { .. } => {}
        }
        if opcode == op::FPATH { self.finish_path(id, number, value) } else { Ok(value) }
    }

    fn tell_if_ready(
        &mut self,
        id: crate::table::Id<crate::object::event::Subscription>,
        bits: u64,
    ) {
        if let Some(subscription) = self.subscriptions.get(id) {
            let told = bits & subscription.flags;
            if told != 0 {
                self.tell(id, told);
            }
        }
    }

    /// Copies an answer's bytes to the client; gives their number, never more than asked for.
    fn finish_data(&mut self, id: RingId, number: u16, kind: u8, cqe: &Cqe) -> Result<u64, Errno> {
        let Self { rings, memory, counters, .. } = self;
        let ring = rings.get_mut(id).ok_or(EIO)?;
        let (_, frame) = *ring.buffers.get(usize::from(number)).ok_or(EIO)?;
        let slot = ring.slots.get(usize::from(number)).ok_or(EIO)?;
        let [_, _, asked, ..] = slot.args;
        let moves = matches!(
            slot.opcode,
            op::READ | op::WRITE | op::FSTAT | op::FSTATVFS | op::FPATH | op::GETDENTS
        );
        if !slot.output {
            return Ok(if moves { cqe.result.min(asked) } else { cqe.result });
        }
        let (place, len, value) = if kind == ANSWER_OBJECT {
            let range = AnswerRange::from_words(words_of(memory, frame));
            let [low, high, _] = cqe.extra_raw;
            let at = usize::from(u16::from_le_bytes([low, high]));
            let window = *ring.objects.get(at).ok_or(EIO)?;
            if range.end().is_none_or(|end| end > window.bytes) {
                return Err(EIO);
            }
            let offset = window.offset.saturating_add(range.offset);
            let len = range.len.min(asked);
            (Bytes::Object(Window { offset, ..window }), len, len)
        } else if slot.opcode == op::CALL {
            (Bytes::Slot(frame), asked, cqe.result)
        } else {
            let len = cqe.result.min(asked);
            (Bytes::Slot(frame), len, len)
        };
        copy_out(memory, &slot.pins, &place, size(len))?;
        counters.copied = counters.copied.wrapping_add(len);
        Ok(value)
    }

    /// A path from a daemon is beneath its root: the client gets the whole one.
    fn finish_path(&mut self, id: RingId, number: u16, len: u64) -> Result<u64, Errno> {
        let Self { rings, memory, schemes, .. } = self;
        let ring = rings.get_mut(id).ok_or(EIO)?;
        let slot = ring.slots.get(usize::from(number)).ok_or(EIO)?;
        let (_, frame) = *ring.buffers.get(usize::from(number)).ok_or(EIO)?;
        let name = schemes.get(ring.scheme).ok_or(EIO)?.name;
        let mut prefix = [0u8; 48];
        let parts: [&[u8]; 3] = match name.as_bytes() {
            b"file" => [b"/", b"", b""],
            name => [b"/scheme/", name, b"/"],
        };
        let mut used = 0usize;
        for (to, from) in prefix.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
            used = used.saturating_add(1);
        }
        let prefix = prefix.get(..used).unwrap_or_default();
        let len = size(len).min(PAGE_SIZE);
        let body = slot.pins.pieces(used, len, |to, offset, done, piece| {
            memory.machine.copy((frame, done), (to, offset), piece);
        });
        let head = slot.pins.pieces(0, used, |to, offset, done, piece| {
            let part = prefix.get(done..done.saturating_add(piece)).unwrap_or_default();
            memory.machine.write(to, offset, part);
        });
        Ok(wide(head.saturating_add(body)))
    }

    /// An open succeeded: the client gets a handle, or the daemon a `Close`.
    fn finish_open(
        &mut self,
        id: RingId,
        number: u16,
        kind: u8,
        (cqe, flags, at): (&Cqe, u64, Option<u64>),
    ) -> Result<u64, Errno> {
        let description = match kind {
            RESPOND_FD => self.moved_description(id, cqe.result)?,
            RESPOND | RESPOND_DETACH | ANSWER_OPENED => {
                self.opened_description(id, number, kind, (cqe, flags))?
            }
            _ => return Err(EIO),
        };
        let process = self.rings.get(id).and_then(|ring| ring.slots.get(usize::from(number)));
        let alive = process.filter(|slot| slot.state == SlotState::Posted).map(|s| s.process);
        let handles = alive
            .and_then(|alive| self.processes.get_mut(alive))
            .map(|process| &mut process.handles);
        let reserved = handles.ok_or(EIO).and_then(|handles| match at {
            Some(exact) => handles.reach(size(exact)).map(|()| (handles, exact)),
            None => handles.reserve(0).map(|number| (handles, number)),
        });
        match reserved {
            Ok((handles, number)) => {
                let close_on_exec = flags & O_CLOEXEC != 0;
                let handle = Handle { description, rights: rights_of(flags), close_on_exec };
                if let Some(old) = handles.put(number, handle) {
                    self.drop_handle(old);
                }
                Ok(number)
            }
            Err(errno) => {
                self.drop_description(description);
                Err(if errno == EIO { EMFILE } else { errno })
            }
        }
    }

    /// A handle that the daemon gives away.
    fn moved_description(&mut self, id: RingId, number: u64) -> Result<DescriptionId, Errno> {
        let daemon = self.rings.get(id).ok_or(EIO)?.process;
        let handles = &mut self.processes.get_mut(daemon).ok_or(EIO)?.handles;
        let handle = handles.get(number).map_err(|_closed| EIO)?;
        if !handle.rights.contains(Rights::PASS) {
            return Err(EIO);
        }
        let handle = handles.take(number).map_err(|_closed| EIO)?;
        Ok(handle.description)
    }

    /// A description for what the daemon opened itself.
    fn opened_description(
        &mut self,
        id: RingId,
        number: u16,
        kind: u8,
        (cqe, flags): (&Cqe, u64),
    ) -> Result<DescriptionId, Errno> {
        let ring = self.rings.get(id).ok_or(EIO)?;
        let (_, frame) = *ring.buffers.get(usize::from(number)).ok_or(EIO)?;
        let [low, ..] = cqe.extra_raw;
        let opened = if kind == ANSWER_OPENED {
            Opened::from_words(words_of(&mut self.memory, frame))
        } else {
            let object = Opened::NO_OBJECT;
            Opened { id: cqe.result, cookie: 0, flags: u32::from(low), object, offset: 0, size: 0 }
        };
        let scheme = ring.scheme;
        let attached = ring.objects.get(index(opened.object)).and_then(|window| {
            let end = opened.offset.checked_add(opened.size)?;
            let offset = window.offset.checked_add(opened.offset)?;
            (end <= window.bytes).then_some(Window { offset, bytes: opened.size, ..*window })
        });
        if attached.is_none() && opened.object != Opened::NO_OBJECT {
            return Err(EIO);
        }
        let target = Target::Scheme(scheme, opened.id, opened.cookie);
        let offset = if opened.flags & OPENED_POSITIONED != 0 { 0 } else { u64::MAX };
        let description = self.describe(target, flags & wide(STATUS_FLAGS), offset)?;
        let epoch = self.schemes.get(scheme).map_or(0, |scheme| scheme.epoch);
        self.retain_scheme(scheme);
        if let Some(attached) = attached {
            self.memory.objects.retain(attached.object);
        }
        if let Some(description) = self.descriptions.get_mut(description) {
            description.attached = attached;
            description.epoch = epoch;
        }
        Ok(description)
    }

    /// A slot has no request any more: what it held is given back, the next client is let in.
    pub(crate) fn free_slot(&mut self, id: RingId, number: u16) {
        let Self { rings, memory, .. } = self;
        let Some(ring) = rings.get_mut(id) else { return };
        let scheme = ring.scheme;
        let Some(slot) = ring.slots.get_mut(usize::from(number)) else { return };
        slot.pins.clear(memory);
        slot.state = SlotState::Free;
        slot.client = None;
        if core::mem::take(&mut slot.cancel) {
            ring.cancels = ring.cancels.saturating_sub(1);
        }
        let (passed, finish) = (slot.passed.take(), slot.finish);
        slot.finish = Finish::Value;
        ring.free.push(number);
        if let Some(passed) = passed {
            self.drop_handle(passed);
        }
        if let Finish::Advance(description) | Finish::Seek(description, _) = finish {
            self.drop_description(description);
        }
        self.wake_all(crate::object::thread::Channel::Scheme(scheme), 1);
    }
}

/// The errno that a result stands for; a negative that is none is the daemon's fault.
fn failure(result: u64) -> Option<Errno> {
    let signed = result.cast_signed();
    match signed {
        0.. => None,
        -4095..0 => i32::try_from(signed.wrapping_neg()).ok().map(Errno),
        _ => Some(EIO),
    }
}

/// The first words of an output slot, each read once.
fn words_of<M: Machine, const N: usize>(memory: &mut Memory<M>, frame: Frame) -> [u64; N] {
    let mut words = [0u64; N];
    if let Some(page) = memory.machine.share(frame) {
        let page: &Page = &page;
        for (to, from) in words.iter_mut().zip(page) {
            *to = from.load(core::sync::atomic::Ordering::Relaxed);
        }
    }
    words
}

/// Copies from an output slot or an object into pinned pages.
fn copy_out<M: Machine>(
    memory: &mut Memory<M>,
    pins: &Pins,
    place: &Bytes,
    len: usize,
) -> Result<(), Errno> {
    match place {
        Bytes::Slot(frame) => {
            let len = len.min(PAGE_SIZE);
            pins.pieces(0, len, |to, offset, done, piece| {
                memory.machine.copy((*frame, done), (to, offset), piece);
            });
            Ok(())
        }
        Bytes::Object(window) => copy_object(memory, *window, len, |memory, from, done, piece| {
            pins.pieces(done, piece, |to, offset, part, length| {
                let (frame, start) = from;
                memory.machine.copy((frame, start.saturating_add(part)), (to, offset), length);
            });
            Ok(())
        }),
    }
}

/// Calls `each(memory, (frame, offset), done, length)` for the pieces of a window's first bytes.
pub(crate) fn copy_object<M: Machine>(
    memory: &mut Memory<M>,
    window: Window,
    len: usize,
    mut each: impl FnMut(&mut Memory<M>, (Frame, usize), usize, usize) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let mut done = 0usize;
    while done < len {
        let at = window.offset.saturating_add(wide(done));
        let offset = size(at & 0xFFF);
        let piece = PAGE_SIZE.saturating_sub(offset).min(len.saturating_sub(done));
        let Memory { machine, frames, objects } = &mut *memory;
        let object = objects.get(window.object).ok_or(EIO)?;
        let frame = object.page(at >> 12, frames, machine)?;
        each(memory, (frame, offset), done, piece)?;
        done = done.saturating_add(piece);
    }
    Ok(())
}
