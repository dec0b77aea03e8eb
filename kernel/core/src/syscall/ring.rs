//! The daemon's side: making a ring, reply-and-wait, moving bytes, taking handles.

use anode_ring::Layout;

use crate::num::{low, size, wide};
use crate::object::ring::MAX_OBJECTS;
use crate::{
    Access, Backing, Blocked, Call, Channel, EBUSY, EINVAL, EMFILE, EPERM, ESRCH, Errno, Kernel,
    MAX_BYTES, Machine, Mapping, Memory, Next, Object, ObjectId, Outcome, Place, Protection,
    Rights, Ring, RingId, SchemeId, Sleep, State, Target, ThreadId, UserSlice, Window,
};

/// Bit of `ring_copy`'s length: bytes go to the client.
const TO_CLIENT: u64 = 1 << 63;

impl<M: Machine> Kernel<M> {
    pub(crate) fn ring_new(&mut self, me: ThreadId, call: Call) -> Outcome {
        let (_, target) = self.named_handle(me, call.a, Rights::empty())?;
        let Target::Owner(scheme) = target else { return Err(EINVAL) };
        let layout = u32::try_from(call.b).ok().and_then(Layout::new).ok_or(EINVAL)?;
        let process = self.owner(me)?;
        self.process(me)?.handles.reserve(0)?;
        if self.process(me)?.rings.iter().all(Option::is_some) || !self.rings.has_room() {
            return Err(EMFILE);
        }
        if self.schemes.get(scheme).is_none_or(|scheme| scheme.ring.is_some()) {
            return Err(EBUSY);
        }
        let object = self.ring_object(layout)?;
        let epoch = self.schemes.get(scheme).map_or(0, |s| s.epoch).wrapping_add(1);
        let made = Ring::new((scheme, process), layout, epoch, object, &mut self.memory);
        let mapped = made.and_then(|ring| {
            let base = self.map_ring(me, layout, object)?;
            Ok(Ring { base, ..ring })
        });
        let ring = match mapped.and_then(|ring| self.rings.insert(ring)) {
            Ok(ring) => ring,
            Err(errno) => {
                self.memory.objects.release(object);
                self.grave.objects = true;
                return Err(errno);
            }
        };
        let base = self.serve(scheme, ring, epoch);
        if let Some(free) = self.process(me)?.rings.iter_mut().find(|ring| ring.is_none()) {
            *free = Some(ring);
        }
        let bytes = u64::from(layout.pages).saturating_mul(4096);
        let info = [base, bytes, u64::from(layout.entries.get()) | 4096 << 32];
        let told = self.with_space(me, |s, memory| s.write_words(memory, call.c, &info));
        if let Err(errno) = told {
            self.close_rings(process);
            return Err(errno);
        }
        self.wake_all(Channel::Scheme(scheme), u64::MAX);
        // A ring's handle is for this process alone: neither PASS nor inherited.
        let description = self.describe(Target::Ring(ring), 0, u64::MAX)?;
        self.install(me, description, Rights::READ | Rights::WRITE, true)
    }

    fn ring_object(&mut self, layout: Layout) -> Result<ObjectId, Errno> {
        let Memory { machine, frames, objects } = &mut self.memory;
        let mut object = Object::anonymous(frames, machine)?;
        let bytes = u64::from(layout.pages).saturating_mul(4096);
        object.resize(bytes, frames, machine)?;
        objects.insert(object, frames, machine)
    }

    /// Maps a ring into its daemon: first what it may only read, then what it writes.
    fn map_ring(&mut self, me: ThreadId, layout: Layout, object: ObjectId) -> Result<u64, Errno> {
        let pages = |count: u32| u64::from(count).saturating_mul(4096);
        let (all, read_only) = (pages(layout.pages), pages(layout.control));
        self.with_space(me, |space, memory| {
            let base = space.regions.place(0, u64::from(layout.pages))?.saturating_mul(4096);
            let part = |offset: u64, end: u64, write: bool| Mapping {
                address: base.saturating_add(offset),
                bytes: end.saturating_sub(offset),
                protection: Protection { read: true, write, execute: false },
                backing: Backing::Shared(Window {
                    object,
                    offset,
                    bytes: end.saturating_sub(offset),
                }),
                lazy: false,
                fixed: true,
                unforkable: true,
            };
            space.map(memory, &part(0, read_only, false))?;
            space.map(memory, &part(read_only, all, true))?;
            Ok(base)
        })
    }

    /// A ring begins to serve its scheme.
    fn serve(&mut self, scheme: SchemeId, ring: RingId, epoch: u32) -> u64 {
        self.retain_scheme(scheme);
        if let Some(scheme) = self.schemes.get_mut(scheme) {
            scheme.ring = Some(ring);
            scheme.epoch = epoch;
            scheme.orphan_since = None;
        }
        self.rings.get(ring).map_or(0, |ring| ring.base)
    }

    /// The ring behind a handle of its own daemon.
    fn own_ring(&mut self, me: ThreadId, number: u64) -> Result<RingId, Errno> {
        let (_, target) = self.named_handle(me, number, Rights::empty())?;
        let Target::Ring(id) = target else { return Err(EINVAL) };
        let process = self.owner(me)?;
        let ring = self.rings.get(id).ok_or(EINVAL)?;
        if ring.process == process { Ok(id) } else { Err(EPERM) }
    }

