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
        let _lost = sys::write_at(&self.0, bytes, u64::from(DATA));
    }
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
