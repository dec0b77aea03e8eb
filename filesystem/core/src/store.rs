//! The device with what is known about reading it: checksums, and nodes that were read before.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::ops::Range;

use crate::device::{self, BlockDevice};
use crate::error::{Flaw, Result};
use crate::format::{Key, Node, Ptr, Super};

/// How many nodes are kept: 16 MiB of them.
const NODES: usize = 1024;

/// A device that holds a volume.
#[derive(Debug)]
pub(crate) struct Store<D> {
    pub(crate) device: D,
    /// Seed of all checksums.
    pub(crate) seed: u64,
    /// Where data may be.
    pub(crate) area: Range<u64>,
    /// The last transaction that may have written anything.
    newest: Cell<u64>,
    nodes: RefCell<Nodes>,
}

/// What the parent says about a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Role {
    pub(crate) level: u8,
    pub(crate) owner: u32,
    /// No key is less.
    pub(crate) low: Key,
    /// All keys are less, if there is such a bound.
    pub(crate) high: Option<Key>,
}

impl<D: BlockDevice> Store<D> {
    /// The device of a volume with this superblock.
    pub(crate) fn new(device: D, root: &Super) -> Self {
        Self {
            device,
            seed: root.seed(),
            area: Super::area(root.blocks),
            newest: Cell::new(root.txg),
            nodes: RefCell::new(Nodes::default()),
        }
    }

    /// From now on, pointers of this transaction are good too.
    pub(crate) fn advance(&self, txg: u64) {
        self.newest.set(txg);
    }

    /// What a pointer leads to, checked by its sum.
    pub(crate) async fn content(&self, ptr: &Ptr) -> Result<Vec<u8>> {
        if !ptr.fits(&self.area) {
            return Err(Flaw::Address.at(ptr.block));
        }
        if ptr.birth > self.newest.get() {
            return Err(Flaw::Birth.at(ptr.block));
        }
        let content = device::read(&self.device, ptr.block, ptr.blocks).await?;
        ptr.verify(self.seed, &content)?;
        Ok(content)
    }

    /// The node that a pointer leads to, which has to play this role.
    pub(crate) async fn node(&self, ptr: &Ptr, role: Role) -> Result<Arc<Node>> {
        let kept = self.nodes.borrow_mut().get(ptr);
        let node = match kept {
            Some(node) => node,
            None => {
                let content = self.content(ptr).await?;
                let node = Arc::new(Node::decode(&content, ptr, role.level, role.owner)?);
                self.keep(ptr, &node);
                node
            }
        };
        // The same node may be named twice by a hostile parent: the role is checked each time.
        let first = node.items.first().is_none_or(|(key, _)| *key >= role.low);
        let last = node.items.last().zip(role.high).is_none_or(|((key, _), high)| *key < high);
        if node.level != role.level {
            return Err(Flaw::Role.at(ptr.block));
        }
        if first && last { Ok(node) } else { Err(Flaw::Order.at(ptr.block)) }
    }

    /// Keeps a node that is on disk.
    pub(crate) fn keep(&self, ptr: &Ptr, node: &Arc<Node>) {
        self.nodes.borrow_mut().insert(ptr, Arc::clone(node));
    }
}

/// Nodes by place and birth; a second chance for those that were asked for.
#[derive(Debug, Default)]
struct Nodes {
    by_place: BTreeMap<(u64, u64), (Ptr, Arc<Node>, bool)>,
    order: VecDeque<(u64, u64)>,
}

impl Nodes {
    fn get(&mut self, ptr: &Ptr) -> Option<Arc<Node>> {
        let (known, node, asked) = self.by_place.get_mut(&(ptr.block, ptr.birth))?;
        *asked = true;
        (*known == *ptr).then(|| Arc::clone(node))
    }

    fn insert(&mut self, ptr: &Ptr, node: Arc<Node>) {
        let place = (ptr.block, ptr.birth);
        if self.by_place.insert(place, (*ptr, node, false)).is_none() {
            self.order.push_back(place);
        }
        while self.order.len() > NODES {
            let Some(oldest) = self.order.pop_front() else { return };
            match self.by_place.get_mut(&oldest) {
                Some((_, _, asked @ true)) => {
                    *asked = false;
                    self.order.push_back(oldest);
                }
                _ => {
                    self.by_place.remove(&oldest);
                }
            }
        }
    }
}
