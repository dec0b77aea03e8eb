//! Answers: each is read once, checked against the slot that it names, and ends that request.

use anode_abi::packet::{ANSWER_OBJECT, ANSWER_OPENED, OPENED_POSITIONED, Opened};
use anode_ring::{Page, Pages, Violation, unpack};
use redox::schemev2::Cqe;

use crate::prelude::*;
use crate::syscall::signal::SIGKILL;

/// Answers that one trap takes.
const BATCH: u32 = 64;

const RESPOND: u8 = 0;
const RESPOND_FD: u8 = 1;
const SEND_FEVENT: u8 = 2;

/// What kind of answer it is.
fn kind(cqe: &Cqe) -> u8 {
    cqe.flags & 7
}

/// The registered object that an answer names.
fn window<M: Machine>(ring: &Ring<M>, number: u64, offset: u64, bytes: u64) -> Result<Window> {
    ring.objects.get(size(number)).and_then(|object| object.part(offset, bytes)).ok_or(EIO)
}

/// The first words of an output slot, each read once.
fn first_words<M: Machine, const N: usize>(memory: &Memory<M>, frame: Frame) -> [u64; N] {
    let mut bytes = [[0; 8]; N];
    memory.machine.read(frame, 0, bytes.as_flattened_mut());
    bytes.map(u64::from_le_bytes)
}

impl<M: Machine> Ring<M> {
    fn next_answer(&mut self) -> Result<Option<Cqe>, Violation> {
        let Some((control, entries)) = self.daemon_pages.split_first() else { return Ok(None) };
        let (control, entries): (&Page, _) = (control, Pages(entries));
        if let Some(entry) = self.consumer.take(&entries) {
            return Ok(Some(unpack(entry)));
        }
        self.consumer.refresh(control)?;
        Ok(self.consumer.take(&entries).map(unpack))
    }
}

