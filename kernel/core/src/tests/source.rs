//! Pipes, events, names and facts: what the kernel itself serves.

use anode_abi::counters::Counters;
use anode_abi::info::{fact, id};
use anode_abi::number::{
    SYS_CLOSE, SYS_DUP, SYS_EVENT_WAIT, SYS_FORK, SYS_GETDENTS, SYS_INFO, SYS_READ, SYS_REBOOT,
    SYS_SETID, SYS_WRITE,
};

use std::vec::Vec;

use crate::error::{EAGAIN, EINVAL, ENOENT, EPERM, ESRCH, encode};
use crate::num::wide;
use crate::table::ThreadId;
use crate::testing::{BASE, READ_WRITE, World};
use crate::trap::{Resume, Trap};

const NONBLOCK: u64 = 0x4_0000;

fn pipe(world: &mut World, flags: u64) -> (u64, u64) {
    let init = world.init;
    let read = world.open(init, "pipe:", READ_WRITE | flags).unwrap();
    world.poke(init, BASE, b"write");
    let write = world.ok(init, SYS_DUP, &[read, BASE, 5, u64::MAX]);
    (read, write)
}

#[test]
fn bytes_come_out_of_a_pipe_in_order_and_then_the_end() {
    let mut world = World::new();
    let init = world.init;
    let (read, write) = pipe(&mut world, NONBLOCK);
    assert_eq!(world.call(init, SYS_READ, &[read, BASE, 10]), Some(encode(EAGAIN)));
    world.write(init, write, b"hello").unwrap();
    assert_eq!(world.text(init, read), "hello");
    world.ok(init, SYS_CLOSE, &[write]);
    assert_eq!(world.text(init, read), "");
}

#[test]
fn a_pipe_keeps_its_bytes_in_order_around_its_end() {
    let mut world = World::new();
    let init = world.init;
    let (read, write) = pipe(&mut world, NONBLOCK);
    for round in 0..5u8 {
        let bytes: Vec<u8> = (0..30_001u32).map(|n| n.to_le_bytes()[0] ^ round).collect();
        world.poke(init, BASE + 3, &bytes);
        assert_eq!(world.ok(init, SYS_WRITE, &[write, BASE + 3, 30_001]), 30_001);
        world.poke(init, BASE, &[0; 31_000]);
        assert_eq!(world.ok(init, SYS_READ, &[read, BASE + 777, 50_000]), 30_001);
        assert_eq!(world.peek(init, BASE + 777, 30_001), bytes);
    }
}

#[test]
fn a_long_copy_through_a_pipe_lets_others_run_between_its_parts() {
    let mut world = World::new();
    let init = world.init;
    let (read, write) = pipe(&mut world, 0);
    let bytes: Vec<u8> = (0..50_000u32).map(|n| n.to_le_bytes()[0] ^ 0x5A).collect();
    world.poke(init, BASE, &bytes);
    for number in [SYS_WRITE, SYS_READ] {
        let handle = if number == SYS_WRITE { write } else { read };
        assert_eq!(world.start(init, number, &[handle, BASE, 50_000]), Resume::Again);
        let parts = (1..).take_while(|_| world.trap(Trap::Again) == Resume::Again).count();
        assert_eq!((parts, world.result(init)), (2, Some(50_000)));
        assert_eq!(world.peek(init, BASE, 50_000), bytes);
        world.poke(init, BASE, &[0; 50_000]);
    }
    // What does not fit is left to the writer, who is told how much did.
    assert_eq!(world.ok(init, SYS_WRITE, &[write, BASE, 50_000]), 50_000);
    assert_eq!(world.ok(init, SYS_WRITE, &[write, BASE, 50_000]), 65_536 - 50_000);
}

#[test]
fn a_full_log_pipe_drops_and_counts() {
    let mut world = World::new();
    let init = world.init;
    let read = world.open(init, "pipe:log", READ_WRITE).unwrap();
    world.poke(init, BASE, b"write");
    let write = world.ok(init, SYS_DUP, &[read, BASE, 5, u64::MAX]);
    for _page in 0..16 {
        assert_eq!(world.ok(init, SYS_WRITE, &[write, BASE, 4096]), 4096);
    }
    assert_eq!(world.stat(init, read), (1, 0));
    assert_eq!(world.ok(init, SYS_WRITE, &[write, BASE, 100]), 100);
    assert_eq!(world.stat(init, read), (1, 100));
}

#[test]
fn a_reader_sleeps_until_somebody_writes() {
    let mut world = World::new();
    let init = world.init;
    let (read, write) = pipe(&mut world, 0);
    world.ok(init, SYS_FORK, &[]);
    let child = world.child();
    assert_eq!(world.call(child, SYS_READ, &[read, BASE, 10]), None);
    world.write(init, write, b"abc").unwrap();
    world.call(init, anode_abi::number::SYS_YIELD, &[]);
    assert_eq!(world.result(child), Some(3));
    assert_eq!(world.peek(child, BASE, 3), b"abc");
}

