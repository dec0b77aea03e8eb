//! Reading everything that has a checksum, and healing what can be healed.

use alloc::vec::Vec;

use super::{Snapshot, Volume};
use crate::device::BlockDevice;
use crate::error::{Error, Fault, Flaw, Result};
use crate::format::{Key, Node, Ptr, Value};
use crate::space;
use crate::tree::{Tree, follow};

/// What a scrub found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Blocks that were looked at, not counting second copies.
    pub blocks: u64,
    /// Copies that were damaged and are whole again.
    pub healed: u64,
    /// What is lost; at most a few thousand.
    pub lost: Vec<Fault>,
}

/// No more faults are noted.
const LOST_MAX: usize = 4096;

/// A scrub under way. It holds nothing between its steps, so it may be slow.
#[derive(Debug)]
pub struct Scrub<'v, D> {
    volume: &'v Volume<D>,
    /// What it found so far.
    pub health: Health,
    /// The first key that was not looked at; the trees come one after the other.
    next: Option<(Part, Key)>,
}

/// The trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Pool,
    Volume,
    /// The snapshot of this transaction.
    Snapshot(u64),
}

/// Where to go on with the first snapshot behind this one.
fn first_after(snapshots: &[Snapshot], txg: u64) -> Option<(Part, Key)> {
    let next = snapshots.iter().find(|snapshot| snapshot.txg > txg)?;
    Some((Part::Snapshot(next.txg), Key::MIN))
}

impl<D: BlockDevice> Volume<D> {
    /// Begins to look at everything that has a checksum.
    pub fn scrub(&self) -> Scrub<'_, D> {
        Scrub { volume: self, health: Health::default(), next: Some((Part::Pool, Key::MIN)) }
    }

    /// How many damaged copies were written again since the mount.
    pub fn healed(&self) -> u64 {
        self.store.healed.get()
    }
}

impl<D: BlockDevice> Scrub<'_, D> {
    /// Looks at one leaf and what hangs on it; false: that was the last one.
    ///
    /// # Errors
    ///
    /// The device is gone. All else is in `health`.
    pub async fn step(&mut self) -> Result<bool> {
        let Some((part, from)) = self.next else { return Ok(false) };
        // It keeps what is looked at from being used for anything else meanwhile.
        let view = self.volume.view();
        let snapshots = self.volume.snapshots();
        let of = |txg| snapshots.iter().find(|snapshot: &&Snapshot| snapshot.txg == txg);
        let tree = match part {
            Part::Pool => Some(self.volume.turn().await.state.space.pool.clone()),
            Part::Volume => Some(view.tree.clone()),
            // It may be gone.
            Part::Snapshot(txg) => of(txg).and_then(|snapshot| snapshot.tree().ok()),
        };
        let before = self.volume.healed();
        let end = match &tree {
            Some(tree) => self.leaf(tree, from).await?,
            None => None,
        };
        let healed = self.volume.healed().saturating_sub(before);
        self.health.healed = self.health.healed.saturating_add(healed);
        self.next = match (end, part) {
            (Some(key), part) => Some((part, key)),
            (None, Part::Pool) => Some((Part::Volume, Key::MIN)),
            (None, Part::Volume) => first_after(&snapshots, 0),
            (None, Part::Snapshot(txg)) => first_after(&snapshots, txg),
        };
        Ok(self.next.is_some())
    }

    /// Looks at the leaf with this key, and at those nodes above it of which it is the first; the
    /// key behind it.
    async fn leaf(&mut self, tree: &Tree, from: Key) -> Result<Option<Key>> {
        let (mut value, mut role) = tree.top();
        let mut first = from == Key::MIN;
        loop {
            if first || role.level == 0 {
                self.value(&value).await?;
            }
            let node = match follow(&self.volume.store, &value, role).await {
                Ok(node) => node,
                // What is behind it is still to be seen.
                Err(error) => {
                    self.note(error, from.object)?;
                    break;
                }
            };
            if node.level == 0 {
                self.items(&node).await?;
                break;
            }
            let at = node.child_at(&from);
            role = node.role(at, role);
            first = role.low >= from;
            let Some((_, child)) = node.items.get(at) else { break };
            value = child.clone();
        }
        Ok(role.high.filter(|high| *high > from))
    }

    async fn items(&mut self, node: &Node) -> Result<()> {
        for (key, value) in &node.items {
            match space::map_of(key, value) {
                Some(map) => self.look(&map).await?,
                None => self.value(value).await?,
            }
        }
        Ok(())
    }

    async fn value(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::Stored(ptr) => self.look(ptr).await,
            Value::Bytes(_) | Value::Record(_) | Value::Child(_) => Ok(()),
        }
    }

    async fn look(&mut self, ptr: &Ptr) -> Result<()> {
        self.health.blocks = self.health.blocks.saturating_add(ptr.blocks);
        match self.volume.store.scrub(ptr).await {
            Err(error) => self.note(error, ptr.block),
            Ok(()) => Ok(()),
        }
    }

    /// Notes what is lost; that the device is gone ends the scrub.
    fn note(&mut self, error: Error, at: u64) -> Result<()> {
        let fault = match error {
            Error::Corrupt(fault) => fault,
            _ if error.is_damage() => Fault { flaw: Flaw::Missing, at },
            _ => return Err(error),
        };
        if self.health.lost.len() < LOST_MAX && !self.health.lost.contains(&fault) {
            self.health.lost.push(fault);
        }
        Ok(())
    }
}
