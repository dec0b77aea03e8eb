//! Making a volume, and mounting it: the newest superblock that leads to something, and the log
//! behind it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use super::log::{Found, Log};
use super::{Ending, Entry, Mode, State, Turn, VOLUME, Volume, read_log, snapshots};
use crate::BLOCK;
use crate::change::ROOT;
use crate::device::{self, Access, BlockDevice};
use crate::error::{Error, Failure, Flaw, Result};
use crate::format::{Class, Places, Ptr, RING, RING_A, Super, ring_b};
use crate::lock::Lock;
use crate::num::size;
use crate::space::Space;
use crate::store::Store;
use crate::tree::Tree;

/// No volume has fewer blocks: 16 MiB.
const BLOCKS_MIN: u64 = 4096;

/// No volume has more blocks.
const BLOCKS_MAX: u64 = 1 << 48;

/// How many superblocks are tried.
const GENERATIONS: usize = 3;

/// What a new volume begins with. Both secrets come from whoever has randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Which volume it is; no two are the same.
    pub uuid: [u8; 16],
    /// Key of the hash of names, so that no one can make names that collide.
    pub secret: [u8; 16],
    /// Permission bits of the root directory.
    pub mode: u16,
    /// Now, in nanoseconds since 1970.
    pub time: i64,
}

fn check(device: &impl BlockDevice) -> Result<u64> {
    let facts = device.facts();
    let sound = usize::try_from(facts.logical_block).is_ok_and(|bytes| bytes <= BLOCK)
        && (BLOCKS_MIN..=BLOCKS_MAX).contains(&facts.blocks)
        && u64::from(facts.max_transfer) >= 1;
    if sound { Ok(facts.blocks) } else { Err(Error::Device(Failure::Refused)) }
}

/// Makes an empty volume on a device. Whatever was there is lost.
///
/// # Errors
///
/// The device's, or `ReadOnly`; a device that is too small, or has too large blocks, is refused.
pub async fn format<D: BlockDevice>(device: D, how: &Format) -> Result<()> {
    let blocks = check(&device)?;
    if device.facts().access == Access::ReadOnly {
        return Err(Error::ReadOnly);
    }
    let nothing = alloc::vec![0; BLOCK];
    let mut writer = device::Writer::new(&device);
    for ring in [RING_A, ring_b(blocks)] {
        for slot in 0..RING {
            writer.write(ring.saturating_add(slot), &nothing).await;
        }
    }
    writer.finish().await?;
    device::flush(&device).await?;
    let root = Super {
        uuid: how.uuid,
        secret: how.secret,
        txg: 0,
        time: how.time,
        blocks,
        root: Ptr::to(0, Class::Node, 0, Places::default(), &[0; BLOCK]),
        level: 0,
        clean: true,
        read_only: 0,
        log: 0,
    };
    let store = Store::new(device, &root);
    let space = Space::new(store.area.clone());
    let tree = Tree::new(VOLUME);
    let entry = Entry { next: ROOT, ..Entry::new(root.root, 0) };
    let volume = Volume::new(store, &root, space, tree, &entry);
    let mut turn = volume.turn().await;
    let mut change = turn.change();
    change.found(how.mode, how.time).await?;
    turn.adopt(change.done());
    drop(turn);
    volume.end_transaction(how.time, Ending::Clean).await
}

/// Mounts the volume on a device. The log is done again; with [`Mode::Write`], files that lost
/// their names and were open go, and a new transaction begins.
///
/// # Errors
///
/// `NotOurs`, `Newer`, `ReadOnly`, what cannot be read, or the device's.
pub async fn mount<D: BlockDevice>(device: D, mode: Mode) -> Result<Volume<D>> {
    check(&device)?;
    let supers = supers(&device).await?;
    let mut passed = Vec::new();
    let mut device = device;
    for (at, root) in supers.iter().enumerate().take(GENERATIONS) {
        let store = Store::new(device, root);
        let older = supers.get(at.saturating_add(1)..).unwrap_or_default();
        match open(&store, root, older.get(..2).unwrap_or(older)).await {
            Ok((space, tree, entry)) => {
                let mut volume = Volume::new(store, root, space, tree, &entry);
                (volume.mode, volume.passed) = (mode, passed);
                return volume.begin().await;
            }
            Err(Error::Corrupt(fault)) => passed.push(fault),
            Err(error) => return Err(error),
        }
        device = store.device;
    }
    Err(passed.first().copied().map_or(Error::NotOurs, Error::Corrupt))
}

