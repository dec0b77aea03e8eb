//! Answers: each is read once, checked against the slot that it names, and ends that request.

use anode_abi::packet::{ANSWER_OBJECT, ANSWER_OPENED, AnswerRange, OPENED_POSITIONED, Opened};
use anode_ring::{Page, Pages, unpack_cqe};
use redox::schemev2::Cqe;

use crate::prelude::*;
use crate::syscall::signal::SIGKILL;

/// Answers that one trap takes.
const BATCH: u32 = 64;
/// Bytes of an event record, which a subscription wrote.
const RECORD: u64 = 24;

const RESPOND: u8 = 0;
const RESPOND_FD: u8 = 1;
const SEND_FEVENT: u8 = 2;
const RESPOND_DETACH: u8 = 5;

/// What kind of answer it is.
fn kind(cqe: &Cqe) -> u8 {
    cqe.flags & 7
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
        if let Some(ring) = self.rings.get(id)
            && let Some(control) = ring.kernel_pages.first()
        {
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
        if ring.consumer.refresh(control).is_err() {
            self.end_violator(id);
            return None;
        }
        ring.consumer.take(&entries).map(unpack_cqe)
    }

    /// Ends a daemon that wrote what no honest one can.
    pub(crate) fn end_violator(&mut self, id: RingId) {
        if let Some(process) = self.rings.get(id).map(|ring| ring.process) {
            log::warn!("a daemon wrote an impossible ring index and is ended");
            self.end_process(process, SIGKILL);
        }
    }

    /// One answer. Gives the client that can run now.
    fn answer(&mut self, id: RingId, cqe: &Cqe) -> Option<ThreadId> {
        let ring = self.rings.get_mut(id)?;
        if kind(cqe) == SEND_FEVENT {
            let source = Source::Scheme(ring.scheme, cqe.result);
            self.notify(source, cqe.tag.into());
            return None;
        }
        let Some((number, slot)) = ring.open_slot(cqe.tag) else {
            count(&mut self.counters.stray_answers);
            return None;
        };
        let client = slot.client;
        let value = failure(cqe.result).map_or_else(|| self.succeed(id, number, cqe), Err);
        self.free_slot(id, number);
        let client = client?;
        self.threads.get_mut(client)?.sleep = Sleep::over(value.unwrap_or_else(encode));
        Some(client)
    }

    /// What a good answer leads to; gives the value for the client.
    fn succeed(&mut self, id: RingId, number: u16, cqe: &Cqe) -> Result<u64> {
        let slot = self.rings.get_mut(id).and_then(|ring| ring.slot(number)).ok_or(EIO)?;
        let (finish, opcode) = (slot.finish, slot.sqe.opcode);
        if let Finish::Open { flags, at } = finish {
            return self.finish_open(id, number, cqe, (flags, at));
        }
        let value = match kind(cqe) {
            RESPOND | RESPOND_DETACH | ANSWER_OBJECT => self.finish_data(id, number, cqe)?,
            _ => return Err(EIO),
        };
        match finish {
            Finish::Advance(description) => self.descriptions.update(description, |description| {
                if description.offset != u64::MAX {
                    description.offset = description.offset.saturating_add(value);
                }
            }),
            Finish::Seek(description, delta) => {
                let offset = value.checked_add_signed(delta).filter(|at| *at < 1 << 63);
                let offset = offset.ok_or(EINVAL)?;
                self.descriptions.update(description, |description| description.offset = offset);
                return Ok(offset);
            }
            Finish::Subscribe(subscription) => {
                self.tell(subscription, value);
                return Ok(RECORD);
            }
            Finish::Value | Finish::Open { .. } => {}
        }
        if opcode == op::FPATH { self.finish_path(id, number, value) } else { Ok(value) }
    }

    /// Copies an answer's bytes to the client; gives their number, never more than asked for.
    fn finish_data(&mut self, id: RingId, number: u16, cqe: &Cqe) -> Result<u64> {
        let Self { rings, memory, counters, .. } = self;
        let ring = rings.get(id).ok_or(EIO)?;
        let (frame, _) = ring.output(number).ok_or(EIO)?;
        let slot = ring.slots.get(usize::from(number)).ok_or(EIO)?;
        let [_, _, asked, ..] = slot.sqe.args;
        let pins = (&slot.pins, 0);
        let (len, value) = match (slot.sqe.opcode, kind(cqe)) {
            (op::WRITE, _) => (0, cqe.result.min(asked)),
            _ if !slot.output => (0, cqe.result),
            (_, ANSWER_OBJECT) => {
                let range = AnswerRange::from_words(first_words(memory, frame));
                let [low, high, _] = cqe.extra_raw;
                let window = ring.objects.get(usize::from(u16::from_le_bytes([low, high])));
                let part = window.and_then(|window| window.part(range.offset, range.len));
                let len = range.len.min(asked);
                memory.copy(part.ok_or(EIO)?, pins, size(len))?;
                (len, len)
            }
            (opcode, _) => {
                let result = cqe.result.min(asked);
                let len = if opcode == op::CALL { asked } else { result };
                memory.copy(frame, pins, size(len).min(PAGE_SIZE))?;
                (len, if opcode == op::CALL { cqe.result } else { result })
            }
        };
        counters.copied = counters.copied.wrapping_add(len);
        Ok(value)
    }

    /// A path from a daemon is beneath its root: the client gets the whole one.
    fn finish_path(&mut self, id: RingId, number: u16, len: u64) -> Result<u64> {
        let Self { rings, memory, schemes, .. } = self;
        let ring = rings.get(id).ok_or(EIO)?;
        let pins = &ring.slots.get(usize::from(number)).ok_or(EIO)?.pins;
        let (frame, _) = ring.output(number).ok_or(EIO)?;
        let name = schemes.get(ring.scheme).ok_or(EIO)?.name;
        let prefix: [&[u8]; 3] = match name.as_bytes() {
            b"file" => [b"/", b"", b""],
            name => [b"/scheme/", name, b"/"],
        };
        let mut used = 0usize;
        for part in prefix {
            let part = part.get(..part.len().min(pins.len().saturating_sub(used)));
            let part = part.unwrap_or_default();
            memory.store(part, (pins, used))?;
            used = used.saturating_add(part.len());
        }
        let len = size(len).min(PAGE_SIZE).min(pins.len().saturating_sub(used));
        memory.copy(frame, (pins, used), len)?;
        Ok(wide(used.saturating_add(len)))
    }

    /// An open succeeded: the client gets a handle, or the daemon a `Close`.
    fn finish_open(
        &mut self,
        id: RingId,
        number: u16,
        cqe: &Cqe,
        (flags, at): (u64, Option<u64>),
    ) -> Result<u64> {
        let (description, most) = match kind(cqe) {
            RESPOND_FD => self.moved_description(id, cqe.result)?,
            RESPOND | RESPOND_DETACH | ANSWER_OPENED => {
                (self.opened_description(id, number, cqe, flags)?, Rights::all())
            }
            _ => return Err(EIO),
        };
        let slot = self.rings.get_mut(id).and_then(|ring| ring.slot(number));
        let alive = slot.filter(|slot| slot.state == SlotState::Posted);
        let Some(process) = alive.and_then(|slot| slot.process) else {
            self.drop_description(description);
            return Err(EIO);
        };
        let wanted = Handle::opened(description, flags);
        self.install(process, at, Handle { rights: wanted.rights & most, ..wanted })
    }

    /// A handle that the daemon gives away: what it names, and its rights.
    fn moved_description(&mut self, id: RingId, number: u64) -> Result<(DescriptionId, Rights)> {
        let daemon = self.rings.get(id).ok_or(EIO)?.process;
        let handles = &mut self.processes.get_mut(daemon).ok_or(EIO)?.handles;
        let handle = handles.get(number).ok().filter(|handle| handle.rights.contains(Rights::PASS));
        let handle = handle.ok_or(EIO)?;
        handles.take(number)?;
        Ok((handle.description, handle.rights))
    }

    /// A description for what the daemon opened itself.
    fn opened_description(
        &mut self,
        id: RingId,
        number: u16,
        cqe: &Cqe,
        flags: u64,
    ) -> Result<DescriptionId> {
        let ring = self.rings.get(id).ok_or(EIO)?;
        let (frame, _) = ring.output(number).ok_or(EIO)?;
        let [low, ..] = cqe.extra_raw;
        let opened = if kind(cqe) == ANSWER_OPENED {
            Opened::from_words(first_words(&self.memory, frame))
        } else {
            let object = Opened::NO_OBJECT;
            Opened { id: cqe.result, cookie: 0, flags: low.into(), object, offset: 0, size: 0 }
        };
        let scheme = ring.scheme;
        let attached = match opened.object {
            Opened::NO_OBJECT => None,
            at => {
                let window = ring.objects.get(index(at)).ok_or(EIO)?;
                Some(window.part(opened.offset, opened.size).ok_or(EIO)?)
            }
        };
        let target = Target::Scheme(scheme, opened.id, opened.cookie);
        let description = self.describe(target, flags & wide(STATUS_FLAGS))?;
        let epoch = self.schemes.get(scheme).map_or(0, |scheme| scheme.epoch);
        self.schemes.retain(scheme);
        if let Some(Window { object, .. }) = attached {
            self.memory.objects.retain(object);
        }
        self.descriptions.update(description, |description| {
            description.attached = attached;
            description.epoch = epoch;
            if opened.flags & OPENED_POSITIONED != 0 {
                description.offset = 0;
            }
        });
        Ok(description)
    }

    /// A slot has no request any more: what it held is given back, the next client is let in.
    pub(crate) fn free_slot(&mut self, id: RingId, number: u16) {
        let Self { rings, memory, .. } = self;
        let Some(ring) = rings.get_mut(id) else { return };
        let scheme = ring.scheme;
        ring.free.push_back(number);
        let Some(slot) = ring.slot(number) else { return };
        slot.pins.clear(memory);
        slot.state = SlotState::Free;
        slot.client = None;
        slot.cancel = false;
        let (passed, finish) = (slot.passed.take(), core::mem::take(&mut slot.finish));
        if let Some(passed) = passed {
            self.drop_description(passed.description);
        }
        if let Finish::Advance(description) | Finish::Seek(description, _) = finish {
            self.drop_description(description);
        }
        self.wake_all(Channel::Scheme(scheme), 1);
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
fn first_words<M: Machine, const N: usize>(memory: &Memory<M>, frame: Frame) -> [u64; N] {
    let mut bytes = [[0; 8]; N];
    memory.machine.read(frame, 0, bytes.as_flattened_mut());
    bytes.map(u64::from_le_bytes)
}
