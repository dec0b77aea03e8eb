//! Which blocks may be written. A block that was freed is used again only when no superblock of
//! the last three leads to it.
//!
//! ```text
//!   on disk: set = reachable from this superblock       in memory: set = that, or held
//!
//!   free in txg t ─▶ now ─ commit of t ─▶ held ─ commits of t+1, t+2 ─▶ usable
//! ```
//!
//! A view pins the transaction in which it was taken: what that frees, and what later ones free,
//! is held for as long.
//!
//! The maps are found through the pool tree, which itself needs blocks: a commit first gives
//! places to all maps and nodes that it will write, until no more are needed, and only then
//! writes what the maps are.

mod commit;
mod region;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use crate::device::BlockDevice;
use crate::error::{Error, Flaw, Result};
use crate::format::{Bytes, Class, Key, Places, Ptr, Super, Tag, Value, copies};
use crate::store::Store;
use crate::tree::{Run, Tree};

pub(crate) use region::{GROUP, REGION, Region};

/// The cursors.
const TREES: usize = 0;
pub(crate) const DATA: usize = 1;
const SECOND: usize = 2;

/// The owner of the pool tree.
pub(crate) const POOL: u32 = 0;

/// The space of a device.
#[derive(Debug)]
pub(crate) struct Space {
    /// Regions and volumes.
    pub(crate) pool: Tree,
    /// Where data may be.
    area: Range<u64>,
    regions: BTreeMap<u64, Region>,
    /// What the open transaction frees, and what the ones before it did, the newest first.
    now: Freed,
    held: VecDeque<Freed>,
    /// Blocks, and whole groups, that may be used.
    free: u64,
    whole: u64,
    /// Where the next search begins: for trees, for data, for second copies of trees.
    cursors: [u64; 3],
}

/// What one transaction freed.
#[derive(Debug, Default)]
struct Freed {
    runs: Vec<Run>,
    /// The views that were taken while it was open have this too.
    pin: Arc<()>,
}

/// What the pool tree says of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) free: u32,
    pub(crate) whole: u32,
    pub(crate) map: Ptr,
}

impl Entry {
    /// Reads one.
    pub(crate) fn decode(value: &Value) -> Result<Self> {
        let Value::Bytes(bytes) = value else { return Err(Flaw::Role.at(0)) };
        let mut rest = Bytes(bytes);
        let mut word = || rest.word().map_err(|flaw| flaw.at(0));
        let (free, whole) = (word()?, word()?);
        let map = Ptr::parse(rest.0, Class::Map)?;
        if map.blocks == 1 {
            Ok(Self { free, whole, map })
        } else {
            Err(Flaw::Length.at(map.block))
        }
    }

    fn encode(&self) -> Value {
        use zerocopy::IntoBytes as _;
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&self.free.to_le_bytes());
        bytes.extend_from_slice(&self.whole.to_le_bytes());
        bytes.extend_from_slice(self.map.raw().as_bytes());
        Value::Bytes(bytes.into())
    }
}

/// The key of a region.
const fn key(region: u64) -> Key {
    Key::new(region, Tag::Region, 0)
}

/// Behind the key of the last region; snapshots come there.
pub(crate) const REGIONS_END: Key = Key::new(1 << 48, Tag::Region, 0);

/// Where the map is, if this is the item of a region.
pub(crate) fn map_of(key: &Key, value: &Value) -> Option<Ptr> {
    let entry = (key.tag == Tag::Region).then(|| Entry::decode(value))?;
    entry.ok().map(|entry| entry.map)
}

/// A region of which no block was ever used.
pub(crate) fn untouched(area: &Range<u64>, region: u64) -> Region {
    let base = region.saturating_mul(REGION);
    Region::new(area.start.saturating_sub(base)..area.end.saturating_sub(base).min(REGION))
}

/// The bits of a region as a pool tree tells.
pub(crate) async fn read_map<D: BlockDevice>(
    store: &Store<D>,
    pool: &Tree,
    region: u64,
) -> Result<Region> {
    let Some(value) = pool.get(store, key(region)).await? else {
        return Ok(untouched(&store.area, region));
    };
    let entry = Entry::decode(&value)?;
    let map = Region::decode(&store.content(&entry.map).await?);
    let map = map.map_err(|flaw| flaw.at(entry.map.block))?;
    let system = untouched(&store.area, region);
    let counted = map.free == u64::from(entry.free) && map.whole == u64::from(entry.whole);
    if counted && system.free.saturating_sub(map.free) <= system.free {
        Ok(map)
    } else {
        Err(Flaw::Sum.at(entry.map.block))
    }
}

