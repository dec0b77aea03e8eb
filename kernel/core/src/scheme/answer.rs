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

/// The first words of an output slot, each read once.
fn first_words<M: Machine, const N: usize>(memory: &Memory<M>, frame: Frame) -> [u64; N] {
    let mut bytes = [[0; 8]; N];
    memory.machine.read(frame, 0, bytes.as_flattened_mut());
    bytes.map(u64::from_le_bytes)
}

impl<M: Machine> Ring<M> {
    /// Looks at how many answers there are.
    ///
    /// # Errors
    ///
    /// The daemon's tail of the queue is impossible.
    #[inline]
    fn look_at_answers(&mut self) -> Result<u32, Violation> {
        let control: Option<&Page> = self.daemon_pages.first().map(Deref::deref);
        control.map_or(Ok(0), |control| self.consumer.refresh(control))
    }

    /// The next answer of those that there were; its place is given back.
    #[inline]
    fn next_answer(&mut self) -> Option<Cqe> {
        if self.unfinished.is_some() {
            return self.unfinished.take();
        }
        let (_, entries) = self.daemon_pages.split_first()?;
        let entry = self.consumer.take(&Pages(entries))?;
        let own: &Page = self.kernel_pages.first()?;
        self.consumer.publish(own);
        Some(unpack(entry))
    }

    /// Copies an answer's bytes to the client, as many as the lock may be kept for, from its slot
    /// or from `content`. Gives the call's value once those were the last; there are never more
    /// than were asked for.
    fn fill_client(
        &mut self,
        number: u16,
        cqe: &Cqe,
        content: Option<Window>,
        memory: &mut Memory<M>,
    ) -> Result<Option<u64>> {
        let (_, (frame, _)) = self.pages_of(number).ok_or(EIO)?;
        let Self { slots, unfinished, .. } = self;
        let slot = slots.get_mut(usize::from(number)).ok_or(EIO)?;
        let [_, _, asked, ..] = slot.sqe.args;
        let (value, len) = match (slot.sqe.opcode, cqe.result.min(asked)) {
            (op::CALL, _) => (cqe.result, asked),
            (op::WRITE, cut) => (cut, 0),
            (_, cut) if slot.output => (cut, cut),
            _ => (cqe.result, 0),
        };
        let Some(whole) = content.filter(|_| len != 0) else {
            // What is beyond the slot was put by `ring_copy`.
            memory.copy(frame, (&slot.pins, 0), size(len).min(PAGE_SIZE))?;
            return Ok(Some(value));
        };
        let [offset] = first_words(memory, frame);
        let part = size(len).saturating_sub(slot.done).min(COPY_BYTES);
        let from = offset.checked_add(wide(slot.done)).ok_or(EIO)?;
        let from = whole.part(from, wide(part)).ok_or(EIO)?;
        memory.copy(from, (&slot.pins, slot.done), part)?;
        slot.done = slot.done.saturating_add(part);
        let more = wide(slot.done) < len;
        *unfinished = more.then_some(*cqe);
        Ok((!more).then_some(value))
    }
}

impl<M: Machine> Kernel<M> {
    /// Takes in what a daemon answered. Gives one client that can run and is in no queue yet,
    /// so that the CPU may go to it directly; others are enqueued.
    pub(crate) fn take_answers(&mut self, id: RingId) -> Option<ThreadId> {
        let mut heir = None;
        if self.rings.get_mut(id)?.look_at_answers().is_err() {
            self.end_violator(id);
            return None;
        }
        for taken in 0..BATCH {
            let Some(ring) = self.rings.get_mut(id) else { break };
            if taken > 0 && ring.unfinished.is_some() {
                break;
            }
            let Some(cqe) = ring.next_answer() else { break };
            count(&mut self.counters.answers);
            let client = self.answer(id, &cqe);
            if let Some(earlier) = client.and_then(|client| heir.replace(client)) {
                self.enqueue(earlier, Place::Last);
            }
        }
        heir
    }

    /// Ends a daemon that wrote what no honest one can.
    pub(crate) fn end_violator(&mut self, id: RingId) {
        if let Some(process) = self.rings.get(id).map(|ring| ring.process) {
            let machine = &mut self.memory.machine;
            machine.warn(format_args!("a daemon wrote an impossible ring index and is ended"));
            self.end_process(process, SIGKILL);
        }
    }

