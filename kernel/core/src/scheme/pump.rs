//! Filling a daemon's queue: notes first, then requests in order, as far as there is room.

use anode_abi::packet::NOTE_EVENT;
use anode_ring::{Page, Pages, pack_sqe};
use redox::schemev2::{Sqe, SqeFlags};

use crate::counters::count;
use crate::scheme::submit::op;
use crate::{
    DescriptionId, Kernel, Machine, Place, Ring, RingId, SchemeId, Sink, SlotState, Target,
    ThreadId,
};

impl<M: Machine> Ring<M> {
    /// How many packets fit; a head that no honest daemon writes is `None`.
    fn room(&mut self) -> Option<u32> {
        let control: &Page = self.daemon_pages.first()?;
        self.producer.refresh(control).ok()
    }

    fn put(&mut self, sqe: &Sqe) -> bool {
        let entries = Pages(self.kernel_pages.get(1..).unwrap_or_default());
        self.producer.put(&entries, pack_sqe(sqe))
    }

    fn put_note(&mut self, opcode: u8, args: [u64; 2]) -> bool {
        let [first, second] = args;
        self.put(&Sqe {
            opcode,
            sqe_flags: SqeFlags::ONEWAY,
            args: [first, second, 0, 0, 0, 0],
            ..Sqe::default()
        })
    }

    /// Posts the first waiting request.
    fn post_first(&mut self) -> bool {
        let Some(number) = self.waiting.first() else { return false };
        let Some(tag) = self.tag(number) else { return false };
        let Some(slot) = self.slots.get_mut(usize::from(number)) else { return false };
        let sqe = Sqe {
            opcode: slot.opcode,
            sqe_flags: SqeFlags::from_bits_retain(slot.flags),
            _rsvd: 0,
            tag: tag.raw(),
            args: slot.args,
            caller: u64::from(slot.caller),
        };
        slot.state = SlotState::Posted;
        slot.tries = slot.tries.saturating_add(1);
        if !self.put(&sqe) {
            if let Some(slot) = self.slots.get_mut(usize::from(number)) {
                slot.state = SlotState::Waiting;
            }
            return false;
        }
        self.waiting.pop();
        true
    }
}

impl<M: Machine> Kernel<M> {
    /// Hands out what waits for a daemon. Gives its sleeping thread, which is to run now: it is
    /// in no queue and must be given to the CPU or enqueued.
    pub(crate) fn pump(&mut self, id: RingId) -> Option<ThreadId> {
        let ring = self.rings.get_mut(id)?;
        let before = ring.producer.tail();
        let Some(room) = ring.room() else {
            let process = ring.process;
            log::warn!("a daemon wrote an impossible ring index and is ended");
            self.end_process(process, crate::syscall::signal::SIGKILL);
            return None;
        };
        if ring.closing.is_some() || ring.cancels != 0 || ring.events != 0 {
            self.post_notes(id, room.div_ceil(2));
        }
        let ring = self.rings.get_mut(id)?;
        while ring.post_first() {
            count(&mut self.counters.packets);
        }
        if ring.producer.tail() == before {
            return None;
        }
        let control: &Page = ring.kernel_pages.first()?;
        ring.producer.publish(control);
        let tail = ring.producer.tail();
        let thread = ring.idle.take()?;
        let daemon = self.threads.get_mut(thread)?;
        daemon.result = Some(u64::from(tail));
        daemon.restart = None;
        daemon.deadline = u64::MAX;
        Some(thread)
    }

    /// Puts a thread that [`Kernel::pump`] gave into the run queue.
    pub(crate) fn hand_over(&mut self, _ring: RingId, daemon: Option<ThreadId>) {
        if let Some(daemon) = daemon {
            self.enqueue(daemon, Place::Last);
        }
    }

    fn post_notes(&mut self, id: RingId, most: u32) {
        for _ in 0..most {
            let posted = self.post_close(id) || self.post_cancel(id) || self.post_event(id);
            if !posted {
                return;
            }
            count(&mut self.counters.notes);
        }
    }

    fn post_close(&mut self, id: RingId) -> bool {
        let Some(ring) = self.rings.get_mut(id) else { return false };
        let Some((first, last)) = ring.closing else { return false };
        let Some(description) = self.descriptions.get(first) else {
            ring.closing = None;
            return false;
        };
        let Target::Scheme(scheme, open, _) = description.target else { return false };
        if !ring.put_note(op::CLOSE, [open, 0]) {
            return false;
        }
        ring.closing = description.next_closing.map(|next| (next, last));
        self.descriptions.remove(first);
        self.drop_scheme(scheme);
        true
    }

    fn post_cancel(&mut self, id: RingId) -> bool {
        let Some(ring) = self.rings.get_mut(id) else { return false };
        if ring.cancels == 0 {
            return false;
        }
        let due = (0u16..).zip(&ring.slots).find(|(_, slot)| slot.cancel).map(|(n, _)| n);
        let Some(number) = due else {
            ring.cancels = 0;
            return false;
        };
        let Some(tag) = ring.tag(number) else { return false };
        if !ring.put_note(op::CANCEL, [u64::from(tag.raw()), 0]) {
            return false;
        }
        if let Some(slot) = ring.slots.get_mut(usize::from(number)) {
            slot.cancel = false;
        }
        ring.cancels = ring.cancels.saturating_sub(1);
        true
    }

    fn post_event(&mut self, id: RingId) -> bool {
        let Self { rings, subscriptions, .. } = self;
        let Some(ring) = rings.get_mut(id) else { return false };
        if ring.events == 0 {
            return false;
        }
        let due = subscriptions.iter().find(|(_, s)| s.sink == Sink::Ring(id) && s.ready != 0);
        let Some(due) = due.map(|(due, _)| due) else {
            ring.events = 0;
            return false;
        };
        let Some(subscription) = subscriptions.get_mut(due) else { return false };
        if !ring.put_note(NOTE_EVENT, [subscription.data, subscription.ready]) {
            return false;
        }
        subscription.ready = 0;
        ring.events = ring.events.saturating_sub(1);
        true
    }

    /// A description of a daemon's was dropped: its `Close` waits for room in the ring, and the
    /// description with it. `false`: that daemon is gone, there is nobody to tell.
    pub(crate) fn queue_close(&mut self, scheme: SchemeId, open: u64, id: DescriptionId) -> bool {
        let source = crate::object::event::Source::Scheme(scheme, open);
        let Some(ring) = self.schemes.get(scheme).and_then(|scheme| scheme.ring) else {
            return false;
        };
        if self.check_epoch(scheme, id).is_err() {
            return false;
        }
        self.unsubscribe(|subscription| subscription.source == source);
        let Some(door) = self.rings.get_mut(ring) else { return false };
        match &mut door.closing {
            Some((_, last)) => {
                if let Some(last) = self.descriptions.get_mut(*last) {
                    last.next_closing = Some(id);
                }
                *last = id;
            }
            none => *none = Some((id, id)),
        }
        self.nudge(ring);
        true
    }
}
