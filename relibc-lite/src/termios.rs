//! `termios.h`: terminals, by the calls that terminals answer.

use crate::{errno, sys};
use core::ffi::{c_int, c_void};
use core::ptr;
use relibc_core::abi::{Termios, Winsize};
use relibc_core::consts::{
    TCFLSH, TCGETS, TCSBRK, TCSETS, TCXONC, TIOCGPGRP, TIOCGWINSZ, TIOCSPGRP,
};
use relibc_core::errno::{EINVAL, Result};

/// # Safety
///
/// `argument` is what the request wants.
unsafe fn ask(fd: c_int, request: u64, argument: *mut c_void) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { sys::ioctl(fd, request, argument) }.map(drop)
}

/// POSIX `tcgetattr`.
#[unsafe(no_mangle)]
unsafe extern "C" fn tcgetattr(fd: c_int, to: *mut Termios) -> c_int {
    // SAFETY: C contract.
    errno::status(unsafe { ask(fd, TCGETS, to.cast()) })
}

/// POSIX `tcsetattr`: `when` is now, after output (1), or after output without input (2).
#[unsafe(no_mangle)]
unsafe extern "C" fn tcsetattr(fd: c_int, when: c_int, from: *const Termios) -> c_int {
    let request = u64::try_from(when).ok().filter(|when| *when <= 2).ok_or(EINVAL);
    // SAFETY: C contract.
    errno::status(
        request.and_then(|when| unsafe {
            ask(fd, TCSETS.saturating_add(when), from.cast_mut().cast())
        }),
    )
}

/// A request whose argument is a number.
fn with_number(fd: c_int, request: u64, number: c_int) -> c_int {
    let argument = ptr::without_provenance_mut(crate::c::word(number));
    // SAFETY: the request takes a number.
    errno::status(unsafe { ask(fd, request, argument) })
}

/// POSIX `tcflush`.
#[unsafe(no_mangle)]
extern "C" fn tcflush(fd: c_int, which: c_int) -> c_int {
    with_number(fd, TCFLSH, which)
}

/// POSIX `tcflow`.
#[unsafe(no_mangle)]
extern "C" fn tcflow(fd: c_int, action: c_int) -> c_int {
    with_number(fd, TCXONC, action)
}

/// POSIX `tcdrain`.
#[unsafe(no_mangle)]
extern "C" fn tcdrain(fd: c_int) -> c_int {
    with_number(fd, TCSBRK, 1)
}

/// POSIX `tcsendbreak`.
#[unsafe(no_mangle)]
extern "C" fn tcsendbreak(fd: c_int, _duration: c_int) -> c_int {
    with_number(fd, TCSBRK, 0)
}

/// POSIX `tcgetpgrp`.
#[unsafe(no_mangle)]
extern "C" fn tcgetpgrp(fd: c_int) -> c_int {
    let mut group: c_int = 0;
    // SAFETY: the request fills an int.
    let asked = unsafe { ask(fd, TIOCGPGRP, (&raw mut group).cast()) };
    errno::int(asked.and_then(|()| crate::c::length(group)))
}

/// POSIX `tcsetpgrp`.
#[unsafe(no_mangle)]
extern "C" fn tcsetpgrp(fd: c_int, group: c_int) -> c_int {
    // SAFETY: the request reads an int.
    errno::status(unsafe { ask(fd, TIOCSPGRP, (&raw const group).cast_mut().cast()) })
}

/// POSIX `isatty`: a terminal is what has a window size.
#[unsafe(no_mangle)]
extern "C" fn isatty(fd: c_int) -> c_int {
    let mut size = Winsize::default();
    // SAFETY: the request fills the struct.
    let asked = unsafe { ask(fd, TIOCGWINSZ, (&raw mut size).cast()) };
    let is_terminal = asked.map_err(|errno| match errno {
        relibc_core::errno::EBADF => errno,
        _ => relibc_core::errno::ENOTTY,
    });
    c_int::from(errno::status(is_terminal) == 0)
}

/// POSIX `cfgetispeed`.
#[unsafe(no_mangle)]
unsafe extern "C" fn cfgetispeed(from: *const Termios) -> u32 {
    // SAFETY: C contract.
    unsafe { (*from).c_ispeed }
}

/// POSIX `cfgetospeed`.
#[unsafe(no_mangle)]
unsafe extern "C" fn cfgetospeed(from: *const Termios) -> u32 {
    // SAFETY: C contract.
    unsafe { (*from).c_ospeed }
}

/// POSIX `cfsetispeed`.
#[unsafe(no_mangle)]
unsafe extern "C" fn cfsetispeed(to: *mut Termios, speed: u32) -> c_int {
    // SAFETY: C contract.
    unsafe { (*to).c_ispeed = speed };
    0
}

/// POSIX `cfsetospeed`.
#[unsafe(no_mangle)]
unsafe extern "C" fn cfsetospeed(to: *mut Termios, speed: u32) -> c_int {
    // SAFETY: C contract.
    unsafe { (*to).c_ospeed = speed };
    0
}

/// BSD `cfmakeraw`: bytes come and go as they are.
#[unsafe(no_mangle)]
unsafe extern "C" fn cfmakeraw(to: *mut Termios) {
    const IGNBRK_BRKINT_PARMRK_ISTRIP_INLCR_IGNCR_ICRNL_IXON: u32 = 0o1753;
    const OPOST: u32 = 1;
    const ECHO_ECHONL_ICANON_ISIG_IEXTEN: u32 = 0x8 | 0x10 | 0x100 | 0x80 | 0x400;
    const CSIZE_PARENB: u32 = 0o1_1400;
    const CS8: u32 = 0o1400;
    // SAFETY: C contract.
    let to = unsafe { &mut *to };
    to.c_iflag &= !IGNBRK_BRKINT_PARMRK_ISTRIP_INLCR_IGNCR_ICRNL_IXON;
    to.c_oflag &= !OPOST;
    to.c_lflag &= !ECHO_ECHONL_ICANON_ISIG_IEXTEN;
    to.c_cflag = (to.c_cflag & !CSIZE_PARENB) | CS8;
    let [.., min, time, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = &mut to.c_cc;
    (*min, *time) = (1, 0);
}
