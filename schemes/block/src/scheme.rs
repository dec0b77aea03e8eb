//! The scheme over the disks of one driver.

use core::ops::Range;
use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anode_device::{Interrupt, SharedMemory};
use anode_scheme::{Context, Control, Entries, Opened, Request, Scheme, op, sys};
use redox::data::Stat;
use redox::dirent::DirentKind;
use redox::error::{
    EACCES, EBADF, EINVAL, EISDIR, ENODEV, ENOENT, ENOSPC, ENOTDIR, ENOTTY, EROFS, Error, Result,
};
use redox::flag::{EventFlags, MODE_DIR, O_ACCMODE, O_DIRECTORY, O_FSYNC, O_RDONLY, O_STAT};

use crate::disk::{Access, Disk, Durability};
use crate::name::Name;
use crate::plan::Task;
use crate::protocol::{DISCARD, FACTS, Facts, RESCAN, Span, ZERO};
use crate::unit::{Mode, Pending, Unit};

/// `st_mode` of a block device, for root alone.
const BLOCK_DEVICE: u16 = 0o060_000 | 0o600;
/// The most bytes that one request moves; more is a short count.
const MAX_REQUEST: usize = 1 << 20;
/// How often a busy device is looked after, in ns.
const CHECK: u64 = 1_000_000_000;
/// How often a device without interrupts is looked at, in ns.
const POLL: u64 = 1_000_000;

/// What is open.
#[derive(Debug)]
pub enum Open {
    /// The list of disks and partitions.
    Root,
    /// A disk or a partition.
    Extent(Extent),
}

/// An open disk or partition.
#[derive(Debug)]
pub struct Extent {
    name: Name,
    /// Its index among the units.
    unit: usize,
    range: Range<u64>,
    readable: bool,
    writable: bool,
    /// What its writes are to be worth: [`O_FSYNC`].
    durability: Durability,
    /// The unit's note of this handle; none for one that only asks what it is.
    hold: Option<u64>,
}

impl Extent {
    fn len(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }
}

/// The disks of one driver, in the order of their numbers.
#[derive(Debug)]
pub struct Disks<D, M> {
    units: Vec<Unit<D, M>>,
    control: Option<Control>,
    epoch: u64,
    /// When busy devices are looked after next, in monotonic ns.
    check_at: u64,
}

/// Serves the scheme `name:` until the kernel ends it. Each disk comes with at least 1 MiB and two
/// pages of memory that it reaches; disks that make no sense are left out, with a line on stderr.
pub fn serve<D: Disk, M: SharedMemory + AsFd>(
    name: &str,
    disks: impl IntoIterator<Item = (D, M)>,
) -> ExitCode {
    let disks = Disks::new(disks);
    for (unit, disk) in disks.units.iter().zip(0_u32..) {
        let info = unit.engine.disk().info();
        let (bytes, identity) = (unit.bytes(), &info.identity);
        eprintln!("{name}:{disk}: {bytes} bytes in blocks of {} '{identity}'", info.block);
    }
    anode_scheme::serve(name, disks)
}

impl<D: Disk, M: SharedMemory + AsFd> Disks<D, M> {
    /// Looks at the disks and their tables.
    pub fn new(disks: impl IntoIterator<Item = (D, M)>) -> Self {
        let unit = |(disk, memory)| match Unit::new(disk, memory) {
            Ok(unit) => Some(unit),
            Err(_senseless) => {
                eprintln!("disk: a disk was left out: its sizes make no sense");
                None
            }
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            units: disks.into_iter().filter_map(unit).collect(),
            control: None,
            epoch: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            check_at: 0,
        }
    }

    fn unit(&mut self, extent: &Extent) -> Result<&mut Unit<D, M>> {
        self.units.get_mut(extent.unit).ok_or(Error::new(ENODEV))
    }

    /// Opens a disk or a partition by name.
    fn open_name(&mut self, text: &str, context: &Context) -> Result<Opened<Open>> {
        let name = Name::parse(text).ok_or(Error::new(ENOENT))?;
        let index = usize::try_from(name.disk).map_err(|_big| Error::new(ENOENT))?;
        let unit = self.units.get_mut(index).ok_or(Error::new(ENOENT))?;
        let range = unit.range(name.partition).ok_or(Error::new(ENOENT))?;
        let flags = usize::try_from(context.flags).map_err(|_big| Error::new(EINVAL))?;
        if flags & O_DIRECTORY != 0 {
            return Err(Error::new(ENOTDIR));
        }
        let only_asks = flags & O_STAT != 0;
        if context.uid != 0 && !only_asks {
            return Err(Error::new(EACCES));
        }
        let mode = Mode::new(flags);
        if mode.writes() && unit.engine.disk().info().access == Access::ReadOnly {
            return Err(Error::new(EROFS));
        }
        let extent = Extent {
            name,
            unit: index,
            hold: if only_asks { None } else { Some(unit.hold(name.partition, &range, mode)?) },
            range,
            readable: !only_asks && flags & O_ACCMODE & O_RDONLY != 0,
            writable: !only_asks && mode.writes(),
            durability: if flags & O_FSYNC != 0 { Durability::Forced } else { Durability::Flushed },
        };
        Ok(Opened::file(Open::Extent(extent)).with_cookie(name.cookie()))
    }