    /// Reply-and-wait: takes answers, hands out what waits, and sleeps if there is nothing new.
    pub(crate) fn ring_wait(&mut self, me: ThreadId, call: Call) -> Outcome {
        let Call { a: number, b: seen, c: deadline, .. } = call;
        let id = self.own_ring(me, number)?;
        let heir = self.take_answers(id);
        let woken = self.pump(id);
        // The daemon itself is here, so nobody sleeps in the ring; a violation ended it above.
        let Some(ring) = self.rings.get_mut(id) else { return Ok(self.only(heir)) };
        debug_assert_eq!(woken, None);
        let tail = u64::from(ring.producer.tail());
        let expired = self.threads.get(me).is_some_and(|thread| thread.expired);
        if tail != seen || deadline == 0 || expired {
            if let Some(heir) = heir {
                self.enqueue(heir, Place::Last);
            }
            return self.give(me, tail);
        }
        if ring.idle.is_some() {
            return Err(EBUSY);
        }
        ring.idle = Some(me);
        self.set_sleep(me, Sleep::retry_until(call, deadline));
        if let Some(thread) = self.threads.get_mut(me) {
            thread.state = State::Blocked(Blocked::Ring(id));
        }
        Ok(self.only(heir))
    }

    fn only(&self, heir: Option<ThreadId>) -> Next {
        heir.map_or(Next::Pick, Next::To)
    }

    /// Answers of a daemon that does something else for long are taken at the tick.
    pub(crate) fn reap_rings_of(&mut self, me: ThreadId) {
        let Ok(process) = self.process(me) else { return };
        for ring in process.rings.into_iter().flatten() {
            if let Some(heir) = self.take_answers(ring) {
                self.enqueue(heir, Place::Last);
            }
            let woken = self.pump(ring);
            self.hand_over(ring, woken);
        }
    }

    pub(crate) fn ring_copy(&mut self, me: ThreadId, call: Call) -> Outcome {
        let Call { a: number, b: tag, c: offset, d: address, e: len, .. } = call;
        let id = self.own_ring(me, number)?;
        let to_client = len & TO_CLIENT != 0;
        let range = UserSlice::new(address, len & !TO_CLIENT)?.cut(MAX_BYTES);
        let process = self.owner(me)?;
        let Self { rings, processes, memory, counters, .. } = self;
        let ring = rings.get_mut(id).ok_or(EINVAL)?;
        let (_, slot) = ring.open_slot(low(tag)).ok_or(EINVAL)?;
        let space = processes.get_mut(process).and_then(|p| p.space.as_mut()).ok_or(ESRCH)?;
        let end = size(offset).checked_add(range.len()).ok_or(EINVAL)?;
        if slot.output != to_client || end > slot.pins.len() {
            return Err(EINVAL);
        }
        let access = if to_client { Access::Read } else { Access::Write };
        let mut failed = None;
        let done = slot.pins.pieces(size(offset), range.len(), |frame, at, done, piece| {
            let mut moved = 0usize;
            while moved < piece && failed.is_none() {
                let rest = range.skip(done.saturating_add(moved));
                let inside = size(rest.start() & 0xFFF);
                let part = 4096usize.saturating_sub(inside).min(piece.saturating_sub(moved));
                let client = (frame, at.saturating_add(moved));
                match space.frame_at(memory, rest.start(), access) {
                    Ok(own) if to_client => memory.machine.copy((own, inside), client, part),
                    Ok(own) => memory.machine.copy(client, (own, inside), part),
                    Err(fault) => failed = Some(Errno::from(fault)),
                }
                moved = moved.saturating_add(part);
            }
        });
        if let Some(errno) = failed {
            return Err(errno);
        }
        counters.copied = counters.copied.wrapping_add(wide(done));
        self.give(me, wide(done))
    }

    pub(crate) fn ring_register(&mut self, me: ThreadId, call: Call) -> Outcome {
        let id = self.own_ring(me, call.a)?;
        let (_, target) = self.named_handle(me, call.b, Rights::READ)?;
        let Target::Memory(window) = target else { return Err(EINVAL) };
        let all = self.memory.objects.get(window.object).ok_or(EINVAL)?.bytes();
        let bytes = window.bytes.min(all.saturating_sub(window.offset));
        let ring = self.rings.get_mut(id).ok_or(EINVAL)?;
        if ring.objects.len() >= MAX_OBJECTS {
            return Err(EMFILE);
        }
        let at = ring.objects.len();
        ring.objects.push(Window { bytes, ..window });
        self.memory.objects.retain(window.object);
        self.give(me, wide(at))
    }

    pub(crate) fn ring_take(&mut self, me: ThreadId, call: Call) -> Outcome {
        let id = self.own_ring(me, call.a)?;
        self.process(me)?.handles.reserve(0)?;
        let ring = self.rings.get_mut(id).ok_or(EINVAL)?;
        let (_, slot) = ring.open_slot(low(call.b)).ok_or(EINVAL)?;
        let passed = slot.passed.take().ok_or(EINVAL)?;
        self.install(me, passed.description, passed.rights, true)
    }
}
