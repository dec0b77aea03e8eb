//! Processes, signals, futexes.

use anode_abi::info::id;
use anode_abi::number::{
    SYS_CLOSE, SYS_EXIT, SYS_FORK, SYS_FUTEX, SYS_GETID, SYS_KILL, SYS_NANOSLEEP, SYS_SETID,
    SYS_SIGNAL_PAGE, SYS_SIGNAL_RETURN, SYS_THREAD_CREATE, SYS_WAITPID,
};

use crate::prelude::*;
use crate::testing::{BASE, READ_WRITE, World};
use crate::trap::Trap;

const ANY: u64 = u64::MAX;

/// A second thread of init's process.
fn second_thread(world: &mut World) -> ThreadId {
    let init = world.init;
    let args = [0x20_0000u64, BASE + 0x5000, 0, 0, 1].map(u64::to_le_bytes);
    world.poke(init, BASE, args.as_flattened());
    world.ok(init, SYS_THREAD_CREATE, &[BASE, 40]);
    world.child()
}

#[test]
fn init_starts_with_its_five_handles_and_pid_one() {
    let mut world = World::new();
    let init = world.init;
    assert_eq!(world.ok(init, SYS_GETID, &[u64::try_from(id::PID).unwrap(), 0]), 1);
    for handle in 0..5 {
        world.ok(init, SYS_CLOSE, &[handle]);
    }
    assert_eq!(world.refused(init, SYS_CLOSE, &[5]), EBADF);
}

#[test]
fn a_fork_shares_memory_until_one_side_writes() {
    let mut world = World::new();
    let init = world.init;
    world.poke(init, BASE, b"before");
    let pid = world.ok(init, SYS_FORK, &[]);
    let child = world.child();

    world.poke(child, BASE, b"child!");

    assert_eq!(world.peek(init, BASE, 6), b"before");
    world.poke(init, BASE, b"parent");
    assert_eq!(world.peek(child, BASE, 6), b"child!");
    assert_eq!(world.result(child), Some(0));
    assert_eq!(world.ok(child, SYS_GETID, &[1, 0]), 1);
    assert!(pid > 1);
}

#[test]
fn a_child_that_ends_gives_everything_back() {
    let mut world = World::new();
    let init = world.init;
    world.poke(init, BASE, b"x");
    world.open(init, "pipe:", READ_WRITE).unwrap();
    let free = world.kernel.memory.frames.free();
    for round in 0..20u64 {
        let pid = world.ok(init, SYS_FORK, &[]);
        let child = world.child();
        world.poke(child, BASE, b"y");
        assert_eq!(world.call(child, SYS_EXIT, &[round]), None);
        let status = world.ok(init, SYS_WAITPID, &[ANY, 0]);
        assert_eq!(status, pid | round << 40);
    }
    world.settle();
    assert_eq!(world.kernel.memory.frames.free(), free);
    assert_eq!(world.kernel.processes.len(), 1);
    assert_eq!(world.refused(init, SYS_WAITPID, &[ANY, 0]), ECHILD);
}

#[test]
fn a_parent_sleeps_until_its_child_ends() {
    let mut world = World::new();
    let init = world.init;
    let pid = world.ok(init, SYS_FORK, &[]);
    let child = world.child();
    assert_eq!(world.call(init, SYS_WAITPID, &[ANY, 0]), None);
    world.call(child, SYS_EXIT, &[3]);
    assert_eq!(world.result(init), Some(pid | 3 << 40));
}

#[test]
fn the_end_of_init_restarts_the_machine_whoever_is_left() {
    let mut world = World::new();
    let init = world.init;
    world.ok(init, SYS_FORK, &[]);
    world.ok(init, SYS_FORK, &[]);
    world.call(init, SYS_EXIT, &[0]);
    assert_eq!(world.kernel.memory.machine.power, Some(Power::Reboot));
}

#[test]
fn a_kill_acts_at_once_and_only_where_it_may() {
    let mut world = World::new();
    let init = world.init;
    let pid = world.ok(init, SYS_FORK, &[]);
    let child = world.child();
    world.ok(child, SYS_SETID, &[3, 0, 7]);
    assert_eq!(world.refused(child, SYS_KILL, &[1, 9]), EPERM);
    assert_eq!(world.refused(child, SYS_SETID, &[3, 0, 0]), EPERM);
    assert_eq!(world.refused(init, SYS_KILL, &[999, 9]), ESRCH);
    world.ok(init, SYS_KILL, &[pid, 9]);
    assert!(world.kernel.threads.get(child).is_none());
    assert_eq!(world.ok(init, SYS_WAITPID, &[pid, 0]), pid | 9 << 32);
}

#[test]
fn a_futex_wakes_those_who_wait_for_that_word() {
    let mut world = World::new();
    let init = world.init;
    let other = second_thread(&mut world);
    let word = BASE + 0x1000;
    assert_eq!(world.refused(init, SYS_FUTEX, &[word, 0, 1, 0]), EAGAIN);
    assert_eq!(world.call(other, SYS_FUTEX, &[word, 0, 0, 0]), None);
    assert_eq!(world.ok(init, SYS_FUTEX, &[word + 4, 1, 9]), 0);
    assert_eq!(world.ok(init, SYS_FUTEX, &[word, 1, 9]), 1);
    assert_eq!(world.result(other), Some(0));
}

