//! No user can take the last of anything from root.

use anode_abi::info::{id, part};
use anode_abi::number::{
    NONE, SYS_DUP, SYS_EXIT, SYS_FMAP, SYS_FORK, SYS_NS_NEW, SYS_RING_NEW, SYS_SCHEME_NEW,
    SYS_SETID, SYS_WRITE,
};

use crate::num::wide;
use crate::table::ThreadId;
use crate::testing::{BASE, READ_WRITE, World};

/// A world with a user's program, which has init's handles and so the machine's.
fn with_user() -> (World, ThreadId) {
    let mut world = World::new();
    let init = world.init;
    world.ok(init, SYS_FORK, &[]);
    let user = world.child();
    world.ok(user, SYS_SETID, &[wide(id::UID), 0, 1000]);
    (world, user)
}

/// A user takes a kind of thing until it is refused; root still gets one.
fn leaves_root_some(take: impl Fn(&mut World, ThreadId) -> Option<u64>) {
    let (mut world, user) = with_user();
    let mut taken = 0;
    while take(&mut world, user).is_some_and(|value| value.cast_signed() >= 0) {
        taken += 1;
        assert!(taken < 10_000, "nothing holds it");
    }
    assert!(taken > 8, "only {taken} were given");
    let init = world.init;
    let value = take(&mut world, init).map(u64::cast_signed);
    assert!(value.is_some_and(|value| value >= 0), "after {taken} root got {value:?}");
}

fn opens(path: &str) {
    leaves_root_some(|world, thread| world.open(thread, path, READ_WRITE));
}

#[test]
fn of_pipes() {
    opens("pipe:");
}

#[test]
fn of_event_queues() {
    opens("event:");
}

#[test]
fn of_memory_objects() {
    opens("memory:");
}

#[test]
fn of_memory_objects_by_mapping() {
    const SHARED: u64 = 1;
    const LAZY: u64 = 0x10;
    const READ: u64 = 0x4_0000;
    leaves_root_some(|world, thread| {
        for (at, word) in (BASE..).step_by(8).zip([0, 4096, SHARED | LAZY | READ, 0]) {
            world.poke(thread, at, &word.to_le_bytes());
        }
        world.call(thread, SYS_FMAP, &[wide(NONE), BASE, 32])
    });
}

#[test]
fn of_open_descriptions() {
    opens("rand:");
}

#[test]
fn of_namespaces() {
    leaves_root_some(|world, thread| world.call(thread, SYS_NS_NEW, &[]));
}

#[test]
fn of_interrupts() {
    let words = [wide(part::MESSAGE), 0, 0];
    leaves_root_some(|world, thread| world.part(thread, 4, &words));
}

#[test]
fn of_subscriptions() {
    leaves_root_some(|world, thread| {
        // The first two handles behind init's five are a queue and what it watches.
        if world.kernel.process(thread).is_ok_and(|process| process.handles.get(6).is_err()) {
            world.open(thread, "event:", READ_WRITE)?;
            world.open(thread, "pipe:", READ_WRITE)?;
        }
        let watched = world.call(thread, SYS_DUP, &[6, 0, 0, u64::MAX])?;
        for (at, word) in (BASE..).step_by(8).zip([watched, 1, 0]) {
            world.poke(thread, at, &word.to_le_bytes());
        }
        world.call(thread, SYS_WRITE, &[5, BASE, 24])
    });
}

#[test]
fn of_processes_that_ended() {
    leaves_root_some(|world, thread| {
        let pid = world.call(thread, SYS_FORK, &[])?;
        if pid.cast_signed() > 0 {
            let child = world.child();
            world.call(child, SYS_EXIT, &[0]);
            world.settle();
        }
        Some(pid)
    });
}

#[test]
fn of_a_daemons_slots() {
    let (mut world, user) = with_user();
    let init = world.init;
    world.poke(init, BASE, b"test");
    let owner = world.ok(init, SYS_SCHEME_NEW, &[wide(NONE), BASE, 4, 0]);
    world.ok(init, SYS_FORK, &[]);
    let daemon = world.child();
    world.give(init, daemon, owner);
    world.ok(daemon, SYS_RING_NEW, &[owner, 8, BASE]);
    let ring = world.kernel.rings.iter().next().map(|(id, _)| id).unwrap();
    let asked = |world: &World| {
        let ring = world.kernel.rings.get(ring).unwrap();
        ring.slots.iter().filter(|slot| slot.process.is_some()).count()
    };
    for _ in 0..10 {
        if world.call(user, SYS_FORK, &[]).is_some_and(|pid| pid.cast_signed() > 0) {
            let child = world.child();
            assert_eq!(world.open(child, "test:", READ_WRITE), None);
        }
    }
    assert_eq!(asked(&world), 7);
    assert_eq!(world.open(init, "test:", READ_WRITE), None);
    assert_eq!(asked(&world), 8);
}
