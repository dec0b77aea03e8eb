//! What programs and daemons do in a random history: one function a kind of move, each tells what
//! it did.

use std::string::String;

use anode_abi::number as n;
use anode_ring::Page;

use crate::prelude::*;
use crate::testing::{BASE, READ_WRITE, World};
use crate::tests::random::dice::{CALLS, COMMON, Dice, PATHS};
use crate::tests::random::{EVENTS, MEMORY, OWNER, anybody};
use crate::trap::{Resume, Trap};

/// Puts plausible words into the program's memory, where calls look for structs and paths.
pub(super) fn prepare(world: &mut World, me: ThreadId, dice: &mut Dice) {
    let page = BASE + dice.below(16) * 4096;
    if dice.below(2) == 0 {
        let path = dice.of(&PATHS);
        let _stored = world.kernel.store(me, path.as_bytes(), page);
    } else {
        let words: [u64; 11] = core::array::from_fn(|_word| dice.argument());
        let _stored = world.kernel.put_words(me, page, words);
    }
}

/// One call of a worker.
pub(super) fn call(world: &mut World, me: ThreadId, dice: &mut Dice) -> String {
    let number = if dice.below(3) == 0 { dice.of(&COMMON) } else { dice.of(&CALLS) };
    let mut args: [u64; 5] = core::array::from_fn(|_argument| dice.argument());
    let named = matches!(number, n::SYS_OPENAT | n::SYS_DUP | n::SYS_SCHEME_NEW | n::SYS_NS_BIND);
    if named && dice.below(4) != 0 {
        let text = if number == n::SYS_OPENAT { dice.of(&PATHS) } else { "test" };
        let page = BASE + 15 * 4096;
        let _stored = world.kernel.store(me, text.as_bytes(), page);
        (args[1], args[2]) = (page, wide(text.len()));
        args[0] = if dice.below(3) == 0 { args[0] } else { wide(NONE) };
        args[3] = if dice.below(3) == 0 { args[3] } else { READ_WRITE };
    }
    match number {
        // Pid 1 is the world itself.
        n::SYS_KILL => (args[0], args[1]) = (anybody(world, dice), args[1] % 32),
        n::SYS_RING_NEW if dice.below(2) == 0 => (args[0], args[1]) = (OWNER, 8),
        // Mostly without sleeping, else all sleep soon.
        n::SYS_RING_WAIT | n::SYS_EVENT_WAIT if dice.below(3) != 0 => (args[2], args[3]) = (0, 0),
        n::SYS_FUNMAP | n::SYS_MPROTECT if dice.below(4) != 0 => {
            args[0] = 0x1000_0000_0000 + dice.below(8) * 4096;
            args[1] = 4096 * (1 + dice.below(16));
        }
        n::SYS_WAITPID => args[1] |= 1,
        n::SYS_SLEEP | n::SYS_FUTEX if dice.below(3) != 0 => (args[0], args[3]) = (BASE, BASE),
        n::SYS_FMAP if dice.below(2) == 0 => {
            let flags = dice.of(&[0x6_0002, 0x6_0001, 0x6_0012, 0x4_0001]);
            let words = [dice.below(3) * 4096, 4096 << dice.below(8), flags, 0];
            let _stored = world.kernel.put_words(me, BASE, words);
            (args[0], args[1], args[2]) = (dice.of(&[wide(NONE), MEMORY]), BASE, 32);
        }
        // A part of the machine, or of memory.
        n::SYS_CALL if dice.below(2) == 0 => {
            let words = [dice.below(9), dice.below(20) * 4096, 4096 << dice.below(3)];
            let words = if dice.below(2) == 0 { words } else { [words[1], words[2], 0] };
            let _stored = world.kernel.put_words(me, BASE, words);
            (args[0], args[4]) = (dice.of(&[4, MEMORY]), BASE);
        }
        n::SYS_INFO => args[0] = dice.below(9),
        _ => {}
    }
    let text = std::format!("{me:?} calls {number:#x} {args:x?}");
    let mut resume = world.start(me, number, &args);
    for _ in 0..dice.below(40) {
        if resume != Resume::Again {
            break;
        }
        resume = world.trap(Trap::Again);
    }
    text
}