#[test]
fn events_tell_once_what_became_ready() {
    let mut world = World::new();
    let init = world.init;
    let (read, write) = pipe(&mut world, 0);
    let queue = world.open(init, "event:", READ_WRITE).unwrap();
    let mut record = read.to_le_bytes().to_vec();
    record.extend(1u64.to_le_bytes());
    record.extend(77u64.to_le_bytes());
    world.write(init, queue, &record).unwrap();
    assert_eq!(world.ok(init, SYS_EVENT_WAIT, &[queue, BASE, 24, 0]), 0);
    world.write(init, write, b"x").unwrap();
    assert_eq!(world.ok(init, SYS_EVENT_WAIT, &[queue, BASE, 48, 0]), 24);
    assert_eq!(world.peek(init, BASE, 24), record);
    assert_eq!(world.ok(init, SYS_EVENT_WAIT, &[queue, BASE, 24, 0]), 0);
}

#[test]
fn names_are_listed_and_unknown_ones_send_nothing() {
    let mut world = World::new();
    let init = world.init;
    let names = world.open(init, "/scheme", READ_WRITE).unwrap();
    let len = world.ok(init, SYS_GETDENTS, &[names, BASE, 4096, 0]);
    let bytes = world.peek(init, BASE, usize::try_from(len).unwrap());
    let text = std::string::String::from_utf8_lossy(&bytes).into_owned();
    for name in ["debug", "event", "memory", "pipe", "rand"] {
        assert!(text.contains(name), "{name}");
    }
    let packets = world.kernel.counters.packets;
    for path in ["disk:0", "/scheme/disk/0", "/etc/passwd", "nothing", ""] {
        assert_eq!(world.open(init, path, READ_WRITE), Some(encode(ENOENT)), "{path}");
    }
    assert_eq!(world.open(init, "pipe:a\0b", READ_WRITE), Some(encode(EINVAL)));
    assert_eq!(world.kernel.counters.packets, packets);
}

/// Words of a kind of fact, as `thread` is told them.
fn facts(world: &mut World, thread: ThreadId, kind: usize, argument: u64) -> Vec<u64> {
    let len = world.ok(thread, SYS_INFO, &[wide(kind), argument, BASE, 4096]);
    let bytes = world.peek(thread, BASE, usize::try_from(len).unwrap());
    bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

#[test]
fn the_kernel_tells_root_about_its_processes() {
    let mut world = World::new();
    let init = world.init;
    world.ok(init, SYS_FORK, &[]);
    assert_eq!(facts(&mut world, init, fact::PROCESSES, 0), [1, 2]);
    assert_eq!(facts(&mut world, init, fact::PROCESSES, 1), [2]);

    let process = facts(&mut world, init, fact::PROCESS, 2);

    let [pid, parent, group, uid, gid, state, threads, ..] = process[..] else { panic!() };
    assert_eq!((pid, parent, group, uid, gid), (2, 1, 1, 0, 0));
    assert_eq!((state, threads, process.len()), (u64::from(b'R'), 1, 11));
    let len = world.ok(init, SYS_INFO, &[wide(fact::NAME), 1, BASE, 4096]);
    assert_eq!(world.peek(init, BASE, usize::try_from(len).unwrap()), b"/sbin/init");
    assert_eq!(world.refused(init, SYS_INFO, &[wide(fact::PROCESS), 9, BASE, 4096]), ESRCH);
}

#[test]
fn other_facts_come_whole_or_from_a_byte_on() {
    let mut world = World::new();
    let init = world.init;
    let counters = facts(&mut world, init, fact::COUNTERS, 0);
    assert_eq!(counters.len(), Counters::NAMES.len());
    assert_eq!(counters[0], world.kernel.counters.traps);
    let [total, free, ..] = facts(&mut world, init, fact::MEMORY, 0)[..] else { panic!() };
    assert!(free < total && total <= 4096, "{free} of {total}");
    let len = world.ok(init, SYS_INFO, &[wide(fact::BOOT), 5, BASE, 4]);
    assert_eq!((len, world.peek(init, BASE, 4)), (4, b"0x10".to_vec()));
    assert_eq!(world.refused(init, SYS_INFO, &[99, 0, BASE, 4]), EINVAL);
}

#[test]
fn facts_and_the_machines_end_are_roots_alone() {
    let mut world = World::new();
    let init = world.init;
    world.ok(init, SYS_FORK, &[]);
    let child = world.child();
    world.ok(child, SYS_SETID, &[wide(id::UID), 0, 7]);
    assert_eq!(world.refused(child, SYS_INFO, &[wide(fact::BOOT), 0, BASE, 9]), EPERM);
    assert_eq!(world.refused(child, SYS_REBOOT, &[]), EPERM);
    assert_eq!(world.kernel.memory.machine.reboots, 0);
    world.refused(init, SYS_REBOOT, &[]);
    assert_eq!(world.kernel.memory.machine.reboots, 1);
}
