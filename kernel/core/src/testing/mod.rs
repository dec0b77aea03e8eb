//! A fake machine and a world of programs for tests of the whole core.
//!
//! A program here is a thread that makes the calls a test tells it to make. Its memory is one
//! writable region at [`BASE`]; what it passes by address is put there first.

mod check;
mod fake_machine;

use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;

use anode_abi::boot_info::{Extent, FrameRange};
use anode_abi::number::{NONE, SYS_CALL, SYS_FMAP, SYS_FSTAT, SYS_OPENAT, SYS_READ, SYS_WRITE};

use crate::error::Errno;
use crate::kernel::{Boot, Kernel};
use crate::machine::{Context, Cpu, Machine};
use crate::mem::region::MapFlags;
use crate::mem::user::UserSlice;
use crate::num::{size, wide};
use crate::object::thread::{State, Then};
use crate::table::ThreadId;
use crate::trap::{Resume, Trap};

pub(crate) use fake_machine::Fake;

/// Where a program's own memory begins: the ELF below has 16 pages there.
pub(crate) const BASE: u64 = 0x40_0000;
const PAGES: u64 = 16;
/// Frame of init's ELF; the initfs and the args object are right behind.
const INIT: u32 = 1;

/// An ELF with one page of code and [`PAGES`] of zeroed memory.
pub(crate) fn program() -> Vec<u8> {
    let mut elf = std::vec![0u8; 4096];
    elf[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    let mut put = |at: usize, bytes: &[u8]| elf[at..at + bytes.len()].copy_from_slice(bytes);
    put(16, &2u16.to_le_bytes());
    put(18, &62u16.to_le_bytes());
    put(24, &0x20_0000u64.to_le_bytes());
    put(32, &64u64.to_le_bytes());
    put(54, &56u16.to_le_bytes());
    put(56, &2u16.to_le_bytes());
    let headers = [(5u32, 0x20_0000u64, 4096u64, 4096u64), (6, BASE, 0, PAGES * 4096)];
    for (n, (flags, address, file, memory)) in headers.into_iter().enumerate() {
        let at = 64 + n * 56;
        put(at, &1u32.to_le_bytes());
        put(at + 4, &flags.to_le_bytes());
        put(at + 16, &address.to_le_bytes());
        put(at + 24, &address.to_le_bytes());
        put(at + 32, &file.to_le_bytes());
        put(at + 40, &memory.to_le_bytes());
    }
    elf
}

/// A kernel with init in it, and what its calls came to.
pub(crate) struct World {
    /// The kernel under test.
    pub(crate) kernel: Kernel<Fake>,
    /// init's thread.
    pub(crate) init: ThreadId,
    results: BTreeMap<u32, u64>,
}

impl World {
    /// A world of 4096 frames.
    pub(crate) fn new() -> Self {
        Self::with_frames(4096)
    }

    /// A world with that many frames.
    pub(crate) fn with_frames(frames: u32) -> Self {
        let mut machine = Fake::new(size(u64::from(frames)), 64);
        let init = crate::machine::Frame::new(INIT).unwrap();
        machine.write(init, 0, &program());
        let boot = Boot {
            free: &[FrameRange { first: 4, count: frames - 4 }],
            init: Extent { phys: u64::from(INIT) << 12, len: 4096 },
            initfs: Extent { phys: u64::from(INIT + 1) << 12, len: 4096 },
            args: Extent { phys: u64::from(INIT + 2) << 12, len: 100 },
            seed: [7; 4],
            wall: 1_000_000_000_000,
            facts: "rsdp 0x1000\n",
        };
        let kernel = Kernel::boot(machine, &boot).unwrap();
        let init = kernel.threads.iter().next().map(|(id, _)| id).unwrap();
        let mut world = Self { kernel, init, results: BTreeMap::new() };
        world.trap(Trap::Again);
        world
    }

    /// One trap on CPU 0; notes the value that a thread is resumed with.
    pub(crate) fn trap(&mut self, trap: Trap) -> Resume {
        let resume = self.kernel.handle(Cpu(0), trap);
        if let Resume::Run { context, value: Some(value), .. } = resume {
            self.results.insert(context.0, value);
        }
        resume
    }

    /// Makes the CPU run `thread`, which is ready or running.
    pub(crate) fn put_on_cpu(&mut self, thread: ThreadId) {
        let current = self.kernel.cpus[0].current;
        if current == Some(thread) {
            return;
        }
        if let Some(current) = current {
            self.kernel.enqueue(current, crate::sched::Place::Last);
        }
        let content = self.kernel.threads.get(thread).expect("the thread is gone");
        assert!(matches!(content.state, State::Ready(_)), "the thread cannot run: {content:?}");
        self.kernel.unblock(thread);
        self.kernel.threads.get_mut(thread).unwrap().state = State::Running;
        self.kernel.cpus[0].current = Some(thread);
        let uid = self.kernel.process(thread).unwrap().who.uid;
        self.kernel.memory.frames.serve(uid);
    }

    /// `thread` makes a call; its result, or none if it sleeps (see [`World::result`]).
    pub(crate) fn call(&mut self, thread: ThreadId, number: usize, args: &[u64]) -> Option<u64> {
        let mut resume = self.start(thread, number, args);
        while resume == Resume::Again {
            resume = self.trap(Trap::Again);
        }
        self.result(thread)
    }

    /// `thread` begins a call: its first trap alone.
    pub(crate) fn start(&mut self, thread: ThreadId, number: usize, args: &[u64]) -> Resume {
        self.put_on_cpu(thread);
        let context = self.kernel.threads.get(thread).unwrap().context.0;
        self.results.remove(&context);
        if let Some(thread) = self.kernel.threads.get_mut(thread) {
            thread.then = Then::default();
        }
        let at = |n: usize| args.get(n).copied().unwrap_or(0);
        let regs = self.kernel.memory.machine.regs(Context(context));
        regs.general[0] = wide(number);
        for (argument, place) in [5, 4, 3, 9, 7].into_iter().enumerate() {
            regs.general[place] = at(argument);
        }
        let call = regs.call();
        self.trap(Trap::Call(call))
    }

    /// What the last call of a thread came to, if it did.
    pub(crate) fn result(&mut self, thread: ThreadId) -> Option<u64> {
        let content = self.kernel.threads.get(thread)?;
        match content.then {
            _ if content.state.waits() => None,
            Then::Return(Some(value)) => Some(value),
            _ => self.results.get(&content.context.0).copied(),
        }
    }

    /// A call that must succeed at once.
    pub(crate) fn ok(&mut self, thread: ThreadId, number: usize, args: &[u64]) -> u64 {
        let value = self.call(thread, number, args).expect("the call sleeps");
        assert!(value.cast_signed() >= 0, "call {number:#x}{args:x?}: {}", value.cast_signed());
        value
    }

    /// A call that must be refused at once.
    pub(crate) fn refused(&mut self, thread: ThreadId, number: usize, args: &[u64]) -> Errno {
        let value = self.call(thread, number, args).expect("the call sleeps").cast_signed();
        assert!((-4095..0).contains(&value), "call {number:#x}{args:x?} gave {value}");
        Errno(i32::try_from(-value).unwrap())
    }

    /// Gives a program a handle of another's at the same number, as `spawn` does.
    pub(crate) fn give(&mut self, from: ThreadId, to: ThreadId, number: u64) {
        let [from, to] = [from, to].map(|thread| self.kernel.owner(thread).unwrap());
        let handle = self.kernel.processes.get(from).unwrap().handles.get(number).unwrap();
        self.kernel.descriptions.retain(handle.description);
        self.kernel.install(to, Some(number), handle).unwrap();
    }

    /// Puts bytes into a program's memory.
    pub(crate) fn poke(&mut self, thread: ThreadId, at: u64, bytes: &[u8]) {
        let range = UserSlice::new(at, wide(bytes.len())).unwrap();
        self.kernel.store(thread, bytes, range.start()).unwrap();
    }

    /// Bytes of a program's memory.
    pub(crate) fn peek(&mut self, thread: ThreadId, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = std::vec![0; len];
        let range = UserSlice::new(at, wide(len)).unwrap();
        self.kernel.load(thread, range, &mut bytes).unwrap();
        bytes
    }

    /// Opens a path, from the end of the program's memory.
    pub(crate) fn open(&mut self, thread: ThreadId, path: &str, flags: u64) -> Option<u64> {
        self.open_at(thread, wide(NONE), path, flags)
    }

    /// Opens a path relative to a handle.
    pub(crate) fn open_at(
        &mut self,
        thread: ThreadId,
        directory: u64,
        path: &str,
        flags: u64,
    ) -> Option<u64> {
        let place = BASE + (PAGES - 1) * 4096;
        self.poke(thread, place, path.as_bytes());
        self.call(thread, SYS_OPENAT, &[directory, place, wide(path.len()), flags])
    }

    /// Opens a part of what a handle names, by its words.
    pub(crate) fn part(&mut self, thread: ThreadId, whole: u64, words: &[u64]) -> Option<u64> {
        let place = BASE + 11 * 4096;
        for (at, word) in (place..).step_by(8).zip(words.iter().chain(&[0; 3])) {
            self.poke(thread, at, &word.to_le_bytes());
        }
        self.call(thread, SYS_CALL, &[whole, 0, 0, 0, place])
    }

    /// `st_ino` and `st_size` of a handle.
    pub(crate) fn stat(&mut self, thread: ThreadId, handle: u64) -> (u64, u64) {
        self.ok(thread, SYS_FSTAT, &[handle, BASE, 104]);
        let bytes = self.peek(thread, BASE, 104);
        let word = |at: usize| u64::from_le_bytes(bytes[at * 8..at * 8 + 8].try_into().unwrap());
        (word(1), word(4))
    }

    /// Reads a handle's text from where it is.
    pub(crate) fn text(&mut self, thread: ThreadId, handle: u64) -> String {
        let place = BASE + 8 * 4096;
        let len = self.ok(thread, SYS_READ, &[handle, place, 4096]);
        String::from_utf8(self.peek(thread, place, size(len))).unwrap()
    }

    /// Writes bytes to a handle.
    pub(crate) fn write(&mut self, thread: ThreadId, handle: u64, bytes: &[u8]) -> Option<u64> {
        let place = BASE + 9 * 4096;
        self.poke(thread, place, bytes);
        self.call(thread, SYS_WRITE, &[handle, place, wide(bytes.len())])
    }

    /// Maps fresh private memory; gives its address.
    pub(crate) fn map(&mut self, thread: ThreadId, bytes: u64, flags: u64) -> Option<u64> {
        let place = BASE + 10 * 4096;
        for (at, word) in (place..).step_by(8).zip([0, bytes, flags, 0]) {
            self.poke(thread, at, &word.to_le_bytes());
        }
        self.call(thread, SYS_FMAP, &[wide(NONE), place, 32])
    }

    /// The newest thread other than those of init.
    pub(crate) fn child(&self) -> ThreadId {
        self.kernel.threads.iter().map(|(id, _)| id).filter(|id| *id != self.init).last().unwrap()
    }

    /// Touches an address as a program would.
    pub(crate) fn touch(&mut self, thread: ThreadId, address: u64, access: MapFlags) -> Resume {
        self.put_on_cpu(thread);
        self.trap(Trap::Fault { address, access })
    }

    /// Lets all that is owed to the dead happen.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            if self.kernel.is_settled() {
                return;
            }
            self.kernel.reap(64);
        }
        panic!("the dead never rest");
    }
}

/// Read and write, as open flags.
pub(crate) const READ_WRITE: u64 = 0x3_0000;
