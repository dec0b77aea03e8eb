//! `fork` in a program with several threads: no lock of the library is held in the child.

use crate::lock::{Lock, RawLock};
use crate::{errno, malloc, path, pthread, signal, stdlib, sys, thread};
use core::ffi::c_int;
use core::sync::atomic::Ordering;
use relibc_core::consts::SIG_SETMASK;
use relibc_core::errno::{ENOMEM, Result};

/// A program's own hook.
type Hook = Option<unsafe extern "C" fn()>;
/// Before, in the parent after, in the child after.
type Hooks = [Hook; 3];

static HOOKS: Lock<([Hooks; 32], usize)> = Lock::new(([[None; 3]; 32], 0));

/// Every lock of the library, in the one order in which two of them may be held.
fn locks() -> [&'static RawLock; 7] {
    [
        HOOKS.raw(),
        stdlib::exit::lock(),
        stdlib::env::lock(),
        path::cwd::lock(),
        signal::lock(),
        pthread::keys_lock(),
        malloc::lock(),
    ]
}

/// POSIX `fork`.
#[unsafe(no_mangle)]
extern "C" fn fork() -> c_int {
    errno::int(run().map(|pid| usize::try_from(pid).unwrap_or(0)))
}

fn run() -> Result<c_int> {
    // The hooks are copied: one of them may register another.
    let (hooks, count) = *HOOKS.lock();
    let hooks = hooks.get(..count).unwrap_or_default();
    for [before, _, _] in hooks.iter().rev() {
        call(*before);
    }
    // A handler would want one of the locks.
    let mask = signal::change_mask(SIG_SETMASK, Some(u64::MAX))?;
    for lock in locks() {
        lock.lock();
    }
    let result = sys::fork();
    // Parent and child: the child's only thread is the copy of the one that holds the locks.
    for lock in locks().iter().rev() {
        lock.unlock();
    }
    let is_child = result == Ok(0);
    if is_child {
        // Before a handler can run, which may ask for it.
        let (thread, id) = (thread::current(), sys::thread_id());
        thread.id.store(id, Ordering::Relaxed);
        // SAFETY: the thread's own handle lives as long as it does.
        unsafe { &*thread.handle }.renew(id);
    }
    signal::change_mask(SIG_SETMASK, Some(mask))?;
    for [_, in_parent, in_child] in hooks {
        call(if is_child { *in_child } else { *in_parent });
    }
    result
}

fn call(hook: Hook) {
    if let Some(hook) = hook {
        // SAFETY: the program registered it to be called around `fork`.
        unsafe { hook() };
    }
}

/// POSIX `pthread_atfork`.
#[unsafe(no_mangle)]
extern "C" fn pthread_atfork(before: Hook, in_parent: Hook, in_child: Hook) -> c_int {
    let mut hooks = HOOKS.lock();
    let (all, count) = &mut *hooks;
    let Some(free) = all.get_mut(*count) else { return ENOMEM.0 };
    *free = [before, in_parent, in_child];
    *count = count.saturating_add(1);
    0
}
