//! Calls on handles: open, read, write, stat, events.

use std::os::fd::{AsFd, OwnedFd, RawFd};

use anode_abi::number::{
    NONE, SYS_CALL, SYS_DUP, SYS_EVENT_WAIT, SYS_FSTAT, SYS_FTRUNCATE, SYS_GETDENTS, SYS_OPENAT,
    SYS_READ, SYS_READ2, SYS_SENDFD, SYS_WRITE, SYS_WRITE2,
};
use redox::data::{Event, Stat};
use redox::error::{EBADF, EINVAL, Error, Result};
use redox::flag::{EventFlags, O_RDONLY};

use super::{input, number, output, owned, raw, word};

/// Opens `path` beneath a directory handle; `flags` as in `redox::flag::O_*`.
///
/// # Errors
///
/// What the scheme answers; `ENOENT` if there is no such scheme.
pub fn openat(directory: impl AsFd, path: &str, flags: usize) -> Result<OwnedFd> {
    open_from(number(&directory), path, flags)
}

/// Opens an absolute path: `NAME:rest`, `/scheme/NAME/rest` or `/rest`.
///
/// # Errors
///
/// As for [`openat`].
pub fn open(path: &str, flags: usize) -> Result<OwnedFd> {
    open_from(NONE, path, flags)
}

fn open_from(directory: usize, path: &str, flags: usize) -> Result<OwnedFd> {
    let (address, len) = input(path.as_bytes());
    // SAFETY: point 1: the kernel reads the path.
    owned(unsafe { raw(SYS_OPENAT, [directory, address, len, flags, 0]) }?)
}

/// A second handle (`name` empty), or what the scheme gives for `name`.
///
/// # Errors
///
/// `EMFILE`, or what the scheme answers for the name.
pub fn dup(handle: impl AsFd, name: &str) -> Result<OwnedFd> {
    let (address, len) = input(name.as_bytes());
    // SAFETY: point 1: the kernel reads the name.
    owned(unsafe { raw(SYS_DUP, [number(&handle), address, len, NONE, 0]) }?)
}

/// A handle of our own beside one that this process was started with.
///
/// # Errors
///
/// `EBADF` if there is none of that number, `EMFILE`.
pub fn dup_number(number: RawFd) -> Result<OwnedFd> {
    let number = usize::try_from(number).map_err(|_negative| Error::new(EBADF))?;
    // SAFETY: the name is empty, so no address is used.
    owned(unsafe { raw(SYS_DUP, [number, 0, 0, NONE, 0]) }?)
}

/// A new pipe: its read end and its write end.
///
/// # Errors
///
/// `EMFILE` or `ENOMEM`.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let read = open("pipe:", O_RDONLY)?;
    let write = dup(&read, "write")?;
    Ok((read, write))
}

/// Reads at the description's offset, which moves; 0 is the end.
///
/// # Errors
///
/// What the scheme answers.
pub fn read(handle: impl AsFd, into: &mut [u8]) -> Result<usize> {
    let (address, len) = output(into);
    // SAFETY: point 1: the kernel writes within the slice.
    unsafe { raw(SYS_READ, [number(&handle), address, len, 0, 0]) }
}

/// Writes at the description's offset, which moves; gives how much was taken.
///
/// # Errors
///
/// What the scheme answers.
pub fn write(handle: impl AsFd, from: &[u8]) -> Result<usize> {
    let (address, len) = input(from);
    // SAFETY: point 1: the kernel reads the slice.
    unsafe { raw(SYS_WRITE, [number(&handle), address, len, 0, 0]) }
}

/// Reads at `offset`.
///
/// # Errors
///
/// `ESPIPE` on a stream, or what the scheme answers.
pub fn read_at(handle: impl AsFd, into: &mut [u8], offset: u64) -> Result<usize> {
    let (address, len) = output(into);
    // SAFETY: point 1: the kernel writes within the slice.
    unsafe { raw(SYS_READ2, [number(&handle), address, len, word(offset)?, 0]) }
}

/// Writes at `offset`.
///
/// # Errors
///
/// `ESPIPE` on a stream, or what the scheme answers.
pub fn write_at(handle: impl AsFd, from: &[u8], offset: u64) -> Result<usize> {
    let (address, len) = input(from);
    // SAFETY: point 1: the kernel reads the slice.
    unsafe { raw(SYS_WRITE2, [number(&handle), address, len, word(offset)?, 0]) }
}

