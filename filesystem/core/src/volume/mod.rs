//! A mounted volume.
//!
//! ```text
//!   operation ─▶ Change (a copy) ─ worked ─▶ tree of the open transaction
//!                    │                  └──▶ tail of the log ─ fsync ─▶ segment, flush
//!                 failed: dropped                                         │ at the next mount
//!                                         tree ─ commit ─▶ super ◀────────┘ done again
//! ```

mod commit;
mod log;
mod mount;
mod operations;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::change::Change;
use crate::device::{Access, BlockDevice};
use crate::error::{Error, Fault, Flaw, Result};
use crate::format::{Class, Key, NODE_BLOCKS, Ptr, RawPtr, Super, Tag, Value};
use crate::space::Space;
use crate::store::Store;
use crate::tree::Tree;
use crate::view::View;

use commit::Ending;
pub(crate) use log::read_log;
pub(crate) use mount::supers;
pub use mount::{Format, format, mount};

/// The number of the only volume that a pool has yet, which owns the nodes of its tree.
pub(crate) const VOLUME: u32 = 1;

/// Whether a mount may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is ever written.
    Read,
    /// Everything.
    Write,
}

/// A volume that is mounted. Dropped without [`Volume::unmount`], it is as after a crash.
#[derive(Debug)]
pub struct Volume<D> {
    store: Store<D>,
    root: Super,
    space: Space,
    tree: Tree,
    next: u64,
    files: u64,
    log: log::Log,
    mode: Mode,
    /// A write that had to last failed: what is on the medium is not known.
    stopped: bool,
    /// How often each file is open.
    open: BTreeMap<u64, u32>,
    /// Why newer superblocks were passed over.
    passed: Vec<Fault>,
}

/// The space of a volume, in blocks of [`crate::BLOCK`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// All blocks that data may have.
    pub blocks: u64,
    /// Those that are free.
    pub free: u64,
    /// Those that can be had before `NoSpace`.
    pub available: u64,
    /// How many files there are.
    pub files: u64,
}

/// What the pool tree says of a volume.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) root: Ptr,
    pub(crate) level: u8,
    pub(crate) next: u64,
    pub(crate) files: u64,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawEntry {
    root: RawPtr,
    level: u8,
    pad: [u8; 7],
    next: U64,
    files: U64,
    /// Room for name, origin, flags, quota and what else comes.
    later: [u8; 64],
}

impl Entry {
    /// The key of the volume.
    pub(crate) const KEY: Key = Key::new(1, Tag::Volume, 0);

    /// Reads it from the pool tree.
    pub(crate) async fn read<D: BlockDevice>(store: &Store<D>, pool: &Tree) -> Result<Self> {
        match pool.get(store, Self::KEY).await? {
            Some(Value::Bytes(bytes)) => {
                let raw = RawEntry::ref_from_bytes(&bytes).map_err(|_| Flaw::Length.at(1))?;
                let root = Ptr::checked(&raw.root, Class::Node)?;
                let (next, files) = (raw.next.get(), raw.files.get());
                Ok(Self { root, level: raw.level, next, files })
            }
            _ => Err(Flaw::Missing.at(1)),
        }
    }

    fn encode(&self) -> Value {
        let raw = RawEntry {
            root: self.root.raw(),
            level: self.level,
            pad: [0; 7],
            next: self.next.into(),
            files: self.files.into(),
            later: [0; 64],
        };
        Value::Bytes(raw.as_bytes().into())
    }
}

impl<D: BlockDevice> Volume<D> {
    /// The volume as it is now, to be read.
    pub fn view(&self) -> View<'_, D> {
        View { store: &self.store, secret: self.root.secret, tree: self.tree.clone() }
    }

    /// A copy to be changed.
    pub(crate) fn change(&self) -> Change<'_, D> {
        Change { view: self.view(), next: self.next, files: self.files, freed: Vec::new() }
    }

    /// The device.
    pub const fn device(&self) -> &D {
        &self.store.device
    }

    /// What was wrong with superblocks that are newer than the one that was mounted: what they
    /// had is lost.
    pub fn passed_over(&self) -> &[Fault] {
        &self.passed
    }

    /// How much space there is.
    pub fn statistics(&self) -> Statistics {
        let area = &self.store.area;
        let (free, _) = self.space.usable();
        let available = self.available().saturating_sub(self.reserve());
        let blocks = area.end.saturating_sub(area.start);
        Statistics { blocks, free, available, files: self.files }
    }

    /// Blocks kept for deleting and committing: a 64th, 4 MiB to 4 GiB.
    fn reserve(&self) -> u64 {
        let area = &self.store.area;
        area.end.saturating_sub(area.start).div_euclid(64).clamp(1 << 10, 1 << 20)
    }

    /// Blocks in whole groups that the next commit will not need.
    fn available(&self) -> u64 {
        let (_, whole) = self.space.usable();
        let (nodes, records) = self.tree.dirty();
        let dirty = nodes.saturating_mul(NODE_BLOCKS).saturating_add(records);
        whole.saturating_sub(dirty).saturating_sub(self.space.need())
    }

    fn writable(&self) -> Result<()> {
        match (self.stopped, self.mode, self.store.device.facts().access) {
            (true, ..) => Err(Error::Stopped),
            (_, Mode::Write, Access::ReadWrite) => Ok(()),
            _ => Err(Error::ReadOnly),
        }
    }
}
