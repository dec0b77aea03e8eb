//! The scheme: writers' lines come in, all that is kept is read out.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{ErrorKind, Read, Write},
    os::fd::OwnedFd,
    rc::Rc,
    time::Duration,
};

use anode_abi::info::fact;
use anode_scheme::{Context, Control, Opened, Scheme, sys};
use redox::{
    data::Stat,
    error::{EACCES, EBADF, EINVAL, ENFILE, ENOENT, EPERM, Error, Result},
    flag::{EventFlags, MODE_FILE, O_RDONLY, O_WRONLY},
};

use crate::{lines::Lines, store::Store};

/// Text that is kept.
const ROOM: usize = 256 * 1024;
/// Bytes taken from one pipe before another has its turn.
const TURN: usize = 16 * 1024;
/// Services that may be attached, and texts that may be held by readers.
const MOST: usize = 128;

/// An open description.
#[derive(Debug)]
pub(crate) enum Open {
    /// Reads what was kept when it read first; writes lines.
    Log { lines: Lines, text: Option<Rc<str>>, flags: u64 },
    /// `attach/NAME`: a pipe is passed on it.
    Attach(String),
}

/// A service's pipe.
#[derive(Debug)]
struct Pipe {
    handle: File,
    lines: Lines,
}

/// The daemon.
#[derive(Debug)]
pub(crate) struct Log {
    store: Store,
    pipes: BTreeMap<u64, Pipe>,
    next: u64,
    /// Pipes with more to read than one turn took.
    pending: Vec<u64>,
    console: Option<File>,
    control: Option<Control>,
}

impl Log {
    /// Shows each line on `console` too.
    pub(crate) const fn new(console: Option<File>) -> Self {
        Self {
            store: Store::new(ROOM),
            pipes: BTreeMap::new(),
            next: 0,
            pending: Vec::new(),
            console,
            control: None,
        }
    }

    /// Takes what stands in a pipe, at most a turn's worth.
    fn drain(&mut self, key: u64) {
        let Some(pipe) = self.pipes.get_mut(&key) else { return };
        let mut keep = |line| keep(&mut self.store, self.console.as_ref(), line);
        let mut buf = vec![0; 4096];
        let mut taken = 0_usize;
        while taken < TURN {
            match pipe.handle.read(&mut buf) {
                Ok(len @ 1..) => {
                    pipe.lines.feed(buf.get(..len).unwrap_or_default(), now(), &mut keep);
                    taken = taken.saturating_add(len);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // No writer is left, or it is no pipe at all.
                Ok(_) | Err(_) => return self.detach(key),
            }
        }
        self.pending.push(key);
    }

    fn detach(&mut self, key: u64) {
        if let Some(mut pipe) = self.pipes.remove(&key) {
            pipe.lines.finish(now(), &mut |line| {
                keep(&mut self.store, self.console.as_ref(), line);
            });
        }
    }
}

/// Keeps a line and shows it.
fn keep(store: &mut Store, console: Option<&File>, line: String) {
    if let Some(mut console) = console {
        // The console is a help, not a duty: what it does not take is in the store.
        let _lost = console.write(line.as_bytes());
    }
    store.push(line);
}

impl Scheme for Log {
    type Open = Open;

    fn start(&mut self, control: Control) -> Result<()> {
        self.control = Some(control);
        Ok(())
    }

    fn open(&mut self, path: &str, context: &Context) -> Result<Opened<Open>> {
        if let Some(name) = path.strip_prefix("attach/") {
            if context.uid != 0 {
                return Err(Error::new(EACCES));
            }
            return Ok(Opened::stream(Open::Attach(name.to_owned())));
        }
        if !path.is_empty() {
            return Err(Error::new(ENOENT));
        }
        let lines = Lines::new(&writer(context.pid));
        Ok(Opened::file(Open::Log { lines, text: None, flags: context.flags }))
    }

    fn close(&mut self, open: Open) {
        if let Open::Log { mut lines, .. } = open {
            lines.finish(now(), &mut |line| keep(&mut self.store, self.console.as_ref(), line));
        }
    }

    fn read(
        &mut self,
        open: &mut Open,
        buf: &mut [u8],
        offset: u64,
        _context: &Context,
    ) -> Result<usize> {
        let Open::Log { text, flags, .. } = open else { return Err(Error::new(EBADF)) };
        if *flags & bits(O_RDONLY) == 0 {
            return Err(Error::new(EBADF));
        }
        let text = match text {
            Some(text) => text,
            None => text.insert(self.snapshot()?),
        };
        let rest = usize::try_from(offset).ok().and_then(|at| text.as_bytes().get(at..));
        let rest = rest.unwrap_or_default();
        Ok(buf.iter_mut().zip(rest).map(|(to, from)| *to = *from).count())
    }

    fn write(
        &mut self,
        open: &mut Open,
        buf: &[u8],
        _offset: u64,
        _context: &Context,
    ) -> Result<usize> {
        let Open::Log { lines, flags, .. } = open else { return Err(Error::new(EBADF)) };
        if *flags & bits(O_WRONLY) == 0 {
            return Err(Error::new(EBADF));
        }
        lines.feed(buf, now(), &mut |line| keep(&mut self.store, self.console.as_ref(), line));
        Ok(buf.len())
    }

    fn stat(&mut self, _open: &mut Open) -> Result<Stat> {
        Ok(Stat { st_mode: MODE_FILE | 0o666, st_nlink: 1, st_blksize: 4096, ..Stat::default() })
    }

    fn pass(
        &mut self,
        open: &mut Open,
        handle: OwnedFd,
        _argument: u64,
        _context: &Context,
    ) -> Result<u64> {
        let Open::Attach(name) = open else { return Err(Error::new(EINVAL)) };
        let control = self.control.as_ref().ok_or(Error::new(EPERM))?;
        if self.pipes.len() >= MOST {
            return Err(Error::new(ENFILE));
        }
        let key = self.next;
        let number = usize::try_from(key).map_err(|_wide| Error::new(ENFILE))?;
        control.subscribe(&handle, number, EventFlags::EVENT_READ)?;
        self.next = key.saturating_add(1);
        self.pipes.insert(key, Pipe { handle: File::from(handle), lines: Lines::new(name) });
        self.drain(key);
        Ok(0)
    }

    fn event(&mut self, key: u64, _ready: u64) {
        self.drain(key);
    }

    fn turn(&mut self) {
        for key in std::mem::take(&mut self.pending) {
            self.drain(key);
        }
    }

    fn deadline(&mut self) -> u64 {
        if self.pending.is_empty() { u64::MAX } else { 0 }
    }
}

impl Log {
    /// The kernel's log and all that is kept, held for a reader.
    fn snapshot(&self) -> Result<Rc<str>> {
        let kernel = sys::info_bytes(fact::LOG).unwrap_or_default();
        Ok(self.store.text(&String::from_utf8_lossy(&kernel)).into())
    }
}

/// The name of a process, for its lines.
fn writer(pid: u64) -> String {
    let path = sys::process_name(pid).unwrap_or_default();
    let name = path.rsplit('/').next().filter(|name| !name.is_empty());
    name.map_or_else(|| format!("pid {pid}"), |name| format!("{name}({pid})"))
}

fn bits(flag: usize) -> u64 {
    u64::try_from(flag).unwrap_or(0)
}

/// Time since the machine started.
fn now() -> Duration {
    Duration::from_nanos(sys::monotonic())
}

#[cfg(test)]
mod tests;
