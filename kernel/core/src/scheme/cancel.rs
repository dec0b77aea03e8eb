//! The end of requests: answered, cancelled, given up by their clients, or left by a daemon.

use crate::prelude::*;

/// How long a daemon may take to answer a cancelled request before the client gives up, in ns.
const GRACE: u64 = 100_000_000;
/// The same on streams, where a late answer would lose data.
const STREAM_GRACE: u64 = 1_000_000_000;

impl<M: Machine> Kernel<M> {
    /// A request is over: what it held is given back. Gives its client, whose call gives
    /// `value`: it can run, and is in no queue.
    pub(crate) fn end_request(&mut self, id: RingId, number: u16, value: u64) -> Option<ThreadId> {
        let Self { rings, memory, .. } = self;
        let ring = rings.get_mut(id)?;
        let slot = ring.slot(number).filter(|slot| slot.process.is_some())?;
        slot.pins.clear(memory);
        slot.done = 0;
        (slot.process, slot.cancel) = (None, false);
        let (client, finish) = (slot.client.take(), core::mem::take(&mut slot.finish));
        ring.free.push(number);
        if let Finish::Pass(Handle { description, .. }) = finish {
            self.drop_description(description);
        }
        let thread = self.threads.get_mut(client?)?;
        (thread.then, thread.deadline) = (Then::give(value), u64::MAX);
        client
    }

    /// A caught signal reached a client that waits for an answer: the daemon is asked to hurry.
    pub(crate) fn cancel(&mut self, id: RingId, number: u16, client: ThreadId) {
        // A finished answer wins over a cancel, else a read would lose its data.
        if let Some(answered) = self.take_answers(id) {
            self.enqueue(answered, Place::Last);
        }
        let Some(ring) = self.rings.get_mut(id) else { return };
        let stream = self.schemes.get(ring.scheme).is_some_and(|scheme| scheme.stream);
        let Some(slot) =
            ring.slot(number).filter(|slot| slot.client == Some(client) && slot.done == 0)
        else {
            return;
        };
        slot.cancel = true;
        let grace = if stream { STREAM_GRACE } else { GRACE };
        let deadline = self.memory.machine.now().saturating_add(grace);
        if self.threads.get(client).is_some_and(|thread| thread.deadline == u64::MAX) {
            let waits = State::Reply(id, number);
            self.set_deadline(client, waits, Then::give(encode(EINTR)), deadline);
        }
        self.nudge(id);
    }

    /// The client of a request gave up, and its memory is for other things now. The daemon still
    /// owes an answer.
    pub(crate) fn abandon(&mut self, id: RingId, number: u16, client: ThreadId) {
        let Self { rings, memory, .. } = self;
        let slot = rings.get_mut(id).and_then(|ring| ring.slot(number));
        // One that was answered just now waits no more, and its slot may be another's.
        if let Some(slot) = slot.filter(|slot| slot.client == Some(client)) {
            slot.pins.clear(memory);
            slot.client = None;
            slot.cancel = true;
            self.nudge(id);
        }
    }

    /// A thread ends: its request, and the fork that it had under way.
    pub(crate) fn forget_requests(&mut self, id: ThreadId) {
        let Some(thread) = self.threads.get_mut(id) else { return };
        let then = core::mem::take(&mut thread.then);
        if let State::Reply(ring, slot) = thread.state {
            self.abandon(ring, slot, id);
        }
        if let Then::Fork(child, _) = then {
            self.forget_process(child);
        }
    }

    /// A process serves nothing any more: it ended, or became another program.
    pub(crate) fn close_rings(&mut self, id: ProcessId) {
        while let Some(ring) = self.rings.next(None, |ring| ring.process == id) {
            self.close_ring(ring);
        }
    }

    /// The end of a ring: whoever waits for its daemon gets `EIO`, or waits for a successor.
    pub(crate) fn close_ring(&mut self, id: RingId) {
        let now = self.memory.machine.now();
        let Some(ring) = self.rings.get(id) else { return };
        let (scheme, slots) = (ring.scheme, (0u16..).take(ring.slots.len()));
        self.schemes.update(scheme, |scheme| {
            scheme.ring = None;
            scheme.orphaned_until = now.saturating_add(scheme.orphan_ns);
        });
        for number in slots {
            let slot = self.rings.get_mut(id).and_then(|ring| ring.slot(number));
            if slot.is_some_and(|slot| slot.process.is_some())
                && let Some(client) = self.end_request(id, number, encode(EIO))
            {
                self.enqueue(client, Place::Last);
            }
        }
        self.unsubscribe(|subscription| subscription.sink == Target::Ring(id));
        self.hang_up(scheme);
        // Descriptions whose `Close` was never sent go with the daemon.
        let Some(Ring { mut closing, object, idle, .. }) = self.rings.remove(id) else { return };
        idle.inspect(|idle| self.wake(*idle, Then::Retry));
        while let Some(description) = closing.and_then(|id| self.descriptions.remove(id)) {
            self.drop_target(description.target);
            closing = description.next_closing;
        }
        self.memory.release(object);
        self.drop_scheme(scheme);
        self.wake_all(Channel::Scheme(scheme));
    }
}
