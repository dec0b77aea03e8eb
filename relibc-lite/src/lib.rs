//! The C library's shell: the C ABI over `relibc-core` and one of two back-ends.
//!
//! ```text
//!  fcntl stat dirent unistd/ …  what POSIX's headers declare, one file a header or part of it
//!  pthread/ malloc/ fork        threads, memory, and the locks that fork must hold
//!  start ─▶ thread ─▶ tls       from the first instruction to main
//!  sys/{anode,linux}            the only system calls; `--features hosted` picks Linux
//! ```
//!
//! Numbers and structs are always Redox's, as the `libc` crate has them. Read `sys` first:
//! what a back-end must give.
//!
//! # Safety
//!
//! C's contracts hold for every exported function: pointers are null only where the man page
//! allows it, point to what their type says, strings end in NUL. The blocks below that only
//! rely on this say "C contract".
#![no_std]
#![expect(
    clippy::large_stack_frames,
    reason = "paths lie on the stack: not every caller may use malloc, and it may fail"
)]

mod c;
#[cfg(target_os = "redox")]
mod check;
mod dirent;
mod errno;
mod fcntl;
mod fork;
mod lock;
mod malloc;
mod math;
mod memory;
mod mman;
mod netdb;
mod path;
mod poll;
mod pthread;
mod pwd;
mod semaphore;
mod signal;
mod socket;
mod spawn;
mod start;
mod stat;
mod stdlib;
mod string;
mod sys;
mod termios;
mod thread;
mod time;
mod tls;
mod unistd;
mod utsname;

/// A bug of ours: say where and die, without unwinding into C.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    use core::fmt::Write as _;
    let mut line = relibc_core::text::Line::<256>::default();
    match writeln!(line, "libc: {info}") {
        Ok(()) => stdlib::die(line.as_bytes()),
        Err(_) => stdlib::die(b"libc: a panic whose text failed\n"),
    }
}

/// What `core`'s frames name as their personality; nothing unwinds through this library.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() -> ! {
    stdlib::die(b"libc: a panic reached the C library\n")
}