    /// One answer. Gives the client that can run now.
    fn answer(&mut self, id: RingId, cqe: &Cqe) -> Option<ThreadId> {
        let ring = self.rings.get_mut(id)?;
        if kind(cqe) == SEND_FEVENT {
            let (scheme, id) = (ring.scheme, cqe.result);
            let epoch = self.schemes.get(scheme)?.epoch;
            self.notify(Target::Scheme(Open { scheme, epoch, id }), cqe.tag.into());
            return None;
        }
        let Some((number, slot)) = ring.open_slot(cqe.tag) else {
            count(&mut self.counters.stray_answers);
            return None;
        };
        let (finish, daemon) = (slot.finish, ring.process);
        let value = match (cqe.result.cast_signed(), finish) {
            (-4095..0, _) => Ok(cqe.result),
            // A negative that is no errno is the daemon's fault.
            (..0, _) => Err(EIO),
            (_, Finish::Open(flags)) => self.finish_open((id, number), cqe, flags),
            (_, Finish::Subscribe(subscription)) => {
                self.tell(subscription, cqe.result);
                Ok(RECORD)
            }
            _ => self.hand_over((id, number), cqe, daemon).transpose()?,
        };
        self.end_request(id, number, value.unwrap_or_else(encode))
    }

    /// A plain answer: its bytes and its value, once all are there.
    #[inline]
    fn hand_over(
        &mut self,
        (id, number): (RingId, u16),
        cqe: &Cqe,
        daemon: ProcessId,
    ) -> Result<Option<u64>> {
        let content = match kind(cqe) {
            ANSWER_OBJECT => {
                let [low, high, _] = cqe.extra_raw;
                Some(self.content(daemon, u16::from_le_bytes([low, high]).into())?)
            }
            _ => None,
        };
        let Self { rings, memory, descriptions, .. } = self;
        let ring = rings.get_mut(id).ok_or(EIO)?;
        let value = ring.fill_client(number, cqe, content, memory)?;
        // The offset moves, if there is one; if not, it is `u64::MAX` and stays that.
        // Where the client gave up, it makes the call again, at the same place.
        if let Some(by) = value
            && let Some(Slot { finish: Finish::Advance(description), client: Some(_), .. }) =
                ring.slot(number)
        {
            descriptions.update(*description, |d| d.offset = d.offset.saturating_add(by));
        }
        Ok(value)
    }

    /// The memory behind a handle of a daemon's.
    fn content(&self, daemon: ProcessId, number: u64) -> Result<Window> {
        let handle = self.processes.get(daemon).ok_or(EIO)?.handles.get(number).or(Err(EIO))?;
        let named = self.descriptions.get(handle.description).map(|named| named.target);
        let Some(Target::Memory(window)) = named.filter(|_| handle.rights.contains(Rights::READ))
        else {
            return Err(EIO);
        };
        Ok(Window { bytes: self.memory.len(window), ..window })
    }

    /// An open succeeded: the client gets a handle, or the daemon a `Close`.
    fn finish_open(&mut self, (id, number): (RingId, u16), cqe: &Cqe, flags: u64) -> Result<u64> {
        let (description, most) = match kind(cqe) {
            RESPOND_FD => self.moved_description(id, cqe.result)?,
            _ => (self.opened_description(id, number, cqe, flags)?, Rights::all()),
        };
        let wanted = Handle::opened(description, flags);
        let slot = self.rings.get_mut(id).and_then(|ring| ring.slot(number)).ok_or(EIO)?;
        match slot.process.filter(|_| slot.client.is_some()) {
            Some(process) => {
                self.install(process, None, Handle { rights: wanted.rights & most, ..wanted })
            }
            None => {
                self.drop_description(description);
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
        let (scheme, daemon) = (ring.scheme, ring.process);
        let (_, (frame, _)) = ring.pages_of(number).ok_or(EIO)?;
        let [low, ..] = cqe.extra_raw;
        let epoch = schemes.get(scheme).ok_or(EIO)?.epoch;
        let opened = match kind(cqe) {
            RESPOND => Opened { id: cqe.result, flags: low.into(), ..Opened::PLAIN },
            ANSWER_OPENED => Opened::from_words(first_words(memory, frame)),
            _ => return Err(EIO),
        };
        let attached = match opened.object {
            Opened::NO_OBJECT => None,
            object => {
                let whole = self.content(daemon, object)?;
                Some(whole.part(opened.offset, opened.size).ok_or(EIO)?)
            }
        };
        let target = Target::Scheme(Open { scheme, epoch, id: opened.id });
        // There was room for a description of the client's when it asked.
        let description = self.describe(target, flags & wide(STATUS_FLAGS), 0)?;
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
