//! Snapshots: the volume as it was, kept for as long as one wants. No block counts who needs it:
//!
//! ```text
//!      snapshot a          snapshot b             now
//!  ────────┴───────────────────┴───────────────────▶
//!          dead of a           dead of b
//!          born before a,      born before b,
//!          not in b            not in what is now
//! ```
//!
//! What is freed goes to the dead of the last snapshot if it was born before that, else it is
//! free. When b goes, what of its dead was born after a is free, and the rest is dead of a.

use alloc::vec::Vec;

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::commit::Ending;
use super::{Turn, VOLUME, Volume};
use crate::NAME_MAX;
use crate::device::BlockDevice;
use crate::error::{Error, Flaw, Result};
use crate::format::{Bytes, Class, Key, Ptr, RawPtr, Tag, VALUE_MAX, Value, is_name};
use crate::num::wide;
use crate::store::Store;
use crate::tree::{Run, Tree};
use crate::view::View;

/// The key of the snapshot of transaction `t` has this plus `t`.
pub(crate) const SNAPSHOTS: u64 = 1 << 48;

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name: what a file may be called.
    pub name: Vec<u8>,
    /// When it was made, in nanoseconds since 1970.
    pub time: i64,
    /// How many files it has.
    pub files: u64,
    /// The transaction that made it.
    pub(crate) txg: u64,
    root: Ptr,
    level: u8,
}

impl Snapshot {
    /// Its tree.
    pub(super) fn tree(&self) -> Result<Tree> {
        Tree::open(self.root, self.level, VOLUME)
    }
}

/// What the pool tree says of a volume or a snapshot.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) root: Ptr,
    pub(crate) level: u8,
    pub(crate) next: u64,
    pub(crate) files: u64,
    /// Of a snapshot: the transaction that made it, when, and its name.
    pub(crate) txg: u64,
    pub(crate) time: i64,
    pub(crate) name: Vec<u8>,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawEntry {
    root: RawPtr,
    level: u8,
    pad: [u8; 7],
    next: U64,
    files: U64,
    txg: U64,
    time: U64,
    /// Room for origin, flags, quota and what else comes.
    later: [u8; 48],
}

impl Entry {
    /// The key of the volume.
    pub(crate) const KEY: Key = Key::new(1, Tag::Volume, 0);

    /// Nothing is known but the root.
    pub(crate) const fn new(root: Ptr, level: u8) -> Self {
        Self { root, level, next: 0, files: 0, txg: 0, time: 0, name: Vec::new() }
    }

    /// Reads that of the volume from the pool tree.
    pub(crate) async fn read<D: BlockDevice>(store: &Store<D>, pool: &Tree) -> Result<Self> {
        let value = pool.get(store, Self::KEY).await?;
        Self::decode(&Self::KEY, &value.ok_or(Flaw::Missing.at(1))?)
    }

    /// Reads one.
    pub(crate) fn decode(key: &Key, value: &Value) -> Result<Self> {
        let flaw = |flaw: Flaw| flaw.at(key.object);
        let Value::Bytes(bytes) = value else { return Err(flaw(Flaw::Role)) };
        let (raw, name) = RawEntry::ref_from_prefix(bytes).map_err(|_| flaw(Flaw::Length))?;
        let root = Ptr::checked(&raw.root, Class::Node)?;
        let txg = raw.txg.get();
        let volume = *key == Self::KEY && txg == 0 && name.is_empty();
        let snapshot = txg.checked_add(SNAPSHOTS) == Some(key.object) && is_name(name);
        if !volume && !snapshot {
            return Err(flaw(Flaw::Value));
        }
        Ok(Self {
            root,
            level: raw.level,
            next: raw.next.get(),
            files: raw.files.get(),
            txg,
            time: raw.time.get().cast_signed(),
            name: name.into(),
        })
    }

    /// What is on disk for it.
    pub(super) fn encode(&self) -> Value {
        let raw = RawEntry {
            root: self.root.raw(),
            level: self.level,
            pad: [0; 7],
            next: self.next.into(),
            files: self.files.into(),
            txg: self.txg.into(),
            time: self.time.cast_unsigned().into(),
            later: [0; 48],
        };
        let mut bytes = raw.as_bytes().to_vec();
        bytes.extend_from_slice(&self.name);
        Value::Bytes(bytes.into())
    }

    fn into_snapshot(self) -> Snapshot {
        let Self { root, level, files, txg, time, name, .. } = self;
        Snapshot { name, time, files, txg, root, level }
    }
}

/// The snapshots that a pool tree tells of, the oldest first.
pub(crate) async fn snapshots<D: BlockDevice>(
    store: &Store<D>,
    pool: &Tree,
) -> Result<Vec<Snapshot>> {
    let end = Key::new(u64::MAX, Tag::Region, 0);
    let mut from = Key::new(SNAPSHOTS, Tag::Region, 0);
    let mut found = Vec::new();
    while let Some((key, value)) = pool.first(store, from, end).await? {
        if key.tag == Tag::Volume {
            found.push(Entry::decode(&key, &value)?.into_snapshot());
        }
        from = Key::new(key.object.saturating_add(1), Tag::Region, 0);
    }
    Ok(found)
}

