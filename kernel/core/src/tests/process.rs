//! Processes, signals, futexes.

use anode_abi::info::id;
use anode_abi::number::{
    SYS_CLOSE, SYS_EXEC, SYS_EXIT, SYS_FORK, SYS_FUTEX, SYS_GETID, SYS_KILL, SYS_SETID,
    SYS_SIGNAL_PAGE, SYS_SLEEP, SYS_THREAD_CREATE, SYS_THREAD_KILL, SYS_WAITPID, SYS_YIELD,
};

use crate::prelude::*;
use crate::testing::{BASE, READ_WRITE, World, program};
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
    let context = world.kernel.threads.get(init).unwrap().context;
    Machine::regs(&mut world.kernel.memory.machine, context).general[reg::RAX] = 7;
    let pid = world.ok(init, SYS_FORK, &[]);
    let child = world.child();

    world.poke(child, BASE, b"child!");

    assert_eq!(world.peek(init, BASE, 6), b"before");
    world.poke(init, BASE, b"parent");
    assert_eq!(world.peek(child, BASE, 6), b"child!");
    assert_eq!(until_runs(&mut world, child).general[reg::RAX], 0);
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
    assert_eq!(world.kernel.memory.machine.reboots, 1);
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
    assert_eq!(world.call(other, SYS_FUTEX, &[word, 0, 0, ANY]), None);
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
    assert_eq!(world.call(other, SYS_FUTEX, &[word, 0, 0, ANY]), None);
    world.ok(init, SYS_FORK, &[]);
    world.poke(init, word + 8, b"copied");
    assert_eq!(world.ok(init, SYS_FUTEX, &[word, 1, 9]), 1);
    assert_eq!(world.result(other), Some(0));
}

#[test]
fn a_futex_wait_ends_at_its_time() {
    let mut world = World::new();
    let init = world.init;
    let second = 1_000_000_000;
    assert_eq!(world.refused(init, SYS_FUTEX, &[BASE + 0x1000, 0, 0, 0]), ETIMEDOUT);
    assert_eq!(world.call(init, SYS_FUTEX, &[BASE + 0x1000, 0, 0, second]), None);
    world.trap(Trap::Tick);
    assert_eq!(world.result(init), None);
    world.kernel.memory.machine.time = second;
    world.trap(Trap::Tick);
    assert_eq!(world.result(init), Some(encode(ETIMEDOUT)));
}

/// Where the tests put signal pages, and what the trampoline's address is.
const PAGE_AT: u64 = BASE + 0x2000;
const TRAMPOLINE: u64 = 0x20_0123;
const SIGUSR1: u64 = 10;
const SIGTERM: u64 = 15;

/// The bit of a signal, as bytes of the page.
fn bit(signal: u64) -> [u8; 8] {
    (1u64.rotate_left(u32::try_from(signal).unwrap()) >> 1).to_le_bytes()
}

/// A child of init with a signal page in which SIGUSR1 is caught.
fn child_with_page(world: &mut World) -> (ThreadId, u64) {
    let pid = world.ok(world.init, SYS_FORK, &[]);
    let child = world.child();
    world.poke(child, PAGE_AT + 8, &bit(SIGUSR1));
    world.ok(child, SYS_SIGNAL_PAGE, &[PAGE_AT, TRAMPOLINE]);
    (child, pid)
}

/// Lets others run until that thread does.
fn until_runs(world: &mut World, thread: ThreadId) -> Regs {
    while world.kernel.cpus[0].current != Some(thread) {
        world.call(world.init, SYS_YIELD, &[]);
    }
    let context = world.kernel.threads.get(thread).unwrap().context;
    *Machine::regs(&mut world.kernel.memory.machine, context)
}

#[test]
fn a_caught_signal_interrupts_sleep_and_enters_the_trampoline() {
    let mut world = World::new();
    let init = world.init;
    let (child, pid) = child_with_page(&mut world);
    let before = until_runs(&mut world, child);
    assert_eq!(world.call(child, SYS_SLEEP, &[ANY, ANY]), None);

    world.ok(init, SYS_KILL, &[pid, SIGUSR1]);
    let inside = until_runs(&mut world, child);

    assert_eq!(inside.rip, TRAMPOLINE);
    assert_eq!(inside.rsp + 32 + 128, before.rsp);
    let frame = [SIGUSR1, 0, before.rflags, before.rip].map(u64::to_le_bytes);
    assert_eq!(world.peek(child, inside.rsp, 32), frame.as_flattened());
    assert_eq!(world.result(child), Some(encode(EINTR)));
    assert_eq!(world.peek(child, PAGE_AT + 64, 8), bit(SIGUSR1));
    assert_eq!(world.peek(child, PAGE_AT + 16, 8), [0; 8]);
}

#[test]
fn a_signal_that_came_before_the_wait_ends_it() {
    let mut world = World::new();
    let init = world.init;
    let (child, pid) = child_with_page(&mut world);
    world.poke(child, PAGE_AT + 64, &bit(SIGUSR1));
    world.ok(init, SYS_KILL, &[pid, SIGUSR1]);
    assert_eq!(world.peek(child, PAGE_AT + 16, 8), bit(SIGUSR1));
    assert_eq!(until_runs(&mut world, child).rip, 0x20_0000);

    assert_eq!(world.refused(child, SYS_SLEEP, &[ANY, 0]), EINTR);

    assert_eq!(until_runs(&mut world, child).rip, TRAMPOLINE);
}

