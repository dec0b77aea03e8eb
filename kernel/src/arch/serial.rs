//! The first serial port: the kernel's console until a driver takes it.

use x86_64::instructions::port::Port;

const BASE: u16 = 0x3F8;
/// How often the transmitter is asked before a byte is given up.
const PATIENCE: u32 = 100_000;
const LINE_STATUS: u16 = 5;
const RECEIVED: u8 = 1;
const EMPTY: u8 = 0x20;

fn write(register: u16, value: u8) {
    // SAFETY: the ports of COM1 are a 16550's, or nobody's; a byte for it changes no memory.
    unsafe { Port::new(BASE | register).write(value) };
}

fn read(register: u16) -> u8 {
    // SAFETY: as in `write`.
    unsafe { Port::new(BASE | register).read() }
}

/// 115200 baud, 8 bits, no parity, FIFOs on, no interrupts.
pub(crate) fn init() {
    for (register, value) in [(1, 0), (3, 0x80), (0, 1), (1, 0), (3, 3), (2, 7), (4, 0x0B)] {
        write(register, value);
    }
}

/// Sends a byte; a port that does not take it in time loses it.
fn send(byte: u8) {
    if (0..PATIENCE).any(|_| read(LINE_STATUS) & EMPTY != 0) {
        write(0, byte);
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

/// A byte that came in. (A port that is not there reads as all ones.)
pub(crate) fn receive() -> Option<u8> {
    let status = read(LINE_STATUS);
    (status != 0xFF && status & RECEIVED != 0).then(|| read(0))
}
