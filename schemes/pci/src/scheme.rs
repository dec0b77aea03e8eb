//! The scheme: a directory of functions, each a directory of what its driver may have.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::fd::OwnedFd;

use anode_scheme::{Context, Entries, Opened, Scheme};
use redox::data::Stat;
use redox::dirent::DirentKind;
use redox::error::{EACCES, EBADF, EBUSY, EINVAL, EIO, ENOENT, ENOTDIR, ENXIO, Error, Result};
use redox::flag::{MODE_DIR, MODE_FILE};

use crate::access::{Access, Address, read8, write_part};
use crate::bar::{Bar, pages};
use crate::function::{Function, Msix};
use crate::message::{connect, disconnect, enable_line, let_master, program_msi, program_msix};
use crate::platform::Platform;

/// Bytes of configuration space.
const CONFIG_BYTES: u64 = 256;
/// The most contiguous memory that one open gives.
const MAX_DMA: u64 = 16 << 20;

/// The names in a function's directory, but for those with numbers.
const NAMES: [&str; 2] = ["config", "info"];

/// What is open.
#[derive(Debug)]
pub(crate) enum Open {
    /// The list of functions.
    Root,
    /// A function, by its index: its driver has it.
    Function(usize),
    /// The text about a function.
    Info(usize),
    /// Configuration space of a function, for the driver that had it in this turn.
    Config { index: usize, turn: u64 },
}

/// A function, and who has it.
#[derive(Debug)]
struct Slot<T> {
    function: Function,
    taken: bool,
    /// Whether it answers at its addresses, since its driver asked for more than to know what
    /// it is.
    connected: bool,
    /// Its memory for DMA: it is nobody else's before the function is off the bus, however its
    /// driver went.
    dma: Vec<OwnedFd>,
    /// How often the function was given back.
    turn: u64,
    /// The MSI-X table, once it was needed.
    table: Option<T>,
}

/// The daemon.
#[derive(Debug)]
pub(crate) struct Pci<A, P: Platform> {
    access: A,
    platform: P,
    slots: Vec<Slot<P::Table>>,
    /// Lines that were asked for: functions share them, and the machine gives each once.
    lines: BTreeMap<u8, OwnedFd>,
}

impl<A: Access, P: Platform> Pci<A, P> {
    /// Serves these functions.
    pub(crate) fn new(access: A, platform: P, functions: Vec<Function>) -> Self {
        let slot = |function| Slot {
            function,
            taken: false,
            connected: false,
            dma: Vec::new(),
            turn: 0,
            table: None,
        };
        let slots = functions.into_iter().map(slot).collect();
        Self { access, platform, slots, lines: BTreeMap::new() }
    }

    fn slot(&self, index: usize) -> Result<&Slot<P::Table>> {
        self.slots.get(index).ok_or(Error::new(EBADF))
    }

    fn find(&self, name: &str) -> Result<usize> {
        let address = Address::parse(name).ok_or(Error::new(ENOENT))?;
        let found = self.slots.iter().position(|slot| slot.function.address == address);
        found.ok_or(Error::new(ENOENT))
    }

