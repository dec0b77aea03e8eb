//! `tty:`: the terminal on the first serial port.

#![forbid(unsafe_code)]

mod edit;
mod line;
mod termios;
mod uart;

fn main() {}
