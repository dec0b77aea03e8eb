//! What a hostile daemon may try, and a client that gives up on one.

use anode_abi::number::{
    SYS_CLOSE, SYS_READ, SYS_RING_COPY, SYS_RING_WAIT, SYS_THREAD_CREATE, SYS_WRITE,
};
use anode_ring::{Page, Pages};

use super::ring::{Daemon, opened};
use crate::error::{EINTR, EINVAL, encode};
use crate::testing::{BASE, World};
use crate::trap::Trap;

#[test]
fn a_late_answer_reaches_no_memory_of_a_client_that_gave_up() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving(&mut world);
    let handle = opened(&mut world, &mut daemon);
    world.poke(init, BASE, &[1; 8]);
    assert_eq!(world.call(init, SYS_READ, &[handle, BASE, 8]), None);
    let request = daemon.takes(&mut world).unwrap();
    let number = u16::try_from(request.tag & 0xFFFF).unwrap();
    world.kernel.cancel(daemon.ring, number, init);
    world.kernel.memory.machine.time += 2_000_000_000;
    world.trap(Trap::Tick);
    assert_eq!(world.result(init), Some(encode(EINTR)));
    daemon.fills(&world, request.tag, 7);
    let copy = [daemon.handle, request.tag.into(), 0, BASE, 8 | 1 << 63];
    assert_eq!(world.refused(daemon.thread, SYS_RING_COPY, &copy), EINVAL);
    daemon.answers(&mut world, request.tag, 8);
    assert_eq!(world.peek(init, BASE, 8), [1; 8]);
}

#[test]
fn a_write_that_was_given_up_and_then_done_is_made_again_at_the_same_place() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving(&mut world);
    let handle = opened(&mut world, &mut daemon);
    let description = world.kernel.process(init).unwrap().handles.get(handle).unwrap().description;
    world.kernel.descriptions.update(description, |description| description.offset = 0);
    for done in [8, 0] {
        assert_eq!(world.call(init, SYS_WRITE, &[handle, BASE, 8]), None);
        let request = daemon.takes(&mut world).unwrap();
        assert_eq!(request.args[3], 0);
        let number = u16::try_from(request.tag & 0xFFFF).unwrap();
        world.kernel.cancel(daemon.ring, number, init);
        world.kernel.memory.machine.time += 2_000_000_000;
        world.trap(Trap::Tick);
        assert_eq!(world.result(init), Some(encode(EINTR)));
        while daemon.takes(&mut world).is_some() {}
        daemon.answers(&mut world, request.tag, done);
    }
}

#[test]
fn two_threads_of_a_daemon_that_wait_lose_neither() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving(&mut world);
    let args = [0x20_0000u64, BASE + 0x5000, 0, 0, 1].map(u64::to_le_bytes);
    world.poke(daemon.thread, BASE, args.as_flattened());
    world.ok(daemon.thread, SYS_THREAD_CREATE, &[BASE, 40]);
    let other = world.child();
    let handles: [u64; 12] = core::array::from_fn(|_| opened(&mut world, &mut daemon));
    while daemon.takes(&mut world).is_some() {}
    for handle in handles {
        world.ok(init, SYS_CLOSE, &[handle]);
    }
    // The queue is full of notes, and more wait.
    let seen = world.kernel.rings.get(daemon.ring).unwrap().producer.tail();
    let wait = [daemon.handle, seen.into(), u64::MAX];
    assert_eq!(world.call(other, SYS_RING_WAIT, &wait), None);
    let ring = world.kernel.rings.get(daemon.ring).unwrap();
    let control: &Page = &ring.kernel_pages[0];
    daemon.requests.refresh(control).unwrap();
    while daemon.requests.take(&Pages(&ring.kernel_pages[1..])).is_some() {}
    let own: &Page = &ring.daemon_pages[0];
    daemon.requests.publish(own);
    world.call(daemon.thread, SYS_RING_WAIT, &wait);
    assert!(world.result(other).is_some());
    world.kernel.check();
}
