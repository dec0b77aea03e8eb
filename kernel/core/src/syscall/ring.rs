//! The daemon's side: making a ring, reply-and-wait, moving bytes, taking handles.

use anode_ring::Layout;

use crate::prelude::*;

/// Rings that one process may serve.
const MAX_RINGS: usize = 8;
/// Bit of `ring_copy`'s length: bytes go to the client.
const TO_CLIENT: u64 = 1 << 63;

impl<M: Machine> Kernel<M> {
    pub(crate) fn ring_new(&mut self, me: ThreadId, call: Call) -> Outcome {
        let (_, target) = self.named_handle(me, call.a, Rights::empty())?;
        let Target::Owner(scheme) = target else { return Err(EINVAL) };
        let layout = u32::try_from(call.b).ok().and_then(Layout::new).ok_or(EINVAL)?;
        let process = self.owner(me)?;
        let caller = self.process(me)?;
        caller.handles.reserve(0)?;
        let uid = caller.who.uid;
        let rings = self.rings.iter().filter(|(_, ring)| ring.process == process).count();
        if rings >= MAX_RINGS || !self.rings.has_room(uid) {
            return Err(EMFILE);
        }
        let door = self.schemes.get(scheme).filter(|scheme| scheme.ring.is_none()).ok_or(EBUSY)?;
        let epoch = door.epoch.wrapping_add(1);
        let object = self.memory.anonymous(u64::from(layout.pages).saturating_mul(PAGE), uid)?;
        let made = Ring::new((scheme, process), layout, object, &mut self.memory);
        let mapped = made.and_then(|ring| {
            let base = self.map_ring(me, layout, object)?;
            self.rings.insert(Ring { base, ..ring }, uid)
        });
        let id = mapped.inspect_err(|_| self.memory.release(object))?;
        self.schemes.retain(scheme);
        self.schemes.update(scheme, |scheme| {
            scheme.ring = Some(id);
            scheme.epoch = epoch;
            scheme.orphaned_until = u64::MAX;
        });
        let base = self.rings.get(id).map_or(0, |ring| ring.base);
        self.put_words(me, call.c, [base]).inspect_err(|_| self.close_ring(id))?;
        self.wake_all(Channel::Scheme(scheme));
        self.open_target(me, Target::Ring(id), O_RDWR | O_CLOEXEC)
    }

    /// Maps a ring into its daemon: first what it may only read, then what it writes.
    fn map_ring(&mut self, me: ThreadId, layout: Layout, object: ObjectId) -> Result<u64> {
        let (space, memory) = self.space(me)?;
        let (start, end) = space.place(0, layout.pages.into())?;
        let middle = start.saturating_add(layout.control.into());
        let parts = [(start, middle, MapFlags::READ), (middle, end, MapFlags::READ_WRITE)];
        for (first, last, access) in parts {
            let ends = [first, last].map(|page| page.saturating_sub(start).saturating_mul(PAGE));
            let [offset, end] = ends;
            let window = Window { object, offset, bytes: end.saturating_sub(offset) };
            let flags = MapFlags::SHARED | MapFlags::UNFORKABLE | access;
            space.map(memory, Region::new((first, last), flags, Some(window)))?;
        }
        Ok(start.saturating_mul(PAGE))
    }

    /// The ring behind a handle of its own daemon.
    fn own_ring(&mut self, me: ThreadId, number: u64) -> Result<RingId> {
        let (_, target) = self.named_handle(me, number, Rights::empty())?;
        let Target::Ring(id) = target else { return Err(EINVAL) };
        let ring = self.rings.get(id).ok_or(EINVAL)?;
        if self.owner(me)? == ring.process { Ok(id) } else { Err(EPERM) }
    }

