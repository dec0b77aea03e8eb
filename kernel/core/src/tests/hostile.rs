//! What a hostile program may try against the kernel or its neighbours.

use anode_abi::info::{id, part};
use anode_abi::number::{
    NONE, SYS_DUP, SYS_EXIT, SYS_FMAP, SYS_FORK, SYS_FTRUNCATE, SYS_FUNMAP, SYS_KILL, SYS_LSEEK,
    SYS_MPROTECT, SYS_SETID, SYS_SIGNAL_PAGE, SYS_THREAD_CREATE, SYS_WRITE, SYS_YIELD,
};

use crate::error::{EACCES, EAGAIN, EBADF, EFAULT, EPERM, encode};
use crate::machine::Machine;
use crate::mem::object::Window;
use crate::mem::region::MapFlags;
use crate::num::wide;
use crate::object::handle::{Rights, Target};
use crate::object::thread::Then;
use crate::table::ThreadId;
use crate::testing::{BASE, READ_WRITE, World};
use crate::trap::{Resume, Trap};

const SHARED: u64 = 1;
const PRIVATE: u64 = 2;
const READ: u64 = 0x4_0000;
const RW: u64 = 0x6_0000;

/// Maps a page of an object.
fn map_object(world: &mut World, thread: ThreadId, object: u64, flags: u64) -> u64 {
    for (n, word) in (0u64..).zip([0, 4096, flags, 0]) {
        world.poke(thread, BASE + n * 8, &word.to_le_bytes());
    }
    world.ok(thread, SYS_FMAP, &[object, BASE, 32])
}

fn window_of(world: &World, thread: ThreadId, handle: u64) -> Window {
    let process = world.kernel.owner(thread).unwrap();
    let handle = world.kernel.processes.get(process).unwrap().handles.get(handle).unwrap();
    match world.kernel.descriptions.get(handle.description).unwrap().target {
        Target::Memory(window) => window,
        other => panic!("{other:?} is no memory"),
    }
}

#[test]
fn a_page_that_an_object_lost_and_got_anew_is_not_freed_by_its_old_mapping() {
    let mut world = World::new();
    let init = world.init;
    let object = world.open(init, "memory:", READ_WRITE).unwrap();
    world.ok(init, SYS_FTRUNCATE, &[object, 4096]);
    let address = map_object(&mut world, init, object, SHARED | RW);
    world.poke(init, address, b"old");
    world.ok(init, SYS_FTRUNCATE, &[object, 0]);
    world.ok(init, SYS_FTRUNCATE, &[object, 4096]);
    world.write(init, object, b"new").unwrap();
    let window = window_of(&world, init, object);
    let frame = world.kernel.memory.page(window.object, 0).unwrap();

    world.ok(init, SYS_MPROTECT, &[address, 4096, READ]);
    world.ok(init, SYS_MPROTECT, &[address, 4096, RW]);
    world.touch(init, address, MapFlags::WRITE);
    world.ok(init, SYS_FUNMAP, &[address, 4096]);

    assert!(world.kernel.memory.frames.is_sole(frame));
}

#[test]
fn what_was_mapped_to_be_read_never_becomes_writable() {
    let mut world = World::new();
    let init = world.init;
    let object = world.open(init, "memory:", READ_WRITE).unwrap();
    world.ok(init, SYS_FTRUNCATE, &[object, 4096]);
    let address = map_object(&mut world, init, object, SHARED | READ);
    assert_eq!(world.refused(init, SYS_MPROTECT, &[address, 4096, RW]), EACCES);
    let address = map_object(&mut world, init, object, SHARED | RW);
    world.ok(init, SYS_MPROTECT, &[address, 4096, READ]);
    world.ok(init, SYS_MPROTECT, &[address, 4096, RW]);
}

/// A second thread of init.
fn second_thread(world: &mut World) -> ThreadId {
    let init = world.init;
    for (n, word) in (0u64..).zip([0x20_0000u64, BASE + 0x5000, 0, 0, 1]) {
        world.poke(init, BASE + n * 8, &word.to_le_bytes());
    }
    world.ok(init, SYS_THREAD_CREATE, &[BASE, 40]);
    world.child()
}

/// Memory of init's whose pages are all there.
fn filled(world: &mut World, bytes: u64) -> u64 {
    let big = world.map(world.init, bytes, RW | PRIVATE).unwrap();
    for page in 0..bytes / 4096 {
        world.poke(world.init, big + page * 4096, b"x");
    }
    big
}

