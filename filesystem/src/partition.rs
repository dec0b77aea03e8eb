//! The partition that the volume lies in, by the calls of `disk:`; and what is done when its
//! driver was replaced.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use anode_block::protocol::{
    CAN_DISCARD, DISCARD, FACTS, Facts as DiskFacts, READ_ONLY, Span, VOLATILE,
};
use anode_fs::BLOCK;
use anode_fs::device::{Access, Cache, Facts, Request};
use anode_fs::error::Failure;
use anode_scheme::sys;
use redox::error::{EIO, Error, Result};
use redox::flag::{O_EXCL, O_RDWR};

use crate::device::Port;

/// The most bytes that `disk:` moves at once, in blocks.
const MAX_TRANSFER: u32 = 256;
/// Requests that are usefully under way: one for each thread.
const DEPTH: u32 = 8;
/// The most blocks of one discard: 1 GiB.
const MAX_DISCARD: u32 = 1 << 18;
/// Bytes that are written before the device is told to flush them, commit or not.
const UNFLUSHED: usize = 64 << 20;
/// How often, and for how long, a new driver is looked for.
const PAUSE: Duration = Duration::from_millis(100);
const TRIES: u32 = 300;

/// A partition that is open for us alone.
#[derive(Debug)]
pub(crate) struct Partition {
    name: String,
    facts: DiskFacts,
    handle: RwLock<Handle>,
    /// What may be lost with its driver: the writes that were not flushed, in their order.
    unflushed: Mutex<Unflushed>,
}

#[derive(Debug)]
struct Handle {
    file: File,
    /// How many there were before.
    number: u32,
}

/// A write that may be lost: its number, its place, its content.
type Write = (u64, u64, Arc<Vec<u8>>);

#[derive(Debug, Default)]
struct Unflushed {
    writes: Vec<Write>,
    bytes: usize,
    /// How many writes there were.
    count: u64,
}

impl Partition {
    /// Opens a name of `disk:`; nobody else writes there while it is open.
    ///
    /// # Errors
    ///
    /// `EBUSY`, `EROFS`, or what the driver answers.
    pub(crate) fn open(name: &str) -> Result<Self> {
        let (file, facts) = open(name)?;
        let handle = RwLock::new(Handle { file, number: 0 });
        Ok(Self { name: name.to_owned(), facts, handle, unflushed: Mutex::default() })
    }

    /// Its facts as the filesystem wants them.
    pub(crate) fn facts(&self) -> Facts {
        let has = |flag: u64| self.facts.flags & flag != 0;
        Facts {
            blocks: self.facts.bytes.div_euclid(wide(BLOCK)),
            logical_block: u32::try_from(self.facts.block).unwrap_or(u32::MAX),
            max_transfer: MAX_TRANSFER,
            queue_depth: DEPTH,
            max_discard: if has(CAN_DISCARD) { MAX_DISCARD } else { 0 },
            max_zero: 0,
            cache: if has(VOLATILE) { Cache::Volatile } else { Cache::Through },
            access: if has(READ_ONLY) { Access::ReadOnly } else { Access::ReadWrite },
        }
    }

    fn unflushed(&self) -> MutexGuard<'_, Unflushed> {
        self.unflushed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the handle; if its driver is gone, with that of the next one.
    fn with<T>(&self, act: impl Fn(&File) -> std::io::Result<T>) -> Result<T, Failure> {
        loop {
            let handle = self.handle.read().unwrap_or_else(PoisonError::into_inner);
            let error = match act(&handle.file) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let number = handle.number;
            if facts(&handle.file).is_ok() {
                // The driver is there: it is the disk that failed.
                eprintln!("filed: disk:{}: {error}", self.name);
                return Err(Failure::Io);
            }
            drop(handle);
            self.replace(number)?;
        }
    }

