//! A client and a daemon over a ring.

use anode_abi::number::{
    NONE, SYS_CLOSE, SYS_FORK, SYS_FPATH, SYS_KILL, SYS_NS_BIND, SYS_NS_NEW, SYS_READ,
    SYS_RING_COPY, SYS_RING_NEW, SYS_RING_WAIT, SYS_SCHEME_NEW, SYS_SENDFD, SYS_WRITE,
};
use anode_ring::{CqProducer, Layout, Page, Pages, SqConsumer, pack, unpack};
use redox::schemev2::{Cqe, Sqe};

use crate::error::{EBADF, EINVAL, EIO, encode};
use crate::num::wide;
use crate::table::{RingId, ThreadId};
use crate::testing::{BASE, READ_WRITE, World};
use crate::trap::Trap;

/// A daemon's side of a ring, reading the shared pages as the daemon would.
pub(super) struct Daemon {
    pub(super) thread: ThreadId,
    pub(super) handle: u64,
    pub(super) ring: RingId,
    pub(super) requests: SqConsumer,
    answers: CqProducer,
    seen: u64,
}

impl Daemon {
    /// init makes `test:`, forks, and the child serves it.
    pub(super) fn serving(world: &mut World) -> Self {
        Self::serving_by(world, 8)
    }

    /// The same with a ring of so many entries.
    pub(super) fn serving_by(world: &mut World, entries: u32) -> Self {
        let init = world.init;
        world.poke(init, BASE, b"test");
        let owner = world.ok(init, SYS_SCHEME_NEW, &[wide(NONE), BASE, 4, 0]);
        world.ok(init, SYS_FORK, &[]);
        let thread = world.child();
        // A fork does not inherit it: only `spawn` gives it away.
        assert_eq!(world.refused(thread, SYS_RING_NEW, &[owner, 8, BASE]), EBADF);
        world.give(init, thread, owner);
        let handle = world.ok(thread, SYS_RING_NEW, &[owner, entries.into(), BASE]);
        let ring = world.kernel.rings.iter().next().map(|(id, _)| id).unwrap();
        let entries = Layout::new(entries).unwrap().entries;
        Self {
            thread,
            handle,
            ring,
            requests: SqConsumer::new(entries),
            answers: CqProducer::new(entries.doubled()),
            seen: 0,
        }
    }

    /// Reply-and-wait without sleeping: what came in.
    pub(super) fn takes(&mut self, world: &mut World) -> Option<Sqe> {
        self.seen = world.ok(self.thread, SYS_RING_WAIT, &[self.handle, self.seen, 0]);
        let ring = world.kernel.rings.get(self.ring)?;
        let control: &Page = &ring.kernel_pages[0];
        self.requests.refresh(control).unwrap();
        let taken = self.requests.take(&Pages(&ring.kernel_pages[1..])).map(unpack);
        let own: &Page = &ring.daemon_pages[0];
        self.requests.publish(own);
        taken
    }

    pub(super) fn answers(&mut self, world: &mut World, tag: u32, result: u64) {
        self.answers_as(world, (0, 0), tag, result);
    }

    /// An answer of that kind, by that object.
    pub(super) fn answers_as(
        &mut self,
        world: &mut World,
        (flags, object): (u8, u64),
        tag: u32,
        result: u64,
    ) {
        self.puts(world, (flags, object), tag, result);
        world.call(self.thread, SYS_RING_WAIT, &[self.handle, self.seen, 0]);
    }

    /// The same, without a call.
    pub(super) fn puts(
        &mut self,
        world: &World,
        (flags, object): (u8, u64),
        tag: u32,
        result: u64,
    ) {
        let ring = world.kernel.rings.get(self.ring).unwrap();
        let control: &Page = &ring.kernel_pages[0];
        self.answers.refresh(control).unwrap();
        let [low, high, ..] = object.to_le_bytes();
        let cqe = Cqe { flags, extra_raw: [low, high, 0], tag, result };
        assert!(self.answers.put(&Pages(&ring.daemon_pages[1..]), pack(&cqe)));
        let own: &Page = &ring.daemon_pages[0];
        self.answers.publish(own);
    }