/// Blocks that only a snapshot needs, and the transaction that wrote them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dead {
    pub(crate) run: Run,
    pub(crate) birth: u64,
}

/// Bytes of one on disk: block 48 bits, blocks - 1 in 16; birth.
const DEAD: usize = 16;

/// How many one item has.
const IN_ITEM: usize = VALUE_MAX / DEAD;

/// The most blocks of one.
const RUN_MAX: u64 = 1 << 16;

/// How many nodes a list of so many may need at most.
pub(super) fn nodes(dead: usize) -> u64 {
    match wide(dead.div_ceil(IN_ITEM)) {
        0 => 0,
        items => items.saturating_add(16),
    }
}

/// Reads an item of a dead list.
pub(crate) fn dead_list(key: &Key, value: &Value) -> Result<Vec<Dead>> {
    let flaw = |flaw: Flaw| flaw.at(key.object);
    let Value::Bytes(bytes) = value else { return Err(flaw(Flaw::Role)) };
    let mut rest = Bytes(bytes);
    let mut dead = Vec::new();
    while !rest.0.is_empty() {
        let (place, birth) = (rest.long().map_err(flaw)?, rest.long().map_err(flaw)?);
        let run = (place & 0xFFFF_FFFF_FFFF, (place >> 48).saturating_add(1));
        dead.push(Dead { run, birth });
    }
    Ok(dead)
}

/// The same blocks in as few as possible.
fn merged(mut dead: Vec<Dead>) -> Vec<Dead> {
    dead.sort_unstable_by_key(|dead| dead.run);
    dead.dedup_by(|next, last| {
        let blocks = last.run.1.saturating_add(next.run.1);
        let joins = last.run.0.saturating_add(last.run.1) == next.run.0
            && last.birth == next.birth
            && blocks <= RUN_MAX;
        last.run.1 = if joins { blocks } else { last.run.1 };
        joins
    });
    dead
}

impl<D: BlockDevice> Volume<D> {
    /// The snapshots, the oldest first.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.seen.borrow().snapshots.clone()
    }

    /// Keeps the volume as it is now, by this name. It lasts then, with all that was done before.
    ///
    /// # Errors
    ///
    /// `Exists`, `Invalid` or `NameTooLong` for the name, `NoSpace`, and as [`Volume::commit`].
    pub async fn snapshot(&self, name: &[u8], time: i64) -> Result<()> {
        if name.len() > NAME_MAX {
            return Err(Error::NameTooLong);
        }
        if !is_name(name) {
            return Err(Error::Invalid);
        }
        let known = self.medium().await?;
        match self.find(name) {
            Ok(_) => return Err(Error::Exists),
            Err(_) if self.statistics().available == 0 => return Err(Error::NoSpace),
            Err(_) => {}
        }
        self.lasting(known, self.end_transaction(time, Ending::Keep(name))).await
    }

    /// The volume as a snapshot has it, to be read.
    ///
    /// # Errors
    ///
    /// `NotFound`, or what is wrong with the snapshot.
    pub fn snapshot_view(&self, name: &[u8]) -> Result<View<'_, D>> {
        let tree = self.find(name)?.tree()?;
        Ok(View { tree, ..self.view() })
    }

    /// Lets a snapshot go: what only it needs becomes free.
    ///
    /// # Errors
    ///
    /// `NotFound`, and as [`Volume::commit`].
    pub async fn delete_snapshot(&self, name: &[u8]) -> Result<()> {
        let known = self.medium().await?;
        let txg = self.find(name)?.txg;
        self.lasting(known, self.end_transaction(0, Ending::Forget(txg))).await
    }

    /// Makes the volume what it was when this snapshot was made. The snapshot stays; those that
    /// were made after it go.
    ///
    /// # Errors
    ///
    /// `NotFound`, and as [`Volume::commit`].
    pub async fn roll_back(&self, name: &[u8], time: i64) -> Result<()> {
        let known = self.medium().await?;
        let txg = self.find(name)?.txg;
        self.lasting(known, self.end_transaction(time, Ending::RollBack(txg))).await
    }

    fn find(&self, name: &[u8]) -> Result<Snapshot> {
        let seen = self.seen.borrow();
        let found = seen.snapshots.iter().find(|snapshot| snapshot.name == name);
        found.cloned().ok_or(Error::NotFound)
    }
}

