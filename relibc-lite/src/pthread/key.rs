//! Thread-specific values, and the destructors that run when a thread ends.

use crate::lock::{Lock, RawLock};
use crate::thread;
use crate::{errno, malloc};
use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};
use relibc_core::errno::{EAGAIN, EINVAL, ENOMEM, Result};

/// Keys of a process; the first is never given out, as Rust's `std` takes 0 for "none".
const KEYS: usize = 128;
/// Rounds in which destructors may set values anew (`PTHREAD_DESTRUCTOR_ITERATIONS`).
const ROUNDS: usize = 4;

type OnEnd = Option<unsafe extern "C" fn(*mut c_void)>;

/// How often each key was made or deleted: odd while it is in use. A value of another
/// generation belongs to an earlier tenant and counts as null.
static GENERATIONS: [AtomicU32; KEYS] = [const { AtomicU32::new(0) }; KEYS];
static ON_END: Lock<[OnEnd; KEYS]> = Lock::new([None; KEYS]);

/// The lock, for `fork`.
pub(crate) fn keys_lock() -> &'static RawLock {
    ON_END.raw()
}

/// The values of one thread.
#[derive(Debug)]
pub(crate) struct Values([(u32, *mut c_void); KEYS]);

impl Default for Values {
    fn default() -> Self {
        Self([(0, ptr::null_mut()); KEYS])
    }
}

/// A thread-local object's destructor, in a list with the newest first.
#[derive(Debug)]
pub(crate) struct Destructor {
    run: unsafe extern "C" fn(*mut c_void),
    object: *mut c_void,
    next: *mut Self,
}

fn generation(key: usize) -> Option<u32> {
    GENERATIONS.get(key).map(|word| word.load(Ordering::Acquire)).filter(|word| word & 1 == 1)
}

/// The calling thread's value of a key.
fn value(key: usize) -> Option<&'static mut (u32, *mut c_void)> {
    // SAFETY: only its own thread reaches its values, and the reference never outlives the
    // function that asked for it, which calls nothing else meanwhile.
    unsafe { &mut *thread::current().keys.get() }.0.get_mut(key)
}

/// POSIX `pthread_key_create`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_key_create(to: *mut usize, on_end: OnEnd) -> c_int {
    let mut all = ON_END.lock();
    let free = GENERATIONS.iter().zip(all.iter_mut()).enumerate().skip(1);
    for (key, (word, slot)) in free {
        let generation = word.load(Ordering::Relaxed);
        if generation & 1 == 0 {
            *slot = on_end;
            word.store(generation.wrapping_add(1), Ordering::Release);
            // SAFETY: C contract.
            unsafe { to.write(key) };
            return 0;
        }
    }
    EAGAIN.0
}

/// POSIX `pthread_key_delete`.
#[unsafe(no_mangle)]
extern "C" fn pthread_key_delete(key: usize) -> c_int {
    let _all = ON_END.lock();
    match (generation(key), GENERATIONS.get(key)) {
        (Some(_), Some(word)) => {
            word.fetch_add(1, Ordering::Release);
            0
        }
        _ => EINVAL.0,
    }
}

/// POSIX `pthread_setspecific`.
#[unsafe(no_mangle)]
extern "C" fn pthread_setspecific(key: usize, to: *const c_void) -> c_int {
    let set = |slot: &mut (u32, *mut c_void), now| *slot = (now, to.cast_mut());
    let done = generation(key).and_then(|now| value(key).map(|slot| set(slot, now)));
    errno::code(done.ok_or(EINVAL))
}

/// POSIX `pthread_getspecific`.
#[unsafe(no_mangle)]
extern "C" fn pthread_getspecific(key: usize) -> *mut c_void {
    match (generation(key), value(key)) {
        (Some(now), Some((then, value))) if now == *then => *value,
        _ => ptr::null_mut(),
    }
}

/// Itanium C++ ABI: `run(object)` when the calling thread ends. Rust's `std` uses it.
#[unsafe(no_mangle)]
unsafe extern "C" fn __cxa_thread_atexit_impl(
    run: unsafe extern "C" fn(*mut c_void),
    object: *mut c_void,
    _dso: *mut c_void,
) -> c_int {
    errno::status(remember(run, object))
}

fn remember(run: unsafe extern "C" fn(*mut c_void), object: *mut c_void) -> Result<()> {
    let list = &thread::current().destructors;
    let node = malloc::allocate(size_of::<Destructor>()).ok_or(ENOMEM)?.cast::<Destructor>();
    // SAFETY: the block is new, large enough and aligned.
    unsafe { node.write(Destructor { run, object, next: list.get() }) };
    list.set(node.as_ptr());
    Ok(())
}

/// Runs what is to run when the calling thread ends.
pub(crate) fn run_destructors() {
    run_objects();
    for _ in 0..ROUNDS {
        let before = run_keys();
        run_objects();
        if !before {
            break;
        }
    }
}

/// Destroys the thread-local objects; a destructor may register new ones.
pub(crate) fn run_objects() {
    let list = &thread::current().destructors;
    while let Some(node) = ptr::NonNull::new(list.get()) {
        // SAFETY: `remember` wrote it, and it is taken out of the list once.
        let Destructor { run, object, next } = unsafe { node.read() };
        list.set(next);
        // SAFETY: `remember` allocated it; the registration's contract covers the call.
        unsafe {
            malloc::release(node.cast());
            run(object);
        }
    }
}

/// One round over all keys; whether any destructor ran.
fn run_keys() -> bool {
    let mut has_run = false;
    for key in 1..KEYS {
        let Some(now) = generation(key) else { continue };
        let on_end = ON_END.lock().get(key).copied().flatten();
        let Some(slot) = value(key) else { continue };
        let (then, held) = core::mem::replace(slot, (0, ptr::null_mut()));
        if let Some(on_end) = on_end.filter(|_| then == now && !held.is_null()) {
            has_run = true;
            // SAFETY: C contract of `pthread_key_create`.
            unsafe { on_end(held) };
        }
    }
    has_run
}