    /// Sleeps until something comes in.
    pub(super) fn sleeps(&self, world: &mut World) -> Option<u64> {
        world.call(self.thread, SYS_RING_WAIT, &[self.handle, self.seen, u64::MAX])
    }

    /// Fills the output slot of a tag.
    pub(super) fn fills(&self, world: &World, tag: u32, byte: u8) {
        let ring = world.kernel.rings.get(self.ring).unwrap();
        let (frame, _) = ring.pages_of(u16::try_from(tag & 0xFFFF).unwrap()).unwrap().1;
        let page = crate::machine::Machine::share(&world.kernel.memory.machine, frame).unwrap();
        let word = u64::from_le_bytes([byte; 8]);
        page.iter().for_each(|w| w.store(word, core::sync::atomic::Ordering::Relaxed));
    }
}

pub(super) fn opened(world: &mut World, daemon: &mut Daemon) -> u64 {
    let init = world.init;
    assert_eq!(world.open(init, "test:a/b", READ_WRITE), None);
    let request = daemon.takes(world).unwrap();
    assert_eq!((request.opcode, request.args[0], request.args[2]), (29, 0, 3));
    daemon.answers(world, request.tag, 42);
    world.result(init).unwrap()
}

#[test]
fn one_open_is_one_packet_and_its_answer_a_handle() {
    let mut world = World::new();
    let mut daemon = Daemon::serving(&mut world);
    let packets = world.kernel.counters.packets;
    let handle = opened(&mut world, &mut daemon);
    assert!(handle > 4);
    assert_eq!(world.kernel.counters.packets, packets + 1);
}

#[test]
fn a_handle_that_a_daemon_gives_away_has_no_right_that_it_had_not() {
    let mut world = World::new();
    let mut daemon = Daemon::serving(&mut world);
    let read_only = 0x1_0000;
    let given = world.open(daemon.thread, "memory:", read_only).unwrap();
    assert_eq!(world.open(world.init, "test:a", READ_WRITE), None);
    let request = daemon.takes(&mut world).unwrap();
    daemon.answers_as(&mut world, (1, 0), request.tag, given);
    let got = world.result(world.init).unwrap();
    assert_eq!(world.call(world.init, SYS_READ, &[got, BASE, 8]), Some(0));
    assert_eq!(world.write(world.init, got, b"x"), Some(encode(EBADF)));
}

#[test]
fn a_directory_that_a_name_leads_to_closes_with_the_name() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving(&mut world);
    let directory = opened(&mut world, &mut daemon);
    let names = world.ok(init, SYS_NS_NEW, &[]);
    world.poke(init, BASE, b"here");
    world.ok(init, SYS_NS_BIND, &[names, BASE, 4, directory]);
    world.ok(init, SYS_CLOSE, &[directory]);
    assert!(daemon.takes(&mut world).is_none());
    world.ok(init, SYS_CLOSE, &[names]);
    let note = daemon.takes(&mut world).unwrap();
    assert_eq!((note.opcode, note.args[0]), (3, 42));
}

#[test]
fn a_read_gets_the_daemons_bytes_and_never_more_than_asked() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving(&mut world);
    let handle = opened(&mut world, &mut daemon);
    world.poke(init, BASE, &[0; 64]);
    assert_eq!(world.call(init, SYS_READ, &[handle, BASE + 8, 16]), None);
    let request = daemon.takes(&mut world).unwrap();
    assert_eq!((request.opcode, request.args[0], request.args[2]), (5, 42, 16));
    daemon.fills(&world, request.tag, 7);
    daemon.answers(&mut world, request.tag, 1_000_000);
    assert_eq!(world.result(init), Some(16));
    let bytes = world.peek(init, BASE, 32);
    assert_eq!(bytes, [[0; 8], [7; 8], [7; 8], [0; 8]].concat());
}

