//! From the first instruction to `main`, and what the program was started with.

use crate::stdlib::{env, exit};
use crate::thread::Thread;
use crate::{pthread, stdlib, sys, tls};
use core::ffi::{c_char, c_int};

/// What `.init_array` and `.fini_array` hold.
type Hook = extern "C" fn(c_int, *const *const c_char, *const *const c_char);

unsafe extern "C" {
    fn main(argc: c_int, argv: *const *const c_char, env: *const *const c_char) -> c_int;
    static __init_array_start: [Hook; 0];
    static __init_array_end: [Hook; 0];
}

/// Sets the first thread up and runs the program.
///
/// # Safety
///
/// Called once, first of all, on the first thread. `block` is the start block: argc, argv,
/// null, environment, null (System V ABI), and stays for ever.
pub(crate) unsafe fn run(block: *const usize) -> ! {
    first_thread();
    sys::inherit();
    // SAFETY: the block begins with argc, and argv follows.
    let (argc, argv) = unsafe { (*block, block.add(1).cast::<*const c_char>()) };
    // SAFETY: argv has argc pointers and a null, then the environment begins.
    let environment = unsafe { argv.add(argc).add(1) };
    env::begin(environment.cast_mut().cast());
    let argc = crate::c::int(argc);
    let mut hook = (&raw const __init_array_start).cast::<Hook>();
    let end = (&raw const __init_array_end).cast::<Hook>();
    while hook < end {
        // SAFETY: within the array, which holds functions of the program.
        unsafe { (*hook)(argc, argv, environment) };
        hook = hook.wrapping_add(1);
    }
    // SAFETY: C contract of `main`.
    let status = unsafe { main(argc, argv, environment) };
    // `main` returning ends the first thread too: its thread-locals and keys go first.
    pthread::run_destructors();
    exit::exit(status)
}

/// Gives the first thread its thread-local storage.
fn first_thread() {
    let image = tls::image();
    let room = image.room();
    let Ok(memory) = sys::map_anonymous(room, sys::Commit::Now) else {
        stdlib::die(b"libc: no memory for thread-local storage\n")
    };
    // SAFETY: the mapping is new: zeroed, `room` bytes, ours alone.
    let at = unsafe { image.lay_out(memory.wrapping_add(room)) };
    let thread = Thread::new(at, pthread::main_handle());
    // SAFETY: `lay_out` reserved the place, aligned.
    unsafe { at.write(thread) };
    sys::set_tls(at);
}