    /// Opens beneath the root. What a driver gets it gets by the directory handle alone.
    fn open_root(&mut self, path: &str, context: &Context) -> Result<Opened<Open>> {
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Ok(Opened::stream(Open::Root));
        }
        match path.split_once('/') {
            None => self.take(self.find(path)?, context),
            Some((name, "info")) => Ok(Opened::file(Open::Info(self.find(name)?))),
            Some((name, _)) => self.find(name).and(Err(Error::new(EACCES))),
        }
    }

    /// Gives a function to a driver, if no one has it.
    fn take(&mut self, index: usize, context: &Context) -> Result<Opened<Open>> {
        if context.uid != 0 {
            return Err(Error::new(EACCES));
        }
        let slot = self.slots.get_mut(index).ok_or(Error::new(ENOENT))?;
        // A bridge is in use for all that lies behind it.
        if slot.function.bridge || slot.taken {
            return Err(Error::new(EBUSY));
        }
        slot.taken = true;
        Ok(Opened::stream(Open::Function(index)))
    }

    /// Has a function answer at its addresses, at the latest now.
    fn connect(&mut self, index: usize) -> Result<()> {
        let slot = self.slots.get_mut(index).ok_or(Error::new(EBADF))?;
        if !core::mem::replace(&mut slot.connected, true) {
            connect(&mut self.access, &slot.function);
        }
        Ok(())
    }

    /// Opens what a function has.
    fn open_part(&mut self, index: usize, path: &str) -> Result<Opened<Open>> {
        let turn = self.slot(index)?.turn;
        match path.split_once('/').unwrap_or((path, "")) {
            ("", "") => Err(Error::new(EBUSY)),
            ("info", "") => Ok(Opened::file(Open::Info(index))),
            ("config", "") => Ok(Opened::file(Open::Config { index, turn })),
            (name, part) => {
                self.connect(index)?;
                self.part_of_machine(index, name, part).map(Opened::Elsewhere)
            }
        }
    }

    /// What of the machine a name in a function's directory stands for.
    fn part_of_machine(&mut self, index: usize, name: &str, part: &str) -> Result<OwnedFd> {
        match (name, part) {
            ("irq", "") => self.line(index),
            ("msi", "") => self.msi(index),
            ("msix", entry) => self.msix(index, entry),
            ("dma", len) => self.dma(index, len),
            _ => self.bar(index, name.strip_prefix("bar").ok_or(Error::new(ENOENT))?, part),
        }
    }

    fn bar(&self, index: usize, number: &str, part: &str) -> Result<OwnedFd> {
        let function = &self.slot(index)?.function;
        let number: usize = number.parse().map_err(|_nan| Error::new(ENOENT))?;
        let part = match part.split_once('/') {
            Some((offset, len)) => Some((hex(offset)?, hex(len)?)),
            None if part.is_empty() => None,
            None => return Err(Error::new(ENOENT)),
        };
        match (function.bars.get(number).copied().flatten(), part) {
            (Some(Bar::Ports { first, count }), None) => self.platform.ports(first, count),
            (Some(Bar::Memory { .. }), part) => {
                self.platform.memory(pages(function, number, part)?)
            }
            (Some(Bar::Ports { .. }) | None, _) => Err(Error::new(ENXIO)),
        }
    }

    fn line(&mut self, index: usize) -> Result<OwnedFd> {
        let slot = self.slots.get(index).ok_or(Error::new(EBADF))?;
        let number = slot.function.line.ok_or(Error::new(ENXIO))?;
        let line = match self.lines.entry(number) {
            Entry::Occupied(line) => line.into_mut(),
            Entry::Vacant(place) => place.insert(self.platform.line(number)?),
        };
        let handle = another(line)?;
        enable_line(&mut self.access, &slot.function);
        Ok(handle)
    }

    fn msi(&mut self, index: usize) -> Result<OwnedFd> {
        let slot = self.slots.get(index).ok_or(Error::new(EBADF))?;
        let msi = slot.function.msi.ok_or(Error::new(ENXIO))?;
        let (handle, message) = self.platform.message()?;
        program_msi(&mut self.access, &slot.function, msi, message);
        Ok(handle)
    }

    fn msix(&mut self, index: usize, entry: &str) -> Result<OwnedFd> {
        let entry = u16::try_from(hex(entry)?).map_err(|_big| Error::new(ENXIO))?;
        let slot = self.slots.get_mut(index).ok_or(Error::new(EBADF))?;
        let msix = slot.function.msix.filter(|msix| entry < msix.entries);
        let msix = msix.ok_or(Error::new(ENXIO))?;
        let table = match &mut slot.table {
            Some(table) => table,
            none => none.insert(self.platform.table(table_place(&slot.function, msix)?)?),
        };
        let (handle, message) = self.platform.message()?;
        program_msix(&mut self.access, &slot.function, msix, table, (entry, message));
        Ok(handle)
    }

    /// Contiguous memory. From the first one on the function reaches memory: by now its driver
    /// has reset it.
    fn dma(&mut self, index: usize, len: &str) -> Result<OwnedFd> {
        let len = hex(len)?;
        if len == 0 || len > MAX_DMA {
            return Err(Error::new(EINVAL));
        }
        let slot = self.slots.get_mut(index).ok_or(Error::new(EBADF))?;
        let memory = self.platform.dma(len)?;
        let handle = another(&memory)?;
        if slot.dma.is_empty() {
            let_master(&mut self.access, &slot.function);
        }
        slot.dma.push(memory);
        Ok(handle)
    }

    /// Reads configuration space; what lies behind it is not there.
    fn read_config(&mut self, index: usize, buf: &mut [u8], offset: u64) -> Result<usize> {
        let address = self.slot(index)?.function.address;
        let places = offset..CONFIG_BYTES;
        let mut count = 0_usize;
        for (to, at) in buf.iter_mut().zip(places) {
            *to = read8(&mut self.access, address, u8::try_from(at).unwrap_or(u8::MAX));
            count = count.saturating_add(1);
        }
        Ok(count)
    }

    /// Writes 1, 2 or 4 aligned bytes that a driver may write.
    fn write_config(&mut self, (index, turn): (usize, u64), buf: &[u8], at: u64) -> Result<usize> {
        let slot = self.slots.get(index).filter(|slot| slot.taken && slot.turn == turn);
        let function = &slot.ok_or(Error::new(EBADF))?.function;
        let len = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        let aligned = matches!(len, 1 | 2 | 4) && at.checked_rem(len) == Some(0);
        let first = u8::try_from(at).map_err(|_outside| Error::new(EINVAL))?;
        let last = u8::try_from(buf.len().saturating_sub(1)).unwrap_or(u8::MAX);
        let last = first.checked_add(last).filter(|_| aligned).ok_or(Error::new(EINVAL))?;
        if !(first..=last).all(|at| function.may_write(at)) {
            return Err(Error::new(EACCES));
        }
        write_part(&mut self.access, function.address, first, buf);
        Ok(buf.len())
    }

    fn list_root(&self, position: u64, entries: &mut Entries<'_>) {
        let first = usize::try_from(position).unwrap_or(usize::MAX);
        for (index, slot) in (position..).zip(self.slots.iter().skip(first)) {
            let next = index.saturating_add(1);
            let name = slot.function.address.to_string();
            if !entries.push(next, next, DirentKind::Directory, &name) {
                break;
            }
        }
    }
}

