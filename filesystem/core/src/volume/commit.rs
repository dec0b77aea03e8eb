//! Ending a transaction: write, flush, and only then two superblocks.

use alloc::vec::Vec;

use super::log::Log;
use super::{Entry, Volume};
use crate::device::{self, BlockDevice};
use crate::error::{Error, Flaw, Result};
use crate::format::{Ptr, RING, RING_A, Super, ring_b};
use crate::tree::{Run, Tree, Written};

impl<D: BlockDevice> Volume<D> {
    /// Makes everything last, and ends the transaction; `time` is noted, 0: as before.
    ///
    /// # Errors
    ///
    /// The device's, or what cannot be read; then nothing is changed any more until the next
    /// mount.
    pub async fn commit(&mut self, time: i64) -> Result<()> {
        self.writable()?;
        let result = self.end_transaction(time, Ending::More).await;
        self.stopped |= result.is_err();
        result
    }

    /// Makes everything last and gives the device back. Files without a name are gone then.
    ///
    /// # Errors
    ///
    /// As [`Volume::commit`], and `Stopped`: what was not made to last is lost.
    pub async fn unmount(mut self, time: i64) -> Result<D> {
        match self.writable() {
            Ok(()) => {
                self.erase_orphans().await?;
                self.end_transaction(time, Ending::Clean).await?;
            }
            Err(Error::ReadOnly) => {}
            Err(error) => return Err(error),
        }
        Ok(self.store.device)
    }

    pub(super) async fn end_transaction(&mut self, time: i64, ending: Ending) -> Result<()> {
        let txg = self.root.txg.checked_add(1).ok_or(Flaw::Value.at(0))?;
        // Records of the transaction that comes are written before it ends.
        self.store.advance(txg.saturating_add(1));
        let mut tree = self.tree.clone();
        let mut written = Written::default();
        let mut places = Vec::new();
        for (class, blocks) in tree.sizes() {
            places.push(self.space.take(&self.store, blocks, class).await?);
        }
        tree.settle(&places, self.store.seed, txg, &mut written)?;
        let (root, level) = self.enter_volume(&tree, txg, &mut written).await?;
        let place = match ending {
            Ending::Clean => None,
            Ending::More => self.next_log().await?,
        };
        let root = Super {
            txg,
            time: if time == 0 { self.root.time } else { time },
            root,
            level,
            clean: ending == Ending::Clean,
            log: place.map_or(0, |place| place.0),
            ..self.root
        };
        self.write_all(&written, &root).await?;
        for (ptr, node) in &written.nodes {
            self.store.keep(ptr, node);
        }
        (self.root, self.tree) = (root, tree);
        self.log = Log { place: place.unwrap_or_default(), sum: root.sum(), ..Log::default() };
        for run in merged(self.space.rotate()?) {
            device::discard(&self.store.device, run.0, run.1).await?;
        }
        // Held from here on: it is in use for as long as a superblock leads to it.
        place.into_iter().for_each(|run| self.space.hold(run));
        Ok(())
    }

    /// Tells the pool tree of the volume's new root, and gives that tree its places.
    async fn enter_volume(
        &mut self,
        tree: &Tree,
        txg: u64,
        written: &mut Written,
    ) -> Result<(Ptr, u8)> {
        let (root, level) = tree.root().ok_or(Flaw::Missing.at(txg))?;
        let entry = Entry { root, level, next: self.next, files: self.files };
        let mut freed = Vec::new();
        self.space.pool.insert(&self.store, &mut freed, Entry::KEY, entry.encode()).await?;
        freed.into_iter().for_each(|run| self.space.hold(run));
        self.space.commit(&self.store, txg, written).await
    }

    /// Takes the first place of the next log; without one, `fsync` commits.
    async fn next_log(&mut self) -> Result<Option<Run>> {
        match self.take_log_place().await {
            Ok(place) => Ok(Some(place)),
            Err(Error::NoSpace) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn write_all(&self, written: &Written, root: &Super) -> Result<()> {
        let device = &self.store.device;
        let mut writer = device::Writer::new(device);
        for (block, content) in &written.content {
            writer.write(*block, content).await;
        }
        writer.finish().await?;
        device::flush(device).await?;
        let slot = root.txg.rem_euclid(RING);
        for ring in [RING_A, ring_b(root.blocks)] {
            device::write_durably(device, ring.saturating_add(slot), root.encode()).await?;
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

/// What comes behind a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Others.
    More,
    /// Nothing.
    Clean,
}