    /// Reply-and-wait: takes answers, hands out what waits, and sleeps if there is nothing new.
    pub(crate) fn ring_wait(&mut self, me: ThreadId, call: Call) -> Outcome {
        let Call { a: number, b: seen, c: deadline, .. } = call;
        let id = self.own_ring(me, number)?;
        let heir = self.take_answers(id);
        let next = heir.map_or(Next::Pick, Next::To);
        // What is new is news for another thread that sleeps in the ring too.
        if let Some(ring) = self.rings.get(id)
            && (ring.notes || ring.idle.is_some() || ring.crowded)
        {
            self.serve_ring(id);
        }
        let late = self.is_past(deadline);
        let Some(ring) = self.rings.get_mut(id) else { return Ok(next) };
        let tail = u64::from(ring.producer.tail());
        let unfinished = ring.unfinished.is_some() || ring.consumer.has_more();
        let waits = tail == seen && !unfinished && !late;
        if waits && ring.idle.is_none() {
            ring.idle = Some(me);
            self.set_deadline(me, State::Ring(id), Then::Retry, deadline);
            return Ok(next);
        }
        if let Some(heir) = heir {
            self.enqueue(heir, Place::Last);
        }
        match (unfinished, waits) {
            (true, _) => self.pause(me, Then::Resume(0)),
            (_, true) => Err(EBUSY),
            _ => self.give(me, tail),
        }
    }

    /// Does for a ring what there is room for: notes, and clients who wait.
    fn serve_ring(&mut self, id: RingId) {
        if let Some(daemon) = self.pump(id) {
            self.enqueue(daemon, Place::Last);
        }
        self.let_in(id);
    }

    /// Answers of a daemon that does something else for long are taken at the tick.
    pub(crate) fn reap_rings_of(&mut self, me: ThreadId) {
        let Ok(process) = self.owner(me) else { return };
        let mut last = None;
        while let Some(id) = self.rings.next(last, |ring| ring.process == process) {
            if let Some(heir) = self.take_answers(id) {
                self.enqueue(heir, Place::Last);
            }
            self.serve_ring(id);
            last = Some(id);
        }
    }

    pub(crate) fn ring_copy(&mut self, me: ThreadId, call: Call) -> Outcome {
        let Call { a: number, b: tag, c: offset, d: address, e: len, .. } = call;
        let id = self.own_ring(me, number)?;
        let to_client = len & TO_CLIENT != 0;
        let range = UserSlice::new(address, len & !TO_CLIENT)?.cut(COPY_BYTES);
        let process = self.owner(me)?;
        let Self { rings, processes, memory, counters, .. } = self;
        let ring = rings.get_mut(id).ok_or(EINVAL)?;
        let (_, slot) = ring.open_slot(low(tag)).ok_or(EINVAL)?;
        let space = processes.get_mut(process).and_then(|p| p.space.as_mut()).ok_or(ESRCH)?;
        let end = size(offset).checked_add(range.len()).ok_or(EINVAL)?;
        if slot.output != to_client || end > slot.pins.len() {
            return Err(EINVAL);
        }
        let (own, client) = ((space, range), (&slot.pins, size(offset)));
        if to_client {
            memory.copy(own, client, range.len())?;
        } else {
            memory.copy(client, own, range.len())?;
        }
        let len = wide(range.len());
        counters.copied = counters.copied.wrapping_add(len);
        self.give(me, len)
    }

    pub(crate) fn ring_take(&mut self, me: ThreadId, call: Call) -> Outcome {
        let id = self.own_ring(me, call.a)?;
        self.process(me)?.handles.reserve(0)?;
        let ring = self.rings.get_mut(id).ok_or(EINVAL)?;
        let (_, slot) = ring.open_slot(low(call.b)).ok_or(EINVAL)?;
        let Finish::Pass(passed) = slot.finish else { return Err(EINVAL) };
        slot.finish = Finish::Value;
        let process = self.owner(me)?;
        let number = self.install(process, None, Handle { close_on_exec: true, ..passed })?;
        self.give(me, number)
    }
}
