//! POSIX threads: life and death. Locks and the rest are in the files beside.

use crate::thread::{self, Thread};
use crate::{errno, malloc, signal, sys, tls};
use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use relibc_core::consts::{PAGE, SIG_SETMASK};
use relibc_core::errno::{EAGAIN, EDEADLK, EINVAL, ESRCH, Result};

mod attr;
mod barrier;
mod cond;
mod key;
mod mutex;
mod once;
mod rwlock;

pub(crate) use key::{Destructor, Values, keys_lock, run_destructors, run_objects};

/// Where a thread starts.
pub(crate) type Start = unsafe extern "C" fn(*mut c_void) -> *mut c_void;

const JOINABLE: u32 = 0;
const DETACHED: u32 = 1;
const ENDING: u32 = 2;

/// What `pthread_t` points to; outlives its thread until someone has joined it.
#[derive(Debug)]
pub(crate) struct Handle {
    /// 1 while the thread lives; the system clears and wakes it when the stack is gone.
    alive: AtomicU32,
    state: AtomicU32,
    result: AtomicPtr<c_void>,
    /// The system's id of the thread.
    id: AtomicU32,
    /// Its slot in the signal page.
    slot: AtomicUsize,
}

impl Handle {
    const fn new() -> Self {
        Self {
            alive: AtomicU32::new(1),
            state: AtomicU32::new(JOINABLE),
            result: AtomicPtr::new(ptr::null_mut()),
            id: AtomicU32::new(0),
            slot: AtomicUsize::new(0),
        }
    }

    /// After `fork` the thread has another id.
    pub(crate) fn renew(&self, id: u32) {
        self.id.store(id, Ordering::Release);
    }

    /// Sleeps until the thread is gone.
    fn wait(&self) {
        while self.alive.load(Ordering::Acquire) != 0 {
            // Woken, interrupted or too late: the word tells.
            let _woken = sys::futex_wait(&self.alive, 1, None);
        }
    }
}

static MAIN: Handle = Handle::new();

/// The handle of the first thread.
pub(crate) fn main_handle() -> &'static Handle {
    &MAIN
}

/// POSIX `pthread_create`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    to: *mut *const Handle,
    attr: *const attr::Attr,
    start: Start,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: C contract.
    let attr = unsafe { attr.as_ref() }.copied().unwrap_or_default();
    let created = create(attr, start, argument).map(|handle| {
        // SAFETY: C contract.
        unsafe { crate::c::put(to, handle.cast_const()) };
    });
    errno::code(created)
}

fn create(attr: attr::Attr, start: Start, argument: *mut c_void) -> Result<*mut Handle> {
    let block = malloc::allocate(size_of::<Handle>()).ok_or(EAGAIN)?;
    let handle = block.cast::<Handle>().as_ptr();
    // SAFETY: the block is new, large enough and 16-aligned.
    unsafe { handle.write(Handle::new()) };
    if attr.is_detached() {
        // SAFETY: written above.
        unsafe { (*handle).state.store(DETACHED, Ordering::Relaxed) };
    }
    let spawned = spawn(attr.stack_size(), handle, (start, argument));
    if spawned.is_err() {
        // SAFETY: no thread has it.
        unsafe { malloc::release(block) };
    }
    spawned.map(|()| handle).map_err(|_| EAGAIN)
}

/// Maps stack and storage and starts a thread on them.
fn spawn(stack: usize, handle: *mut Handle, start: (Start, *mut c_void)) -> Result<()> {
    let image = tls::image();
    let stack = stack.checked_next_multiple_of(PAGE).ok_or(EINVAL)?;
    let below = stack.checked_add(PAGE).ok_or(EINVAL)?;
    let length = below.checked_add(image.room()).ok_or(EINVAL)?;
    let memory = sys::map_anonymous(length, sys::Commit::Lazy)?;
    // SAFETY: the mapping is new; its lowest page becomes the guard.
    unsafe { sys::protect(memory.addr(), PAGE, 0) }?;
    // SAFETY: the `room` bytes below the end are zeroed, writable and ours.
    let at = unsafe { image.lay_out(memory.wrapping_add(length)) };
    let mut thread = Thread::new(at, handle);
    thread.mapping = (memory.expose_provenance(), length);
    thread.start = Some(start);
    let inherited = sys::mask();
    let slot = sys::claim_slot(inherited).ok_or(EAGAIN)?;
    thread.signals.slot.set(slot);
    // SAFETY: the caller's block, which the new thread shares only from `sys::spawn` on.
    unsafe { (*handle).slot.store(slot, Ordering::Relaxed) };
    // SAFETY: `lay_out` reserved the place, aligned.
    unsafe { at.write(thread) };
    let top = memory.wrapping_add(below);
    // SAFETY: stack, thread and word live until the thread has ended: `exit` unmaps the former
    // two by its last call, and the handle is freed after that or has no word.
    let spawned = unsafe { sys::spawn(top, at, &raw const (*handle).alive) };
    spawned.map(drop).inspect_err(|_| {
        sys::release_slot(slot);
        // SAFETY: no thread was started on it.
        let _gone = unsafe { sys::unmap(memory.addr(), length) };
    })
}

