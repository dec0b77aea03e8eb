//! When one side goes: cancelled requests, clients that gave up, daemons that died.

use crate::prelude::*;

/// How long a daemon may take to answer a cancelled request before the client gives up, in ns.
const GRACE: u64 = 100_000_000;
/// The same on streams, where a late answer would lose data.
const STREAM_GRACE: u64 = 1_000_000_000;

impl<M: Machine> Kernel<M> {
    /// A caught signal reached a client that waits for an answer. What is not handed out yet
    /// ends at once; for the rest the daemon is asked to hurry.
    pub(crate) fn cancel(&mut self, id: RingId, number: u16, client: ThreadId) {
        // A finished answer wins over a cancel, else a read would lose its data.
        if let Some(answered) = self.take_answers(id) {
            self.wake(answered);
        }
        let waits = State::Blocked(Blocked::Reply(id, number));
        if self.threads.get(client).is_none_or(|thread| thread.state != waits) {
            return;
        }
        let now = self.memory.machine.now();
        let Some(ring) = self.rings.get_mut(id) else { return };
        let stream = self.schemes.get(ring.scheme).is_some_and(|scheme| scheme.policy.stream);
        let Some(slot) = ring.slot(number) else { return };
        if slot.state == SlotState::Waiting {
            self.abandon(id, number);
            self.wake_with(client, encode(EINTR));
            return;
        }
        self.ask_cancel(id, number);
        let deadline = now.saturating_add(if stream { STREAM_GRACE } else { GRACE });
        if self.threads.get(client).is_some_and(|thread| thread.sleep.deadline == u64::MAX) {
            self.set_sleep(client, Sleep::until(deadline, encode(EINTR)));
        }
    }

    fn ask_cancel(&mut self, id: RingId, number: u16) {
        let Some(ring) = self.rings.get_mut(id) else { return };
        let Some(slot) = ring.slot(number) else { return };
        if !core::mem::replace(&mut slot.cancel, true) {
            ring.cancels = true;
            self.nudge(id);
        }
    }

    /// The client of a request gave up. The daemon still owes an answer to what it has seen.
    pub(crate) fn abandon(&mut self, id: RingId, number: u16) {
        let Some(ring) = self.rings.get_mut(id) else { return };
        let Some(slot) = ring.slot(number) else { return };
        match slot.state {
            SlotState::Waiting => {
                ring.forget_waiting(number);
                self.free_slot(id, number);
            }
            SlotState::Posted => {
                slot.state = SlotState::Zombie;
                slot.client = None;
                self.ask_cancel(id, number);
            }
            SlotState::Free | SlotState::Zombie => {}
        }
    }

    /// A thread ends: its request, and the fork that it had under way.
    pub(crate) fn forget_requests(&mut self, id: ThreadId) {
        let Some(thread) = self.threads.get_mut(id) else { return };
        let then = core::mem::take(&mut thread.sleep.then);
        if let State::Blocked(Blocked::Reply(ring, slot)) = thread.state {
            self.abandon(ring, slot);
        }
        if let Then::Fork(child, _) = then {
            self.unmake_process(child);
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
        let scheme = ring.scheme;
        if let Some(scheme) = self.schemes.get_mut(scheme)
            && scheme.ring == Some(id)
        {
            scheme.ring = None;
            scheme.orphan_since = Some(now);
        }
        let slots = ring.slots.len();
        for number in (0u16..).take(slots) {
            self.fail_slot(id, number);
        }
        self.unsubscribe(|subscription| subscription.sink == Sink::Ring(id));
        // Descriptions whose `Close` was never sent go with the daemon.
        let mut closing = self.rings.get(id).and_then(|ring| ring.closing);
        while let Some((first, last)) = closing
            && let Some(description) = self.descriptions.remove(first)
        {
            self.drop_scheme(scheme);
            closing = description.next_closing.map(|next| (next, last));
        }
        if let Some(ring) = self.rings.remove(id) {
            for window in ring.objects {
                self.memory.release(window.object);
            }
            self.memory.release(ring.object);
            self.drop_scheme(scheme);
        }
        self.wake_all(Channel::Scheme(scheme), u64::MAX);
    }

    fn fail_slot(&mut self, id: RingId, number: u16) {
        let slot = self.rings.get_mut(id).and_then(|ring| ring.slot(number));
        let Some(slot) = slot.filter(|slot| slot.state != SlotState::Free) else { return };
        let client = slot.client;
        self.free_slot(id, number);
        if let Some(client) = client {
            self.wake_with(client, encode(EIO));
        }
    }
}