#[test]
fn long_work_on_memory_leaves_the_registers_of_its_caller() {
    let mut world = World::new();
    let init = world.init;
    let big = filled(&mut world, 1200 * 4096);
    assert_eq!(world.start(init, SYS_MPROTECT, &[big, 1200 * 4096, READ]), Resume::Again);
    while world.trap(Trap::Again) == Resume::Again {}
    assert_eq!(world.result(init), Some(0));
    let context = world.kernel.threads.get(init).unwrap().context;
    let call = world.kernel.memory.machine.saved(context).call();
    assert_eq!((call.a, call.b, call.c), (big, 1200 * 4096, READ));
}

#[test]
fn what_another_thread_maps_where_memory_goes_away_stays() {
    let mut world = World::new();
    let init = world.init;
    let other = second_thread(&mut world);
    let big = filled(&mut world, 1200 * 4096);
    assert_eq!(world.start(init, SYS_FUNMAP, &[big, 1200 * 4096]), Resume::Again);
    let fresh = world.map(other, 4096, RW | PRIVATE).unwrap();
    assert_eq!(fresh, big);
    end_of_long_work(&mut world, other);
    assert_eq!(world.result(init), Some(0));
    world.poke(other, fresh, b"x");
    assert_eq!(world.kernel.space(init).unwrap().0.find((big >> 12) + 1), None);
}

#[test]
fn what_was_done_of_a_long_transfer_moves_the_offset() {
    let mut world = World::new();
    let init = world.init;
    let object = world.open(init, "memory:", READ_WRITE).unwrap();
    let same = world.ok(init, SYS_DUP, &[object, 0, 0, wide(NONE)]);
    assert_eq!(world.start(init, SYS_WRITE, &[object, BASE, 40_000]), Resume::Again);
    let handle = world.kernel.process(init).unwrap().handles.take(object).unwrap();
    world.kernel.drop_description(handle.description);
    world.trap(Trap::Again);
    assert_eq!(world.result(init), Some(16 << 10));
    assert_eq!(world.ok(init, SYS_LSEEK, &[same, 0, 1]), 16 << 10);
}

/// Starts a fork of init that takes several traps, and stops in the midst of it.
fn half_a_fork(world: &mut World) {
    world.start(world.init, SYS_FORK, &[]);
    let then = world.kernel.threads.get(world.init).unwrap().then;
    assert!(matches!(then, Then::Fork(..)));
}

/// Lets init's fork, or other long work, go on to its end.
fn end_of_long_work(world: &mut World, other: ThreadId) {
    while world.kernel.cpus[0].current != Some(world.init) {
        world.call(other, SYS_YIELD, &[]);
    }
}

#[test]
fn a_child_that_is_killed_before_it_is_made_lets_go_of_its_names_once() {
    let mut world = World::new();
    let init = world.init;
    let other = second_thread(&mut world);
    filled(&mut world, 1200 * 4096);
    half_a_fork(&mut world);
    world.call(other, SYS_KILL, &[2, 9]);
    end_of_long_work(&mut world, other);
    assert_eq!(world.result(init), Some(encode(EAGAIN)));
    let names = world.kernel.processes.iter().next().unwrap().1.who.namespace;
    assert!(world.kernel.namespaces.get(names).is_some());
    assert_eq!(world.open(init, "rand:", READ_WRITE), Some(5));
}

#[test]
fn a_part_of_memory_has_no_right_that_the_whole_had_not() {
    let mut world = World::new();
    let init = world.init;
    let whole = world.open(init, "memory:", READ_WRITE).unwrap();
    world.ok(init, SYS_FTRUNCATE, &[whole, 4096]);
    let part = world.part(init, whole, &[0, 4096]).unwrap();
    assert_eq!(world.write(init, part, b"x"), Some(1));
    let process = world.kernel.process(init).unwrap();
    process.handles.get_mut(whole).unwrap().rights.remove(Rights::WRITE);
    let part = world.part(init, whole, &[0, 4096]).unwrap();
    assert_eq!(world.write(init, part, b"x"), Some(encode(EBADF)));
}

#[test]
fn a_signal_to_the_callers_group_reaches_all_of_it() {
    let mut world = World::new();
    let init = world.init;
    world.ok(init, SYS_FORK, &[]);
    let leader = world.child();
    world.ok(leader, SYS_SETID, &[wide(id::PGID), 0, 0]);
    world.ok(leader, SYS_FORK, &[]);
    world.call(leader, SYS_KILL, &[0, 9]);
    assert_eq!(world.kernel.threads.len(), 1);
}

#[test]
fn no_queue_watches_a_queue() {
    let mut world = World::new();
    let init = world.init;
    let [outer, inner] = ["event:"; 2].map(|path| world.open(init, path, READ_WRITE).unwrap());
    for watched in [outer, inner] {
        let words = [watched, 1, 0].map(u64::to_le_bytes);
        assert_eq!(world.write(init, outer, words.as_flattened()), Some(encode(EPERM)));
    }
}

