//! `poll` over the kernel's event queues.

use super::raw::call;
use crate::c::{int, narrow, wide, word};
use crate::time;
use anode_abi::number::{FOREVER, NONE, SYS_EVENT_WAIT, SYS_OPENAT};
use core::ffi::c_int;
use relibc_core::abi::Pollfd;
use relibc_core::anode::{polled, wanted};
use relibc_core::consts::{O_CLOEXEC, O_RDWR, POLLNVAL};
use relibc_core::errno::{EBADF, Result};

/// The kernel's event record.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Event {
    id: u64,
    flags: u64,
    data: u64,
}

/// Records that are read at a time.
const BATCH: usize = 16;

/// Waits at most `timeout` milliseconds (for ever if negative) for one of `fds`.
pub(crate) fn poll(fds: &mut [Pollfd], timeout: c_int) -> Result<usize> {
    let deadline = match u64::try_from(timeout) {
        Err(_) => FOREVER,
        Ok(0) => 0,
        Ok(millis) => time::now().saturating_add(millis.saturating_mul(1_000_000)),
    };
    let name = "/scheme/event";
    let flags = word(O_RDWR | O_CLOEXEC);
    // SAFETY: the name is valid.
    let queue = int(unsafe { call(SYS_OPENAT, [NONE, name.as_ptr().addr(), name.len(), flags]) }?);
    let result = wait(queue, fds, deadline);
    super::close(queue).and(result)
}

fn wait(queue: c_int, fds: &mut [Pollfd], deadline: u64) -> Result<usize> {
    let count = |fds: &[Pollfd]| fds.iter().filter(|entry| entry.revents != 0).count();
    for index in 0..fds.len() {
        subscribe(queue, fds, index);
    }
    // Some are ready as they stand: then only look what else is.
    let mut deadline = if count(fds) > 0 { 0 } else { deadline };
    loop {
        let found = take(queue, fds, deadline)?;
        if found == 0 || (count(fds) > 0 && found < BATCH) {
            return Ok(count(fds));
        }
        if count(fds) > 0 {
            deadline = 0;
        }
    }
}

/// Subscribes to one handle, once for all entries that name it.
fn subscribe(queue: c_int, fds: &mut [Pollfd], index: usize) {
    let Some((before, [entry, after @ ..])) = fds.split_at_mut_checked(index) else { return };
    entry.revents = 0;
    let fd = entry.fd;
    let is_same = |other: &&Pollfd| other.fd == fd;
    if fd < 0 {
        return;
    }
    if let Some(twin) = before.iter().find(is_same) {
        // The first one's fate is this one's; readiness comes with the events.
        entry.revents = twin.revents & POLLNVAL;
        return;
    }
    let events = after.iter().filter(is_same).fold(entry.events, |all, other| all | other.events);
    let event = Event { id: wide(word(fd)), flags: wanted(events), data: 0 };
    let length = size_of::<Event>();
    // SAFETY: the record is ours.
    match unsafe { super::write(queue, (&raw const event).cast(), length) } {
        Ok(_) => {}
        Err(EBADF) => entry.revents = POLLNVAL,
        // What has no events never makes anyone wait: an ordinary file.
        Err(_) => entry.revents = polled(wanted(entry.events), entry.events),
    }
}

/// Takes events in until `deadline`; gives how many came.
fn take(queue: c_int, fds: &mut [Pollfd], deadline: u64) -> Result<usize> {
    let mut events = [Event::default(); BATCH];
    let (to, length) = (events.as_mut_ptr().addr(), size_of_val(&events));
    // SAFETY: the kernel writes at most that many records.
    let bytes = unsafe { call(SYS_EVENT_WAIT, [word(queue), to, length, narrow(deadline)]) }?;
    let count = bytes.checked_div(size_of::<Event>()).unwrap_or(0);
    for event in events.iter().take(count) {
        for entry in fds.iter_mut().filter(|entry| wide(word(entry.fd)) == event.id) {
            entry.revents |= polled(event.flags, entry.events);
        }
    }
    Ok(count)
}
