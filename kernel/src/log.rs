//! The kernel's log: a ring in memory, and the serial line until a driver has it.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

use anode_kernel::num::{size, wide};
use spin::Mutex;

use crate::arch::{clock, serial};
use crate::boot::info;

/// Bytes of the log that are kept.
const SIZE: usize = 64 * 1024;
/// Level of a warning.
pub(crate) const WARN: u32 = 2;
/// Level of what is only told.
pub(crate) const INFO: u32 = 3;

struct Ring {
    bytes: [u8; SIZE],
    /// Bytes written since boot.
    written: u64,
}

static RING: Mutex<Ring> = Mutex::new(Ring { bytes: [0; SIZE], written: 0 });
/// Whether the serial port is the kernel's.
static OWNS_PORT: AtomicBool = AtomicBool::new(true);

impl Write for Ring {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if let Some(place) = self.bytes.get_mut(size(self.written) % SIZE) {
                *place = byte;
            }
            self.written = self.written.wrapping_add(1);
        }
        console(text.as_bytes());
        Ok(())
    }
}

/// Writes to the serial line as long as it is the kernel's; lines end in CR LF there.
pub(crate) fn console(bytes: &[u8]) {
    if OWNS_PORT.load(Ordering::Relaxed) {
        serial::send_text(bytes);
    }
}

/// From now on the serial line is a driver's.
pub(crate) fn release() {
    OWNS_PORT.store(false, Ordering::Relaxed);
}

/// Copies the log from byte `at` (counted since boot) on; gives how many bytes that were. What
/// the ring has lost reads as zeros.
pub(crate) fn read(at: u64, to: &mut [u8]) -> usize {
    let ring = RING.lock();
    let kept = ring.written.saturating_sub(wide(SIZE))..ring.written;
    let count = to.len().min(size(kept.end.saturating_sub(at)));
    for (place, position) in to.iter_mut().zip(at..kept.end) {
        let byte = ring.bytes.get(size(position) % SIZE).copied();
        *place = byte.filter(|_| kept.contains(&position)).unwrap_or(0);
    }
    count
}

/// Adds a line, if the command line asks for such: 1 errors, 2 warnings, 3 what is told.
pub(crate) fn line(level: u32, text: fmt::Arguments<'_>) {
    if level > info().log_level {
        return;
    }
    let us = clock::now() / 1000;
    let (seconds, us) = (us / 1_000_000, us % 1_000_000);
    let level = if level == WARN { "WARN" } else { "INFO" };
    // The ring takes everything.
    let _never = writeln!(RING.lock(), "[{seconds:5}.{us:06}] {level:5} {text}");
}
