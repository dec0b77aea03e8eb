//! A disk as the scheme has it: engine, partitions, and who has it open.

use core::ops::Range;
use core::time::Duration;
use std::os::fd::AsFd;

use anode_device::SharedMemory;
use anode_scheme::{AnswerRange, Request};
use redox::error::{EBUSY, EINVAL, EIO, Error, Result};
use redox::flag::{O_ACCMODE, O_EXCL, O_WRONLY};

use crate::disk::{Access, Disk, WriteCache};
use crate::engine::{Client, Engine};
use crate::protocol::{self, Facts};
use crate::table::{self, Blocks, Partition};

/// The largest piece of a partition table that is read at once, in bytes.
const PIECE: u32 = 64 << 10;
/// How long the daemon itself waits for a disk, and how often it looks meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Looks that only give way to other threads: most reads take less than a millisecond.
const QUICK_LOOKS: u32 = 100;

/// A request of a client that waits for the disk.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) request: Request,
    /// The registered bounce memory.
    pub(crate) object: u16,
}

impl Client for Pending {
    fn pull(&mut self, at: usize, into: &mut [u8]) -> Result<usize> {
        self.request.copy_in(at, into)
    }

    fn answer(self, result: Result<usize>) {
        self.request.answer(result);
    }

    fn answer_range(self, range: Range<usize>) {
        let number = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        let range = AnswerRange { offset: number(range.start), len: number(range.len()) };
        self.request.answer_range(self.object, range);
    }
}

/// What a handle may do, for the rule of exclusive opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode {
    writes: bool,
    exclusive: bool,
}

impl Mode {
    /// From the flags of an open.
    pub(crate) const fn new(flags: usize) -> Self {
        Self { writes: flags & O_ACCMODE & O_WRONLY == O_WRONLY, exclusive: flags & O_EXCL != 0 }
    }

    /// Whether it may write.
    pub(crate) const fn writes(self) -> bool {
        self.writes
    }

    /// Whether two handles on overlapping ranges exclude each other: an exclusive one and one
    /// that writes, or two exclusive ones. Readers are let be.
    const fn excludes(self, other: Self) -> bool {
        self.exclusive && (other.writes || other.exclusive) || other.exclusive && self.writes
    }
}

/// An open handle.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hold {
    number: u64,
    mode: Mode,
    range: Range<u64>,
    of_partition: bool,
}

/// One disk.
#[derive(Debug)]
pub(crate) struct Unit<D, M> {
    pub(crate) engine: Engine<D, M, Pending>,
    /// The bounce memory's index, once it is registered.
    pub(crate) object: u16,
    pub(crate) partitions: Vec<Partition>,
    holds: Vec<Hold>,
    holds_made: u64,
}

impl<D: Disk, M: SharedMemory + AsFd> Unit<D, M> {
    /// A disk, its table read. One whose table cannot be read has no partitions.
    ///
    /// # Errors
    ///
    /// `EIO` if the facts of the disk make no sense.
    pub(crate) fn new(disk: D, memory: M) -> Result<Self> {
        let mut unit = Self {
            engine: Engine::new(disk, memory)?,
            object: 0,
            partitions: Vec::new(),
            holds: Vec::new(),
            holds_made: 0,
        };
        if let Err(error) = unit.rescan() {
            eprintln!("disk: the partition table cannot be read: {error}");
        }
        Ok(unit)
    }

