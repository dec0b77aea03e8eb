//! System call numbers.
//!
//! A call travels in rax (number), rdi, rsi, rdx, r10, r8 (arguments a to e); the result comes
//! back in rax: a value, or `-errno` for the last 4095 values. Every other register but rcx and
//! r11 is preserved. Where a call means the same as in `redox_syscall` 0.9.5 it keeps that
//! number; Anode's own calls are `ANODE | n`. What each call means: `mk/book/abi.md`.

pub use redox::number::{
    SYS_CALL, SYS_CLOSE, SYS_FCHOWN, SYS_FCNTL, SYS_FLINK, SYS_FMAP, SYS_FPATH, SYS_FRENAME,
    SYS_FSTAT, SYS_FSYNC, SYS_FUNMAP, SYS_LSEEK, SYS_MPROTECT, SYS_READ, SYS_READ2, SYS_UNLINKAT,
    SYS_WRITE, SYS_WRITE2, SYS_YIELD,
};

/// Class of Anode's own calls.
pub const ANODE: usize = 0x0A00_0000;

/// `openat(dir, path, len, flags)`: opens a path, gives the lowest free handle.
pub const SYS_OPENAT: usize = ANODE;
/// `dup(fd, name, len, at)`: a second handle, or what the scheme answers for `name`.
pub const SYS_DUP: usize = ANODE | 1;
/// `fchmod(fd, mode)`.
pub const SYS_FCHMOD: usize = ANODE | 2;
/// `ftruncate(fd, size)`.
pub const SYS_FTRUNCATE: usize = ANODE | 3;
/// `futimens(fd, times, 32)`: two `TimeSpec`, access then modification.
pub const SYS_FUTIMENS: usize = ANODE | 4;
/// `fstatvfs(fd, buf, 32)`: a `redox::data::StatVfs`.
pub const SYS_FSTATVFS: usize = ANODE | 5;
/// `getdents(fd, buf, len, position)`: packed `DirentHeader` records.
pub const SYS_GETDENTS: usize = ANODE | 6;
/// `sendfd(fd, passed, flags, arg)`: passes a handle to the daemon behind `fd`.
pub const SYS_SENDFD: usize = ANODE | 7;
/// `event_wait(queue, buf, len, deadline)`: reads events until a monotonic time in ns.
pub const SYS_EVENT_WAIT: usize = ANODE | 8;

/// `exit(status)`: ends the process.
pub const SYS_EXIT: usize = ANODE | 16;
/// `fork()`: 0 in the child, its pid in the parent.
pub const SYS_FORK: usize = ANODE | 17;
/// `exec(object, name, len, args)`: replaces the program of this process.
pub const SYS_EXEC: usize = ANODE | 18;
/// `spawn(args, size)`: a new process from a [`crate::info::SpawnArgs`].
pub const SYS_SPAWN: usize = ANODE | 19;
/// `waitpid(pid, flags)`: `pid | status << 32` of a child that ended.
pub const SYS_WAITPID: usize = ANODE | 20;
/// `kill(pid, signal)`: pid > 0 a process, 0 the own group, -1 all, < -1 the group `-pid`.
pub const SYS_KILL: usize = ANODE | 21;
/// `getid(which, pid)`: an [`crate::info::id`] of a process (0: the caller).
pub const SYS_GETID: usize = ANODE | 22;
/// `setid(which, pid, value)`.
pub const SYS_SETID: usize = ANODE | 23;
/// `thread_create(args, size)`: a thread from a [`crate::info::ThreadArgs`]; gives its id.
pub const SYS_THREAD_CREATE: usize = ANODE | 24;
/// `thread_exit(word, address, bytes)`: ends the thread, clears and wakes `word`, unmaps its stack.
pub const SYS_THREAD_EXIT: usize = ANODE | 25;
/// `set_tls(base)`: sets the FS base.
pub const SYS_SET_TLS: usize = ANODE | 26;
/// `signal_page(page, trampoline)`: registers the page of [`crate::signal`].
pub const SYS_SIGNAL_PAGE: usize = ANODE | 27;
/// `thread_kill(thread, signal)`: a signal to one thread of the own process.
pub const SYS_THREAD_KILL: usize = ANODE | 29;
/// `clock_settime(clock, ns)`: sets the wall clock, for uid 0.
pub const SYS_CLOCK_SETTIME: usize = ANODE | 30;
/// `clock_gettime(clock)`: gives its time in ns.
pub const SYS_CLOCK_GETTIME: usize = ANODE | 32;
/// `sleep(deadline, mask)`: until then, or a signal; blocks just those signals, or ([`NONE`]) what it did.
pub const SYS_SLEEP: usize = ANODE | 31;
/// `futex(address, op, value, deadline)`: sleeps on a word of memory, or wakes its sleepers.
pub const SYS_FUTEX: usize = ANODE | 28;

/// `scheme_new(ns, name, len, policy)`: makes a scheme and its name; gives the owner handle.
pub const SYS_SCHEME_NEW: usize = ANODE | 48;
/// `ns_new()`: an empty namespace; gives a handle on it.
pub const SYS_NS_NEW: usize = ANODE | 49;
/// `ns_bind(ns, name, len, source)`: binds a name in a namespace.
pub const SYS_NS_BIND: usize = ANODE | 50;
/// `ns_enter(ns)`: the caller's process moves to that namespace.
pub const SYS_NS_ENTER: usize = ANODE | 51;
/// `ring_new(owner, entries, address)`: the ring of a scheme; writes the address of its mapping.
pub const SYS_RING_NEW: usize = ANODE | 52;
/// `ring_wait(ring, seen_tail, deadline)`: reply-and-wait; gives the new tail of the queue.
pub const SYS_RING_WAIT: usize = ANODE | 53;
/// `ring_copy(ring, tag, offset, address, len)`: moves bytes between a request and the daemon.
pub const SYS_RING_COPY: usize = ANODE | 54;
/// `ring_take(ring, tag)`: the handle that a `Sendfd` request carries.
pub const SYS_RING_TAKE: usize = ANODE | 56;

/// `info(kind, argument, buf, len)`: facts of a [`crate::info::fact`], for uid 0; gives the bytes.
pub const SYS_INFO: usize = ANODE | 64;
/// `reboot()`: starts the machine again, for uid 0.
pub const SYS_REBOOT: usize = ANODE | 65;

/// Handle argument that stands for "none": an absolute path, the own namespace, anonymous memory.
pub const NONE: usize = usize::MAX;
/// Deadline that never comes.
pub const FOREVER: u64 = u64::MAX;
