//! Filling a daemon's queue: notes first, then requests in order, as far as there is room.

use anode_abi::packet::NOTE_EVENT;
use anode_ring::{Pages, pack};
use redox::schemev2::{Sqe, SqeFlags};

use crate::prelude::*;

impl<M: Machine> Kernel<M> {
    /// Shows a daemon what waits for it. Gives its sleeping thread, which is to run now: it is
    /// in no queue and must be given to the CPU or enqueued.
    pub(crate) fn pump(&mut self, id: RingId) -> Option<ThreadId> {
        let ring = self.rings.get_mut(id)?;
        let Ok(room) = ring.look() else {
            self.end_violator(id);
            return None;
        };
        if ring.notes {
            self.post_notes(id, room.div_ceil(2));
        }
        self.rings.get_mut(id)?.show(&mut self.threads)
    }

    /// Wakes as many of those who wait for a slot as there are slots, once there is room.
    pub(crate) fn let_in(&mut self, id: RingId) {
        let Some(ring) = self.rings.get_mut(id).filter(|ring| ring.producer.has_room()) else {
            return;
        };
        let (scheme, most) = (ring.scheme, wide(ring.free.len()));
        let woken = self.wake_some(Channel::Scheme(scheme), most, Then::Retry);
        self.rings.update(id, |ring| ring.crowded = woken == most);
    }

    /// A ring has something to note for its daemon.
    pub(crate) fn nudge(&mut self, id: RingId) {
        self.rings.update(id, |ring| ring.notes = true);
        if let Some(daemon) = self.pump(id) {
            self.enqueue(daemon, Place::Last);
        }
    }

    /// Posts notes; the caller knows that there is room for `most`.
    fn post_notes(&mut self, id: RingId, most: u32) {
        for _ in 0..most {
            let note = self.next_note(id);
            let Some(ring) = self.rings.get_mut(id) else { return };
            let Some((opcode, [first, second])) = note else {
                ring.notes = false;
                return;
            };
            let args = [first, second, 0, 0, 0, 0];
            let sqe = Sqe { opcode, sqe_flags: SqeFlags::ONEWAY, args, ..Sqe::default() };
            let Some((_, entries)) = ring.kernel_pages.split_first() else { return };
            if ring.producer.put(&Pages(entries), pack(&sqe)) {
                count(&mut self.counters.notes);
            }
        }
    }

    /// The next note that is due, which is to be posted: a `Close`, a `Cancel`, an event.
    fn next_note(&mut self, id: RingId) -> Option<(u8, [u64; 2])> {
        let ring = self.rings.get_mut(id)?;
        if let Some(closing) = ring.closing {
            let Description { target, next_closing, .. } = self.descriptions.remove(closing)?;
            ring.closing = next_closing;
            self.drop_target(target);
            let Target::Scheme(open) = target else { return None };
            return Some((op::CLOSE, [open.id, 0]));
        }
        if let Some(slot) = ring.slots.iter_mut().find(|slot| slot.cancel) {
            slot.cancel = false;
            return Some((op::CANCEL, [slot.sqe.tag.into(), 0]));
        }
        let event = self.untold(Target::Ring(id))?;
        self.was_told(event);
        Some((NOTE_EVENT, [event.1.data, event.1.ready]))
    }

    /// A description of a daemon's was dropped: its `Close` waits for room in the ring, and the
    /// description with it. `false`: that daemon is gone, there is nobody to tell.
    pub(crate) fn queue_close(&mut self, open: Open, id: DescriptionId) -> bool {
        let scheme = self.schemes.get(open.scheme).filter(|scheme| scheme.epoch == open.epoch);
        let Some(ring) = scheme.and_then(|scheme| scheme.ring) else { return false };
        self.unsubscribe(|subscription| subscription.source == Some(Target::Scheme(open)));
        let Some(door) = self.rings.get_mut(ring) else { return false };
        let next = door.closing.replace(id);
        self.descriptions.update(id, |description| description.next_closing = next);
        self.nudge(ring);
        true
    }
}
