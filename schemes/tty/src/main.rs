//! `tty:`: the terminal on the first serial port.
//!
//! ```text
//!  port ─▶ uart ─▶ line ─▶ edit            serve: the scheme; reads wait until a line is whole
//!       ◀─      ◀─ (echo)                  foreground: whom ^C interrupts
//! ```
//!
//! `line` and `edit` are the line discipline, pure and tested on the host, as is `uart` over a
//! fake port. Input comes by interrupt; output goes out as fast as the port takes it.

#![forbid(unsafe_code)]

mod edit;
mod foreground;
mod line;
mod serve;
mod termios;
mod uart;

use std::{os::fd::OwnedFd, process::ExitCode};

use anode_scheme::{machine, sys};
use uart::{DATA, Registers, Uart};

/// The port's registers, by a handle on its port range.
#[derive(Debug)]
struct Ports(OwnedFd);

impl Registers for Ports {
    fn get(&mut self, register: u8) -> u8 {
        let mut value = [0xFF];
        // An access that the kernel refuses reads as a port that is not there.
        let read = sys::read_at(&self.0, &mut value, u64::from(register));
        read.map_or(0xFF, |_len| value[0])
    }

    fn put(&mut self, register: u8, value: u8) {
        // What cannot be written is found out by reading: see `Uart::new`.
        let _lost = sys::write_at(&self.0, &[value], u64::from(register));
    }

    fn send(&mut self, bytes: &[u8]) {
        for string in strings(bytes) {
            let _lost = sys::write_at(&self.0, string, u64::from(DATA));
        }
    }
}

/// Cuts bytes so that the kernel sends each piece byte by byte to the one port.
///
/// Two or four bytes at once would be one wide access, whose upper bytes land in the registers
/// beside it.
fn strings(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let wide = matches!(bytes.len(), 2 | 4);
    let (first, rest) = bytes.split_at(if wide { 1 } else { 0 });
    [first, rest].into_iter().filter(|string| !string.is_empty())
}

fn main() -> ExitCode {
    match terminal() {
        Ok(terminal) => anode_scheme::serve("tty", terminal),
        Err(sentence) => {
            eprintln!("ttyd: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn terminal() -> Result<serve::Tty<Ports>, String> {
    let (ports, interrupt) = (machine("com1")?, machine("irq4")?);
    Ok(serve::Tty::new(Uart::new(Ports(ports))?, interrupt))
}

#[cfg(test)]
mod tests {
    use super::strings;

    #[test]
    fn no_string_of_bytes_is_taken_for_a_wide_access() {
        let bytes: Vec<u8> = (0..16).collect();
        for len in 0..=16 {
            let pieces: Vec<&[u8]> = strings(&bytes[..len]).collect();
            assert_eq!(pieces.concat(), bytes[..len]);
            assert!(pieces.iter().all(|piece| !matches!(piece.len(), 0 | 2 | 4)), "{len}");
        }
    }
}
