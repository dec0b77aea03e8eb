//! When one side goes: cancelled requests, clients that gave up, daemons that died.

use crate::error::encode;
use crate::{
    Blocked, Channel, Due, EINTR, EIO, Expiry, Kernel, Machine, ProcessId, RingId, SchemeId, Sink,
    SlotState, State, ThreadId,
};

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
        let Some(slot) = ring.slots.get_mut(usize::from(number)) else { return };
        if slot.state == SlotState::Waiting {
            ring.waiting.remove(number);
            self.free_slot(id, number);
            if let Some(thread) = self.threads.get_mut(client) {
                thread.result = Some(encode(EINTR));
            }
            self.wake(client);
            return;
        }
        self.ask_cancel(id, number);
        let deadline = now.saturating_add(if stream { STREAM_GRACE } else { GRACE });
        if let Some(thread) = self.threads.get_mut(client)
            && thread.deadline == u64::MAX
        {
            thread.deadline = deadline;
            thread.expiry = Expiry::Value(encode(EINTR));
            self.add_deadline(deadline, Due::Thread(client));
        }
    }

    fn ask_cancel(&mut self, id: RingId, number: u16) {
        let Some(ring) = self.rings.get_mut(id) else { return };
        let Some(slot) = ring.slots.get_mut(usize::from(number)) else { return };
        if !slot.cancel {
            slot.cancel = true;
            ring.cancels = ring.cancels.saturating_add(1);
            self.nudge(id);
        }
    }

    /// The client of a request gave up. The daemon still owes an answer to what it has seen.
    pub(crate) fn abandon(&mut self, id: RingId, number: u16) {
        let Some(ring) = self.rings.get_mut(id) else { return };
        let Some(slot) = ring.slots.get_mut(usize::from(number)) else { return };
        match slot.state {
            SlotState::Waiting => {
                ring.waiting.remove(number);
                self.free_slot(id, number);
            }
            SlotState::Posted => {
                slot.state = SlotState::Zombie;
                slot.client = None;
                ring.zombies = ring.zombies.saturating_add(1);
                self.ask_cancel(id, number);
            }
            SlotState::Free | SlotState::Zombie => {}
        }
    }

    /// A thread ends: its request, and the fork that it had under way.
    pub(crate) fn forget_requests(&mut self, id: ThreadId) {
        let Some(thread) = self.threads.get_mut(id) else { return };
        let work = thread.work.take();
        if let State::Blocked(Blocked::Reply(ring, slot)) = thread.state {
            self.abandon(ring, slot);
        }
        if let Some(crate::object::thread::Work::Fork(child, _)) = work {
            self.unmake_process(child);
        }
    }

    /// A process serves nothing any more: it ended, or became another program.
    pub(crate) fn close_rings(&mut self, id: ProcessId) {
        loop {
            let Some(process) = self.processes.get_mut(id) else { return };
            let Some(ring) = process.rings.iter_mut().find_map(Option::take) else { return };
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
        self.close_all(id, scheme);
        if let Some(mut ring) = self.rings.remove(id) {
            for window in ring.objects.drain(..) {
                self.let_go(window);
            }
            self.memory.objects.release(ring.object);
            self.grave.objects = true;
            self.drop_scheme(scheme);
        }
        self.wake_all(Channel::Scheme(scheme), u64::MAX);
    }

    fn fail_slot(&mut self, id: RingId, number: u16) {
        let Some(ring) = self.rings.get_mut(id) else { return };
        let Some(slot) = ring.slots.get_mut(usize::from(number)) else { return };
        if slot.state == SlotState::Free {
            return;
        }
        let client = slot.client;
        self.free_slot(id, number);
        if let Some(thread) = client.and_then(|client| self.threads.get_mut(client)) {
            thread.result = Some(encode(EIO));
            thread.restart = None;
        }
        if let Some(client) = client {
            self.wake(client);
        }
    }

    /// Descriptions whose `Close` was never sent go with the daemon.
    fn close_all(&mut self, id: RingId, scheme: SchemeId) {
        let mut at = self.rings.get_mut(id).and_then(|ring| ring.closing.take());
        while let Some((first, last)) = at {
            let Some(description) = self.descriptions.remove(first) else { return };
            self.drop_scheme(scheme);
            at = description.next_closing.map(|next| (next, last));
        }
    }
}
