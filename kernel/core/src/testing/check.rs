//! What must hold after every trap, recounted from scratch.
//!
//! The names follow the invariants of the design: who counts references counts them right (I1 to
//! I3), promises are covered (I4), a thread is exactly where its state says (I5), and a slot of a
//! ring is in exactly the queue of its state (I6).

use std::collections::BTreeMap;

use crate::mem::table::{DRAWN, frame_of};
use crate::prelude::*;
use crate::testing::Fake;

/// How often each thing of one kind is named.
type Counts = BTreeMap<u32, u32>;

fn add(counts: &mut Counts, index: u32) {
    *counts.entry(index).or_default() += 1;
}

fn add_all(counts: &mut Counts, indices: impl IntoIterator<Item = u32>) {
    indices.into_iter().for_each(|index| add(counts, index));
}

/// All frames of a tree: its tables, and what its leaves hold.
fn walk(machine: &Fake, root: Frame, level: u8, upper: usize, visit: &mut impl FnMut(Frame, u64)) {
    visit(root, 0);
    let words = machine.share(root).expect("a table is RAM");
    for word in words.iter().take(upper) {
        let entry = word.load(core::sync::atomic::Ordering::SeqCst);
        let Some(frame) = frame_of(entry) else { continue };
        if level == 1 {
            visit(frame, entry | 1 << 63);
        } else {
            walk(machine, frame, level - 1, 512, visit);
        }
    }
}

impl Kernel<Fake> {
    /// Panics with the broken invariant's sentence.
    pub(crate) fn check(&self) {
        self.check_frames();
        self.check_names();
        self.check_threads();
        self.check_rings();
    }

    fn spaces(&self) -> impl Iterator<Item = &Space> {
        let alive = self.processes.iter().filter_map(|(_, process)| process.space.as_ref());
        alive.chain(&self.grave.spaces)
    }

    /// I1, I4: each frame is counted once for each table, leaf, pin and page that names it, and
    /// what was promised and not drawn is free.
    fn check_frames(&self) {
        let machine = &self.memory.machine;
        let mut counts = Counts::new();
        let (mut promised, mut undrawn) = (0u64, 0u64);
        for space in self.spaces() {
            let mut drawn = 0u64;
            walk(machine, space.tree.root, space.tree.levels, 256, &mut |frame, entry| {
                add(&mut counts, frame.number());
                drawn += u64::from(entry != 0 && entry & DRAWN != 0);
            });
            promised += space.regions.iter().map(Region::promise).sum::<u64>() - drawn;
            let wanted = space.regions.iter().filter(|region| region.promise() > 0);
            undrawn += wanted.map(|region| region.end - region.start).sum::<u64>() - drawn;
        }
        for (_, object) in self.memory.objects.iter() {
            let mut visit = |frame: Frame, _entry| add(&mut counts, frame.number());
            if let Some(tree) = object.tree() {
                walk(machine, tree.root, tree.levels, 512, &mut visit);
            }
            add_all(&mut counts, object.own_frames());
        }
        for (_, ring) in self.rings.iter() {
            let pins = ring.slots.iter().flat_map(|slot| slot.pins.frames());
            pins.for_each(|frame| add(&mut counts, frame.number()));
        }
        let frames = &self.memory.frames;
        frames.check(|number| counts.get(&number).copied().unwrap_or(0));
        assert_eq!(frames.promised(), promised, "I4: promises are not what regions have");
        assert!(undrawn <= frames.free(), "I4: more is promised than is free");
    }

