//! What random programs draw: words, and arguments that a program might pass.

use anode_abi::number as n;

use crate::prelude::*;
use crate::testing::{BASE, READ_WRITE};

/// A generator of random words (xorshift64*).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 8
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    pub(super) fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::try_from(self.below(wide(list.len()))).unwrap()]
    }

    /// An argument: a handle, an address, a length, flags, or nonsense.
    pub(super) fn argument(&mut self) -> u64 {
        match self.below(12) {
            0..4 => self.below(14),
            4..6 => BASE + self.below(16) * 4096,
            6 => BASE + self.below(0x10000),
            7 => self.of(&[8, 24, 32, 40, 88, 4096, 65536, 1 << 20]),
            8 => self.of(&[READ_WRITE, 0x6_0001, 0x6_0002, 0x4_0001, 0x6_0012, 0x6_0006]),
            9 => wide(NONE).wrapping_sub(self.below(3)),
            10 => 0x1000_0000_0000 + self.below(8) * 4096,
            _ => self.roll() << self.below(8),
        }
    }
}

pub(super) const CALLS: [usize; 52] = [
    n::SYS_READ,
    n::SYS_WRITE,
    n::SYS_READ2,
    n::SYS_WRITE2,
    n::SYS_OPENAT,
    n::SYS_CLOSE,
    n::SYS_LSEEK,
    n::SYS_DUP,
    n::SYS_FCNTL,
    n::SYS_SENDFD,
    n::SYS_FSTAT,
    n::SYS_FSTATVFS,
    n::SYS_FPATH,
    n::SYS_GETDENTS,
    n::SYS_FUTIMENS,
    n::SYS_FCHMOD,
    n::SYS_FSYNC,
    n::SYS_FTRUNCATE,
    n::SYS_CALL,
    n::SYS_INFO,
    n::SYS_UNLINKAT,
    n::SYS_FRENAME,
    n::SYS_EVENT_WAIT,
    n::SYS_FMAP,
    n::SYS_FUNMAP,
    n::SYS_MPROTECT,
    n::SYS_FORK,
    n::SYS_EXEC,
    n::SYS_SPAWN,
    n::SYS_WAITPID,
    n::SYS_KILL,
    n::SYS_GETID,
    n::SYS_SETID,
    n::SYS_THREAD_CREATE,
    n::SYS_THREAD_EXIT,
    n::SYS_SET_TLS,
    n::SYS_SIGNAL_PAGE,
    n::SYS_THREAD_KILL,
    n::SYS_SLEEP,
    n::SYS_YIELD,
    n::SYS_FUTEX,
    n::SYS_CLOCK_GETTIME,
    n::SYS_SCHEME_NEW,
    n::SYS_NS_NEW,
    n::SYS_NS_BIND,
    n::SYS_NS_ENTER,
    n::SYS_RING_NEW,
    n::SYS_RING_WAIT,
    n::SYS_RING_WAIT,
    n::SYS_RING_COPY,
    n::SYS_RING_TAKE,
    n::SYS_EXIT,
];

/// Calls that keep a history going.
pub(super) const COMMON: [usize; 8] = [
    n::SYS_READ,
    n::SYS_WRITE,
    n::SYS_OPENAT,
    n::SYS_RING_WAIT,
    n::SYS_DUP,
    n::SYS_FMAP,
    n::SYS_FSTAT,
    n::SYS_FORK,
];

pub(super) const PATHS: [&str; 18] = [
    "test:",
    "test:a",
    "test:",
    "test:b",
    "/scheme/test/y",
    "test:c",
    "memory:",
    "event:",
    "pipe:",
    "pipe:log",
    "rand:",
    "debug:",
    "/scheme",
    "test:",
    "test:a/b",
    "/scheme/test/x",
    "",
    "write",
];
