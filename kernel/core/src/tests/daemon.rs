//! What a hostile daemon may try, and a client that gives up on one.

use anode_abi::number::{
    NONE, SYS_CLOSE, SYS_FORK, SYS_NS_BIND, SYS_READ, SYS_RING_COPY, SYS_RING_WAIT, SYS_SCHEME_NEW,
    SYS_SIGNAL_PAGE, SYS_THREAD_CREATE, SYS_WRITE,
};
use anode_ring::{Page, Pages};

use super::ring::{Daemon, opened};
use crate::error::{EBADF, EINTR, EINVAL, encode};
use crate::num::wide;
use crate::table::ThreadId;
use crate::testing::{BASE, READ_WRITE, World};
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

fn second_thread(world: &mut World, daemon: &Daemon) -> ThreadId {
    let args = [0x20_0000u64, BASE + 0x5000, 0, 0, 1].map(u64::to_le_bytes);
    world.poke(daemon.thread, BASE, args.as_flattened());
    world.ok(daemon.thread, SYS_THREAD_CREATE, &[BASE, 40]);
    world.child()
}

#[test]
fn of_many_answers_at_once_none_is_left_when_the_daemon_sleeps() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving_by(&mut world, 64);
    let handle = opened(&mut world, &mut daemon);
    assert_eq!(world.call(init, SYS_READ, &[handle, BASE, 8]), None);
    let request = daemon.takes(&mut world).unwrap();
    assert!(daemon.takes(&mut world).is_none());
    for _ in 0..100 {
        daemon.puts(&world, (0, 0), u32::MAX, 0);
    }
    daemon.puts(&world, (0, 0), request.tag, 5);
    assert_eq!(daemon.sleeps(&mut world), None);
    assert_eq!(world.result(init), Some(5));
}

#[test]
fn who_waits_in_a_ring_that_is_closed_is_told() {
    let mut world = World::new();
    let daemon = Daemon::serving(&mut world);
    let other = second_thread(&mut world, &daemon);
    let wait = [daemon.handle, 0, u64::MAX];
    assert_eq!(world.call(other, SYS_RING_WAIT, &wait), None);
    world.ok(daemon.thread, SYS_CLOSE, &[daemon.handle]);
    world.put_on_cpu(other);
    world.trap(Trap::Again);
    assert_eq!(world.result(other), Some(encode(EBADF)));
}

#[test]
fn who_waits_for_a_scheme_that_is_no_more_looks_its_name_up_again() {
    let mut world = World::new();
    let init = world.init;
    world.poke(init, BASE, b"late");
    let owner = world.ok(init, SYS_SCHEME_NEW, &[wide(NONE), BASE, 4, 0]);
    world.ok(init, SYS_FORK, &[]);
    let client = world.child();
    assert_eq!(world.open(client, "late:", READ_WRITE), None);
    world.poke(init, BASE, b"late=rand");
    world.ok(init, SYS_NS_BIND, &[wide(NONE), BASE, 9, wide(NONE)]);
    world.ok(init, SYS_CLOSE, &[owner]);
    world.put_on_cpu(client);
    world.trap(Trap::Again);
    assert!(world.result(client).is_some_and(|handle| handle < 10));
}

#[test]
fn a_client_that_ends_with_its_answer_in_hand_takes_back_no_request() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving(&mut world);
    let handle = opened(&mut world, &mut daemon);
    world.ok(init, SYS_FORK, &[]);
    let client = world.child();
    let page = BASE + 0x2000;
    world.ok(client, SYS_SIGNAL_PAGE, &[page, 0x20_0123]);
    assert_eq!(world.call(client, SYS_READ, &[handle, BASE, 8]), None);
    let request = daemon.takes(&mut world).unwrap();
    assert!(daemon.takes(&mut world).is_none());
    // It ends by a signal that it gives itself, once it runs.
    world.poke(client, page + 16, &[1]);
    world.kernel.threads.update(client, |thread| thread.signalled = true);
    daemon.puts(&world, (0, 0), request.tag, 8);
    assert_eq!(daemon.sleeps(&mut world), None);
    assert!(world.kernel.threads.get(client).is_none());
    world.kernel.check();
    let number = u16::try_from(request.tag & 0xFFFF).unwrap();
    assert_eq!(world.kernel.end_request(daemon.ring, number, 0), None);
    world.kernel.check();
    // There is no news for the daemon.
    assert!(world.kernel.threads.get(daemon.thread).unwrap().state.waits());
}

#[test]
fn two_threads_of_a_daemon_that_wait_lose_neither() {
    let mut world = World::new();
    let init = world.init;
    let mut daemon = Daemon::serving(&mut world);
    let other = second_thread(&mut world, &daemon);
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