/// A worker asks the daemon for something that it would understand.
pub(super) fn ask(world: &mut World, me: ThreadId, dice: &mut Dice) -> String {
    let kernel = &world.kernel;
    let process = kernel.processes.get(kernel.owner(me).unwrap()).unwrap();
    let served = |handle: &Handle| {
        let description = kernel.descriptions.get(handle.description);
        description.is_some_and(|d| matches!(d.target, Target::Scheme(..)))
    };
    let handles: Vec<_> = process.handles.iter().filter(|(_, handle)| served(handle)).collect();
    let buffer = BASE + dice.below(4) * 4096 + dice.below(64);
    let len = dice.of(&[0, 1, 64, 4096, 9000, 30_000]);
    if handles.is_empty() || dice.below(4) == 0 {
        let path = "test:a";
        let _stored = world.kernel.store(me, path.as_bytes(), BASE);
        world.start(me, n::SYS_OPENAT, &[wide(NONE), BASE, wide(path.len()), READ_WRITE]);
        return std::format!("{me:?} opens {path}");
    }
    let (handle, _) = dice.of(&handles);
    let (number, args) = match dice.below(10) {
        0..3 => (n::SYS_READ, [handle, buffer, len, 0]),
        3..5 => (n::SYS_WRITE, [handle, buffer, len, 0]),
        5 => (n::SYS_LSEEK, [handle, dice.below(3), 2, 0]),
        6 => (n::SYS_SENDFD, [handle, dice.below(12), 0, 0]),
        7 => (n::SYS_FPATH, [handle, buffer, len, 0]),
        8 if dice.below(2) == 0 => {
            let _stored = world.kernel.put_words(me, BASE, [handle, dice.below(4), 7]);
            (n::SYS_WRITE, [EVENTS, BASE, 24, 0])
        }
        8 => (n::SYS_DUP, [handle, BASE, dice.below(2) * 4, wide(NONE)]),
        _ => (n::SYS_CLOSE, [handle, 0, 0, 0]),
    };
    world.start(me, number, &args);
    std::format!("{me:?} asks {number:#x} {args:x?}")
}

/// A daemon writes what it likes into the pages of its ring that it may write: half the time an
/// answer that an honest one might give.
pub(super) fn scribble(world: &mut World, dice: &mut Dice) -> String {
    let mut rings = world.kernel.rings.iter();
    let count = world.kernel.rings.len();
    let Some((_, ring)) = rings.nth(size(dice.below(wide(count.max(1))))) else {
        return "no ring".into();
    };
    let all = ring.slots.iter().zip(0u16..);
    let owed = all.clone().filter(|(slot, _)| slot.process.is_some());
    let owed: Vec<_> = owed.map(|(slot, _)| slot.sqe.tag).collect();
    let any: Vec<_> = all.map(|(slot, _)| slot.sqe.tag).collect();
    let honest = dice.below(4) != 0 && !owed.is_empty();
    let tag = u64::from(dice.of(if honest { &owed } else { &any }));
    let kind = if honest { dice.of(&[0, 0, 0, 1, 5, 6, 7]) } else { dice.below(8) };
    let flags = kind | dice.of(&[0, 1, MEMORY]) << 8;
    let result = dice.of(&[0, 1, 5, 8, 4096, u64::MAX, u64::MAX - 1, dice.0]);
    let sequential = core::sync::atomic::Ordering::SeqCst;
    let control: &Page = &ring.daemon_pages[0];
    let put = |page: &Page, at: usize, value| page[at].store(value, sequential);
    let tail = control[8].load(sequential);
    let entry = size(tail % 16) * 2;
    put(&ring.daemon_pages[1], entry, flags | tag << 32);
    put(&ring.daemon_pages[1], entry + 1, result);
    if let Some((_, (frame, _))) = ring.pages_of(u16::try_from(tag & 0xFF).unwrap())
        && let Some(out) = world.kernel.memory.machine.share(frame)
    {
        (0..5).for_each(|at| put(&out, at, dice.of(&[0, 1, 8, 4096, u64::MAX, 1 << 32])));
    }
    let tail = if dice.below(60) == 0 { dice.roll() } else { (tail + 1) & 0xFFFF_FFFF };
    put(control, 8, tail);
    put(control, 0, ring.kernel_pages[0][8].load(sequential));
    std::format!("a daemon answers kind {kind} to {tag:#x} with {result:#x}")
}

/// The daemon of a ring, if it can run, hands in what it wrote.
pub(super) fn serve(world: &mut World, dice: &mut Dice) -> String {
    let kernel = &world.kernel;
    let Some((id, ring)) = kernel.rings.iter().next() else { return "no ring".into() };
    let able = |t: &Thread| matches!(t.state, State::Ready(_) | State::Running);
    let thread = kernel.threads.next(None, |t| t.process == ring.process && able(t));
    let process = kernel.processes.get(ring.process).unwrap();
    let is_ring = |handle: &Handle| {
        let description = kernel.descriptions.get(handle.description);
        description.is_some_and(|d| d.target == Target::Ring(id))
    };
    let handle = process.handles.iter().find(|(_, handle)| is_ring(handle));
    let (Some(thread), Some((handle, _))) = (thread, handle) else { return "busy".into() };
    let (seen, deadline) = dice.of(&[(0, 0), (0, 0), (u64::from(ring.producer.tail()), u64::MAX)]);
    world.start(thread, n::SYS_RING_WAIT, &[handle, seen, deadline]);
    "the daemon waits".into()
}