#[test]
fn a_big_write_is_pulled_in_parts_across_pages() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving(&mut world);
    let handle = opened(&mut world, &mut daemon);
    let bytes: std::vec::Vec<u8> = (0..10_000u32).map(|n| n.to_le_bytes()[0]).collect();
    world.poke(init, BASE + 100, &bytes);
    assert_eq!(world.call(init, SYS_WRITE, &[handle, BASE + 100, 10_000]), None);
    let request = daemon.takes(&mut world).unwrap();
    assert_eq!(request.args[1..3], [0, 10_000]);
    let tag = u64::from(request.tag);
    let mut pull = |offset: u64, address: u64, len: u64| {
        let args = [daemon.handle, tag, offset, address, len];
        world.call(daemon.thread, SYS_RING_COPY, &args).unwrap()
    };
    assert_eq!(pull(5_000, BASE + 0x3001, 4_000), 4_000);
    assert_eq!(pull(9_000, BASE, 1_001), encode(EINVAL));
    assert_eq!(pull(0, BASE, 1 << 63 | 8), encode(EINVAL));
    assert_eq!(world.peek(daemon.thread, BASE + 0x3001, 4_000), bytes[5_000..9_000]);
    daemon.answers(&mut world, request.tag, 10_000);
    assert_eq!(world.result(init), Some(10_000));
}

#[test]
fn a_daemons_path_is_cut_to_the_clients_room() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving(&mut world);
    let handle = opened(&mut world, &mut daemon);
    for (room, path) in [(64, "xxx"), (2, "xx"), (0, "")] {
        assert_eq!(world.call(init, SYS_FPATH, &[handle, BASE, room]), None);
        let request = daemon.takes(&mut world).unwrap();
        daemon.fills(&world, request.tag, b'x');
        daemon.answers(&mut world, request.tag, 3);
        assert_eq!(world.result(init), Some(wide(path.len())));
        assert_eq!(world.peek(init, BASE, path.len()), path.as_bytes());
    }
}

#[test]
fn a_stale_or_made_up_tag_reaches_nobody() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving(&mut world);
    let handle = opened(&mut world, &mut daemon);
    assert_eq!(world.call(init, SYS_READ, &[handle, BASE, 8]), None);
    let request = daemon.takes(&mut world).unwrap();
    for tag in [request.tag ^ 0x1_0000, request.tag ^ 1, u32::MAX] {
        daemon.answers(&mut world, tag, 1);
        assert_eq!(world.result(init), None);
    }
    daemon.answers(&mut world, request.tag, encode(EBADF));
    assert_eq!(world.result(init), Some(encode(EBADF)));
    daemon.answers(&mut world, request.tag, 5);
    assert_eq!(world.result(init), Some(encode(EBADF)));
    assert_eq!(world.kernel.counters.stray_answers, 4);
}

#[test]
fn a_daemon_that_dies_fails_what_it_was_asked() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving(&mut world);
    let handle = opened(&mut world, &mut daemon);
    assert_eq!(world.call(init, SYS_WRITE, &[handle, BASE, 8]), None);
    daemon.takes(&mut world).unwrap();
    let process = world.kernel.owner(daemon.thread).unwrap();
    world.kernel.end_process(process, 9);
    assert_eq!(world.result(init), Some(encode(EIO)));
    assert_eq!(world.call(init, SYS_READ, &[handle, BASE, 8]), Some(encode(EIO)));
    world.ok(init, SYS_CLOSE, &[handle]);
    world.settle();
    assert_eq!(world.kernel.rings.len(), 0);
}

fn zombies(world: &World, daemon: &Daemon) -> usize {
    let slots = &world.kernel.rings.get(daemon.ring).unwrap().slots;
    slots.iter().filter(|slot| slot.process.is_some() && slot.client.is_none()).count()
}

#[test]
fn a_client_that_dies_leaves_a_zombie_that_its_answer_frees() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving(&mut world);
    let handle = opened(&mut world, &mut daemon);
    let pid = world.ok(init, SYS_FORK, &[]);
    let client = world.child();
    assert_eq!(world.call(client, SYS_READ, &[handle, BASE, 8]), None);
    let request = daemon.takes(&mut world).unwrap();
    world.ok(init, SYS_KILL, &[pid, 9]);
    let cancel = daemon.takes(&mut world).unwrap();
    assert_eq!((cancel.opcode, cancel.args[0]), (25, u64::from(request.tag)));
    assert_eq!(zombies(&world, &daemon), 1);
    daemon.answers(&mut world, request.tag, 8);
    let ring = world.kernel.rings.get(daemon.ring).unwrap();
    assert_eq!(ring.free.len(), 8);
    assert_eq!(zombies(&world, &daemon), 0);
}

