//! Random programs and daemons: whatever they do, the invariants hold after every trap.
//!
//! A seed is a history. Most arguments are taken from what a program could know (its handles, its
//! addresses, small numbers), some from what only a hostile one would pass. `ANODE_SEEDS` says how
//! many histories are played, `ANODE_SEED` which is the first.

mod dice;
mod moves;

use std::collections::BTreeSet;
use std::string::String;

use anode_abi::number as n;

use crate::prelude::*;
use crate::testing::{BASE, READ_WRITE, World};
use crate::tests::random::dice::Dice;
use crate::trap::Trap;

/// Steps of one history.
const STEPS: usize = 1000;
/// Programs beside init.
const WORKERS: usize = 4;
/// A worker's signal page, where every signal has a handler: they interrupt and do not only end.
const SIGNAL_PAGE: u64 = BASE + 12 * 4096;

/// The handle of the scheme's owner, which all are given.
const OWNER: u64 = 5;

/// The handle of the shared event queue.
const EVENTS: u64 = 8;
/// The handle of the shared memory.
const MEMORY: u64 = 9;

/// A world of workers that share a scheme, a pipe, an event queue and memory; one serves.
fn populated() -> World {
    let mut world = World::with_frames(1500);
    let init = world.init;
    world.poke(init, BASE, b"test");
    world.ok(init, n::SYS_SCHEME_NEW, &[wide(NONE), BASE, 4, 0]);
    let pipe = world.open(init, "pipe:", READ_WRITE).unwrap();
    world.poke(init, BASE, b"write");
    world.ok(init, n::SYS_DUP, &[pipe, BASE, 5, wide(NONE)]);
    world.open(init, "event:", READ_WRITE).unwrap();
    let memory = world.open(init, "memory:", READ_WRITE).unwrap();
    assert_eq!(memory, MEMORY);
    world.ok(init, n::SYS_FTRUNCATE, &[memory, 3 * 4096]);
    (0..WORKERS).for_each(|_worker| employ(&mut world));
    let daemon = world.child();
    world.ok(daemon, n::SYS_RING_NEW, &[OWNER, 8, BASE]);
    world
}

/// The pid of some process but init, be it alive or dead.
fn anybody(world: &World, dice: &mut Dice) -> u64 {
    let others = world.kernel.processes.iter().map(|(_, process)| u64::from(process.who.pid));
    let others: Vec<_> = others.filter(|pid| *pid != 1).chain([77]).collect();
    dice.of(&others)
}

/// One more worker, if there is room.
fn employ(world: &mut World) {
    let pid = world.call(world.init, n::SYS_FORK, &[]);
    let Some(pid) = pid.filter(|pid| pid.cast_signed() > 0) else { return };
    let id = world.kernel.process_by_pid(low(pid)).unwrap();
    let worker = world.kernel.threads.next(None, |thread| thread.process == id).unwrap();
    world.give(world.init, worker, OWNER);
    if world.kernel.store(worker, &[0xFF; 16], SIGNAL_PAGE).is_ok() {
        world.call(worker, n::SYS_SIGNAL_PAGE, &[SIGNAL_PAGE, 0x20_0000]);
    }
}

/// A worker that can run, if there is one.
fn someone(world: &World, dice: &mut Dice) -> Option<ThreadId> {
    let all = world.kernel.threads.iter();
    let able = all.filter(|(_, t)| matches!(t.state, State::Ready(_) | State::Running));
    let able: Vec<_> = able.map(|(id, _)| id).filter(|id| *id != world.init).collect();
    if able.is_empty() { None } else { Some(dice.of(&able)) }
}

/// init keeps the world going: it buries the dead, and replaces or kills.
fn manage(world: &mut World, dice: &mut Dice) -> String {
    let init = world.init;
    while world.call(init, n::SYS_WAITPID, &[u64::MAX, 1]).is_some_and(|p| p.cast_signed() > 0) {}
    if world.kernel.rings.len() == 0
        && let Some(heir) = someone(world, dice)
    {
        world.call(heir, n::SYS_RING_NEW, &[OWNER, 8, BASE]);
    }
    let victim = anybody(world, dice);
    match dice.below(8) {
        0 => {
            world.call(init, n::SYS_KILL, &[victim, 9]);
        }
        1 | 2 => {
            world.call(init, n::SYS_KILL, &[victim, 10]);
        }
        _ if world.kernel.threads.len() < 3 * WORKERS => employ(world),
        _ => {}
    }
    "init acts".into()
}

