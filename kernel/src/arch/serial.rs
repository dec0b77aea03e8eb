//! The first serial port, which the loader has set up: the kernel's console until a driver takes
//! it.

use x86_64::instructions::port::Port;

/// How often the transmitter is asked before a byte is given up.
const PATIENCE: u32 = 100_000;
const EMPTY: u8 = 0x20;

fn status() -> u8 {
    // SAFETY: the ports of COM1 are a 16550's, or nobody's.
    unsafe { Port::new(0x3FD).read() }
}

/// Sends a byte; a port that does not take it in time loses it.
fn send(byte: u8) {
    if (0..PATIENCE).any(|_| status() & EMPTY != 0) {
        // SAFETY: as in `status`; the byte changes no memory.
        unsafe { Port::new(0x3F8).write(byte) };
    }
}

/// Sends text; lines end in CR LF on the wire.
pub(crate) fn send_text(text: &[u8]) {
    for byte in text {
        if *byte == b'\n' {
            send(b'\r');
        }
        send(*byte);
    }
}
