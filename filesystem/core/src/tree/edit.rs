//! Changes of a tree. On the way down a node that has no room is split, and one that is nearly
//! empty is joined with its neighbour, so that nothing has to be done on the way up.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Tree, follow};
use crate::device::BlockDevice;
use crate::error::{Error, Flaw, Result};
use crate::format::{CAPACITY, ENTRY, Key, NODE_BLOCKS, Node, Ptr, Value};
use crate::store::{Role, Store};

/// A child that uses less is joined with its neighbour if both fit.
const SPARSE: usize = CAPACITY / 4;

/// Two nodes that use more are left alone: the next item would split them again.
const JOINED: usize = CAPACITY / 4 * 3;

impl Tree {
    /// Sets the value of a key, and gives back the one before. What is not needed any more is
    /// added to `freed`.
    pub(crate) async fn insert<D: BlockDevice>(
        &mut self,
        store: &Store<D>,
        freed: &mut Vec<Ptr>,
        key: Key,
        value: Value,
    ) -> Result<Option<Value>> {
        let need = value.size().saturating_add(ENTRY);
        let mut role = self.open_root(store, freed).await?;
        if !child(&mut self.root)?.has_room(need) {
            let old = core::mem::replace(&mut self.root, Value::Bytes(Arc::new([])));
            self.level = self.level.saturating_add(1);
            let items = alloc::vec![(Key::MIN, old)];
            self.root = Value::Child(Arc::new(Node { level: self.level, items }));
            self.nodes = self.nodes.saturating_add(1);
            role.level = self.level;
        }
        let mut node = child(&mut self.root)?;
        while node.level > 0 {
            let mut at = node.child_at(&key);
            let opened = node.open(store, freed, at, role).await?;
            self.nodes = self.nodes.saturating_add(opened);
            if !node.child(at)?.has_room(need) {
                node.split(at)?;
                self.nodes = self.nodes.saturating_add(1);
                at = node.child_at(&key);
            }
            role = node.role(at, role);
            node = node.child(at)?;
        }
        let new = value.clone();
        let old = match node.items.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(at) => node.items.get_mut(at).map(|item| core::mem::replace(&mut item.1, value)),
            Err(at) => {
                node.items.insert(at, (key, value));
                None
            }
        };
        self.account(old.as_ref(), Some(&new), freed);
        Ok(old)
    }

    /// Takes a key and its value out.
    pub(crate) async fn remove<D: BlockDevice>(
        &mut self,
        store: &Store<D>,
        freed: &mut Vec<Ptr>,
        key: Key,
    ) -> Result<Option<Value>> {
        if self.get(store, key).await?.is_none() {
            return Ok(None);
        }
        let mut role = self.open_root(store, freed).await?;
        let mut node = child(&mut self.root)?;
        while node.level > 0 {
            let mut at = node.child_at(&key);
            let opened = node.open(store, freed, at, role).await?;
            self.nodes = self.nodes.saturating_add(opened);
            if let Some((left, opened)) = node.join(store, freed, at, role).await? {
                self.nodes = self.nodes.saturating_add(opened).saturating_sub(1);
                at = left;
            }
            role = node.role(at, role);
            node = node.child(at)?;
        }
        let found = node.items.binary_search_by_key(&key, |(key, _)| *key);
        let old = found.ok().map(|at| node.items.remove(at).1);
        self.account(old.as_ref(), None, freed);
        self.lower()?;
        Ok(old)
    }

    /// Replaces a root that has a single child by that child.
    fn lower(&mut self) -> Result<()> {
        while self.level > 0 {
            let root = child(&mut self.root)?;
            if root.items.len() != 1 {
                break;
            }
            let Some((_, only)) = root.items.pop() else { break };
            self.nodes = self.nodes.saturating_sub(1);
            self.level = self.level.saturating_sub(1);
            let stored = matches!(only, Value::Stored(_));
            self.root = only;
            if stored {
                break;
            }
        }
        Ok(())
    }

    /// Counts what a value brings and what the one before it leaves behind.
    fn account(&mut self, old: Option<&Value>, new: Option<&Value>, freed: &mut Vec<Ptr>) {
        // Each may take a whole group.
        let room = |record: &Value| record.blocks().next_multiple_of(NODE_BLOCKS);
        match old {
            Some(Value::Stored(ptr)) => freed.push(*ptr),
            Some(record @ Value::Record(_)) => {
                self.records = self.records.saturating_sub(room(record));
            }
            Some(Value::Bytes(_) | Value::Child(_)) | None => {}
        }
        if let Some(record @ Value::Record(_)) = new {
            self.records = self.records.saturating_add(room(record));
        }
    }

    /// Makes the root a changed one.
    async fn open_root<D: BlockDevice>(
        &mut self,
        store: &Store<D>,
        freed: &mut Vec<Ptr>,
    ) -> Result<Role> {
        let role = Role { level: self.level, owner: self.owner, low: Key::MIN, high: None };
        let opened = open(store, freed, &mut self.root, role).await?;
        self.nodes = self.nodes.saturating_add(opened);
        Ok(role)
    }
}