    /// What a request means for the disk; `None` if the disk has no part in it.
    ///
    /// # Errors
    ///
    /// An answer that needs no disk, a number or an errno.
    fn task(&mut self, extent: &Extent, request: &Request) -> Result<Option<Task>, Result<usize>> {
        let refused = |errno: i32| Err(Err(Error::new(errno)));
        match request.opcode() {
            op::READ if !extent.readable => refused(EBADF),
            op::READ => match clip(extent, request) {
                Some((start, len)) => Ok(Some(Task::Read { start, len })),
                None => Err(Ok(0)),
            },
            op::WRITE if !extent.writable => refused(EBADF),
            op::WRITE if request.is_empty() => Err(Ok(0)),
            op::WRITE => match clip(extent, request) {
                Some((start, len)) => {
                    Ok(Some(Task::Write { start, len, durability: extent.durability }))
                }
                None => refused(ENOSPC),
            },
            op::SYNC => Ok(Some(Task::Flush)),
            op::CALL => {
                let block = self.unit(extent).map_err(Err)?.engine.disk().info().block;
                call_task(extent, request, block).map_err(Err)
            }
            _ => Ok(None),
        }
    }

    /// Takes in the interrupts of a unit, and goes on with the tasks of all: they may share it.
    fn interrupted(&mut self, index: u64) {
        let unit = usize::try_from(index).ok().and_then(|index| self.units.get_mut(index));
        let Some(unit) = unit else { return };
        unit.engine.quiet();
        for interrupt in unit.engine.disk().interrupts() {
            // First, so that what ends while we look raises another one.
            if let Err(error) = interrupt.acknowledge() {
                eprintln!("disk: {index}: its interrupt is gone: {error}");
            }
        }
        self.units.iter_mut().for_each(|unit| unit.engine.turn());
    }

    /// Looks after busy devices.
    fn check(&mut self) {
        let now = sys::monotonic();
        if now < self.check_at {
            return;
        }
        self.check_at = now.saturating_add(CHECK);
        for unit in self.units.iter_mut().filter(|unit| !unit.engine.is_idle()) {
            unit.engine.check();
        }
    }
}

/// Where on the disk a read or write is, cut to the extent and to what one request may move;
/// `None` at or behind the end, or for no bytes.
fn clip(extent: &Extent, request: &Request) -> Option<(u64, u32)> {
    let left = extent.len().checked_sub(request.offset()).filter(|left| *left > 0)?;
    let len = u32::try_from(request.len().min(MAX_REQUEST)).ok().filter(|len| *len > 0)?;
    let len = u32::try_from(left).unwrap_or(u32::MAX).min(len);
    Some((extent.range.start.checked_add(request.offset())?, len))
}

/// The task of a discard or of zeroes; its buffer goes back as it came.
fn call_task(extent: &Extent, request: &Request, block: u32) -> Result<Option<Task>> {
    // The offset's place holds the first word of a call.
    let opcode = request.offset();
    if !matches!(opcode, DISCARD | ZERO) {
        return Ok(None);
    }
    if !extent.writable {
        return Err(Error::new(EBADF));
    }
    let mut bytes = [0; 16];
    let exact = request.len() == bytes.len() && request.copy_in(0, &mut bytes)? == bytes.len();
    let span = Span::from_bytes(&bytes).filter(|_| exact).ok_or(Error::new(EINVAL))?;
    request.copy_out(0, &bytes)?;
    let end = span.start.checked_add(span.len).filter(|end| *end <= extent.len());
    let mask = u64::from(block).saturating_sub(1);
    // Partitions of other systems may begin between physical blocks, but never within one.
    if end.is_none() || (span.start | span.len | extent.range.start) & mask != 0 {
        return Err(Error::new(EINVAL));
    }
    let shift = block.trailing_zeros();
    let block = extent.range.start.saturating_add(span.start) >> shift;
    let blocks = span.len >> shift;
    Ok(Some(if opcode == ZERO {
        Task::Zero { block, blocks }
    } else {
        Task::Discard { block, blocks }
    }))
}

impl<D: Disk, M: SharedMemory + AsFd> Scheme for Disks<D, M> {
    type Open = Open;

    const IN_FLIGHT: bool = true;

    fn start(&mut self, control: Control) -> Result<()> {
        let mut seen = BTreeSet::new();
        for (index, unit) in self.units.iter_mut().enumerate() {
            unit.object = control.register(unit.engine.memory())?;
            let handles = unit.engine.disk().interrupts().iter().map(Interrupt::handle);
            for handle in handles.filter(|handle| seen.insert(handle.as_raw_fd())) {
                control.subscribe(handle, index, EventFlags::EVENT_READ)?;
            }
        }
        self.control = Some(control);
        Ok(())
    }

