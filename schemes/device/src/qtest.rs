//! QEMU's device models without a CPU or a kernel: real devices for the host tests of drivers.
//!
//! QEMU is started, mostly with its CPU stopped, and a client reads and writes ports and memory line by
//! line. [`Qemu`] is that client; its [`Window`]s are [`Registers`], its [`Memory`] is
//! [`SharedMemory`](crate::SharedMemory). Misuse panics: it is a test.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::missing_panics_doc,
    reason = "code of tests, which are to fail loudly"
)]

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use crate::copied::{Copied, Part};
use crate::registers::Registers;

const PROGRAM: &str = "qemu-system-x86_64";

/// A running QEMU; it ends with the last clone.
#[derive(Clone, Debug)]
pub struct Qemu(Rc<RefCell<Connection>>);

#[derive(Debug)]
struct Connection {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Qemu {
    /// Starts a q35 machine with 64 MiB and these further arguments, its CPU stopped. `None`, with
    /// a line on stderr, where there is no QEMU.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Option<Self> {
        Self::boot(&[arguments, &["-S"]].concat())
    }

    /// Starts such a machine and lets its firmware run.
    #[must_use]
    pub fn boot(arguments: &[&str]) -> Option<Self> {
        let mut command = Command::new(PROGRAM);
        command.args(["-M", "q35", "-accel", "tcg", "-m", "64", "-nodefaults"]);
        command.args(["-display", "none", "-qtest", "stdio", "-qtest-log", "none"]);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                eprintln!("not tested against real device models: {PROGRAM}: {error}");
                return None;
            }
        };
        let to = child.stdin.take()?;
        let from = BufReader::new(child.stdout.take()?);
        Some(Self(Rc::new(RefCell::new(Connection { child, to, from }))))
    }

    /// Waits until QEMU ends by itself; `false` if it does not within a minute.
    #[must_use]
    pub fn ends(&self) -> bool {
        for _ in 0..6000 {
            if self.0.borrow_mut().child.try_wait().unwrap().is_some() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// Sends a line and gives what comes after `OK`.
    fn ask(&self, line: &str) -> String {
        let mut connection = self.0.borrow_mut();
        writeln!(connection.to, "{line}").unwrap();
        let mut answer = String::new();
        loop {
            answer.clear();
            assert!(connection.from.read_line(&mut answer).unwrap() > 0, "QEMU ended at {line}");
            if !answer.starts_with("IRQ") {
                break;
            }
        }
        match answer.trim().strip_prefix("OK") {
            Some(rest) => rest.trim().to_owned(),
            None => panic!("{line}: {answer}"),
        }
    }

    fn number(&self, line: &str) -> u64 {
        let answer = self.ask(line);
        u64::from_str_radix(answer.strip_prefix("0x").unwrap(), 16).unwrap()
    }

    /// The device reads or writes memory by itself: so does this.
    #[must_use]
    pub fn read(&self, address: u64, len: usize) -> Vec<u8> {
        if len == 0 {
            return Vec::new();
        }
        let answer = self.ask(&format!("read {address:#x} {len:#x}"));
        let digits = answer.strip_prefix("0x").unwrap().as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        digits.chunks_exact(2).map(|pair| byte(pair).unwrap()).collect()
    }

    /// Writes memory.
    pub fn write(&self, address: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut line = format!("write {address:#x} {:#x} 0x", bytes.len());
        bytes.iter().for_each(|byte| write!(line, "{byte:02x}").unwrap());
        self.ask(&line);
    }

    /// Registers in memory.
    #[must_use]
    pub fn window(&self, address: u64, size: usize) -> Window {
        Window { qemu: self.clone(), first: address, size, ports: false }
    }

    /// Registers in ports.
    #[must_use]
    pub fn ports(&self, first: u16, count: u16) -> Window {
        let size = usize::from(count);
        Window { qemu: self.clone(), first: first.into(), size, ports: true }
    }

    /// Memory that devices reach.
    #[must_use]
    pub fn memory(&self, address: u64, size: usize) -> Memory {
        self.write(address, &vec![0; size]);
        Memory::new(self.clone(), address, size)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        self.child.kill().unwrap_or_default();
        drop(self.child.wait());
    }
}

/// Registers of a device.
#[derive(Clone, Debug)]
pub struct Window {
    qemu: Qemu,
    first: u64,
    size: usize,
    ports: bool,
}

impl Window {
    fn read(&self, at: usize, width: usize) -> u64 {
        if at + width > self.size {
            return u64::MAX;
        }
        let suffix = letter(width);
        let command = if self.ports { "in" } else { "read" };
        self.qemu.number(&format!("{command}{suffix} {:#x}", self.address(at)))
    }

    fn write(&self, at: usize, width: usize, value: u32) {
        if at + width <= self.size {
            let suffix = letter(width);
            let command = if self.ports { "out" } else { "write" };
            self.qemu.ask(&format!("{command}{suffix} {:#x} {value:#x}", self.address(at)));
        }
    }

    fn address(&self, at: usize) -> u64 {
        self.first + u64::try_from(at).unwrap()
    }
}

fn letter(width: usize) -> char {
    match width {
        1 => 'b',
        2 => 'w',
        _ => 'l',
    }
}

impl Registers for Window {
    fn size(&self) -> usize {
        self.size
    }

    fn read8(&self, at: usize) -> u8 {
        u8::try_from(self.read(at, 1) & 0xFF).unwrap()
    }

    fn read16(&self, at: usize) -> u16 {
        u16::try_from(self.read(at, 2) & 0xFFFF).unwrap()
    }

    fn read32(&self, at: usize) -> u32 {
        u32::try_from(self.read(at, 4) & 0xFFFF_FFFF).unwrap()
    }

    fn write8(&mut self, at: usize, value: u8) {
        self.write(at, 1, value.into());
    }

    fn write16(&mut self, at: usize, value: u16) {
        self.write(at, 2, value.into());
    }

    fn write32(&mut self, at: usize, value: u32) {
        self.write(at, 4, value);
    }
}

/// A driver's memory.
pub type Memory = Part<Qemu>;

impl Copied for Qemu {
    fn read(&self, physical: u64, len: usize) -> Vec<u8> {
        Self::read(self, physical, len)
    }

    fn write(&self, physical: u64, bytes: &[u8]) {
        Self::write(self, physical, bytes);
    }
}