#[test]
fn a_futex_sleeper_is_found_after_a_fork_moved_its_word() {
    let mut world = World::new();
    let init = world.init;
    let other = second_thread(&mut world);
    let word = BASE + 0x1000;
    assert_eq!(world.call(other, SYS_FUTEX, &[word, 0, 0, 0]), None);
    world.ok(init, SYS_FORK, &[]);
    world.poke(init, word + 8, b"copied");
    assert_eq!(world.ok(init, SYS_FUTEX, &[word, 1, 9]), 1);
    assert_eq!(world.result(other), Some(0));
}

#[test]
fn a_futex_wait_ends_at_its_time() {
    let mut world = World::new();
    let init = world.init;
    world.poke(init, BASE, &1u64.to_le_bytes());
    world.poke(init, BASE + 8, &0u64.to_le_bytes());
    assert_eq!(world.call(init, SYS_FUTEX, &[BASE + 0x1000, 0, 0, BASE]), None);
    world.trap(Trap::Tick);
    assert_eq!(world.result(init), None);
    world.kernel.memory.machine.time = 1_000_000_000;
    world.trap(Trap::Tick);
    assert_eq!(world.result(init), Some(encode(ETIMEDOUT)));
}

#[test]
fn a_caught_signal_interrupts_sleep_and_returns_to_where_it_was() {
    let mut world = World::new();
    let init = world.init;
    world.ok(init, SYS_FORK, &[]);
    let child = world.child();
    let page = BASE + 0x2000;
    world.poke(child, page + 8, &(1u64 << 9).to_le_bytes());
    world.ok(child, SYS_SIGNAL_PAGE, &[page, 0x20_0123]);
    world.poke(child, BASE, &100u64.to_le_bytes());
    world.poke(child, BASE + 8, &0u64.to_le_bytes());
    let context = world.kernel.threads.get(child).unwrap().context;
    let before = *Machine::regs(&mut world.kernel.memory.machine, context);
    assert_eq!(world.call(child, SYS_NANOSLEEP, &[BASE, 0]), None);

    let pid = world.kernel.pid_of(world.kernel.threads.get(child).unwrap().process);
    world.ok(init, SYS_KILL, &[u64::from(pid), 10]);
    while world.kernel.cpus[0].current != Some(child) {
        world.call(init, anode_abi::number::SYS_YIELD, &[]);
    }

    let inside = *Machine::regs(&mut world.kernel.memory.machine, context);
    assert_eq!((inside.rip, inside.general[5]), (0x20_0123, 10));
    assert_eq!(world.peek(child, page + 64, 8), (1u64 << 9).to_le_bytes());
    let frame = inside.general[4];
    assert_eq!(world.call(child, SYS_SIGNAL_RETURN, &[frame]), None);
    let after = *Machine::regs(&mut world.kernel.memory.machine, context);
    assert_eq!((after.rip, after.rsp), (before.rip, before.rsp));
    assert_eq!(after.general[0], encode(EINTR));
    assert_eq!(world.peek(child, page + 64, 8), [0; 8]);
}

#[test]
fn the_timer_is_never_armed_for_the_past() {
    let mut world = World::new();
    let init = world.init;
    world.ok(init, SYS_FORK, &[]);
    let child = world.child();
    let process = world.kernel.owner(child).unwrap();
    world.kernel.processes.update(process, |process| process.priority = 0);
    world.kernel.unblock(child);
    world.kernel.enqueue(child, Place::Last);
    for second in 1..5 {
        world.kernel.memory.machine.time = second * 1_000_000_000;
        world.trap(Trap::Tick);
        assert_eq!(world.kernel.cpus[0].current, Some(init));
        assert!(world.kernel.memory.machine.armed > world.kernel.memory.machine.time);
    }
}

#[test]
fn a_thread_that_waited_goes_before_those_that_compute_until_it_had_its_slice() {
    let mut world = World::new();
    let init = world.init;
    world.ok(init, SYS_FORK, &[]);
    let sleeper = world.child();
    world.poke(sleeper, BASE, &0u64.to_le_bytes());
    world.poke(sleeper, BASE + 8, &1000u64.to_le_bytes());
    assert_eq!(world.call(sleeper, SYS_NANOSLEEP, &[BASE, 0]), None);
    world.ok(init, SYS_FORK, &[]);
    let mut running = Vec::new();
    for tick in 1..=6u64 {
        world.kernel.memory.machine.time = tick * 20_000_000;
        world.trap(Trap::Tick);
        running.push(world.kernel.cpus[0].current);
    }
    let turn = |at: usize| running.get(at).copied().flatten();
    assert_eq!(turn(0), Some(sleeper));
    assert!(turn(1) != Some(sleeper) && turn(2) != Some(sleeper) && turn(1) != turn(2));
    assert_eq!(running[..3], running[3..]);
}