    /// Opens the partition at the successor of its driver, and writes again what the old one may
    /// have lost.
    fn replace(&self, number: u32) -> Result<(), Failure> {
        let mut handle = self.handle.write().unwrap_or_else(PoisonError::into_inner);
        if handle.number != number {
            // Another thread did.
            return Ok(());
        }
        for _ in 0..TRIES {
            match open(&self.name) {
                Ok((file, facts)) if self.is_same(&facts) => {
                    let count = self.write_again(&file)?;
                    eprintln!("filed: disk:{} has a new driver, {count} writes again", self.name);
                    let number = number.wrapping_add(1);
                    *handle = Handle { file, number };
                    return Ok(());
                }
                Ok(_) => return Err(Failure::Gone),
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
        Err(Failure::Gone)
    }

    /// Writes what was not flushed; how many writes that were.
    fn write_again(&self, file: &File) -> Result<usize, Failure> {
        let unflushed = self.unflushed();
        for (_, start, bytes) in &unflushed.writes {
            file.write_all_at(bytes, *start).map_err(|_| Failure::Io)?;
        }
        Ok(unflushed.writes.len())
    }

    /// Whether this is the partition that was opened first.
    fn is_same(&self, facts: &DiskFacts) -> bool {
        let of = |facts: &DiskFacts| (facts.bytes, facts.offset, facts.identity.clone());
        of(facts) == of(&self.facts)
    }

    fn flush(&self) -> Result<Vec<u8>, Failure> {
        // What is written from here on may not be covered.
        let covered = self.unflushed().count;
        self.with(File::sync_data)?;
        let mut unflushed = self.unflushed();
        unflushed.writes.retain(|(number, ..)| *number > covered);
        unflushed.bytes = unflushed.writes.iter().map(|(.., bytes)| bytes.len()).sum();
        Ok(Vec::new())
    }

    fn write(&self, block: u64, bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let (start, bytes) = (position(block)?, Arc::new(bytes));
        // Before it is written: if the driver goes just behind it, the next one gets it too.
        let full = self.facts.flags & VOLATILE != 0 && self.note(start, &bytes);
        self.with(|file| file.write_all_at(&bytes, start))?;
        if full { self.flush() } else { Ok(Vec::new()) }
    }

    /// Notes a write that is not flushed yet; whether there are too many of them.
    fn note(&self, start: u64, bytes: &Arc<Vec<u8>>) -> bool {
        let mut unflushed = self.unflushed();
        unflushed.count = unflushed.count.saturating_add(1);
        unflushed.bytes = unflushed.bytes.saturating_add(bytes.len());
        let number = unflushed.count;
        unflushed.writes.push((number, start, Arc::clone(bytes)));
        unflushed.bytes > UNFLUSHED
    }
}

impl Port for Partition {
    fn perform(&self, request: Request) -> Result<Vec<u8>, Failure> {
        match request {
            Request::Read { block, bytes } => {
                let (start, len) = (position(block)?, bytes.len());
                self.with(|file| {
                    let mut bytes = vec![0; len];
                    file.read_exact_at(&mut bytes, start).map(|()| bytes)
                })
            }
            Request::Write { block, bytes, fua } => {
                let bytes = self.write(block, bytes)?;
                if fua { self.flush() } else { Ok(bytes) }
            }
            Request::Flush => self.flush(),
            Request::Discard { block, blocks } => {
                let len = u64::from(blocks).saturating_mul(wide(BLOCK));
                let span = Span { start: position(block)?, len };
                let discarded =
                    self.with(|file| Ok(sys::call(file, &mut span.to_bytes(), [DISCARD, 0])))?;
                discarded.map(|_| Vec::new()).map_err(|_| Failure::Refused)
            }
            Request::WriteZeroes { .. } => Err(Failure::Refused),
        }
    }
}

/// Opens a name of `disk:`, alone, and asks what it is.
fn open(name: &str) -> Result<(File, DiskFacts)> {
    let handle = sys::open(&format!("/scheme/disk/{name}"), O_RDWR | O_EXCL)?;
    let file = File::from(handle);
    let facts = facts(&file)?;
    Ok((file, facts))
}

/// What a handle of `disk:` names.
///
/// # Errors
///
/// What the driver answers, or nobody.
pub(crate) fn facts(file: &File) -> Result<DiskFacts> {
    let mut bytes = [0; DiskFacts::BYTES];
    sys::call(file, &mut bytes, [FACTS, 0])?;
    DiskFacts::from_bytes(&bytes).ok_or(Error::new(EIO))
}

fn position(block: u64) -> Result<u64, Failure> {
    block.checked_mul(wide(BLOCK)).ok_or(Failure::Refused)
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
