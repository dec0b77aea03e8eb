//! The terminal as a scheme.

use std::{
    collections::{BTreeSet, VecDeque},
    os::fd::OwnedFd,
};

use anode_abi::{info, number::FOREVER};
use anode_scheme::{Context, Control, Opened, Request, Scheme, Tag, op, sys};
use redox::{
    error::{EAGAIN, ECANCELED, EINVAL, EIO, ENOENT, ENOTTY, Error, Result},
    flag::EventFlags,
};

use crate::{
    foreground,
    line::{Line, Signal},
    termios::{BYTES, Termios},
    uart::{Registers, Uart},
};

/// Longest answer to one read.
const MOST_READ: usize = 4096;
/// Reads and writes that may wait.
const MOST_WAITING: usize = 256;
/// The only subscription of this daemon.
const INTERRUPT: usize = 1;
const TENTH: u64 = 100_000_000;

/// The requests of `ioctl` that a terminal answers.
mod request {
    pub(super) const GET_SETTINGS: u64 = 0x5401;
    /// Set at once; when output has drained; and with input forgotten.
    pub(super) const SET_NOW: u64 = 0x5402;
    pub(super) const SET_DRAINED: u64 = 0x5403;
    pub(super) const SET_FLUSHED: u64 = 0x5404;
    pub(super) const FLUSH: u64 = 0x540B;
    pub(super) const CONTROL: u64 = 0x540E;
    pub(super) const GET_GROUP: u64 = 0x540F;
    pub(super) const SET_GROUP: u64 = 0x5410;
    pub(super) const GET_SIZE: u64 = 0x5413;
    pub(super) const SET_SIZE: u64 = 0x5414;
    pub(super) const READABLE: u64 = 0x541B;
}

/// A read that waits for input.
#[derive(Debug)]
struct Waiting {
    request: Request,
    /// When it gets an empty answer, in monotonic ns.
    until: u64,
}

/// The daemon.
#[derive(Debug)]
pub(crate) struct Tty<R> {
    line: Line,
    uart: Uart<R>,
    interrupt: OwnedFd,
    reads: VecDeque<Waiting>,
    writes: VecDeque<Request>,
    /// Ids of descriptions whose readiness somebody wants to know.
    watched: BTreeSet<u64>,
    /// Rows, columns, and their pixels.
    size: [u8; 8],
    foreground: foreground::Group,
    /// The port has more to say than one turn took.
    more: bool,
    control: Option<Control>,
}

impl<R: Registers> Tty<R> {
    /// A terminal on that port, whose interrupts come by the handle.
    pub(crate) fn new(uart: Uart<R>, interrupt: OwnedFd) -> Self {
        Self {
            line: Line::default(),
            uart,
            interrupt,
            reads: VecDeque::new(),
            writes: VecDeque::new(),
            watched: BTreeSet::new(),
            size: [24, 0, 80, 0, 0, 0, 0, 0],
            foreground: foreground::Group::default(),
            more: false,
            control: None,
        }
    }

    /// Serves the port: keys to the line, output to the port, answers to who waited.
    fn serve(&mut self) {
        let was_ready = self.line.is_ready(1);
        let mut keys = Vec::new();
        self.more = self.uart.service(&mut keys);
        for key in keys {
            let mut echo = Vec::new();
            let signal = self.line.input(key, &mut echo);
            self.uart.write(&echo);
            if let Some(signal) = signal {
                self.interrupt(signal);
            }
        }
        self.answer_reads();
        self.answer_writes();
        if !was_ready && self.line.is_ready(1) {
            self.tell(info::ready::READ);
        }
    }

    /// A key stood for a signal. Who leads the group and waits for a line is a shell at its
    /// prompt, which shall prompt again.
    fn interrupt(&mut self, signal: Signal) {
        let prompts = |waiting: &Waiting| self.foreground.leads(waiting.request.context().pid);
        if self.line.is_canonical() && self.reads.iter().any(prompts) {
            self.line.push_empty_line();
        }
        self.foreground.signal(signal.number());
        self.answer_reads();
    }

