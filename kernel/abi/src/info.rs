//! Structs and small numbers that system calls take.
//!
//! All are `repr(C)` words without padding, so the kernel reads them as arrays of `u64`.

/// What [`crate::number::SYS_GETID`] and `SYS_SETID` name.
pub mod id {
    /// Process id. Read only.
    pub const PID: usize = 0;
    /// Parent's process id. Read only.
    pub const PPID: usize = 1;
    /// Id of the calling thread. Read only.
    pub const TID: usize = 2;
    /// User id; only uid 0 may set it.
    pub const UID: usize = 3;
    /// Group id; only uid 0 may set it.
    pub const GID: usize = 4;
    /// Process group.
    pub const PGID: usize = 5;
    /// Session; set with value 0: the caller becomes the leader of a new session and group.
    pub const SID: usize = 6;
    /// Priority 0 (lowest) to 7 (drivers); raising it needs uid 0.
    pub const PRIORITY: usize = 7;
    /// Number of CPUs that run. Read only.
    pub const CPUS: usize = 8;
}

/// Kinds of [`crate::number::SYS_INFO`]. What they give are little-endian words, or bytes.
pub mod fact {
    /// Numbers of living processes, from the argument's place in the list on.
    pub const PROCESSES: usize = 0;
    /// Of the process with that number: pid, parent, group, uid, gid, state (the letter `R`, `S`
    /// or `Z`), threads, resident pages, CPU time in ns, priority, handles.
    pub const PROCESS: usize = 1;
    /// The name of the process with that number, as bytes.
    pub const NAME: usize = 2;
    /// Since boot: [`crate::counters::Counters::words`].
    pub const COUNTERS: usize = 3;
    /// Pages in all, free and promised; memory objects.
    pub const MEMORY: usize = 4;
    /// Interrupts in use: line and count, alternating.
    pub const IRQS: usize = 5;
    /// What the loader said, as text, from the argument's byte on.
    pub const BOOT: usize = 6;
    /// The kernel's log, as text, from the argument's byte (counted since boot) on.
    pub const LOG: usize = 7;
}

/// Parts of the machine, as the first of three words of a `call` on the machine handle.
pub mod part {
    /// Physical memory: address and bytes; cached as RAM is.
    pub const MEMORY: usize = 0;
    /// The same, write-combining (framebuffers).
    pub const COMBINING: usize = 1;
    /// The same, uncached (registers).
    pub const UNCACHED: usize = 2;
    /// Adjacent zeroed memory below 4 GiB: bytes.
    pub const DMA: usize = 3;
    /// I/O ports: first and count.
    pub const PORTS: usize = 4;
    /// An edge-triggered interrupt line: its GSI.
    pub const EDGE: usize = 5;
    /// A level-triggered one, active low.
    pub const LEVEL: usize = 6;
    /// A message-signalled interrupt.
    pub const MESSAGE: usize = 7;
}

/// Options of [`crate::number::SYS_WAITPID`]: do not wait (`WNOHANG`).
pub const WAIT_NO_HANG: usize = 1;

/// A handle that a spawned process starts with: `from` in the parent, `to` in the child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct HandleMove {
    /// Number in the caller's table.
    pub from: u64,
    /// Number in the child's table.
    pub to: u64,
}

/// Argument of [`crate::number::SYS_SPAWN`]. The child's table holds exactly `handles`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct SpawnArgs {
    /// Handle on the program: a memory object, or a file with an attached one (else `ENODEV`).
    pub object: u64,
    /// Handle on the args object ([`crate::args`]).
    pub args: u64,
    /// Address of the program's name (for `ps` and `sys:exe`; at most 255 bytes).
    pub name: u64,
    /// Length of the name in bytes.
    pub name_len: u64,
    /// Address of an array of [`HandleMove`].
    pub handles: u64,
    /// Number of entries in `handles` (at most 64).
    pub handle_count: u64,
    /// Handle on the child's namespace, or [`crate::number::NONE`] to share the caller's.
    pub namespace: u64,
    /// Process group: 0 = the caller's, 1 = a new one led by the child.
    pub group: u64,
    /// Priority, or [`crate::number::NONE`] for the caller's.
    pub priority: u64,
    /// User id, or [`crate::number::NONE`] for the caller's.
    pub uid: u64,
    /// Group id, or [`crate::number::NONE`] for the caller's.
    pub gid: u64,
}

/// Argument of [`crate::number::SYS_THREAD_CREATE`].
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ThreadArgs {
    /// Where it starts.
    pub entry: u64,
    /// Its stack pointer at the start.
    pub stack: u64,
    /// Its FS base.
    pub tls: u64,
    /// What it finds in rdi.
    pub argument: u64,
    /// Its slot in the process's signal page ([`crate::signal::THREAD_WORDS`]).
    pub signal_slot: u64,
}

/// Optional argument of [`crate::number::SYS_SCHEME_NEW`]: how the scheme treats the death of
/// its daemon (kernel-level policy; address 0 gives [`SchemePolicy::DEFAULT`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct SchemePolicy {
    /// Bits of [`policy`].
    pub flags: u64,
    /// How long clients wait for a successor, in ns; then they get `EIO`.
    pub orphan_ns: u64,
    /// How many daemons a request may be given to.
    pub max_tries: u64,
    /// Requests in flight that one process may have; 0 = a quarter of the ring.
    pub per_client: u64,
}

/// Flags of a [`SchemePolicy`].
pub mod policy {
    /// Unanswered requests of safe classes go to the successor again.
    pub const REISSUE: u64 = 1;
    /// A stream: a late answer is kept for the next read, and nothing is reissued.
    pub const STREAM: u64 = 2;
}

impl SchemePolicy {
    /// Fail what was in flight at once; no successor.
    pub const DEFAULT: Self = Self { flags: 0, orphan_ns: 0, max_tries: 2, per_client: 0 };
}

/// Readiness bits in `Event::flags` and Fevent packets, beyond `redox`'s READ 1 and WRITE 2.
pub mod ready {
    /// A read would not block.
    pub const READ: u64 = 1;
    /// A write would not block.
    pub const WRITE: u64 = 2;
    /// An error is pending.
    pub const ERROR: u64 = 8;
    /// The other side is gone.
    pub const HANGUP: u64 = 16;
}