    /// I2, I3: objects, descriptions, namespaces and schemes are counted once for each name.
    fn check_names(&self) {
        let [mut objects, mut descriptions, mut namespaces, mut schemes] =
            [(); 4].map(|()| Counts::new());
        for space in self.spaces() {
            let windows = space.regions.iter().filter_map(|region| region.source);
            windows.for_each(|(window, _)| add(&mut objects, window.object.index()));
        }
        for (_, pipe) in self.pipes.iter() {
            add(&mut objects, pipe.object.index());
        }
        for (_, description) in self.descriptions.iter() {
            if let Some(window) = description.attached {
                add(&mut objects, window.object.index());
            }
            match description.target {
                Target::Memory(window) => add(&mut objects, window.object.index()),
                Target::Scheme(Open { scheme: id, .. }) | Target::Owner(id) => {
                    add(&mut schemes, id.index());
                }
                Target::Names(id) | Target::Namespace(id) => add(&mut namespaces, id.index()),
                _ => {}
            }
        }
        let living = || self.processes.iter().map(|(_, process)| process);
        let tables = living().map(|process| &process.handles).chain(&self.grave.handles);
        for (_, handle) in tables.flat_map(Handles::iter) {
            add(&mut descriptions, handle.description.index());
        }
        for process in living().filter(|process| process.life == Life::Alive) {
            add(&mut namespaces, process.who.namespace.index());
        }
        for (_, namespace) in self.namespaces.iter() {
            add_all(&mut descriptions, namespace.iter().map(|(_, bound)| bound.index()));
        }
        for (_, ring) in self.rings.iter() {
            add(&mut schemes, ring.scheme.index());
            add(&mut objects, ring.object.index());
            let busy = || ring.slots.iter().filter(|slot| slot.process.is_some());
            let held = busy().filter_map(|slot| match slot.finish {
                Finish::Pass(handle) => Some(handle.description),
                _ => None,
            });
            add_all(&mut descriptions, held.map(Id::index));
        }
        compare("I2: an object", &objects, self.memory.objects.references());
        compare("I3: a description", &descriptions, self.descriptions.references());
        compare("I3: a namespace", &namespaces, self.namespaces.references());
        compare("I3: a scheme", &schemes, self.schemes.references());
    }

    /// I5: a thread is in the queue of its state and in no other, and its context is its own.
    fn check_threads(&self) {
        let mut contexts: Vec<u32> = self.contexts.iter().map(|context| context.0).collect();
        contexts.extend(self.cpus.iter().filter_map(|cpu| cpu.stale).map(|context| context.0));
        let mut threads = Counts::new();
        for (id, thread) in self.threads.iter() {
            contexts.push(thread.context.0);
            add(&mut threads, thread.process.index());
            match thread.state {
                State::Running => {
                    let on = self.cpus.iter().filter(|cpu| cpu.current == Some(id)).count();
                    assert_eq!(on, 1, "I5: {id:?} runs on {on} CPUs");
                }
                State::Reply(ring, slot) => {
                    let ring = self.rings.get(ring).expect("I5: a thread waits for a dead ring");
                    let slot = &ring.slots[usize::from(slot)];
                    assert_eq!(slot.client, Some(id), "I5: {id:?} waits for another's answer");
                }
                State::Ring(ring) => {
                    let ring = self.rings.get(ring).expect("I5: a daemon waits in a dead ring");
                    assert_eq!(ring.idle, Some(id), "I5: {id:?} waits in a ring unknown to it");
                }
                State::Ready(_) | State::On(_) => {}
            }
        }
        self.schedule.check(&self.threads);
        for (id, process) in self.processes.iter() {
            let count = threads.get(&id.index()).copied().unwrap_or(0);
            assert_eq!(process.threads, count, "I5: {id:?} does not know its threads");
            assert!(count == 0 || process.life == Life::Alive, "I5: a dead process runs");
        }
        contexts.sort_unstable();
        let all: Vec<u32> = (0..self.memory.machine.contexts()).collect();
        assert_eq!(contexts, all, "I5: a context is lost or used twice");
    }

    /// I6: a slot is in the queue of its state; what is asked for has a client or is a zombie.
    fn check_rings(&self) {
        for (_, ring) in self.rings.iter() {
            for (number, slot) in (0u16..).zip(&ring.slots) {
                let free = ring.free.iter().filter(|other| **other == number).count();
                let owed = slot.process.is_some();
                assert_eq!(free == 0, owed, "I6: slot {number} is free {free} times");
                let clean = slot.client.is_none() && slot.pins.len() == 0 && !slot.cancel;
                assert!(owed || clean, "I6: slot {number} is free and holds something");
            }
            assert!(self.processes.get(ring.process).is_some(), "I6: a ring without a daemon");
        }
    }
}

/// Compares what was counted with what the slab believes.
fn compare(what: &str, counted: &Counts, believed: impl Iterator<Item = (u32, u32)>) {
    let believed: Counts = believed.filter(|(_, references)| *references > 0).collect();
    assert_eq!(counted, &believed, "{what} is not counted right (index: references)");
}
