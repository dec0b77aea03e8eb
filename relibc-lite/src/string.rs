//! `string.h`, `strings.h`, but for what is in `memory`.

use crate::thread::Thread;
use crate::{c, errno, malloc};
use core::cmp::Ordering;
use core::ffi::{c_char, c_int, c_void};
use core::ptr;
use relibc_core::errno::ENOMEM;

/// Keeps a short text for C in the thread's own buffer.
pub(crate) fn keep(thread: &Thread, text: &[u8]) -> *mut c_char {
    // SAFETY: only its own thread reaches the buffer, and no reference to it is kept.
    let buffer = unsafe { &mut *thread.text.get() };
    // A text that was cut is still a text.
    let _fits = relibc_core::text::put(buffer, text);
    buffer.as_mut_ptr().cast()
}

/// # Safety
///
/// C contract: `length` readable bytes.
unsafe fn bytes<'a>(start: *const c_void, length: usize) -> &'a [u8] {
    if length == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(start.cast(), length) }
}

/// # Safety
///
/// C contract: a string.
unsafe fn text<'a>(start: *const c_char) -> &'a [u8] {
    // SAFETY: the caller's promise.
    unsafe { core::ffi::CStr::from_ptr(start) }.to_bytes()
}

/// The low byte of C's `int`, which stands for a character.
fn character(of: c_int) -> u8 {
    let [low, ..] = of.to_le_bytes();
    low
}

fn order(of: Ordering) -> c_int {
    match of {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}

/// A pointer into `start`'s bytes, or null.
fn at<T>(start: *const T, index: Option<usize>) -> *mut T {
    match index {
        Some(index) => start.wrapping_byte_add(index).cast_mut(),
        None => ptr::null_mut(),
    }
}

/// C `memchr`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memchr(start: *const c_void, byte: c_int, length: usize) -> *mut c_void {
    // SAFETY: C contract.
    at(start, memchr::memchr(character(byte), unsafe { bytes(start, length) }))
}

/// GNU `memrchr`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memrchr(start: *const c_void, byte: c_int, length: usize) -> *mut c_void {
    // SAFETY: C contract.
    at(start, memchr::memrchr(character(byte), unsafe { bytes(start, length) }))
}

/// POSIX `strnlen`.
#[unsafe(no_mangle)]
unsafe extern "C" fn strnlen(start: *const c_char, most: usize) -> usize {
    // Byte by byte: the string may end, and with it the memory, before `most`.
    // SAFETY: C contract.
    (0..most).find(|index| unsafe { *start.add(*index) } == 0).unwrap_or(most)
}

/// C `strchr`.
#[unsafe(no_mangle)]
unsafe extern "C" fn strchr(start: *const c_char, byte: c_int) -> *mut c_char {
    // SAFETY: C contract.
    let text = unsafe { text(start) };
    let found = match character(byte) {
        0 => Some(text.len()),
        byte => memchr::memchr(byte, text),
    };
    at(start, found)
}

/// C `strrchr`.
#[unsafe(no_mangle)]
unsafe extern "C" fn strrchr(start: *const c_char, byte: c_int) -> *mut c_char {
    // SAFETY: C contract.
    let text = unsafe { text(start) };
    let found = match character(byte) {
        0 => Some(text.len()),
        byte => memchr::memrchr(byte, text),
    };
    at(start, found)
}

/// C `strstr`.
#[unsafe(no_mangle)]
unsafe extern "C" fn strstr(start: *const c_char, wanted: *const c_char) -> *mut c_char {
    // SAFETY: C contract, twice.
    at(start, unsafe { memchr::memmem::find(text(start), text(wanted)) })
}

/// C `strcmp`.
#[unsafe(no_mangle)]
unsafe extern "C" fn strcmp(one: *const c_char, other: *const c_char) -> c_int {
    // SAFETY: C contract, twice.
    order(unsafe { text(one).cmp(text(other)) })
}

/// C `strncmp`.
#[unsafe(no_mangle)]
unsafe extern "C" fn strncmp(one: *const c_char, other: *const c_char, most: usize) -> c_int {
    // SAFETY: C contract, twice.
    order(unsafe {
        let one = bytes(one.cast(), strnlen(one, most));
        one.cmp(bytes(other.cast(), strnlen(other, most)))
    })
}

/// POSIX `strcasecmp`.
#[unsafe(no_mangle)]
unsafe extern "C" fn strcasecmp(one: *const c_char, other: *const c_char) -> c_int {
    // SAFETY: C contract, twice.
    let (one, other) = unsafe { (text(one), text(other)) };
    let other = other.iter().map(u8::to_ascii_lowercase);
    order(one.iter().map(u8::to_ascii_lowercase).cmp(other))
}

/// C `strcpy`.
#[unsafe(no_mangle)]
unsafe extern "C" fn strcpy(to: *mut c_char, from: *const c_char) -> *mut c_char {
    // SAFETY: C contract: the string with its NUL fits and does not overlap.
    unsafe { to.copy_from_nonoverlapping(from, text(from).len().wrapping_add(1)) };
    to
}

/// C `strncpy`.
#[unsafe(no_mangle)]
unsafe extern "C" fn strncpy(to: *mut c_char, from: *const c_char, room: usize) -> *mut c_char {
    // SAFETY: C contract: `room` bytes are writable; the rest is filled with zeroes.
    unsafe {
        let length = strnlen(from, room);
        to.copy_from_nonoverlapping(from, length);
        to.add(length).write_bytes(0, room.wrapping_sub(length));
    }
    to
}

/// C `strcat`.
#[unsafe(no_mangle)]
unsafe extern "C" fn strcat(to: *mut c_char, from: *const c_char) -> *mut c_char {
    // SAFETY: C contract.
    unsafe { strcpy(to.add(text(to).len()), from) };
    to
}

/// POSIX `strdup`.
#[unsafe(no_mangle)]
unsafe extern "C" fn strdup(from: *const c_char) -> *mut c_char {
    // SAFETY: C contract.
    let text = unsafe { text(from) };
    let copy = malloc::allocate(text.len().saturating_add(1)).ok_or(ENOMEM);
    errno::pointer(copy.map(|block| {
        // SAFETY: the block is new and has room for the NUL too.
        unsafe { c::bytes_mut(block.as_ptr().cast(), text.len().saturating_add(1)) }
            .iter_mut()
            .zip(text.iter().chain(&[0]))
            .for_each(|(to, from)| *to = *from);
        block.as_ptr().cast()
    }))
}

/// BSD `explicit_bzero`.
#[unsafe(no_mangle)]
unsafe extern "C" fn explicit_bzero(start: *mut c_void, length: usize) {
    for index in 0..length {
        // SAFETY: C contract. Volatile: the compiler may not think it idle.
        unsafe { start.cast::<u8>().add(index).write_volatile(0) };
    }
}
