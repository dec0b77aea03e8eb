//! `stdlib.h`: the environment, the end of the program, real paths, and small things.

use crate::sys::{self, At, Last};
use crate::{c, errno, malloc, path, signal, thread};
use core::ffi::{c_char, c_int};
use relibc_core::consts::{AT_FDCWD, O_CLOEXEC, O_PATH, PATH_MAX, SIG_DFL, SIGABRT};
use relibc_core::errno::{EINVAL, ENOMEM, Result};

pub(crate) mod env;
pub(crate) mod exit;

/// Says why on standard error and aborts; for broken promises that leave nothing else to do.
#[cold]
pub(crate) fn die(why: &[u8]) -> ! {
    // SAFETY: the slice is valid. If it cannot be said, there is no one else to tell.
    let _said = unsafe { sys::write(2, why.as_ptr(), why.len()) };
    abort()
}

/// C `abort`: SIGABRT, and if a handler returned from it, its default action.
#[unsafe(no_mangle)]
extern "C" fn abort() -> ! {
    let own = thread::current().id();
    let unblocked = 1_u64 << 5;
    let _old = signal::change_mask(relibc_core::consts::SIG_UNBLOCK, Some(unblocked));
    let _handled = sys::thread_kill(own, SIGABRT);
    let default = relibc_core::abi::Sigaction { sa_sigaction: SIG_DFL, ..Default::default() };
    let _set = sys::set_action(SIGABRT, &default);
    let _killed = sys::thread_kill(own, SIGABRT);
    // A system without the signal: the status says what it would have said.
    sys::exit(128 | SIGABRT)
}

/// POSIX `realpath`; with a null buffer the result is allocated.
#[unsafe(no_mangle)]
unsafe extern "C" fn realpath(name: *const c_char, to: *mut c_char) -> *mut c_char {
    let mut buffer = [0_u8; PATH_MAX];
    // SAFETY: C contract.
    let length = unsafe { path::with(AT_FDCWD, name, Last::Follow, |at| real(at, &mut buffer)) };
    errno::pointer(length.and_then(|length| {
        let path = buffer.get(..=length).ok_or(EINVAL)?;
        let to = if to.is_null() {
            malloc::allocate(path.len()).ok_or(ENOMEM)?.as_ptr().cast()
        } else {
            to
        };
        // SAFETY: C contract: PATH_MAX bytes, or the block that was just allocated.
        unsafe { to.cast::<u8>().copy_from_nonoverlapping(path.as_ptr(), path.len()) };
        Ok(to)
    }))
}

fn real(at: &At<'_>, buffer: &mut [u8]) -> Result<usize> {
    let fd = sys::open(at, O_PATH | O_CLOEXEC, 0)?;
    let length = path::of_handle(fd, buffer);
    sys::close(fd)?;
    length
}

/// C `atoi`, with what overflows cut to the nearest number.
#[unsafe(no_mangle)]
unsafe extern "C" fn atoi(text: *const c_char) -> c_int {
    // SAFETY: C contract.
    let text = unsafe { c::string(text) }.unwrap_or_default().to_bytes().trim_ascii_start();
    let (digits, sign) = match text.split_first() {
        Some((b'-', digits)) => (digits, -1),
        Some((b'+', digits)) => (digits, 1),
        _ => (text, 1),
    };
    let digits = digits.iter().take_while(|digit| digit.is_ascii_digit());
    digits.fold(0, |number: c_int, digit| {
        let value = c_int::from(digit.wrapping_sub(b'0')).saturating_mul(sign);
        number.saturating_mul(10).saturating_add(value)
    })
}