/// One step of a history, in words.
fn step(world: &mut World, dice: &mut Dice) -> String {
    let Some(me) = someone(world, dice) else {
        world.kernel.memory.machine.time += 1 << dice.below(34);
        world.trap(Trap::Tick);
        return manage(world, dice);
    };
    match dice.below(20) {
        0 => {
            moves::prepare(world, me, dice);
            "memory changes".into()
        }
        1 => {
            world.kernel.memory.machine.time += 1 << dice.below(30);
            world.trap(Trap::Tick);
            "a tick".into()
        }
        2 => {
            let line = u32::try_from(dice.below(24)).unwrap();
            world.trap(Trap::Irq { line });
            std::format!("line {line} fires")
        }
        3 => {
            let address =
                if dice.below(3) == 0 { dice.argument() } else { BASE + dice.below(1 << 16) };
            let access = dice.of(&[MapFlags::READ, MapFlags::WRITE]);
            world.touch(me, address, access);
            std::format!("{me:?} touches {address:#x} to {access:?}")
        }
        4 | 5 => moves::scribble(world, dice),
        6 | 7 => moves::serve(world, dice),
        8 => manage(world, dice),
        9..13 => moves::ask(world, me, dice),
        _ => moves::call(world, me, dice),
    }
}

/// Plays one history; on a broken invariant its steps are on the screen.
fn play(seed: u64) {
    let mut world = populated();
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut history = Vec::new();
    for _ in 0..STEPS {
        if world.kernel.memory.machine.reboots > 0 {
            break;
        }
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let told = step(&mut world, &mut dice);
            world.kernel.check();
            told
        }));
        match told {
            Ok(told) => history.push(told),
            Err(_) => panic!("seed {seed}, step {}, after {history:#?}", history.len()),
        }
    }
    if world.kernel.memory.machine.reboots == 0 {
        bury(&mut world, seed);
    }
}

/// When all workers are dead and init has closed what they shared, nothing of them is left.
fn bury(world: &mut World, seed: u64) {
    let init = world.init;
    while let Some(id) =
        world.kernel.processes.next(None, |p| p.who.pid != 1 && p.life == Life::Alive)
    {
        let pid = world.kernel.pid_of(id);
        world.call(init, n::SYS_KILL, &[pid.into(), 9]);
    }
    while world.call(init, n::SYS_WAITPID, &[u64::MAX, 1]).is_some_and(|p| p.cast_signed() > 0) {}
    for handle in 5..16 {
        world.call(init, n::SYS_CLOSE, &[handle]);
    }
    world.settle();
    world.kernel.check();
    assert_eq!(counts(world), counts(&World::with_frames(1500)), "seed {seed} leaves something");
}

/// How much there is of everything that a worker may have made.
fn counts(world: &World) -> [usize; 9] {
    let kernel = &world.kernel;
    // A root worker may have bound a directory, or made a scheme: the name keeps it.
    let names = kernel.namespaces.iter().flat_map(|(_, namespace)| namespace.iter());
    let bound: BTreeSet<u32> = names.map(|(_, bound)| bound.index()).collect();
    [
        kernel.threads.len(),
        kernel.processes.len(),
        kernel.descriptions.len() - bound.len(),
        kernel.namespaces.len(),
        kernel.rings.len(),
        kernel.pipes.len(),
        kernel.queues.len(),
        kernel.subscriptions.len(),
        kernel.memory.objects.len(),
    ]
}

#[test]
fn whatever_programs_and_daemons_do_the_invariants_hold() {
    let seeds = std::env::var("ANODE_SEEDS").ok().and_then(|text| text.parse().ok());
    let first = std::env::var("ANODE_SEED").ok().and_then(|text| text.parse().ok());
    let first = first.unwrap_or(1);
    (first..first + seeds.unwrap_or(20)).for_each(play);
}