impl<D: BlockDevice> Turn<'_, D> {
    /// Sets an item of the pool tree.
    pub(super) async fn set_pool(&mut self, key: Key, value: Value) -> Result<()> {
        let (store, space) = (&self.volume.store, &mut self.state.space);
        let mut freed = Vec::new();
        space.pool.insert(store, &mut freed, key, value).await?;
        freed.iter().for_each(|ptr| space.hold_all(ptr));
        Ok(())
    }

    async fn take_pool(&mut self, key: Key) -> Result<()> {
        let (store, space) = (&self.volume.store, &mut self.state.space);
        let mut freed = Vec::new();
        space.pool.remove(store, &mut freed, key).await?;
        freed.iter().for_each(|ptr| space.hold_all(ptr));
        Ok(())
    }

    /// Enters a snapshot of what ends now.
    pub(super) async fn enter_snapshot(&mut self, entry: Entry) -> Result<()> {
        let key = Key::new(SNAPSHOTS.saturating_add(entry.txg), Tag::Volume, 0);
        self.set_pool(key, entry.encode()).await?;
        self.state.snapshots.push(entry.into_snapshot());
        Ok(())
    }

    /// Enters what this transaction does not need any more, and the last snapshot does.
    pub(super) async fn bury(&mut self, txg: u64) -> Result<()> {
        let dead = core::mem::take(&mut self.state.dead);
        match self.state.snapshots.last().map(|last| last.txg) {
            Some(last) => self.add_dead(last, txg, dead).await,
            None => Ok(()),
        }
    }

    /// Says of these blocks what need not be true.
    #[cfg(test)]
    pub(crate) fn slander(&mut self, run: Run) {
        self.state.dead.push(Dead { run, birth: 1 });
    }

    /// Adds to the dead of the snapshot `of`, in transaction `txg`.
    async fn add_dead(&mut self, of: u64, txg: u64, dead: Vec<Dead>) -> Result<()> {
        for (number, dead) in (0..).zip(merged(dead).chunks(IN_ITEM)) {
            let bytes = dead.iter().flat_map(|Dead { run, birth }| {
                let place = run.0 | run.1.saturating_sub(1) << 48;
                [place, *birth].map(u64::to_le_bytes)
            });
            let bytes: Vec<u8> = bytes.flatten().collect();
            // One transaction adds to one list once.
            let place = (txg << 20).saturating_add(number);
            let key = Key::new(SNAPSHOTS.saturating_add(of), Tag::Dead, place);
            self.set_pool(key, Value::Bytes(bytes.into())).await?;
        }
        Ok(())
    }

    /// Takes a snapshot and its dead list out of the pool tree; gives the list.
    async fn take_out(&mut self, txg: u64) -> Result<Vec<Dead>> {
        let dead = self.take_dead(txg).await?;
        self.take_pool(Key::new(SNAPSHOTS.saturating_add(txg), Tag::Volume, 0)).await?;
        self.state.snapshots.retain(|snapshot| snapshot.txg != txg);
        Ok(dead)
    }

    async fn take_dead(&mut self, txg: u64) -> Result<Vec<Dead>> {
        let object = SNAPSHOTS.saturating_add(txg);
        let (from, end) = (Key::new(object, Tag::Dead, 0), Key::new(object, Tag::Inode, 0));
        let mut dead = Vec::new();
        while let Some((key, value)) =
            self.state.space.pool.first(&self.volume.store, from, end).await?
        {
            dead.append(&mut dead_list(&key, &value)?);
            self.take_pool(key).await?;
        }
        Ok(dead)
    }

    /// Lets the snapshot `old` go, in transaction `txg`.
    pub(super) async fn forget(&mut self, old: u64, txg: u64) -> Result<()> {
        let dead = self.take_out(old).await?;
        let before = self.state.snapshots.iter().rfind(|snapshot| snapshot.txg < old);
        let before = before.map_or(0, |before| before.txg);
        let (free, kept): (Vec<Dead>, Vec<Dead>) =
            dead.into_iter().partition(|dead| dead.birth > before);
        free.into_iter().for_each(|dead| self.state.space.hold(dead.run));
        self.add_dead(before, txg, kept).await
    }

    /// Makes the volume what it was in the snapshot `to`.
    pub(super) async fn roll_back_to(&mut self, to: u64) -> Result<()> {
        let snapshot = self.state.snapshots.iter().find(|snapshot| snapshot.txg == to);
        let snapshot = snapshot.cloned().ok_or(Error::NotFound)?;
        for ptr in self.state.tree.younger(&self.volume.store, to).await? {
            self.state.space.hold_all(&ptr);
        }
        let mut dead = core::mem::take(&mut self.state.dead);
        let newer = self.state.snapshots.iter().map(|snapshot| snapshot.txg);
        for newer in newer.filter(|txg| *txg > to).collect::<Vec<u64>>() {
            dead.append(&mut self.take_out(newer).await?);
        }
        dead.append(&mut self.take_dead(to).await?);
        // What is older is in use again.
        let free = dead.into_iter().filter(|dead| dead.birth > to);
        free.for_each(|dead| self.state.space.hold(dead.run));
        self.state.tree = snapshot.tree()?;
        self.state.files = snapshot.files;
        let orphans = self.change().orphans().await?;
        let closed = |ino: &u64| !self.state.open.contains_key(ino);
        let orphans: Vec<u64> = orphans.into_iter().filter(closed).collect();
        self.erase(&orphans).await
    }
}
