//! Ending a transaction: write, flush, and only then two superblocks.

use alloc::vec::Vec;

use super::log::Log;
use super::{Entry, Turn, Volume};
use crate::device::{self, BlockDevice};
use crate::error::{Error, Flaw, Result};
use crate::format::{RING, RING_A, Super, ring_b};
use crate::lock::Held;
use crate::tree::{Run, Written};

impl<D: BlockDevice> Volume<D> {
    /// Makes everything last that was done before, and ends the transaction; `time` is noted, 0:
    /// as before. While it is written, all else goes on.
    ///
    /// # Errors
    ///
    /// The device's, or what cannot be read; then nothing is changed any more until the next
    /// mount.
    pub async fn commit(&self, time: i64) -> Result<()> {
        let known = self.medium().await?;
        self.lasting(known, self.end_transaction(time, Ending::More)).await
    }

    /// Makes everything last and gives the device back. Files without a name are gone then.
    ///
    /// # Errors
    ///
    /// As [`Volume::commit`], and `Stopped`: what was not made to last is lost.
    pub async fn unmount(self, time: i64) -> Result<D> {
        match self.writable() {
            Ok(()) => {
                self.erase_orphans().await?;
                let known = self.medium().await?;
                self.lasting(known, self.end_transaction(time, Ending::Clean)).await?;
            }
            Err(Error::ReadOnly) => {}
            Err(error) => return Err(error),
        }
        Ok(self.store.device)
    }

    /// Waits until nothing else is made to last.
    pub(super) async fn medium(&self) -> Result<Held<'_, bool>> {
        self.writable()?;
        let known = self.medium.lock().await;
        self.stopped.set(self.stopped.get() || !*known);
        self.writable().map(|()| known)
    }

    /// Does what has to last. Whatever keeps it from its end, nothing is changed behind it.
    pub(super) async fn lasting(
        &self,
        mut known: Held<'_, bool>,
        what: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        *known = false;
        let result = what.await;
        *known = result.is_ok();
        self.stopped.set(result.is_err());
        result
    }

    pub(super) async fn end_transaction(&self, time: i64, ending: Ending<'_>) -> Result<()> {
        let mut turn = self.turn().await;
        let written = turn.close(time, ending).await?;
        let root = turn.state.root;
        drop(turn);
        self.write_all(&written, &root).await?;
        self.store.landed();
        let (transactions, runs) = self.turn().await.state.space.releasable();
        for (block, blocks) in runs {
            device::discard(&self.store.device, block, blocks).await?;
        }
        self.turn().await.state.space.release(transactions)
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

impl<D: BlockDevice> Turn<'_, D> {
    /// Ends the open transaction: what has to be written, behind it the superblock. The next one
    /// is open from here on; nothing of it may last before that superblock does.
    async fn close(&mut self, time: i64, ending: Ending<'_>) -> Result<Written> {
        let store = &self.volume.store;
        let txg = self.state.root.txg.checked_add(1).ok_or(Flaw::Value.at(0))?;
        // Records of the transaction that comes are written before it ends.
        store.advance(txg.saturating_add(1));
        if let Ending::RollBack(to) = ending {
            self.roll_back_to(to).await?;
        }
        let time = if time == 0 { self.state.root.time } else { time };
        let mut tree = self.state.tree.clone();
        let mut written = Written::default();
        let mut places = Vec::new();
        for (class, blocks) in tree.sizes() {
            places.push(self.state.space.places(store, blocks, class).await?);
        }
        tree.settle(&places, store.seed, txg, &mut written)?;
        let (root, level) = tree.root().ok_or(Flaw::Missing.at(txg))?;
        let (next, files) = (self.state.next, self.state.files);
        let entry = Entry { next, files, ..Entry::new(root, level) };
        self.bury(txg).await?;
        match ending {
            Ending::Keep(name) => {
                let name = name.to_vec();
                self.enter_snapshot(Entry { txg, time, name, ..entry.clone() }).await?;
            }
            Ending::Forget(old) => self.forget(old, txg).await?,
            Ending::More | Ending::Clean | Ending::RollBack(_) => {}
        }
        self.set_pool(Entry::KEY, entry.encode()).await?;
        let state = &mut *self.state;
        let (root, level) = state.space.commit(store, txg, &mut written).await?;
        let place = match ending {
            Ending::Clean => None,
            _ => self.next_log().await?,
        };
        let state = &mut *self.state;
        state.root = Super {
            txg,
            time,
            root,
            level,
            clean: ending == Ending::Clean,
            log: place.map_or(0, |place| place.0),
            ..state.root
        };
        store.takes_off(&written);
        state.tree = tree;
        let sum = state.root.sum();
        state.log = Log { place: place.unwrap_or_default(), sum, ..Log::default() };
        state.space.rotate();
        // Held from here on: it is in use for as long as a superblock leads to it.
        place.into_iter().for_each(|run| state.space.hold(run));
        Ok(written)
    }

    /// Takes the first place of the next log; without one, `fsync` commits.
    async fn next_log(&mut self) -> Result<Option<Run>> {
        match self.take_log_place().await {
            Ok(place) => Ok(Some(place)),
            Err(Error::NoSpace) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What ends a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending<'n> {
    /// Others come.
    More,
    /// Nothing comes.
    Clean,
    /// A snapshot of this name is made.
    Keep(&'n [u8]),
    /// The snapshot that this transaction made goes.
    Forget(u64),
    /// All is as in the snapshot that this transaction made.
    RollBack(u64),
}
