//! The orderly end of a program.

use crate::lock::{Lock, RawLock};
use crate::{malloc, pthread, sys};
use core::ffi::{c_int, c_void};
use core::ptr;

type Hook = extern "C" fn();

unsafe extern "C" {
    static __fini_array_start: [Hook; 0];
    static __fini_array_end: [Hook; 0];
}

/// Something to run at the end; newest first.
#[derive(Debug)]
struct AtExit {
    run: Run,
    next: *mut Self,
}

/// How it is called.
#[derive(Clone, Copy, Debug)]
enum Run {
    Plain(extern "C" fn()),
    WithObject(unsafe extern "C" fn(*mut c_void), *mut c_void),
}

#[derive(Debug)]
struct All(*mut AtExit);

// SAFETY: the list is only followed while the lock is held.
unsafe impl Send for All {}

static ALL: Lock<All> = Lock::new(All(ptr::null_mut()));

/// The lock, for `fork`.
pub(crate) fn lock() -> &'static RawLock {
    ALL.raw()
}

fn add(run: Run) -> c_int {
    let Some(block) = malloc::allocate(size_of::<AtExit>()) else { return -1 };
    let node = block.cast::<AtExit>().as_ptr();
    let mut all = ALL.lock();
    // SAFETY: the block is new, large enough and aligned.
    unsafe { node.write(AtExit { run, next: all.0 }) };
    all.0 = node;
    0
}

/// Takes the newest one out of the list.
fn take() -> Option<Run> {
    let mut all = ALL.lock();
    let node = ptr::NonNull::new(all.0)?;
    // SAFETY: `add` wrote it, and it leaves the list here.
    let AtExit { run, next } = unsafe { node.read() };
    all.0 = next;
    // SAFETY: `add` allocated it.
    unsafe { malloc::release(node.cast()) };
    Some(run)
}

/// C `atexit`.
#[unsafe(no_mangle)]
extern "C" fn atexit(run: extern "C" fn()) -> c_int {
    add(Run::Plain(run))
}

/// Itanium C++ ABI: `run(object)` at the end.
#[unsafe(no_mangle)]
extern "C" fn __cxa_atexit(
    run: unsafe extern "C" fn(*mut c_void),
    object: *mut c_void,
    _dso: *mut c_void,
) -> c_int {
    add(Run::WithObject(run, object))
}

/// Itanium C++ ABI: the one object of a static program.
#[unsafe(no_mangle)]
static __dso_handle: usize = 0;

/// C `exit`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn exit(status: c_int) -> ! {
    pthread::run_objects();
    while let Some(run) = take() {
        match run {
            Run::Plain(run) => run(),
            // SAFETY: the registration's contract.
            Run::WithObject(run, object) => unsafe { run(object) },
        }
    }
    let start = (&raw const __fini_array_start).cast::<Hook>();
    let mut hook = (&raw const __fini_array_end).cast::<Hook>();
    while hook > start {
        hook = hook.wrapping_sub(1);
        // SAFETY: within the array that the linker marks, which holds functions of the program.
        unsafe { (*hook)() };
    }
    sys::exit(status & 0xff)
}

/// POSIX `_exit`.
#[unsafe(no_mangle)]
extern "C" fn _exit(status: c_int) -> ! {
    sys::exit(status & 0xff)
}

/// C `_Exit`.
#[unsafe(no_mangle)]
extern "C" fn _Exit(status: c_int) -> ! {
    sys::exit(status & 0xff)
}
