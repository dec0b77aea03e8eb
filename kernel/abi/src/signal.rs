//! Signals: the page that libc and the kernel share, and the frame that a handler begins with.
//!
//! Numbers are POSIX's as on Linux (1 to 31); in a set, bit n-1 stands for signal n. The page is
//! one private, writable page of 512 words that [`crate::number::SYS_SIGNAL_PAGE`] registers.
//! libc keeps actions and masks there, so changing them costs no system call. Until a process has
//! its page, signals wait; after a `fork` the child clears what waits for its parent.

/// Word of the signals that are ignored, on purpose or because that is their default.
pub const IGNORED: usize = 0;
/// Word of the signals that have a handler. One neither ignored nor caught ends the process.
pub const CAUGHT: usize = 1;
/// Word of the signals that wait until some thread does not block them.
pub const PENDING: usize = 2;
/// First of the threads' words, by signal slot. The lower half holds the signals that the thread
/// blocks, the upper half those that wait for it alone.
pub const THREAD_WORDS: usize = 8;
/// Threads that one process may have, and words for them in its signal page.
pub const THREADS: usize = 504;

/// Bytes below the stack pointer that a function may use; the frame lies right beneath them.
pub const RED_ZONE: usize = 128;

/// What the kernel puts on the stack before it enters the trampoline with rsp = address of this
/// frame and all other registers as they were.
///
/// The kernel has blocked the signal itself. The trampoline saves what it changes, calls the
/// handler and unblocks. It needs no call to go back: with rsp at `rflags`, POPFQ and a RET that
/// skips the red zone restore all that is left. (IRETQ would do it too, but not where an emulator
/// takes its reads for the kernel's and SMAP forbids them.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SignalFrame {
    /// Signal number.
    pub signal: u64,
    /// Address of the access that faulted (SIGSEGV, SIGBUS), else 0.
    pub address: u64,
    /// Flags to go back with.
    pub rflags: u64,
    /// Instruction pointer to go back to.
    pub rip: u64,
}

const _: () = assert!(size_of::<SignalFrame>() == 32);