#[test]
fn a_fork_bomb_leaves_root_able_to_act() {
    let mut world = World::new();
    let init = world.init;
    world.ok(init, SYS_FORK, &[]);
    let bomb = world.child();
    world.ok(bomb, SYS_SETID, &[3, 0, 7]);
    let mut forks = 0;
    while world.call(bomb, SYS_FORK, &[]).is_some_and(|pid| pid.cast_signed() > 0) {
        forks += 1;
    }
    assert!(forks > 8);
    world.ok(init, SYS_FORK, &[]);
}

#[test]
fn children_that_nobody_waits_for_leave_root_able_to_act() {
    let mut world = World::new();
    let init = world.init;
    world.ok(init, SYS_FORK, &[]);
    let bomb = world.child();
    world.ok(bomb, SYS_SETID, &[3, 0, 7]);
    let mut zombies = 0;
    while world.call(bomb, SYS_FORK, &[]).is_some_and(|pid| pid.cast_signed() > 0) {
        let child = world.child();
        world.call(child, SYS_EXIT, &[0]);
        zombies += 1;
    }
    assert!(zombies > 8);
    world.ok(init, SYS_FORK, &[]);
}

#[test]
fn a_signal_to_a_child_that_is_being_made_loses_no_frame() {
    let mut world = World::new();
    let init = world.init;
    let other = second_thread(&mut world);
    let last_page = filled(&mut world, 1200 * 4096) + 1199 * 4096;
    world.ok(init, SYS_SIGNAL_PAGE, &[last_page, 0x20_0123]);
    half_a_fork(&mut world);
    world.ok(other, SYS_KILL, &[2, 10]);
    end_of_long_work(&mut world, other);
    assert_eq!(world.result(init), Some(2));
    world.kernel.check();
}

#[test]
fn what_takes_the_place_of_memory_during_a_fork_is_not_the_childs() {
    let mut world = World::new();
    let init = world.init;
    let other = second_thread(&mut world);
    let secret = world.map(init, 64 * 4096, RW | PRIVATE).unwrap();
    for page in 0..64 {
        world.poke(init, secret + page * 4096, b"secret");
    }
    let last_page = filled(&mut world, 1200 * 4096) + 1199 * 4096;
    let registers = world.part(init, 4, &[wide(part::UNCACHED), 0xFEB0_0000, 4096]).unwrap();
    half_a_fork(&mut world);
    world.ok(other, SYS_FUNMAP, &[secret, 64 * 4096]);
    for (n, word) in (0u64..).zip([0, 4096, RW | SHARED | 4, last_page]) {
        world.poke(other, BASE + n * 8, &word.to_le_bytes());
    }
    world.ok(other, SYS_FMAP, &[registers, BASE, 32]);
    world.touch(other, last_page, MapFlags::WRITE);
    end_of_long_work(&mut world, other);
    let child = world.child();
    let (space, memory) = world.kernel.space(child).unwrap();
    let table = space.tree.lowest(&memory.machine, last_page >> 12);
    let slot = table.slot(&memory.machine, last_page >> 12).unwrap();
    assert_eq!((table.levels, slot.get()), (1, 0));
    world.kernel.check();
}

#[test]
fn a_signal_page_is_the_programs_that_registered_it_and_no_later_ones() {
    let mut world = World::new();
    let init = world.init;
    let (page, process) = (BASE + 0x2000, world.kernel.owner(init).unwrap());
    assert_eq!(world.refused(init, SYS_SIGNAL_PAGE, &[0x7000_0000, 0]), EFAULT);
    assert_eq!(world.kernel.process(init).unwrap().signals, None);
    world.ok(init, SYS_SIGNAL_PAGE, &[page, 0x20_0123]);
    world.ok(init, SYS_FUNMAP, &[page, 4096]);
    world.kernel.post_signal(process, 10);
    world.kernel.leave_page(process);
    let left = world.kernel.process(init).unwrap();
    assert_eq!((left.signals, left.pending), (None, 1 << 9));
}

#[test]
fn a_part_of_the_machine_has_no_right_that_the_whole_had_not() {
    let mut world = World::new();
    let init = world.init;
    let process = world.kernel.process(init).unwrap();
    process.handles.get_mut(4).unwrap().rights.remove(Rights::WRITE);
    let ports = world.part(init, 4, &[wide(part::PORTS), 0x70, 2]).unwrap();
    assert_eq!(world.write(init, ports, b"x"), Some(encode(EBADF)));
}