impl Space {
    /// The space of an empty volume.
    pub(crate) fn new(area: Range<u64>) -> Self {
        let pool = Tree::new(POOL);
        let middle = area.start.midpoint(area.end);
        let cursors = [area.start, area.start, middle];
        let mut space = Self {
            pool,
            regions: BTreeMap::new(),
            now: Freed::default(),
            held: VecDeque::new(),
            free: 0,
            whole: 0,
            cursors,
            area,
        };
        for region in space.numbers() {
            space.count(&untouched(&space.area, region));
        }
        space
    }

    fn numbers(&self) -> Range<u64> {
        0..self.area.end.div_ceil(REGION)
    }

    fn count(&mut self, region: &Region) {
        self.free = self.free.saturating_add(region.free);
        self.whole = self.whole.saturating_add(region.whole);
    }

    /// The space that the superblock `root` tells, without what the `older` ones lead to.
    pub(crate) async fn open<D: BlockDevice>(
        store: &Store<D>,
        root: &Super,
        older: &[Super],
    ) -> Result<Self> {
        let mut space = Self::new(store.area.clone());
        space.pool = Tree::open(root.root, root.level, POOL)?;
        let entries = space.pool.range(store, Key::MIN, REGIONS_END, usize::MAX).await?;
        for (key, value) in entries {
            if key.tag != Tag::Region {
                continue;
            }
            let entry = Entry::decode(&value)?;
            let fresh = untouched(&space.area, key.object);
            if !space.numbers().contains(&key.object) || u64::from(entry.free) > fresh.free {
                return Err(Flaw::Value.at(entry.map.block));
            }
            let (free, whole) = (u64::from(entry.free), u64::from(entry.whole));
            space.free = space.free.saturating_sub(fresh.free).saturating_add(free);
            space.whole = space.whole.saturating_sub(fresh.whole).saturating_add(whole);
            if entry.map.birth.saturating_add(2) > root.txg {
                space.open_recent(store, key.object, older).await?;
            }
        }
        Ok(space)
    }

    /// Loads a region that may have changed since the older superblocks.
    async fn open_recent<D: BlockDevice>(
        &mut self,
        store: &Store<D>,
        number: u64,
        older: &[Super],
    ) -> Result<()> {
        self.load(store, number).await?;
        for root in older {
            let Ok(pool) = Tree::open(root.root, root.level, POOL) else { continue };
            // What cannot be read needs no protection: that superblock is lost already.
            let Ok(map) = read_map(store, &pool, number).await else { continue };
            let base = number.saturating_mul(REGION);
            self.change(number, |region| region.absorb(&map)).into_iter().for_each(|new| {
                self.hold((base.saturating_add(new), 1));
            });
        }
        Ok(())
    }

    async fn load<D: BlockDevice>(&mut self, store: &Store<D>, number: u64) -> Result<()> {
        if !self.regions.contains_key(&number) {
            let region = read_map(store, &self.pool, number).await?;
            self.regions.insert(number, region);
        }
        Ok(())
    }

    /// Changes a loaded region and keeps the sums.
    fn change<T: Default>(&mut self, number: u64, how: impl FnOnce(&mut Region) -> T) -> T {
        let Some(region) = self.regions.get_mut(&number) else { return T::default() };
        let (free, whole) = (region.free, region.whole);
        let result = how(region);
        self.free = self.free.saturating_add(region.free).saturating_sub(free);
        self.whole = self.whole.saturating_add(region.whole).saturating_sub(whole);
        result
    }

    /// Blocks that may be used, and how many of them are in whole groups.
    pub(crate) const fn usable(&self) -> (u64, u64) {
        (self.free, self.whole.saturating_mul(GROUP))
    }

    /// How many copies there are of nodes and maps.
    pub(crate) const fn copies(&self) -> u64 {
        copies(&self.area)
    }

    /// What is not to be used, and no map on disk has.
    fn all_held(&self) -> impl Iterator<Item = &Run> {
        self.held.iter().chain([&self.now]).flat_map(|freed| &freed.runs)
    }

    /// Blocks that commits will make usable.
    pub(crate) fn held(&self) -> u64 {
        self.all_held().map(|run| run.1).fold(0, u64::saturating_add)
    }

    /// What keeps everything that can be reached now.
    pub(crate) fn pin(&self) -> Arc<()> {
        Arc::clone(&self.now.pin)
    }