/// What a superblock leads to, if it can be read.
async fn open<D: BlockDevice>(
    store: &Store<D>,
    root: &Super,
    older: &[Super],
) -> Result<(Space, Tree, Entry)> {
    let space = Space::open(store, root, older).await?;
    let entry = Entry::read(store, &space.pool).await?;
    let tree = Tree::open(entry.root, entry.level, VOLUME)?;
    tree.get(store, crate::change::orphan(0)).await?;
    Ok((space, tree, entry))
}

/// All superblocks of the volume on a device, the newest first.
pub(crate) async fn supers<D: BlockDevice>(device: &D) -> Result<Vec<Super>> {
    let blocks = device.facts().blocks;
    let mut found: BTreeMap<u64, Super> = BTreeMap::new();
    ring(device, RING_A, &mut found).await?;
    // The device may have grown since: the second ring is where the first says.
    let end = newest(&found).map_or(blocks, |root| root.blocks.min(blocks));
    ring(device, ring_b(end), &mut found).await?;
    let Some(newest) = newest(&found).copied() else { return Err(Error::NotOurs) };
    let same = |root: &Super| {
        root.uuid == newest.uuid
            && root.blocks == newest.blocks
            && (BLOCKS_MIN..=blocks).contains(&root.blocks)
    };
    let supers: Vec<Super> = found.into_values().rev().filter(same).collect();
    if supers.is_empty() { Err(Error::NotOurs) } else { Ok(supers) }
}

/// The newest of these.
fn newest(found: &BTreeMap<u64, Super>) -> Option<&Super> {
    found.last_key_value().map(|(_, root)| root)
}

/// Adds the superblocks of a ring. One that cannot be read at all is left to the other.
async fn ring<D: BlockDevice>(
    device: &D,
    first: u64,
    found: &mut BTreeMap<u64, Super>,
) -> Result<()> {
    let most = u64::from(device.facts().max_transfer).clamp(1, RING);
    let mut slot = 0_u64;
    while slot < RING {
        let count = most.min(RING.saturating_sub(slot));
        let bytes = match device::read(device, first.saturating_add(slot), count).await {
            Ok(bytes) => bytes,
            Err(Error::Device(Failure::Io)) => alloc::vec![0; size(count).saturating_mul(BLOCK)],
            Err(error) => return Err(error),
        };
        for (at, block) in (slot..).zip(bytes.chunks(BLOCK)) {
            match Super::decode(block) {
                Ok(root) if root.txg.rem_euclid(RING) == at => {
                    found.insert(root.txg, root);
                }
                Err(Error::Newer) => return Err(Error::Newer),
                Ok(_) | Err(_) => {}
            }
        }
        slot = slot.saturating_add(count);
    }
    Ok(())
}

impl<D: BlockDevice> Volume<D> {
    /// A volume that nothing was done to yet.
    pub(super) fn new(
        store: Store<D>,
        root: &Super,
        space: Space,
        tree: Tree,
        entry: &Entry,
    ) -> Self {
        let (secret, log, open) = (root.secret, Log::default(), BTreeMap::new());
        let (root, next, files) = (*root, entry.next, entry.files);
        let (snapshots, dead) = (Vec::new(), Vec::new());
        let state = State { root, space, tree, next, files, log, open, snapshots, dead };
        Self {
            mode: Mode::Write,
            secret,
            passed: Vec::new(),
            medium: Lock::new(true),
            seen: RefCell::new(state.seen(&store.area)),
            state: Lock::new(state),
            stopped: Cell::new(false),
            store,
        }
    }

    /// Does the log again, and begins a transaction.
    async fn begin(self) -> Result<Self> {
        let mut turn = self.turn().await;
        if self.mode == Mode::Write {
            if !turn.state.root.is_writable() {
                return Err(Error::ReadOnly);
            }
            self.writable()?;
            self.store.heals.set(true);
        }
        turn.state.snapshots = snapshots(&self.store, &turn.state.space.pool).await?;
        // Nothing of the open transaction is on the medium but what the log names.
        self.store.advance(turn.state.root.txg.saturating_add(1));
        let found = read_log(&self.store, &turn.state.root).await?;
        found.claim(&self.store, &mut turn.state.space).await?;
        turn.replay(&found).await?;
        drop(turn);
        if self.mode == Mode::Write {
            self.erase_orphans().await?;
            self.end_transaction(0, Ending::More).await?;
        }
        Ok(self)
    }
}

impl<D: BlockDevice> Turn<'_, D> {
    async fn replay(&mut self, found: &Found) -> Result<()> {
        for record in &found.records {
            let mut change = self.change();
            match change.apply(&record.op, record.time).await {
                Ok(_) => self.adopt(change.done()),
                Err(error @ (Error::Device(_) | Error::Corrupt(_))) => return Err(error),
                // It worked when it was logged.
                Err(_) => return Err(Flaw::Sum.at(self.state.root.log)),
            }
        }
        Ok(())
    }
}