#[test]
fn a_wait_sleeps_until_a_signal_that_it_lets_through() {
    let mut world = World::new();
    let init = world.init;
    let (child, pid) = child_with_page(&mut world);
    assert_eq!(world.call(child, SYS_SLEEP, &[ANY, 1 << (SIGTERM - 1)]), None);
    world.ok(init, SYS_KILL, &[pid, SIGTERM]);
    assert_eq!(world.result(child), None);
    world.ok(init, SYS_KILL, &[pid, SIGUSR1]);
    assert_eq!(until_runs(&mut world, child).rip, TRAMPOLINE);
    assert_eq!(world.result(child), Some(encode(EINTR)));
}

#[test]
fn a_signal_waits_for_the_page_and_ends_who_neither_ignores_nor_catches_it() {
    let mut world = World::new();
    let init = world.init;
    let pid = world.ok(init, SYS_FORK, &[]);
    let child = world.child();
    world.ok(init, SYS_KILL, &[pid, SIGTERM]);
    world.ok(child, SYS_GETID, &[0, 0]);
    world.poke(child, PAGE_AT, &bit(SIGUSR1));
    assert_eq!(world.call(child, SYS_SIGNAL_PAGE, &[PAGE_AT, TRAMPOLINE]), None);
    assert_eq!(world.ok(init, SYS_WAITPID, &[pid, 0]), pid | SIGTERM << 32);

    let pid = world.ok(init, SYS_FORK, &[]);
    let child = world.child();
    world.poke(child, PAGE_AT, &bit(SIGUSR1));
    world.ok(child, SYS_SIGNAL_PAGE, &[PAGE_AT, TRAMPOLINE]);
    world.ok(init, SYS_KILL, &[pid, SIGUSR1]);
    assert_eq!(world.ok(init, SYS_WAITPID, &[pid, 1]), 0);
    world.ok(init, SYS_KILL, &[pid, SIGTERM]);
    assert_eq!(world.ok(init, SYS_WAITPID, &[pid, 1]), pid | SIGTERM << 32);
}

#[test]
fn a_signal_for_one_thread_is_taken_by_no_other() {
    let mut world = World::new();
    let init = world.init;
    let other = second_thread(&mut world);
    world.poke(init, PAGE_AT + 8, &bit(SIGUSR1));
    world.ok(init, SYS_SIGNAL_PAGE, &[PAGE_AT, TRAMPOLINE]);
    let number = world.ok(other, SYS_GETID, &[u64::try_from(id::TID).unwrap(), 0]);
    world.ok(init, SYS_THREAD_KILL, &[number, SIGUSR1]);
    assert_eq!(until_runs(&mut world, init).rip, 0x20_0000);
    assert_eq!(until_runs(&mut world, other).rip, TRAMPOLINE);
    assert_eq!(world.peek(init, PAGE_AT + 64, 16), [[0; 8], bit(SIGUSR1)].as_flattened());
}

#[test]
fn a_signal_to_all_spares_init_and_the_sender() {
    let mut world = World::new();
    let init = world.init;
    let mut children = [0; 3];
    let threads = [(); 3].map(|()| {
        let at = children.iter().position(|pid| *pid == 0).unwrap();
        children[at] = world.ok(init, SYS_FORK, &[]);
        world.child()
    });
    let sender = threads[1];
    world.ok(sender, SYS_KILL, &[ANY, 9]);
    assert!(world.kernel.threads.get(sender).is_some());
    assert_eq!(world.ok(init, SYS_WAITPID, &[ANY, 0]), children[0] | 9 << 32);
    assert_eq!(world.ok(init, SYS_WAITPID, &[ANY, 0]), children[2] | 9 << 32);
    assert_eq!(world.ok(init, SYS_WAITPID, &[ANY, 1]), 0);
}

#[test]
fn a_child_that_ends_gives_its_unused_slice_back() {
    let mut world = World::new();
    let init = world.init;
    for _round in 0..20 {
        world.ok(init, SYS_FORK, &[]);
        let child = world.child();
        world.call(child, SYS_EXIT, &[0]);
        world.ok(init, SYS_WAITPID, &[ANY, 0]);
    }
    assert!(world.kernel.threads.get(init).unwrap().left > SLICE / 2);
}

#[test]
fn the_timer_is_never_armed_for_the_past() {
    let mut world = World::new();
    let init = world.init;
    world.ok(init, SYS_FORK, &[]);
    let child = world.child();
    let process = world.kernel.owner(child).unwrap();
    world.kernel.processes.update(process, |process| process.who.priority = 0);
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
    assert_eq!(world.call(sleeper, SYS_SLEEP, &[1000, ANY]), None);
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

#[test]
fn a_programs_name_cannot_forge_lines_of_the_log() {
    let mut world = World::new();
    let init = world.init;
    let name = "/long".repeat(30) + "\u{e9}\n[   99.000000] \x1b[31mWARN  forged";
    let file = world.open(init, "memory:", READ_WRITE).unwrap();
    assert_eq!(world.write(init, file, &program()), Some(4096));
    world.poke(init, BASE, name.as_bytes());
    assert_eq!(world.refused(init, SYS_EXEC, &[file, BASE, 4096, file]), ENAMETOOLONG);
    world.call(init, SYS_EXEC, &[file, BASE, wide(name.len()), file]);
    world.trap(Trap::Exception { vector: 6 });
    let [warning, ..] = &world.kernel.memory.machine.warnings[..] else { panic!("no warning") };
    assert!(warning.contains("forged") && !warning.contains(['\n', '\x1b']), "{warning}");
    assert!(!warning.starts_with("\"/long"), "of a long name, the end matters: {warning}");
}