/// The first code of a new thread, on its own stack.
pub(crate) extern "C" fn begin() -> ! {
    let thread = thread::current();
    // SAFETY: `create` wrote the handle; it lives as long as the thread.
    unsafe { &*thread.handle }.id.store(thread.id(), Ordering::Release);
    let Some((start, argument)) = thread.start else { end(ptr::null_mut()) };
    // SAFETY: C contract of `pthread_create`.
    end(unsafe { start(argument) })
}

/// Ends the calling thread.
fn end(result: *mut c_void) -> ! {
    run_destructors();
    let thread = thread::current();
    // No handler may run on a stack that is about to go.
    let _old = signal::change_mask(SIG_SETMASK, Some(u64::MAX));
    // SAFETY: the handle lives until it is joined, or is freed below.
    let handle = unsafe { &*thread.handle };
    handle.result.store(result, Ordering::Release);
    let mut word = &raw const handle.alive;
    if handle.state.swap(ENDING, Ordering::AcqRel) == DETACHED && !ptr::eq(handle, &raw const MAIN)
    {
        word = sys::slot_word(thread.signals.slot.get());
        // SAFETY: detached and ending: nobody else may use the handle any more.
        unsafe { malloc::free(thread.handle.cast_mut().cast()) };
    }
    malloc::flush();
    let (address, length) = thread.mapping;
    // SAFETY: signals are blocked, and the mapping is this thread's alone.
    unsafe { sys::exit_thread(word, address, length) }
}

/// POSIX `pthread_exit`.
#[unsafe(no_mangle)]
extern "C" fn pthread_exit(result: *mut c_void) -> ! {
    end(result)
}

/// POSIX `pthread_join`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_join(handle: *mut Handle, to: *mut *mut c_void) -> c_int {
    if ptr::eq(handle, thread::current().handle) {
        return EDEADLK.0;
    }
    // SAFETY: C contract: a joinable thread that nobody has joined.
    let shared = unsafe { &*handle };
    if shared.state.load(Ordering::Acquire) == DETACHED {
        return EINVAL.0;
    }
    shared.wait();
    let result = shared.result.load(Ordering::Acquire);
    release(handle);
    // SAFETY: C contract.
    unsafe { crate::c::put(to, result) };
    0
}

/// Frees the handle of a thread that is gone, and its slot.
fn release(handle: *mut Handle) {
    if !ptr::eq(handle, &raw const MAIN) {
        // SAFETY: as below.
        sys::release_slot(unsafe { &*handle }.slot.load(Ordering::Relaxed));
        // SAFETY: `create` allocated it, and the thread that used it is gone.
        unsafe { malloc::free(handle.cast()) };
    }
}

/// POSIX `pthread_detach`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_detach(handle: *mut Handle) -> c_int {
    // SAFETY: C contract: a joinable thread that nobody has joined.
    let shared = unsafe { &*handle };
    let exchange =
        |from, to| shared.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
    match exchange(JOINABLE, DETACHED) {
        Err(DETACHED) => EINVAL.0,
        // It ends as a joinable thread: what is left is to join it.
        Err(_) => {
            shared.wait();
            release(handle);
            0
        }
        Ok(_) => 0,
    }
}

/// POSIX `pthread_self`.
#[unsafe(no_mangle)]
extern "C" fn pthread_self() -> *const Handle {
    thread::current().handle
}

/// POSIX `pthread_equal`.
#[unsafe(no_mangle)]
extern "C" fn pthread_equal(one: *const Handle, other: *const Handle) -> c_int {
    c_int::from(ptr::eq(one, other))
}

/// POSIX `pthread_kill`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_kill(handle: *const Handle, signal: c_int) -> c_int {
    if ptr::eq(handle, thread::current().handle) {
        return errno::code(sys::thread_kill(thread::current().id(), signal));
    }
    // SAFETY: C contract: a thread that was not joined.
    let id = match unsafe { &*handle }.id.load(Ordering::Acquire) {
        0 if ptr::eq(handle, &raw const MAIN) => sys::main_thread_id(),
        id => id,
    };
    if id == 0 { ESRCH.0 } else { errno::code(sys::thread_kill(id, signal)) }
}

/// POSIX `sched_yield`.
#[unsafe(no_mangle)]
extern "C" fn sched_yield() -> c_int {
    sys::yield_now();
    0
}