    /// Takes so many blocks in a row for each copy that the class has.
    ///
    /// # Errors
    ///
    /// `NoSpace`, or a map that cannot be read.
    pub(crate) async fn places<D: BlockDevice>(
        &mut self,
        store: &Store<D>,
        blocks: u64,
        class: Class,
    ) -> Result<Places> {
        if class == Class::Data {
            let block = self.take(store, blocks, DATA).await?;
            return Ok(Places { block, second: 0 });
        }
        let block = self.take(store, blocks, TREES).await?;
        let copied = copies(&self.area) > 1;
        let second = if copied { self.take(store, blocks, SECOND).await? } else { 0 };
        Ok(Places { block, second })
    }

    /// Takes so many blocks in a row, near the cursor of this number.
    pub(crate) async fn take<D: BlockDevice>(
        &mut self,
        store: &Store<D>,
        blocks: u64,
        which: usize,
    ) -> Result<u64> {
        let cursor = self.cursors.get(which).copied().unwrap_or(self.area.start);
        let first = cursor.div_euclid(REGION);
        // A second copy is not put into a gap, which may be beside the first.
        if blocks < GROUP && which != SECOND {
            let part =
                |(number, region): (&u64, &Region)| Some((*number, region.find_part(blocks)?));
            if let Some((number, at)) = self.regions.iter().find_map(part) {
                return self.took(number, at, blocks);
            }
        }
        let groups = blocks.div_ceil(GROUP);
        let count = self.numbers().end;
        // The first region is looked at twice: from the cursor on, and as a whole at the end.
        for step in 0..=count {
            let number = first.saturating_add(step).rem_euclid(count.max(1));
            self.load(store, number).await?;
            let from = if step == 0 { cursor.rem_euclid(REGION) } else { 0 };
            let found =
                self.regions.get(&number).and_then(|region| region.find_whole(from, groups));
            if let Some(at) = found {
                let block = self.took(number, at, blocks)?;
                let next = block.saturating_add(blocks);
                self.cursors.get_mut(which).into_iter().for_each(|cursor| *cursor = next);
                return Ok(block);
            }
        }
        Err(Error::NoSpace)
    }

    fn took(&mut self, number: u64, at: u64, blocks: u64) -> Result<u64> {
        let block = number.saturating_mul(REGION).saturating_add(at);
        self.mark((block, blocks), true)?;
        Ok(block)
    }

    /// Takes exactly these blocks, which must be free.
    pub(crate) async fn claim<D: BlockDevice>(&mut self, store: &Store<D>, run: Run) -> Result<()> {
        if run.0 < self.area.start || run.0.saturating_add(run.1) > self.area.end {
            return Err(Flaw::Address.at(run.0));
        }
        for number in regions(run) {
            self.load(store, number).await?;
        }
        self.mark(run, true)
    }

    /// Sets or clears bits in loaded regions; all of them must be the other way.
    #[expect(clippy::fn_params_excessive_bools, reason = "a bit")]
    fn mark(&mut self, run: Run, set: bool) -> Result<()> {
        for (number, at, count) in pieces(run) {
            let region = self.regions.get(&number);
            if !region.is_some_and(|region| region.all(at, count, !set)) {
                return Err(Flaw::Sum.at(run.0));
            }
            self.change(number, |region| {
                region.set(at, count, set);
                region.changed |= set;
            });
        }
        Ok(())
    }

    /// Frees what a superblock may lead to, or a log.
    pub(crate) fn hold(&mut self, run: Run) {
        match self.now.runs.last_mut() {
            Some((first, count)) if first.saturating_add(*count) == run.0 => {
                *count = count.saturating_add(run.1);
            }
            _ => self.now.runs.push(run),
        }
    }

    /// Frees all copies of what a superblock may lead to.
    pub(crate) fn hold_all(&mut self, ptr: &Ptr) {
        ptr.runs().for_each(|run| self.hold(run));
    }

    /// Frees what was taken and never led to.
    pub(crate) fn give_back(&mut self, run: Run) -> Result<()> {
        self.mark(run, false)
    }
}

/// The regions in which a run lies.
fn regions(run: Run) -> Range<u64> {
    run.0.div_euclid(REGION)..run.0.saturating_add(run.1).div_ceil(REGION)
}

/// The pieces of a run: region, first block in it, count.
pub(crate) fn pieces(run: Run) -> impl Iterator<Item = (u64, u64, u64)> {
    regions(run).map(move |number| {
        let base = number.saturating_mul(REGION);
        let end = run.0.saturating_add(run.1).saturating_sub(base).min(REGION);
        let from = run.0.saturating_sub(base);
        (number, from, end.saturating_sub(from))
    })
}
