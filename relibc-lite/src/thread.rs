//! What the library keeps for each thread: the block at the thread pointer.
//!
//! ```text
//!  guard page | stack …   ◀ grows down | TLS image | Thread
//!                                                  ▲ FS base; its first word is itself
//! ```

use crate::{malloc, pthread, signal, sys};
use core::cell::{Cell, UnsafeCell};
use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, Ordering};

/// One thread, as the library sees it; the FS base points here.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Thread {
    /// The ABI wants the thread pointer itself in its first word.
    pub(crate) me: *const Self,
    /// C's `errno`.
    pub(crate) errno: Cell<i32>,
    /// The system's id of the thread; 0 until it is known.
    pub(crate) id: AtomicU32,
    /// Slot in the signal page, and what is blocked while there is none.
    pub(crate) signals: signal::PerThread,
    /// What `pthread_self` gives; the only part that outlives the thread.
    pub(crate) handle: *const pthread::Handle,
    /// The mapping that holds the stack and this block: start and length; 0 for the main thread.
    pub(crate) mapping: (usize, usize),
    /// What to run, and with which argument.
    pub(crate) start: Option<(pthread::Start, *mut c_void)>,
    /// Values of the thread's keys.
    pub(crate) keys: UnsafeCell<pthread::Values>,
    /// Destructors of C++ and Rust thread-locals, newest first.
    pub(crate) destructors: Cell<*mut pthread::Destructor>,
    /// Free blocks that need no lock.
    pub(crate) cache: UnsafeCell<malloc::Cache>,
    /// The text that `strerror` gave last.
    pub(crate) text: UnsafeCell<[u8; 64]>,
}

/// The calling thread.
pub(crate) fn current() -> &'static Thread {
    let thread: *const Thread;
    // SAFETY: every thread has its `Thread` at the FS base, with its own address in the first
    // word, before any other code of this library runs on it (`start`, `pthread::create`). It
    // stays until the thread has ended, and only that thread uses the reference.
    unsafe {
        core::arch::asm!("mov {}, fs:[0]", out(reg) thread, options(nostack, pure, readonly));
        &*thread
    }
}

impl Thread {
    /// The block of a thread that lies at `at` and belongs to `handle`.
    pub(crate) fn new(at: *const Self, handle: *const pthread::Handle) -> Self {
        Self {
            me: at,
            errno: Cell::new(0),
            id: AtomicU32::new(0),
            signals: signal::PerThread::default(),
            handle,
            mapping: (0, 0),
            start: None,
            keys: UnsafeCell::default(),
            destructors: Cell::new(core::ptr::null_mut()),
            cache: UnsafeCell::default(),
            text: UnsafeCell::new([0; 64]),
        }
    }

    /// The thread's id, asked of the system once.
    pub(crate) fn id(&self) -> u32 {
        match self.id.load(Ordering::Relaxed) {
            0 => {
                let id = sys::thread_id();
                self.id.store(id, Ordering::Relaxed);
                id
            }
            id => id,
        }
    }
}