    /// Size in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.engine.disk().info().bytes().unwrap_or(0)
    }

    /// Where a partition is, or the whole disk for `None`.
    pub(crate) fn range(&self, partition: Option<u32>) -> Option<Range<u64>> {
        let Some(number) = partition else { return Some(0..self.bytes()) };
        let found = self.partitions.iter().find(|partition| partition.number == number)?;
        Some(found.start..found.start.checked_add(found.len)?)
    }

    /// Notes an open handle; gives the number of the note.
    ///
    /// # Errors
    ///
    /// `EBUSY` if another handle excludes it.
    pub(crate) fn hold(
        &mut self,
        partition: Option<u32>,
        range: &Range<u64>,
        mode: Mode,
    ) -> Result<u64> {
        let clash = |hold: &Hold| {
            hold.range.start < range.end && range.start < hold.range.end && hold.mode.excludes(mode)
        };
        if self.holds.iter().any(clash) {
            return Err(Error::new(EBUSY));
        }
        self.holds_made = self.holds_made.wrapping_add(1);
        let number = self.holds_made;
        let of_partition = partition.is_some();
        self.holds.push(Hold { number, mode, range: range.clone(), of_partition });
        Ok(number)
    }

    /// A handle is closed.
    pub(crate) fn release(&mut self, number: u64) {
        self.holds.retain(|hold| hold.number != number);
    }

    /// Reads the partition table again.
    ///
    /// # Errors
    ///
    /// `EBUSY` if a partition is open, or what reading answers; the partitions stay as they were.
    pub(crate) fn rescan(&mut self) -> Result<()> {
        if self.holds.iter().any(|hold| hold.of_partition) {
            return Err(Error::new(EBUSY));
        }
        self.partitions = table::partitions(&mut Scan(&mut self.engine))?;
        Ok(())
    }

    /// The facts of a range of it.
    pub(crate) fn facts(&self, range: &Range<u64>, epoch: u64) -> Facts {
        let info = self.engine.disk().info();
        let flags = [
            (info.access == Access::ReadOnly, protocol::READ_ONLY),
            (info.cache == WriteCache::Volatile, protocol::VOLATILE),
            (info.max_discard != 0, protocol::CAN_DISCARD),
            (info.max_zero != 0, protocol::CAN_ZERO),
        ];
        Facts {
            bytes: range.end.saturating_sub(range.start),
            block: info.block.into(),
            physical_block: info.physical_block.into(),
            max_bytes: info.max_bytes.into(),
            flags: flags.iter().filter(|(has, _)| *has).map(|(_, flag)| flag).sum(),
            epoch,
            offset: range.start,
            identity: info.identity.clone(),
        }
    }
}

/// The disk for the parsers of partition tables.
struct Scan<'a, D, M>(&'a mut Engine<D, M, Pending>);

impl<D: Disk, M: SharedMemory> Blocks for Scan<'_, D, M> {
    fn block(&self) -> u32 {
        self.0.disk().info().block
    }

    fn count(&self) -> u64 {
        self.0.disk().info().blocks
    }

    fn read(&mut self, block: u64, bytes: u32) -> Result<Vec<u8>> {
        let size = self.block();
        let count = u64::from(bytes.div_ceil(size));
        if block.checked_add(count).is_none_or(|end| end > self.count()) {
            return Err(Error::new(EINVAL));
        }
        let piece = self.0.disk().info().max_bytes.min(PIECE).max(size).div_euclid(size);
        let (mut all, mut next, end) = (Vec::new(), block, block.saturating_add(count));
        while next < end {
            let left = u32::try_from(end.saturating_sub(next)).unwrap_or(u32::MAX);
            let blocks = left.min(piece);
            let bytes = blocks.checked_mul(size).ok_or(Error::new(EIO))?;
            all.extend(self.0.read_now(next, bytes, &mut patience())?);
            next = next.saturating_add(blocks.into());
        }
        Ok(all)
    }
}

/// Waits a moment each time it is called, and says `false` after about five seconds.
///
/// For drivers and for the daemon itself while there is no ring to wait at.
pub fn patience() -> impl FnMut() -> bool {
    patience_of(PATIENCE)
}

/// As [`patience`], and says `false` after about this long.
pub fn patience_of(limit: Duration) -> impl FnMut() -> bool {
    let more = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
    let (mut looks, last) = (0_u32, more.saturating_add(QUICK_LOOKS));
    move || {
        looks = looks.saturating_add(1);
        if looks < QUICK_LOOKS {
            std::thread::yield_now();
        } else {
            std::thread::sleep(LOOK_EVERY);
        }
        looks < last
    }
}