/// What `fstat` tells of a handle.
///
/// # Errors
///
/// What the scheme answers.
pub fn stat(handle: impl AsFd) -> Result<Stat> {
    let mut stat = Stat::default();
    // Its address and not a slice of it: the struct has padding, which is no bytes to Rust.
    let address = (&raw mut stat).expose_provenance();
    // SAFETY: point 1: the kernel writes within the struct, all of whose fields are plain.
    unsafe { raw(SYS_FSTAT, [number(&handle), address, size_of::<Stat>(), 0, 0]) }?;
    Ok(stat)
}

/// A part of what a kernel handle names, by words: of a memory object its offset and length, of
/// the machine an `anode_abi::info::part` and its two numbers. Flags: `O_CLOEXEC`, `O_NONBLOCK`.
///
/// # Errors
///
/// `EINVAL`: there is no such part; `EBUSY`: somebody has it; `ENOTTY`: it has no parts.
pub fn part(whole: impl AsFd, words: [u64; 3], flags: usize) -> Result<OwnedFd> {
    let meta = words.as_ptr().expose_provenance();
    // SAFETY: point 1: the kernel reads the three words.
    owned(unsafe { raw(SYS_CALL, [number(&whole), 0, 0, flags, meta]) }?)
}

/// Sets the length of a file or memory object, in bytes.
///
/// # Errors
///
/// What the scheme answers.
pub fn truncate(handle: impl AsFd, len: u64) -> Result<()> {
    // SAFETY: no address is passed.
    unsafe { raw(SYS_FTRUNCATE, [number(&handle), word(len)?, 0, 0, 0]) }.map(drop)
}

/// Reads directory records from `position` on: 0, or the last record's `next_opaque_id`.
///
/// # Errors
///
/// What the scheme answers.
pub fn getdents(handle: impl AsFd, into: &mut [u8], position: u64) -> Result<usize> {
    let (address, len) = output(into);
    // SAFETY: point 1: the kernel writes within the slice.
    unsafe { raw(SYS_GETDENTS, [number(&handle), address, len, word(position)?, 0]) }
}

/// Sends `buffer` and two words to the scheme, which may change the buffer.
///
/// # Errors
///
/// `ENOTTY` if the scheme knows no calls, or what it answers.
pub fn call(handle: impl AsFd, buffer: &mut [u8], words: [u64; 2]) -> Result<usize> {
    let (address, len) = output(buffer);
    let words = [words[0], words[1], 0];
    let meta = words.as_ptr().expose_provenance();
    // SAFETY: point 1: the kernel reads and writes the buffer and reads the three words.
    unsafe { raw(SYS_CALL, [number(&handle), address, len, 0, meta]) }
}

/// Offers a duplicate of `passed` to the daemon behind `handle`; gives its answer.
///
/// # Errors
///
/// What the daemon answers.
pub fn sendfd(handle: impl AsFd, passed: impl AsFd, argument: u64) -> Result<usize> {
    let arguments = [number(&handle), number(&passed), 0, word(argument)?, 0];
    // SAFETY: no address is passed.
    unsafe { raw(SYS_SENDFD, arguments) }
}

/// Subscribes a handle to a queue (an `event:` handle or a ring): its readiness comes with `key`.
///
/// No flags: the subscription ends.
///
/// # Errors
///
/// `EBADF`, or `EPERM` for a handle that has no readiness.
pub fn event_subscribe(
    queue: impl AsFd,
    handle: impl AsFd,
    key: usize,
    flags: EventFlags,
) -> Result<()> {
    let event = Event { id: number(&handle), flags, data: key };
    if write(queue, &event)? == event.len() { Ok(()) } else { Err(Error::new(EINVAL)) }
}

/// Waits for events until a monotonic time in ns (0: not at all); gives how many came.
///
/// # Errors
///
/// `EINTR`.
pub fn event_wait(queue: impl AsFd, into: &mut [Event], deadline: u64) -> Result<usize> {
    let (address, len) = (into.as_mut_ptr().expose_provenance(), size_of_val(into));
    let arguments = [number(&queue), address, len, word(deadline)?, 0];
    // SAFETY: point 1: the kernel writes whole records within the slice; they are plain words.
    let bytes = unsafe { raw(SYS_EVENT_WAIT, arguments) }?;
    Ok(bytes.checked_div(size_of::<Event>()).unwrap_or(0))
}
