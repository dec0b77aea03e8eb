//! Writing the maps, and the pool tree that leads to them.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Entry, Region, Space, key, pieces, regions};
use crate::device::BlockDevice;
use crate::error::{Flaw, Result};
use crate::format::{Class, NODE_BLOCKS, Places, Ptr, copies};
use crate::num::wide;
use crate::store::Store;
use crate::tree::{Run, Written};

/// How many transactions before the last one can still be mounted.
const GENERATIONS: usize = 2;

impl Space {
    /// How many blocks the next commit may need for maps and the pool tree.
    pub(crate) fn need(&self) -> u64 {
        let touched = wide(self.regions.len()).saturating_add(wide(self.now.runs.len()));
        let maps = touched.min(self.numbers().end);
        let growth = self.pool.growth().saturating_add(self.pool.dirty().0);
        let nodes = maps.saturating_mul(2).saturating_add(growth);
        nodes.saturating_mul(NODE_BLOCKS).saturating_mul(copies(&self.area))
    }

    /// Gives places to the changed maps and the pool tree; nothing may be freed behind that.
    pub(crate) async fn commit<D: BlockDevice>(
        &mut self,
        store: &Store<D>,
        txg: u64,
        written: &mut Written,
    ) -> Result<(Ptr, u8)> {
        let mut maps: BTreeMap<u64, Places> = BTreeMap::new();
        let mut nodes: Vec<Places> = Vec::new();
        let mut seen = 0;
        loop {
            seen = self.touch_freed(store, seen).await?;
            let changed = self.regions.iter().filter(|(_, region)| region.changed);
            let fresh: Vec<u64> = changed
                .map(|(number, _)| *number)
                .filter(|number| !maps.contains_key(number))
                .collect();
            if fresh.is_empty() && nodes.len() == self.pool.sizes().len() {
                break;
            }
            for number in fresh {
                let at = self.places(store, 1, Class::Map).await?;
                maps.insert(number, at);
                let map = Ptr::to(store.seed, Class::Map, txg, at, &[]);
                self.enter(store, number, Entry { free: 0, whole: 0, map }).await?;
            }
            while nodes.len() < self.pool.sizes().len() {
                nodes.push(self.places(store, NODE_BLOCKS, Class::Node).await?);
            }
        }
        for (number, content) in self.contents(&maps) {
            let at = maps.get(&number).copied().unwrap_or_default();
            let bytes: Arc<[u8]> = content.encode().into();
            let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
            let map = Ptr::to(store.seed, Class::Map, txg, at, &bytes);
            let entry = Entry { free: count(content.free), whole: count(content.whole), map };
            // Its node is a changed one already, and the size is the same: nothing is freed.
            self.pool.insert(store, &mut Vec::new(), key(number), entry.encode()).await?;
            written.add(&map, &bytes);
        }
        self.pool.settle(&nodes, store.seed, txg, written)?;
        self.regions.values_mut().for_each(|region| region.changed = false);
        self.pool.root().ok_or(Flaw::Missing.at(txg))
    }

    /// Marks the regions as changed in which blocks were freed, from the run with this index on.
    async fn touch_freed<D: BlockDevice>(
        &mut self,
        store: &Store<D>,
        seen: usize,
    ) -> Result<usize> {
        let now = &self.now.runs;
        let fresh: Vec<Run> = now.get(seen.saturating_sub(1)..).unwrap_or_default().to_vec();
        let count = now.len();
        for number in fresh.into_iter().flat_map(regions) {
            self.load(store, number).await?;
            self.change(number, |region| region.changed = true);
        }
        Ok(count)
    }

    /// Sets the entry of a region, and frees the map before it and the nodes on the way.
    async fn enter<D: BlockDevice>(
        &mut self,
        store: &Store<D>,
        number: u64,
        entry: Entry,
    ) -> Result<()> {
        let mut freed = Vec::new();
        let old = self.pool.insert(store, &mut freed, key(number), entry.encode()).await?;
        if let Some(old) = old {
            let map = Entry::decode(&old)?.map;
            freed.push(map);
        }
        freed.iter().for_each(|ptr| self.hold_all(ptr));
        Ok(())
    }

    /// The changed regions as they are on disk: without what is held.
    fn contents(&self, changed: &BTreeMap<u64, Places>) -> BTreeMap<u64, Region> {
        let of = |number: &u64| Some((*number, self.regions.get(number)?.clone()));
        let mut contents: BTreeMap<u64, Region> = changed.keys().filter_map(of).collect();
        for (number, at, count) in self.all_held().flat_map(|run| pieces(*run)) {
            if let Some(region) = contents.get_mut(&number) {
                region.set(at, count, false);
            }
        }
        contents
    }

    /// The open transaction ends, and the next one is open.
    pub(crate) fn rotate(&mut self) {
        let ended = core::mem::take(&mut self.now);
        self.held.push_front(ended);
    }

    /// How many transactions there are, the oldest first, of which nothing that they freed is led
    /// to by one of the last three superblocks or by a view; and what they freed.
    pub(crate) fn releasable(&self) -> (usize, Vec<Run>) {
        let old = self.held.iter().skip(GENERATIONS).rev();
        let old: Vec<_> = old.take_while(|freed| Arc::strong_count(&freed.pin) == 1).collect();
        (old.len(), merged(old.into_iter().flat_map(|freed| freed.runs.iter().copied()).collect()))
    }

    /// Makes usable what so many transactions freed, the oldest first.
    pub(crate) fn release(&mut self, transactions: usize) -> Result<()> {
        for _ in 0..transactions {
            let freed = self.held.pop_back().unwrap_or_default();
            freed.runs.into_iter().try_for_each(|run| self.mark(run, false))?;
        }
        Ok(())
    }
}

/// The same blocks in as few runs as possible.
fn merged(mut runs: Vec<Run>) -> Vec<Run> {
    runs.sort_unstable();
    let mut merged: Vec<Run> = Vec::new();
    for run in runs {
        match merged.last_mut() {
            Some((first, count)) if first.saturating_add(*count) == run.0 => {
                *count = count.saturating_add(run.1);
            }
            _ => merged.push(run),
        }
    }
    merged
}