#[test]
fn the_last_close_is_told_once() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving(&mut world);
    let handle = opened(&mut world, &mut daemon);
    world.ok(init, SYS_CLOSE, &[handle]);
    let note = daemon.takes(&mut world).unwrap();
    assert_eq!((note.opcode, note.args[0]), (3, 42));
    assert!(daemon.takes(&mut world).is_none());
}

#[test]
fn an_impossible_index_ends_the_daemon() {
    let mut world = World::new();
    let mut daemon = Daemon::serving(&mut world);
    let ring = world.kernel.rings.get(daemon.ring).unwrap();
    ring.daemon_pages[0][0].store(1000, core::sync::atomic::Ordering::Relaxed);
    world.call(daemon.thread, SYS_RING_WAIT, &[daemon.handle, daemon.seen, 0]);
    daemon.seen = 0;
    // It matters when room is asked for, at the latest at the tick.
    world.trap(Trap::Tick);
    assert!(world.kernel.threads.get(daemon.thread).is_none());
}

#[test]
fn who_watches_what_a_dead_daemon_opened_is_told_once() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving(&mut world);
    let handle = opened(&mut world, &mut daemon);
    let queue = world.open(init, "event:", READ_WRITE).unwrap();
    let record = [handle, 1, 77].map(u64::to_le_bytes);
    assert_eq!(world.write(init, queue, record.as_flattened()), None);
    let request = daemon.takes(&mut world).unwrap();
    assert_eq!((request.opcode, request.args[1]), (11, 1));
    daemon.answers(&mut world, request.tag, 0);
    assert_eq!(world.result(init), Some(24));
    assert_eq!(world.call(init, SYS_READ, &[queue, BASE, 24]), None);

    let process = world.kernel.owner(daemon.thread).unwrap();
    world.kernel.end_process(process, 9);
    world.trap(Trap::Again);

    assert_eq!(world.result(init), Some(24));
    let error_and_hang_up = 8 | 16;
    let told = [handle, error_and_hang_up, 77].map(u64::to_le_bytes);
    assert_eq!(world.peek(init, BASE, 24), told.as_flattened());
    assert_eq!(world.kernel.subscriptions.len(), 0);
    world.ok(init, SYS_CLOSE, &[handle]);
}

#[test]
fn an_owners_handle_is_passed_to_no_daemon() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving(&mut world);
    let handle = opened(&mut world, &mut daemon);
    world.poke(init, BASE, b"more");
    let owner = world.ok(init, SYS_SCHEME_NEW, &[wide(NONE), BASE, 4, 0]);
    assert_eq!(world.refused(init, SYS_SENDFD, &[handle, owner, 0, 0]), EBADF);
}

#[test]
fn who_found_no_slot_is_let_in_when_one_is_answered() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving(&mut world);
    let handle = opened(&mut world, &mut daemon);
    let clients: std::vec::Vec<_> = (0..9)
        .map(|_| {
            world.ok(init, SYS_FORK, &[]);
            let client = world.child();
            assert_eq!(world.call(client, SYS_READ, &[handle, BASE, 8]), None);
            client
        })
        .collect();
    let tags: std::vec::Vec<_> =
        std::iter::from_fn(|| daemon.takes(&mut world)).map(|request| request.tag).collect();
    assert_eq!(tags.len(), 8);
    daemon.answers(&mut world, tags[0], 5);
    assert_eq!(world.result(clients[0]), Some(5));
    world.put_on_cpu(clients[8]);
    world.trap(Trap::Again);
    let last = daemon.takes(&mut world).unwrap();
    daemon.answers(&mut world, last.tag, 6);
    assert_eq!(world.result(clients[8]), Some(6));
}
