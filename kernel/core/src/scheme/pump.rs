//! Filling a daemon's queue: notes first, then requests in order, as far as there is room.

use anode_abi::packet::NOTE_EVENT;
use anode_ring::{Page, Pages, pack_sqe};
use redox::schemev2::{Sqe, SqeFlags};

use crate::prelude::*;

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
        let Some(&number) = self.waiting.front() else { return false };
        let tag = self.tag(number);
        let Some((tag, slot)) = tag.zip(self.slots.get(usize::from(number))) else { return false };
        let sqe = Sqe { tag: tag.raw(), ..slot.sqe };
        if !self.put(&sqe) {
            return false;
        }
        self.waiting.pop_front();
        self.slot(number).map(|slot| slot.state = SlotState::Posted).is_some()
    }

    /// Posts a due cancel.
    fn post_cancel(&mut self) -> bool {
        let mut all = (0u16..).zip(&self.slots);
        let due = all.find(|(_, slot)| slot.cancel).map(|(number, _)| number);
        let Some((number, tag)) = due.and_then(|number| Some((number, self.tag(number)?))) else {
            self.cancels = false;
            return false;
        };
        self.put_note(op::CANCEL, [tag.raw().into(), 0])
            && self.slot(number).map(|slot| slot.cancel = false).is_some()
    }
}

impl<M: Machine> Kernel<M> {
    /// Hands out what waits for a daemon. Gives its sleeping thread, which is to run now: it is
    /// in no queue and must be given to the CPU or enqueued.
    pub(crate) fn pump(&mut self, id: RingId) -> Option<ThreadId> {
        let ring = self.rings.get_mut(id)?;
        let before = ring.producer.tail();
        let Some(room) = ring.room() else {
            self.end_violator(id);
            return None;
        };
        if ring.closing.is_some() || ring.cancels || ring.events {
            self.post_notes(id, room.div_ceil(2));
        }
        let ring = self.rings.get_mut(id)?;
        while ring.post_first() {
            count(&mut self.counters.packets);
        }
        let tail = ring.producer.tail();
        if tail == before {
            return None;
        }
        let control: &Page = ring.kernel_pages.first()?;
        ring.producer.publish(control);
        let daemon = ring.idle.take()?;
        self.threads.get_mut(daemon)?.sleep = Sleep::over(tail.into());
        Some(daemon)
    }

    fn post_notes(&mut self, id: RingId, most: u32) {
        for _ in 0..most {
            if self.post_note(id).is_none() {
                return;
            }
            count(&mut self.counters.notes);
        }
    }

    fn post_note(&mut self, id: RingId) -> Option<()> {
        let ring = self.rings.get_mut(id)?;
        if ring.closing.is_some() {
            return self.post_close(id);
        }
        if ring.cancels && ring.post_cancel() {
            return Some(());
        }
        if ring.events { self.post_event(id) } else { None }
    }

    fn post_close(&mut self, id: RingId) -> Option<()> {
        let Self { rings, descriptions, .. } = self;
        let ring = rings.get_mut(id)?;
        let (first, last) = ring.closing?;
        let Some(&Description { target: Target::Scheme(scheme, open, _), next_closing, .. }) =
            descriptions.get(first)
        else {
            ring.closing = None;
            return None;
        };
        if !ring.put_note(op::CLOSE, [open, 0]) {
            return None;
        }
        ring.closing = next_closing.map(|next| (next, last));
        descriptions.remove(first);
        self.drop_scheme(scheme);
        Some(())
    }

    fn post_event(&mut self, id: RingId) -> Option<()> {
        let due = self.untold(Sink::Ring(id));
        let Self { rings, subscriptions, .. } = self;
        let ring = rings.get_mut(id)?;
        let Some(subscription) = due.and_then(|due| subscriptions.get_mut(due)) else {
            ring.events = false;
            return None;
        };
        if !ring.put_note(NOTE_EVENT, [subscription.data, subscription.ready]) {
            return None;
        }
        subscription.ready = 0;
        Some(())
    }

    /// A description of a daemon's was dropped: its `Close` waits for room in the ring, and the
    /// description with it. `false`: that daemon is gone, there is nobody to tell.
    pub(crate) fn queue_close(&mut self, scheme: SchemeId, open: u64, id: DescriptionId) -> bool {
        let current = self.check_epoch(scheme, id).is_ok();
        let ring = self.schemes.get(scheme).and_then(|scheme| scheme.ring);
        let Some(ring) = ring.filter(|_| current) else { return false };
        self.unsubscribe(|subscription| subscription.source == Source::Scheme(scheme, open));
        let Some(door) = self.rings.get_mut(ring) else { return false };
        match &mut door.closing {
            Some((_, last)) => {
                self.descriptions.update(*last, |last| last.next_closing = Some(id));
                *last = id;
            }
            none => *none = Some((id, id)),
        }
        self.nudge(ring);
        true
    }
}
