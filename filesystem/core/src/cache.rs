//! What was read or written lately, up to so many bytes: nodes and the content of records.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;

use crate::format::{NODE, Node, Ptr};

/// What is kept unless the caller says otherwise: 16 MiB.
const LIMIT: usize = 16 << 20;

/// The least limit: what one request reads at once is kept until it is used.
const LEAST: usize = 2 << 20;

/// What was found behind a pointer. Nothing in it changes any more.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    /// A node of a tree.
    Node(Arc<Node>),
    /// A record of a file.
    Record(Arc<[u8]>),
}

impl Kept {
    /// The bytes of memory that it takes, about: a node has its items one by one.
    fn cost(&self) -> usize {
        match self {
            Self::Node(_) => NODE.saturating_mul(2),
            Self::Record(bytes) => bytes.len().saturating_add(size_of::<Entry>()),
        }
    }
}

#[derive(Debug)]
struct Entry {
    ptr: Ptr,
    kept: Kept,
    /// It was asked for since it was last in danger.
    asked: bool,
}

/// By place and birth, oldest out first; a second chance for those that were asked for, so that
/// one long read does not drive out what all others need.
#[derive(Debug)]
pub(crate) struct Cache {
    by_place: BTreeMap<(u64, u64), Entry>,
    order: VecDeque<(u64, u64)>,
    bytes: usize,
    limit: usize,
}

impl Default for Cache {
    fn default() -> Self {
        Self { by_place: BTreeMap::new(), order: VecDeque::new(), bytes: 0, limit: LIMIT }
    }
}

impl Cache {
    /// What is kept of what this pointer leads to.
    pub(crate) fn get(&mut self, ptr: &Ptr) -> Option<Kept> {
        let entry = self.by_place.get_mut(&(ptr.block, ptr.birth))?;
        entry.asked = true;
        (entry.ptr == *ptr).then(|| entry.kept.clone())
    }

    /// Keeps what this pointer leads to.
    pub(crate) fn insert(&mut self, ptr: &Ptr, kept: Kept) {
        let place = (ptr.block, ptr.birth);
        self.bytes = self.bytes.saturating_add(kept.cost());
        match self.by_place.insert(place, Entry { ptr: *ptr, kept, asked: false }) {
            Some(old) => self.bytes = self.bytes.saturating_sub(old.kept.cost()),
            None => self.order.push_back(place),
        }
        self.shrink();
    }

    /// From now on, no more bytes than these are kept.
    pub(crate) fn limit(&mut self, bytes: usize) {
        self.limit = bytes.max(LEAST);
        self.shrink();
    }

    /// How many bytes are kept.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    fn shrink(&mut self) {
        while self.bytes > self.limit {
            let Some(oldest) = self.order.pop_front() else { return };
            match self.by_place.get_mut(&oldest) {
                Some(entry) if entry.asked => {
                    entry.asked = false;
                    self.order.push_back(oldest);
                }
                _ => {
                    let gone = self.by_place.remove(&oldest);
                    let cost = gone.map_or(0, |entry| entry.kept.cost());
                    self.bytes = self.bytes.saturating_sub(cost);
                }
            }
        }
    }
}
