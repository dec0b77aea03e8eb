//! Signals: the page that libc and the kernel share, and the frame a handler returns to.
//!
//! Numbers are POSIX's as on Linux (1 to 31). The kernel keeps pending bits; libc keeps actions
//! and masks here, so changing them costs no system call.

/// Threads that one process may have, and masks in its signal page.
pub const THREADS: usize = 504;

/// The signal page of a process: one private, writable, page-aligned page of 4096 bytes that
/// [`crate::number::SYS_SIGNAL_PAGE`] registers. Bit n-1 stands for signal n.
#[derive(Debug)]
#[repr(C)]
pub struct SignalPage {
    /// Signals that are ignored.
    pub ignored: u64,
    /// Signals that have a handler; without it and not ignored, the default action is taken.
    pub caught: u64,
    /// Zero.
    pub reserved: [u64; 6],
    /// Blocked signals of each thread, by signal slot.
    pub mask: [u64; THREADS],
}

/// Word index of [`SignalPage::mask`] in the page.
pub const MASK_WORD: usize = 8;

const _: () = assert!(size_of::<SignalPage>() == 4096);

/// What the kernel pushes before it enters the trampoline, 16-aligned, below the red zone.
///
/// The trampoline starts with rdi = signal, rsi = address of this frame, rsp 8 below it, as if
/// called with return address 0 and all other registers as they were; it
/// saves the vector state itself, calls the handler and ends with
/// [`crate::number::SYS_SIGNAL_RETURN`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SignalFrame {
    /// rax, rbx, rcx, rdx, rsi, rdi, rbp, r8 to r15.
    pub registers: [u64; 15],
    /// Stack pointer.
    pub rsp: u64,
    /// Instruction pointer.
    pub rip: u64,
    /// Flags.
    pub rflags: u64,
    /// Signal number.
    pub signal: u64,
    /// Address of the access that faulted (SIGSEGV, SIGBUS), else 0.
    pub address: u64,
    /// The thread's mask, which `signal_return` restores; the kernel sets the signal's own bit
    /// in the page before it enters the trampoline.
    pub mask: u64,
    /// Zero.
    pub reserved: u64,
}

const _: () = assert!(size_of::<SignalFrame>() == 176);