    fn tell(&self, ready: u64) {
        let Some(control) = &self.control else { return };
        for id in &self.watched {
            control.ready(*id, u32::try_from(ready).unwrap_or(0));
        }
    }

    /// Answers waiting reads in the order in which they came.
    fn answer_reads(&mut self) {
        while let Some(waiting) = self.reads.pop_front() {
            let mut buf = vec![0; waiting.request.len().min(MOST_READ)];
            let Some(len) = self.line.read(&mut buf) else {
                self.reads.push_front(waiting);
                return;
            };
            waiting.request.answer_bytes(buf.get(..len).unwrap_or_default());
        }
    }

    /// Takes the data of waiting writes while there is room.
    fn answer_writes(&mut self) {
        let waited = !self.writes.is_empty();
        while !self.uart.is_full()
            && let Some(request) = self.writes.pop_front()
        {
            let mut buf = vec![0; request.len().min(MOST_READ)];
            let taken = request.copy_in(0, &mut buf);
            if let Ok(len) = taken {
                self.put(buf.get(..len).unwrap_or_default());
            }
            request.answer(taken);
        }
        if waited && self.writes.is_empty() {
            self.tell(info::ready::WRITE);
        }
    }

    /// Puts a program's output on the line.
    fn put(&mut self, data: &[u8]) {
        let mut out = Vec::with_capacity(data.len());
        self.line.output(data, &mut out);
        self.uart.write(&out);
    }

    /// Keeps a read until there is input.
    fn defer_read(&mut self, request: Request) {
        let context = request.context();
        self.foreground.read_by(context.pid);
        let empty = self.reads.is_empty();
        if empty && self.line.is_ready(request.len()) {
            self.reads.push_back(Waiting { request, until: FOREVER });
            return self.answer_reads();
        }
        if context.nonblocking() || self.reads.len() >= MOST_WAITING {
            return request.answer(Err(Error::new(EAGAIN)));
        }
        let until = self.line.patience().map_or(FOREVER, |tenths| {
            sys::monotonic().saturating_add(u64::from(tenths).saturating_mul(TENTH))
        });
        self.reads.push_back(Waiting { request, until });
    }

    /// Gives an empty answer to reads whose time is over.
    fn expire(&mut self) {
        if self.reads.iter().all(|waiting| waiting.until == FOREVER) {
            return;
        }
        let now = sys::monotonic();
        let (over, rest): (VecDeque<_>, VecDeque<_>) =
            self.reads.drain(..).partition(|waiting| waiting.until <= now);
        self.reads = rest;
        over.into_iter().for_each(|waiting| waiting.request.answer(Ok(0)));
    }

    fn set(&mut self, buf: &[u8]) -> Result<()> {
        let settings = Termios::from_bytes(buf).ok_or(Error::new(EINVAL))?;
        self.line.set(settings);
        self.answer_reads();
        Ok(())
    }
}

impl<R: Registers> Scheme for Tty<R> {
    /// The description's id.
    type Open = u64;

    const IN_FLIGHT: bool = true;

    fn start(&mut self, control: Control) -> Result<()> {
        control.subscribe(&self.interrupt, INTERRUPT, EventFlags::EVENT_READ)?;
        self.control = Some(control);
        // A key that was hit before the subscription has raised the line already.
        self.serve();
        Ok(())
    }

    fn open(&mut self, path: &str, context: &Context) -> Result<Opened<u64>> {
        if path.is_empty() { Ok(Opened::stream(context.id)) } else { Err(Error::new(ENOENT)) }
    }

    fn close(&mut self, id: u64) {
        self.watched.remove(&id);
    }

    fn defer(&mut self, _open: &mut u64, request: Request) -> Option<Request> {
        match request.opcode() {
            op::READ => {
                self.defer_read(request);
                None
            }
            op::WRITE if self.uart.is_full() || !self.writes.is_empty() => {
                let full = self.writes.len() >= MOST_WAITING;
                if full || request.context().nonblocking() {
                    request.answer(Err(Error::new(EAGAIN)));
                } else {
                    self.writes.push_back(request);
                }
                None
            }
            _ => Some(request),
        }
    }