    fn open(&mut self, path: &str, context: &Context) -> Result<Opened<Open>> {
        match path {
            "" => Ok(Opened::stream(Open::Root)),
            name => self.open_name(name, context),
        }
    }

    fn open_at(
        &mut self,
        directory: &mut Open,
        path: &str,
        context: &Context,
    ) -> Result<Opened<Open>> {
        match directory {
            Open::Root => self.open(path, context),
            Open::Extent(_) => Err(Error::new(ENOTDIR)),
        }
    }

    fn close(&mut self, open: Open) {
        if let Open::Extent(extent) = open
            && let (Some(hold), Ok(unit)) = (extent.hold, self.unit(&extent))
        {
            unit.release(hold);
        }
    }

    fn defer(&mut self, open: &mut Open, request: Request) -> Option<Request> {
        let Open::Extent(extent) = open else { return Some(request) };
        match self.task(extent, &request) {
            Ok(None) => return Some(request),
            Ok(Some(task)) => {
                // Without a unit the request is dropped, which answers it with `EIO`.
                let unit = self.unit(extent).ok()?;
                let object = unit.object;
                unit.engine.ask(Pending { request, object }, task);
                unit.engine.turn();
            }
            Err(answer) => request.answer(answer),
        }
        None
    }

    fn read(&mut self, _: &mut Open, _: &mut [u8], _: u64, _: &Context) -> Result<usize> {
        // Of a disk they are tasks, so this is the directory.
        Err(Error::new(EISDIR))
    }

    fn call(
        &mut self,
        open: &mut Open,
        buf: &mut [u8],
        [opcode, _]: [u64; 2],
        _context: &Context,
    ) -> Result<u64> {
        let Open::Extent(extent) = open else { return Err(Error::new(ENOTTY)) };
        let epoch = self.epoch;
        let unit = self.unit(extent)?;
        match opcode {
            FACTS => {
                let facts = unit.facts(&extent.range, epoch).to_bytes();
                let buf = buf.get_mut(..Facts::BYTES).ok_or(Error::new(EINVAL))?;
                buf.copy_from_slice(&facts);
                Ok(0)
            }
            RESCAN if extent.name.partition.is_some() => Err(Error::new(EINVAL)),
            RESCAN if !extent.writable => Err(Error::new(EBADF)),
            RESCAN => unit.rescan().map(|()| 0),
            _ => Err(Error::new(ENOTTY)),
        }
    }

    fn stat(&mut self, open: &mut Open) -> Result<Stat> {
        let Open::Extent(extent) = open else {
            return Ok(Stat { st_mode: MODE_DIR | 0o555, st_nlink: 2, ..Stat::default() });
        };
        Ok(Stat {
            st_ino: extent.name.cookie().saturating_add(1),
            st_mode: BLOCK_DEVICE,
            st_nlink: 1,
            st_size: extent.len(),
            st_blksize: self.unit(extent)?.engine.disk().info().physical_block,
            st_blocks: extent.len().div_ceil(512),
            ..Stat::default()
        })
    }

    fn path(&mut self, open: &mut Open) -> Result<String> {
        Ok(match open {
            Open::Root => String::new(),
            Open::Extent(extent) => extent.name.to_string(),
        })
    }

    fn list(&mut self, open: &mut Open, position: u64, entries: &mut Entries<'_>) -> Result<()> {
        let Open::Root = open else { return Err(Error::new(ENOTDIR)) };
        let names = self.units.iter().zip(0..).flat_map(|(unit, disk)| {
            let parts = unit.partitions.iter().map(|partition| Some(partition.number));
            core::iter::once(None).chain(parts).map(move |partition| Name { disk, partition })
        });
        let skip = usize::try_from(position).unwrap_or(usize::MAX);
        for (name, next) in names.zip(1_u64..).skip(skip) {
            let inode = name.cookie().saturating_add(1);
            if !entries.push(inode, next, DirentKind::BlockDev, &name.to_string()) {
                break;
            }
        }
        Ok(())
    }

    fn event(&mut self, key: u64, _ready: u64) {
        self.interrupted(key);
    }

    fn turn(&mut self) {
        let mut busy = false;
        for unit in &mut self.units {
            unit.engine.recycle();
            unit.engine.turn();
            busy |= !unit.engine.is_idle();
        }
        if busy {
            self.check();
        }
    }

    fn deadline(&mut self) -> u64 {
        let polled = |unit: &Unit<D, M>| {
            let disk = unit.engine.disk();
            disk.interrupts().is_empty() || disk.is_resetting()
        };
        let mut busy = self.units.iter().filter(|unit| !unit.engine.is_idle()).peekable();
        if busy.peek().is_none() {
            return u64::MAX;
        }
        if busy.any(polled) { sys::monotonic().saturating_add(POLL) } else { self.check_at }
    }
}