impl<M: Machine> Kernel<M> {
    /// Takes in what a daemon answered. Gives one client that can run and is in no queue yet,
    /// so that the CPU may go to it directly; others are enqueued.
    pub(crate) fn take_answers(&mut self, id: RingId) -> Option<ThreadId> {
        let mut heir = None;
        for _ in 0..BATCH {
            let Some(ring) = self.rings.get_mut(id) else { break };
            let cqe = match ring.next_answer() {
                Ok(Some(cqe)) => cqe,
                Ok(None) => break,
                Err(Violation) => {
                    self.end_violator(id);
                    break;
                }
            };
            count(&mut self.counters.answers);
            if let Some(client) = self.answer(id, &cqe)
                && let Some(earlier) = heir.replace(client)
            {
                self.enqueue(earlier, Place::Last);
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
            let (scheme, id) = (ring.scheme, cqe.result);
            let epoch = self.schemes.get(scheme)?.epoch;
            self.notify(Source::Scheme(Open { scheme, epoch, id }), cqe.tag.into());
            return None;
        }
        let Some(number) = ring.open_slot(cqe.tag) else {
            count(&mut self.counters.stray_answers);
            return None;
        };
        let value = match cqe.result.cast_signed() {
            0.. => self.succeed(id, number, cqe).unwrap_or_else(encode),
            -4095..0 => cqe.result,
            // A negative that is no errno is the daemon's fault.
            _ => encode(EIO),
        };
        self.end_request(id, number, value)
    }

    /// What a good answer leads to; gives the value for the client.
    fn succeed(&mut self, id: RingId, number: u16, cqe: &Cqe) -> Result<u64> {
        let slot = self.rings.get_mut(id).and_then(|ring| ring.slot(number)).ok_or(EIO)?;
        match slot.finish {
            Finish::Open { flags, at } => {
                let (description, most) = match kind(cqe) {
                    RESPOND_FD => self.moved_description(id, cqe.result)?,
                    _ => (self.opened_description(id, number, cqe, flags)?, Rights::all()),
                };
                let wanted = Handle::opened(description, flags);
                let handle = Handle { rights: wanted.rights & most, ..wanted };
                self.finish_open(id, number, at, handle)
            }
            Finish::Subscribe(subscription) => {
                self.tell(subscription, cqe.result);
                Ok(RECORD)
            }
            Finish::Value | Finish::Pass(_) => self.finish_data(id, number, cqe),
            Finish::Advance(description) => {
                let value = self.finish_data(id, number, cqe)?;
                // Without an offset it is `u64::MAX`, and stays that.
                self.descriptions.update(description, |description| {
                    description.offset = description.offset.saturating_add(value);
                });
                Ok(value)
            }
        }
    }

    /// Copies an answer's bytes to the client; gives their number, never more than asked for.
    fn finish_data(&mut self, id: RingId, number: u16, cqe: &Cqe) -> Result<u64> {
        let Self { rings, memory, counters, .. } = self;
        let ring = rings.get(id).ok_or(EIO)?;
        let slot = ring.slots.get(usize::from(number)).ok_or(EIO)?;
        let [_, _, asked, ..] = slot.sqe.args;
        let (value, len) = match (slot.sqe.opcode, cqe.result.min(asked)) {
            (op::CALL, _) => (cqe.result, asked),
            (op::WRITE, cut) => (cut, 0),
            (_, cut) if slot.output => (cut, cut),
            _ => (cqe.result, 0),
        };
        if len > 0 {
            let (_, (frame, _)) = ring.pages_of(number).ok_or(EIO)?;
            let pins = (&slot.pins, 0);
            match kind(cqe) {
                ANSWER_OBJECT => {
                    let [low, high, _] = cqe.extra_raw;
                    let [offset] = first_words(memory, frame);
                    let number = u16::from_le_bytes([low, high]);
                    memory.copy(window(ring, number.into(), offset, len)?, pins, size(len))?;
                }
                // What is beyond the slot was put by `ring_copy`.
                _ => memory.copy(frame, pins, size(len).min(PAGE_SIZE))?,
            }
            counters.copied = counters.copied.wrapping_add(len);
        }
        Ok(value)
    }

    /// An open succeeded: the client gets a handle, or the daemon a `Close`.
    fn finish_open(
        &mut self,
        id: RingId,
        number: u16,
        at: Option<u64>,
        handle: Handle,
    ) -> Result<u64> {
        let slot = self.rings.get_mut(id).and_then(|ring| ring.slot(number)).ok_or(EIO)?;
        match slot.process.filter(|_| slot.client.is_some()) {
            Some(process) => self.install(process, at, handle),
            None => {
                self.drop_description(handle.description);
                Err(EIO)
            }
        }
    }

    /// A handle that the daemon gives away: what it names, and its rights.
    fn moved_description(&mut self, id: RingId, number: u64) -> Result<(DescriptionId, Rights)> {
        let daemon = self.rings.get(id).ok_or(EIO)?.process;
        let handles = &mut self.processes.get_mut(daemon).ok_or(EIO)?.handles;
        let handle = handles.get(number).ok().filter(|handle| handle.rights.contains(Rights::PASS));
        let Handle { description, rights, .. } = handle.ok_or(EIO)?;
        handles.take(number)?;
        Ok((description, rights))
    }

    /// A description for what the daemon opened itself.
    fn opened_description(
        &mut self,
        id: RingId,
        number: u16,
        cqe: &Cqe,
        flags: u64,
    ) -> Result<DescriptionId> {
        let Self { rings, memory, schemes, .. } = self;
        let ring = rings.get(id).ok_or(EIO)?;
        let (_, (frame, _)) = ring.pages_of(number).ok_or(EIO)?;
        let [low, ..] = cqe.extra_raw;
        let opened = match kind(cqe) {
            RESPOND => Opened { id: cqe.result, flags: low.into(), ..Opened::PLAIN },
            ANSWER_OPENED => Opened::from_words(first_words(memory, frame)),
            _ => return Err(EIO),
        };
        let attached = match opened.object {
            Opened::NO_OBJECT => None,
            object => Some(window(ring, object, opened.offset, opened.size)?),
        };
        let scheme = ring.scheme;
        let epoch = schemes.get(scheme).ok_or(EIO)?.epoch;
        let target = Target::Scheme(Open { scheme, epoch, id: opened.id });
        let description = self.describe(target, flags & wide(STATUS_FLAGS))?;
        self.schemes.retain(scheme);
        if let Some(Window { object, .. }) = attached {
            self.memory.objects.retain(object);
        }
        self.descriptions.update(description, |description| {
            (description.attached, description.cookie) = (attached, opened.cookie);
            if opened.flags & OPENED_POSITIONED != 0 {
                description.offset = 0;
            }
        });
        Ok(description)
    }
}
