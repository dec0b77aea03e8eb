//! A machine of plain memory: frames are arrays of atomics, time is a number, devices are logs.

use core::ops::Deref;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::Arc;
use std::vec::Vec;

use crate::machine::{Context, Cpu, Frame, IrqOp, Machine, PAGE_SIZE, Regs};

type Words = [AtomicU64; 512];

/// A frame of the fake machine.
#[derive(Clone, Debug)]
pub(crate) struct Page(Arc<Words>);

impl Deref for Page {
    type Target = Words;
    fn deref(&self) -> &Words {
        &self.0
    }
}

/// The fake machine.
#[derive(Debug)]
pub(crate) struct Fake {
    frames: Vec<Page>,
    regs: Vec<Regs>,
    /// What `now` says.
    pub(crate) time: u64,
    /// When the timer was last armed for.
    pub(crate) armed: u64,
    /// What was written to the console.
    pub(crate) console: Vec<u8>,
    /// Operations on interrupt lines.
    pub(crate) lines: Vec<(u32, IrqOp)>,
    /// What the kernel warned of.
    pub(crate) warnings: Vec<std::string::String>,
    /// How often the machine was to start again.
    pub(crate) reboots: u32,
}

impl Fake {
    /// A machine with that many frames and contexts.
    pub(crate) fn new(frames: usize, contexts: usize) -> Self {
        let page = || Page(Arc::new(core::array::from_fn(|_word| AtomicU64::new(0xDEAD))));
        Self {
            frames: (0..frames).map(|_frame| page()).collect(),
            regs: std::vec![Regs::default(); contexts],
            time: 1,
            armed: 0,
            console: Vec::new(),
            lines: Vec::new(),
            warnings: Vec::new(),
            reboots: 0,
        }
    }

    fn page(&self, frame: Frame) -> Option<&Page> {
        self.frames.get(usize::try_from(frame.number()).unwrap())
    }
}

fn byte(page: &Words, at: usize) -> u8 {
    page[at / 8].load(SeqCst).to_le_bytes()[at % 8]
}

fn set_byte(page: &Words, at: usize, value: u8) {
    let mut bytes = page[at / 8].load(SeqCst).to_le_bytes();
    bytes[at % 8] = value;
    page[at / 8].store(u64::from_le_bytes(bytes), SeqCst);
}

impl Machine for Fake {
    type Shared = Page;

    fn now(&self) -> u64 {
        self.time
    }
    fn arm(&mut self, _cpu: Cpu, at: u64) {
        self.armed = at;
    }
    fn kick(&mut self, _cpu: Cpu) {}
    fn cpus(&self) -> u8 {
        1
    }
    fn share(&self, frame: Frame) -> Option<Page> {
        self.page(frame).cloned()
    }
    fn zero(&mut self, frame: Frame) {
        if let Some(page) = self.page(frame) {
            page.iter().for_each(|word| word.store(0, SeqCst));
        }
    }
    fn copy(&mut self, from: (Frame, usize), to: (Frame, usize), len: usize) -> Option<()> {
        let mut bytes = std::vec![0; len.min(PAGE_SIZE - from.1.min(PAGE_SIZE))];
        self.read(from.0, from.1, &mut bytes)?;
        self.write(to.0, to.1, &bytes)
    }
    fn read(&self, frame: Frame, offset: usize, to: &mut [u8]) -> Option<()> {
        let page = self.page(frame)?;
        for (at, value) in (offset..PAGE_SIZE).zip(to) {
            *value = byte(page, at);
        }
        Some(())
    }
    fn write(&mut self, frame: Frame, offset: usize, from: &[u8]) -> Option<()> {
        let page = self.page(frame)?;
        for (at, value) in (offset..PAGE_SIZE).zip(from) {
            set_byte(page, at, *value);
        }
        Some(())
    }
    fn adopt_root(&mut self, _root: Frame) {}
    fn levels(&self) -> u8 {
        4
    }
    fn flush(&mut self, _root: Frame, _page: Option<u64>) {}
    fn contexts(&self) -> u32 {
        u32::try_from(self.regs.len()).unwrap()
    }
    fn regs(&mut self, context: Context) -> &mut Regs {
        &mut self.regs[usize::try_from(context.0).unwrap()]
    }
    fn saved(&self, context: Context) -> &Regs {
        &self.regs[usize::try_from(context.0).unwrap()]
    }
    fn reset_vector(&mut self, _context: Context) {}
    fn copy_vector(&mut self, _from: Context, _to: Context) {}
    fn irq(&mut self, line: u32, op: IrqOp) -> bool {
        self.lines.push((line, op));
        line < 24
    }
    fn message(&self, line: u32) -> Option<(u64, u32)> {
        (24..).contains(&line).then_some((0xFEE0_0000, line))
    }
    fn port_in(&mut self, port: u16, _width: usize) -> u32 {
        u32::from(port)
    }
    fn port_out(&mut self, _port: u16, _width: usize, value: u32) {
        self.console.extend(value.to_le_bytes());
    }
    fn console_write(&mut self, bytes: &[u8]) {
        self.console.extend(bytes);
    }
    fn log_read(&self, _at: u64, _to: &mut [u8]) -> usize {
        0
    }
    fn console_release(&mut self) {}
    fn warn(&mut self, text: core::fmt::Arguments<'_>) {
        self.warnings.push(std::format!("{text}"));
    }
    fn reboot(&mut self) {
        self.reboots += 1;
    }
}