impl<A: Access, P: Platform> Scheme for Pci<A, P> {
    type Open = Open;

    fn open(&mut self, path: &str, context: &Context) -> Result<Opened<Open>> {
        self.open_root(path, context)
    }

    fn open_at(
        &mut self,
        directory: &mut Open,
        path: &str,
        context: &Context,
    ) -> Result<Opened<Open>> {
        match *directory {
            Open::Root => self.open_root(path, context),
            Open::Function(index) => self.open_part(index, path),
            Open::Info(_) | Open::Config { .. } => Err(Error::new(ENOTDIR)),
        }
    }

    fn close(&mut self, open: Open) {
        if let Open::Function(index) = open
            && let Some(slot) = self.slots.get_mut(index)
        {
            slot.taken = false;
            if core::mem::take(&mut slot.connected) {
                disconnect(&mut self.access, &slot.function);
            }
            slot.dma.clear();
            slot.turn = slot.turn.wrapping_add(1);
        }
    }

    fn read(
        &mut self,
        open: &mut Open,
        buf: &mut [u8],
        offset: u64,
        _context: &Context,
    ) -> Result<usize> {
        match *open {
            Open::Info(index) => {
                let text = self.slot(index)?.function.to_string();
                let skip = usize::try_from(offset).unwrap_or(usize::MAX);
                let rest = text.bytes().skip(skip);
                Ok(buf.iter_mut().zip(rest).map(|(to, from)| *to = from).count())
            }
            Open::Config { index, .. } => self.read_config(index, buf, offset),
            Open::Root | Open::Function(_) => Err(Error::new(redox::error::EISDIR)),
        }
    }

    fn write(
        &mut self,
        open: &mut Open,
        buf: &[u8],
        offset: u64,
        _context: &Context,
    ) -> Result<usize> {
        match *open {
            Open::Config { index, turn } => self.write_config((index, turn), buf, offset),
            Open::Root | Open::Function(_) | Open::Info(_) => Err(Error::new(EINVAL)),
        }
    }

    fn stat(&mut self, open: &mut Open) -> Result<Stat> {
        let (mode, size) = match *open {
            Open::Root | Open::Function(_) => (MODE_DIR | 0o555, 0),
            Open::Info(index) => {
                let len = self.slot(index)?.function.to_string().len();
                (MODE_FILE | 0o444, u64::try_from(len).unwrap_or(0))
            }
            Open::Config { .. } => (MODE_FILE | 0o600, CONFIG_BYTES),
        };
        Ok(Stat { st_mode: mode, st_size: size, st_nlink: 1, st_blksize: 4096, ..Stat::default() })
    }

    fn path(&mut self, open: &mut Open) -> Result<String> {
        let name = |index| Ok(self.slot(index)?.function.address.to_string());
        match *open {
            Open::Root => Ok(String::new()),
            Open::Function(index) => name(index),
            Open::Info(index) => Ok(name(index)? + "/info"),
            Open::Config { index, .. } => Ok(name(index)? + "/config"),
        }
    }

    fn list(&mut self, open: &mut Open, position: u64, entries: &mut Entries<'_>) -> Result<()> {
        match open {
            Open::Root => self.list_root(position, entries),
            Open::Function(_) => list_function(position, entries),
            Open::Info(_) | Open::Config { .. } => return Err(Error::new(ENOTDIR)),
        }
        Ok(())
    }
}

/// Lists the names of a function's directory that have no number.
fn list_function(position: u64, entries: &mut Entries<'_>) {
    let first = usize::try_from(position).unwrap_or(usize::MAX);
    for (name, next) in NAMES.iter().zip(1..).skip(first) {
        if !entries.push(next, next, DirentKind::Regular, name) {
            break;
        }
    }
}

/// Where the MSI-X table is in physical memory.
fn table_place(function: &Function, msix: Msix) -> Result<core::ops::Range<u64>> {
    let bar = function.bars.get(usize::from(msix.bar)).copied().flatten();
    let Some(Bar::Memory { address, .. }) = bar else { return Err(Error::new(ENXIO)) };
    let place = msix.range();
    let end = address.checked_add(place.end).ok_or(Error::new(ENXIO))?;
    Ok(address.saturating_add(place.start)..end)
}

/// One more handle on the same thing.
fn another(handle: &OwnedFd) -> Result<OwnedFd> {
    handle.try_clone().map_err(|error| Error::new(error.raw_os_error().unwrap_or(EIO)))
}

/// A hexadecimal number of a path.
fn hex(word: &str) -> Result<u64> {
    let digits = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(word, 16).ok().filter(|_| digits).ok_or(Error::new(ENOENT))
}
