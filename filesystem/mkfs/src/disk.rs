//! A file, or a part of one, as a block device: each request is done when it is made.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::task::{Context, Poll};

use anode_fs::BLOCK;
use anode_fs::device::{Access, BlockDevice, Cache, Facts, Request, Ticket};
use anode_fs::error::Failure;

/// Blocks of one transfer: 1 MiB.
const MAX_TRANSFER: u32 = 256;

/// What holds the bytes of a disk.
pub trait Medium: Read + Write + Seek {
    /// Makes what was written last.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn settle(&mut self) -> io::Result<()> {
        self.flush()
    }
}

impl Medium for File {
    fn settle(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

impl Medium for io::Cursor<Vec<u8>> {}

impl<T: Medium> Medium for &mut T {
    fn settle(&mut self) -> io::Result<()> {
        (**self).settle()
    }
}

/// How many bytes a file or a disk has.
///
/// # Errors
///
/// What the system says.
pub fn length(medium: &mut impl Seek) -> io::Result<u64> {
    medium.seek(SeekFrom::End(0))
}

/// A window of a medium.
pub struct Disk<T> {
    facts: Facts,
    /// First byte of the window.
    start: u64,
    state: RefCell<State<T>>,
}

struct State<T> {
    medium: T,
    next: u64,
    /// Requests that ended and were not asked for yet.
    ended: BTreeMap<Ticket, Result<Vec<u8>, Failure>>,
}

impl<T> fmt::Debug for Disk<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("facts", &self.facts).field("start", &self.start).finish()
    }
}

impl<T: Medium> Disk<T> {
    /// The `len` bytes of `medium` from `start` on, as whole blocks.
    pub fn new(medium: T, start: u64, len: u64, access: Access) -> Self {
        let block = u64::try_from(BLOCK).unwrap_or(u64::MAX);
        let facts = Facts {
            blocks: len.div_euclid(block),
            logical_block: 512,
            max_transfer: MAX_TRANSFER,
            queue_depth: 1,
            max_discard: 0,
            max_zero: 0,
            cache: Cache::Volatile,
            access,
        };
        let state = RefCell::new(State { medium, next: 0, ended: BTreeMap::new() });
        Self { facts, start, state }
    }

    /// All of a medium.
    ///
    /// # Errors
    ///
    /// Its length cannot be told.
    pub fn whole(mut medium: T, access: Access) -> io::Result<Self> {
        let len = length(&mut medium)?;
        Ok(Self::new(medium, 0, len, access))
    }

    /// The medium again.
    pub fn into_medium(self) -> T {
        self.state.into_inner().medium
    }

    /// Carries a request out.
    fn perform(&self, medium: &mut T, request: Request) -> Result<Vec<u8>, Failure> {
        let at = |block: u64, bytes: &[u8]| {
            let unit = u64::try_from(BLOCK).map_err(|_| Failure::Refused)?;
            let blocks = u64::try_from(bytes.len()).map_err(|_| Failure::Refused)?.div_ceil(unit);
            let end = block.checked_add(blocks).filter(|end| *end <= self.facts.blocks);
            let start = end.and_then(|_| block.checked_mul(unit)?.checked_add(self.start));
            start.map(SeekFrom::Start).ok_or(Failure::Refused)
        };
        match request {
            Request::Read { block, mut bytes } => {
                let place = at(block, &bytes)?;
                let read = medium.seek(place).and_then(|_| medium.read_exact(&mut bytes));
                read.map(|()| bytes).map_err(|error| failure(&error))
            }
            Request::Write { block, bytes, fua } => {
                let place = at(block, &bytes)?;
                let written = medium.seek(place).and_then(|_| medium.write_all(&bytes));
                let settled = written.and_then(|()| if fua { medium.settle() } else { Ok(()) });
                settled.map(|()| bytes).map_err(|error| failure(&error))
            }
            Request::Flush => medium.settle().map(|()| Vec::new()).map_err(|error| failure(&error)),
            Request::Discard { .. } | Request::WriteZeroes { .. } => Err(Failure::Refused),
        }
    }
}

/// What the filesystem is told of the system's error.
fn failure(error: &io::Error) -> Failure {
    match (error.kind(), error.raw_os_error()) {
        // `ENODEV` and `ENXIO`, the same numbers everywhere: nobody is there any more.
        (_, Some(6 | 19)) => Failure::Gone,
        (ErrorKind::Unsupported | ErrorKind::InvalidInput, _) => Failure::Refused,
        _ => Failure::Io,
    }
}

impl<T: Medium> BlockDevice for Disk<T> {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn submit(&self, request: Request) -> Ticket {
        let mut state = self.state.borrow_mut();
        let ended = self.perform(&mut state.medium, request);
        let ticket = Ticket(state.next);
        state.next = state.next.wrapping_add(1);
        state.ended.insert(ticket, ended);
        ticket
    }

    fn poll(&self, ticket: Ticket, _: &mut Context<'_>) -> Poll<Result<Vec<u8>, Failure>> {
        let ended = self.state.borrow_mut().ended.remove(&ticket);
        Poll::Ready(ended.unwrap_or(Err(Failure::Refused)))
    }

    fn abandon(&self, ticket: Ticket) {
        self.state.borrow_mut().ended.remove(&ticket);
    }
}
