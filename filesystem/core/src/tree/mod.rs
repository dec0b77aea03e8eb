//! The one copy-on-write B+tree: a value that is cheap to clone, and whose clones do not change
//! each other. An operation works on a clone; if it fails, the clone is dropped.
//!
//! ```text
//!           root ── Child(Arc) ──┬── Child(Arc): changed, its blocks will be chosen at commit
//!                                ├── Stored(ptr): as on disk
//!                                └── Stored(ptr)
//! ```

mod commit;
mod edit;

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::device::BlockDevice;
use crate::error::{Flaw, Result};
use crate::format::{Key, Node, Ptr, Value};
use crate::store::{Role, Store};

pub(crate) use commit::Written;

/// No tree is higher: it would have more items than a device has blocks.
const LEVELS: u8 = 12;

/// Blocks: the first, and how many.
pub(crate) type Run = (u64, u64);

/// A tree.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// `Stored` or `Child`.
    root: Value,
    level: u8,
    owner: u32,
    /// Nodes that were changed.
    nodes: u64,
    /// Blocks of the records that have no place on disk yet.
    records: u64,
}

impl Tree {
    /// An empty tree.
    pub(crate) fn new(owner: u32) -> Self {
        let root = Value::Child(Arc::new(Node { level: 0, items: Vec::new() }));
        Self { root, level: 0, owner, nodes: 1, records: 0 }
    }

    /// The tree with this root on disk.
    ///
    /// # Errors
    ///
    /// It is impossibly high.
    pub(crate) fn open(root: Ptr, level: u8, owner: u32) -> Result<Self> {
        if level >= LEVELS {
            return Err(Flaw::Role.at(root.block));
        }
        Ok(Self { root: Value::Stored(root), level, owner, nodes: 0, records: 0 })
    }

    /// The root on disk and its level; none if something was changed.
    pub(crate) fn root(&self) -> Option<(Ptr, u8)> {
        match self.root {
            Value::Stored(ptr) => Some((ptr, self.level)),
            _ => None,
        }
    }

    /// The root, and what it plays.
    pub(crate) fn top(&self) -> (Value, Role) {
        let role = Role { level: self.level, owner: self.owner, low: Key::MIN, high: None };
        (self.root.clone(), role)
    }

    /// Everything on disk behind it that was written after this transaction: what is older has
    /// nothing younger below it.
    pub(crate) async fn younger<D: BlockDevice>(
        &self,
        store: &Store<D>,
        txg: u64,
    ) -> Result<Vec<Ptr>> {
        let young = |value: &Value| match value {
            Value::Stored(ptr) => (ptr.birth > txg).then_some(*ptr),
            _ => None,
        };
        let older = |value: &Value| matches!(value, Value::Stored(ptr) if ptr.birth <= txg);
        let mut found = Vec::new();
        let mut todo = alloc::vec![self.top()];
        while let Some((value, role)) = todo.pop() {
            if older(&value) {
                continue;
            }
            found.extend(young(&value));
            let node = follow(store, &value, role).await?;
            if node.level == 0 {
                found.extend(node.items.iter().filter_map(|(_, value)| young(value)));
                continue;
            }
            let items = node.items.iter().enumerate();
            todo.extend(items.map(|(at, (_, value))| (value.clone(), node.role(at, role))));
        }
        Ok(found)
    }

    /// Blocks that a commit will need for it, at most so many: nodes, records.
    pub(crate) const fn dirty(&self) -> (u64, u64) {
        (self.nodes, self.records)
    }

    /// How many nodes an operation that changes one item may add: a split on each level, and a
    /// new root.
    pub(crate) fn growth(&self) -> u64 {
        u64::from(self.level).saturating_add(2).saturating_mul(2)
    }

    /// The leaf in which a key is or would be, and the first key that is beyond it.
    async fn leaf<D: BlockDevice>(
        &self,
        store: &Store<D>,
        key: Key,
    ) -> Result<(Arc<Node>, Option<Key>)> {
        let (_, mut role) = self.top();
        let mut node = follow(store, &self.root, role).await?;
        while node.level > 0 {
            let at = node.child_at(&key);
            role = node.role(at, role);
            let (_, child) = node.items.get(at).ok_or(Flaw::Length.at(key.object))?;
            node = follow(store, child, role).await?;
        }
        Ok((node, role.high))
    }

    /// The value of a key.
    pub(crate) async fn get<D: BlockDevice>(
        &self,
        store: &Store<D>,
        key: Key,
    ) -> Result<Option<Value>> {
        let (leaf, _) = self.leaf(store, key).await?;
        let found = leaf.items.binary_search_by_key(&key, |(key, _)| *key).ok();
        Ok(found.and_then(|at| leaf.items.get(at)).map(|(_, value)| value.clone()))
    }

    /// The first item at or behind `from` and before `to`.
    pub(crate) async fn first<D: BlockDevice>(
        &self,
        store: &Store<D>,
        from: Key,
        to: Key,
    ) -> Result<Option<(Key, Value)>> {
        Ok(self.range(store, from, to, 1).await?.into_iter().next())
    }

    /// The items at or behind `from` and before `to`: at least one if there are any, and no more
    /// leaves than hold `most`.
    pub(crate) async fn range<D: BlockDevice>(
        &self,
        store: &Store<D>,
        from: Key,
        to: Key,
        most: usize,
    ) -> Result<Vec<(Key, Value)>> {
        let mut found = Vec::new();
        let mut from = from;
        while from < to && found.len() < most {
            let (leaf, high) = self.leaf(store, from).await?;
            let wanted = leaf.items.iter().filter(|(key, _)| *key >= from && *key < to);
            found.extend(wanted.cloned());
            // The bound lies behind `from`, so this ends, whatever the disk says.
            match high {
                Some(high) if high > from => from = high,
                _ => break,
            }
        }
        Ok(found)
    }
}

impl Node {
    /// The index of the child in which a key is or would be.
    pub(crate) fn child_at(&self, key: &Key) -> usize {
        self.items.partition_point(|(first, _)| first <= key).saturating_sub(1)
    }

    /// The role of the child at this index of a node that plays `own`.
    pub(crate) fn role(&self, at: usize, own: Role) -> Role {
        let key = |at: usize| self.items.get(at).map(|(key, _)| *key);
        // The first child also takes what is less than its own key.
        let low = if at == 0 { own.low } else { key(at).unwrap_or(own.low) };
        let high = key(at.saturating_add(1)).or(own.high);
        Role { level: self.level.saturating_sub(1), low, high, ..own }
    }
}

/// The node behind a value of an inner node, or of a root.
pub(crate) async fn follow<D: BlockDevice>(
    store: &Store<D>,
    value: &Value,
    role: Role,
) -> Result<Arc<Node>> {
    match value {
        Value::Child(node) => Ok(Arc::clone(node)),
        Value::Stored(ptr) => store.node(ptr, role).await,
        Value::Bytes(_) | Value::Record(_) => Err(Flaw::Role.at(role.low.object)),
    }
}
