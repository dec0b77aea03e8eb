//! A mounted volume.
//!
//! ```text
//!   operation ─▶ Turn ─▶ Change (a copy) ─ worked ─▶ tree of the open transaction
//!                    │                  └──▶ tail of the log ─ fsync ─▶ segment, flush
//!                 failed: dropped                                         │ at the next mount
//!                                         tree ─ commit ─▶ super ◀────────┘ done again
//! ```

mod commit;
mod log;
mod mount;
mod operations;
mod scrub;
mod snapshot;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::ops::Range;

use crate::change::{Change, Done};
use crate::device::{Access, BlockDevice};
use crate::error::{Error, Fault, Result};
use crate::format::{NODE_BLOCKS, Ptr, Super};
use crate::lock::{Held, Lock};
use crate::space::Space;
use crate::store::Store;
use crate::tree::Tree;
use crate::view::View;

use commit::Ending;
pub(crate) use log::read_log;
pub(crate) use mount::supers;
pub use mount::{Format, format, mount};
pub use scrub::{Health, Scrub};
pub use snapshot::Snapshot;
pub(crate) use snapshot::{Dead, Entry, SNAPSHOTS, dead_list, snapshots};

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
///
/// Many may use it at once: who reads has a [`View`] and waits for no one, changes are done one
/// after the other, and go on while a commit is written. Each future is to be polled to its end.
#[derive(Debug)]
pub struct Volume<D> {
    store: Store<D>,
    mode: Mode,
    /// Key of the hash of names.
    secret: [u8; 16],
    /// Why newer superblocks were passed over.
    passed: Vec<Fault>,
    /// Who has this may write superblocks or the log; false while that is under way. Never waited
    /// for by who has a turn.
    medium: Lock<bool>,
    state: Lock<State>,
    seen: RefCell<Seen>,
    /// A write that had to last failed: what is on the medium is not known.
    stopped: Cell<bool>,
}

/// What operations change, one after the other.
#[derive(Debug)]
struct State {
    /// The superblock before the open transaction; it may be on its way.
    root: Super,
    space: Space,
    tree: Tree,
    next: u64,
    files: u64,
    log: log::Log,
    /// How often each file is open.
    open: BTreeMap<u64, u32>,
    /// The oldest first.
    snapshots: Vec<Snapshot>,
    /// What the open transaction does not need any more, and the last snapshot does.
    dead: Vec<Dead>,
}

/// What everyone sees of the state, as it was after the last operation.
#[derive(Clone, Debug)]
struct Seen {
    tree: Tree,
    pin: Arc<()>,
    statistics: Statistics,
    snapshots: Vec<Snapshot>,
}

/// A turn at changing a volume; when it ends, everyone sees what was changed.
#[derive(Debug)]
pub(crate) struct Turn<'v, D: BlockDevice> {
    volume: &'v Volume<D>,
    state: Held<'v, State>,
}

impl<D: BlockDevice> Drop for Turn<'_, D> {
    fn drop(&mut self) {
        self.volume.seen.replace(self.state.seen(&self.volume.store.area));
    }
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
    /// Those that were freed, and are had by the next commits, which a change that needs them
    /// makes.
    pub held: u64,
    /// How many files there are.
    pub files: u64,
}

impl<D: BlockDevice> Volume<D> {
    /// The volume as it is now, to be read.
    pub fn view(&self) -> View<'_, D> {
        let Seen { tree, pin, .. } = self.seen.borrow().clone();
        View { store: &self.store, secret: self.secret, tree, _pin: pin }
    }

    /// Keeps at most so many bytes of what was read or written lately; 2 MiB are the least, 16 MiB
    /// the most if this is not called.
    pub fn limit_cache(&self, bytes: usize) {
        self.store.cache.borrow_mut().limit(bytes);
    }

    /// How many bytes are kept of what was read or written lately.
    pub fn cached(&self) -> usize {
        self.store.cache.borrow().bytes()
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
        self.seen.borrow().statistics
    }

    /// Waits for a turn at changing.
    pub(crate) async fn turn(&self) -> Turn<'_, D> {
        Turn { volume: self, state: self.state.lock().await }
    }

    fn writable(&self) -> Result<()> {
        match (self.stopped.get(), self.mode, self.store.device.facts().access) {
            (true, ..) => Err(Error::Stopped),
            (_, Mode::Write, Access::ReadWrite) => Ok(()),
            _ => Err(Error::ReadOnly),
        }
    }
}

impl<'v, D: BlockDevice> Turn<'v, D> {
    /// The volume as it is now, to be read.
    fn view(&self) -> View<'v, D> {
        let (tree, pin) = (self.state.tree.clone(), self.state.space.pin());
        View { store: &self.volume.store, secret: self.volume.secret, tree, _pin: pin }
    }

    /// A copy to be changed.
    pub(crate) fn change(&self) -> Change<'v, D> {
        let (next, files) = (self.state.next, self.state.files);
        Change { view: self.view(), next, files, freed: Vec::new() }
    }

    /// From now on the volume is as a change made it.
    pub(crate) fn adopt(&mut self, done: Done) {
        let state = &mut *self.state;
        (state.tree, state.next, state.files) = (done.tree, done.next, done.files);
        done.freed.iter().for_each(|ptr| state.free(ptr));
    }
}

impl State {
    fn seen(&self, area: &Range<u64>) -> Seen {
        let (free, _) = self.space.usable();
        let blocks = area.end.saturating_sub(area.start);
        let available = self.available().saturating_sub(reserve(area));
        let held = self.space.held();
        let statistics = Statistics { blocks, free, available, held, files: self.files };
        let snapshots = self.snapshots.clone();
        Seen { tree: self.tree.clone(), pin: self.space.pin(), statistics, snapshots }
    }

    /// Frees what the volume does not need any more, for the last snapshot if it needs it.
    fn free(&mut self, ptr: &Ptr) {
        if self.snapshots.last().is_some_and(|last| ptr.birth <= last.txg) {
            self.dead.extend(ptr.runs().map(|run| Dead { run, birth: ptr.birth }));
        } else {
            self.space.hold_all(ptr);
        }
    }

    /// Blocks that the open transaction will write of the tree, at most.
    fn dirty(&self) -> u64 {
        let (nodes, records) = self.tree.dirty();
        let copies = self.space.copies();
        nodes.saturating_mul(NODE_BLOCKS).saturating_mul(copies).saturating_add(records)
    }

    /// Blocks in whole groups that the next commit will not need.
    fn available(&self) -> u64 {
        let (_, whole) = self.space.usable();
        let lists = snapshot::nodes(self.dead.len()).saturating_mul(NODE_BLOCKS);
        let lists = lists.saturating_mul(self.space.copies());
        whole.saturating_sub(self.dirty()).saturating_sub(self.space.need()).saturating_sub(lists)
    }
}

/// Blocks kept for deleting and committing: a 64th, 4 MiB to 4 GiB.
fn reserve(area: &Range<u64>) -> u64 {
    area.end.saturating_sub(area.start).div_euclid(64).clamp(1 << 10, 1 << 20)
}
