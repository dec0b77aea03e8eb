//! Long transfers: others get the lock between their parts, and each part counts.

use anode_abi::number::{SYS_READ, SYS_READ2, SYS_RING_COPY, SYS_WRITE};

use super::ring::{Daemon, opened};
use crate::testing::{BASE, READ_WRITE, World};
use crate::trap::{Resume, Trap};

#[test]
fn a_long_read_of_an_object_lets_others_run_between_its_parts() {
    let mut world = World::new();
    let init = world.init;
    let object = world.open(init, "memory:", READ_WRITE).unwrap();
    let bytes: std::vec::Vec<u8> = (0..40_000u32).map(|n| n.to_le_bytes()[0] ^ 0x5A).collect();
    world.poke(init, BASE, &bytes);
    assert_eq!(world.start(init, SYS_WRITE, &[object, BASE, 40_000]), Resume::Again);
    assert_eq!(world.trap(Trap::Again), Resume::Again);
    world.trap(Trap::Again);
    assert_eq!(world.result(init), Some(40_000));
    world.poke(init, BASE, &[0; 40_000]);
    assert_eq!(world.ok(init, SYS_READ2, &[object, BASE, 40_000, 0, 0]), 40_000);
    assert_eq!(world.peek(init, BASE, 40_000), bytes);
}

#[test]
fn a_read_into_fresh_memory_lets_others_run_while_its_pages_are_made() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving(&mut world);
    let handle = opened(&mut world, &mut daemon);
    let fresh = world.map(init, 1 << 20, 0x6_0002).unwrap();
    let all = world.kernel.memory.frames.free();

    let (mut free, mut slices) = (all, 1);
    let mut resume = world.start(init, SYS_READ, &[handle, fresh, 1 << 20]);
    while resume == Resume::Again {
        let left = world.kernel.memory.frames.free();
        assert!(free - left <= 8, "{} frames were made at a time", free - left);
        (free, slices) = (left, slices + 1);
        resume = world.trap(Trap::Again);
    }

    assert!(slices > 256 / 8 && all - free > 250);
    assert_eq!(daemon.takes(&mut world).unwrap().args[2], 1 << 20);
    world.kernel.check();
}

#[test]
fn a_long_transfer_that_cannot_end_gives_what_was_done() {
    for reused in [false, true] {
        let mut world = World::new();
        let init = world.init;
        let [object, other] = [(); 2].map(|()| world.open(init, "memory:", READ_WRITE).unwrap());
        assert_eq!(world.start(init, SYS_WRITE, &[object, BASE, 40_000]), Resume::Again);
        let process = world.kernel.process(init).unwrap();
        let [old, new] = [object, other].map(|number| process.handles.take(number).unwrap());
        if reused {
            assert_eq!(process.handles.put(object, new), None);
        } else {
            world.kernel.drop_description(new.description);
        }
        world.kernel.drop_description(old.description);
        world.trap(Trap::Again);
        assert_eq!(world.result(init), Some(16 << 10));
        if reused {
            assert_eq!(world.stat(init, object).1, 0);
        }
    }
}

#[test]
fn a_long_answer_by_an_object_comes_in_parts_and_whole() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving(&mut world);
    let handle = opened(&mut world, &mut daemon);
    let object = world.open(daemon.thread, "memory:", READ_WRITE).unwrap();
    let bytes: std::vec::Vec<u8> = (0..40_000u32).map(|n| n.to_le_bytes()[1] ^ 0x5A).collect();
    world.poke(daemon.thread, BASE, &bytes);
    world.ok(daemon.thread, SYS_WRITE, &[object, BASE, 40_000]);
    assert_eq!(world.call(init, SYS_READ, &[handle, BASE, 50_000]), None);
    let request = daemon.takes(&mut world).unwrap();
    daemon.fills(&world, request.tag, 0);
    daemon.answers_as(&mut world, (6, object), request.tag, 40_000);
    assert_eq!(world.result(init), Some(40_000));
    assert_eq!(world.peek(init, BASE, 40_000), bytes);
}

#[test]
fn one_copy_of_a_daemons_keeps_the_lock_for_16_kib_at_most() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving(&mut world);
    let handle = opened(&mut world, &mut daemon);
    assert_eq!(world.call(init, SYS_WRITE, &[handle, BASE, 20_000]), None);
    let request = daemon.takes(&mut world).unwrap();
    let args = [daemon.handle, request.tag.into(), 0, BASE, 20_000];
    assert_eq!(world.ok(daemon.thread, SYS_RING_COPY, &args), 16 << 10);
}