/// Makes the node behind a value a changed one; how many that adds.
async fn open<D: BlockDevice>(
    store: &Store<D>,
    freed: &mut Vec<Ptr>,
    value: &mut Value,
    role: Role,
) -> Result<u64> {
    let Value::Stored(ptr) = *value else { return Ok(0) };
    *value = Value::Child(store.node(&ptr, role).await?);
    freed.push(ptr);
    Ok(1)
}

/// The changed node behind a value; of a node that a clone shares, a copy.
fn child(value: &mut Value) -> Result<&mut Node> {
    match value {
        Value::Child(node) => Ok(Arc::make_mut(node)),
        _ => Err(Flaw::Role.at(0)),
    }
}

impl Node {
    /// Whether an item of so many bytes can be added, here or to a child: then a pointer comes.
    fn has_room(&self, need: usize) -> bool {
        let need = if self.level == 0 { need } else { Ptr::SIZE.saturating_add(ENTRY) };
        self.used().saturating_add(need) <= CAPACITY
    }

    fn child(&mut self, at: usize) -> Result<&mut Self> {
        let (_, value) = self.items.get_mut(at).ok_or(Flaw::Length.at(0))?;
        child(value)
    }

    async fn open<D: BlockDevice>(
        &mut self,
        store: &Store<D>,
        freed: &mut Vec<Ptr>,
        at: usize,
        own: Role,
    ) -> Result<u64> {
        let role = self.role(at, own);
        let (_, value) = self.items.get_mut(at).ok_or(Flaw::Length.at(0))?;
        open(store, freed, value, role).await
    }

    /// Splits the child at this index in two of about the same size.
    fn split(&mut self, at: usize) -> Result<()> {
        let child = self.child(at)?;
        let (level, half) = (child.level, child.used().div_euclid(2));
        let mut left = 0_usize;
        let mut middle = 0_usize;
        for (_, value) in &child.items {
            if left >= half {
                break;
            }
            left = left.saturating_add(value.size()).saturating_add(ENTRY);
            middle = middle.saturating_add(1);
        }
        let items = child.items.split_off(middle.clamp(1, child.items.len()));
        let first = items.first().ok_or(Error::NoSpace)?.0;
        let right = Value::Child(Arc::new(Self { level, items }));
        self.items.insert(at.saturating_add(1), (first, right));
        Ok(())
    }

    /// Joins the child at this index with a neighbour if it is nearly empty and both fit; gives
    /// the index of the joined one, and how many nodes became changed ones.
    async fn join<D: BlockDevice>(
        &mut self,
        store: &Store<D>,
        freed: &mut Vec<Ptr>,
        at: usize,
        own: Role,
    ) -> Result<Option<(usize, u64)>> {
        let used = self.child(at)?.used();
        if used >= SPARSE || self.items.len() < 2 {
            return Ok(None);
        }
        let last = at.saturating_add(1) == self.items.len();
        let (left, other) = if last {
            (at.saturating_sub(1), at.saturating_sub(1))
        } else {
            (at, at.saturating_add(1))
        };
        let (_, neighbour) = self.items.get(other).ok_or(Flaw::Length.at(0))?;
        let neighbour = follow(store, neighbour, self.role(other, own)).await?;
        if used.saturating_add(neighbour.used()) > JOINED {
            return Ok(None);
        }
        let opened = self.open(store, freed, other, own).await?;
        let (_, mut gone) = self.items.remove(left.saturating_add(1));
        let items = core::mem::take(&mut child(&mut gone)?.items);
        self.child(left)?.items.extend(items);
        Ok(Some((left, opened)))
    }
}