    fn write(&mut self, _open: &mut u64, buf: &[u8], _at: u64, _by: &Context) -> Result<usize> {
        let taken = buf.get(..buf.len().min(MOST_READ)).unwrap_or_default();
        self.put(taken);
        Ok(taken.len())
    }

    fn readiness(&mut self, open: &mut u64, wanted: u64, _context: &Context) -> Result<u64> {
        self.watched.insert(*open);
        let read = if self.line.is_ready(1) { info::ready::READ } else { 0 };
        let write = if self.uart.is_full() { 0 } else { info::ready::WRITE };
        Ok(wanted & (read | write))
    }

    fn call(
        &mut self,
        _open: &mut u64,
        buf: &mut [u8],
        [number, argument]: [u64; 2],
        context: &Context,
    ) -> Result<u64> {
        match number {
            request::GET_SETTINGS => {
                fill(buf, &self.line.settings().to_bytes(), BYTES)?;
            }
            request::SET_NOW | request::SET_DRAINED => self.set(buf)?,
            request::SET_FLUSHED => {
                self.line.flush();
                self.set(buf)?;
            }
            // 1 would drop output, which has been accepted already.
            request::FLUSH if argument != 1 => self.line.flush(),
            request::FLUSH => {}
            request::CONTROL => self.foreground.read_by(context.pid),
            request::GET_GROUP => fill(buf, &self.foreground.number().to_le_bytes(), 4)?,
            request::SET_GROUP => {
                let group = buf.first_chunk().map(|group| u32::from_le_bytes(*group));
                self.foreground.set(group.filter(|group| *group > 0).ok_or(Error::new(EINVAL))?);
            }
            request::GET_SIZE => fill(buf, &self.size, self.size.len())?,
            request::SET_SIZE => {
                self.size = *buf.first_chunk().ok_or(Error::new(EINVAL))?;
                self.foreground.resized();
            }
            request::READABLE => {
                let count = u32::try_from(self.line.readable()).unwrap_or(u32::MAX);
                fill(buf, &count.to_le_bytes(), 4)?;
            }
            _ => return Err(Error::new(ENOTTY)),
        }
        Ok(0)
    }

    fn cancel(&mut self, tag: Tag) {
        let cancelled = |request: &Request| request.tag() == tag;
        if let Some(at) = self.reads.iter().position(|waiting| cancelled(&waiting.request))
            && let Some(waiting) = self.reads.remove(at)
        {
            waiting.request.answer(Err(Error::new(ECANCELED)));
        }
        if let Some(at) = self.writes.iter().position(cancelled)
            && let Some(request) = self.writes.remove(at)
        {
            request.answer(Err(Error::new(ECANCELED)));
        }
    }

    fn event(&mut self, _key: u64, _ready: u64) {
        // Unmasked before the port is served: what comes during it raises the line again.
        if sys::write(&self.interrupt, &[1]).is_err_and(|error| error.errno == EIO) {
            eprintln!("tty: the interrupt cannot be acknowledged");
        }
        self.serve();
    }

    fn turn(&mut self) {
        if self.more {
            self.serve();
        }
        self.expire();
    }

    fn deadline(&mut self) -> u64 {
        if self.more {
            return 0;
        }
        self.reads.iter().map(|waiting| waiting.until).min().unwrap_or(FOREVER)
    }
}

/// Puts an answer into the buffer of a call, which must have room for all of it.
fn fill(buf: &mut [u8], answer: &[u8], len: usize) -> Result<()> {
    let room = buf.get_mut(..len).ok_or(Error::new(EINVAL))?;
    room.iter_mut().zip(answer).for_each(|(to, from)| *to = *from);
    Ok(())
}

#[cfg(test)]
mod tests;
