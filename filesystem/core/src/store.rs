//! The device with what is known about reading it: checksums, what was read before, and what is
//! on its way to the device.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::ops::Range;

use crate::cache::{Cache, Kept};
use crate::device::{self, BlockDevice};
use crate::error::{Error, Flaw, Result};
use crate::format::{Key, Node, Ptr, Super};
use crate::tree::Written;

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
    pub(crate) cache: RefCell<Cache>,
    /// What a commit under way writes, by its first block: it is not on the device yet.
    flying: RefCell<BTreeMap<u64, Arc<[u8]>>>,
    /// Whether a damaged copy is written again.
    pub(crate) heals: Cell<bool>,
    /// How often that was done.
    pub(crate) healed: Cell<u64>,
    /// Copies that were found damaged and are so still, a few thousand at most.
    pub(crate) damaged: RefCell<Vec<u64>>,
}

/// No more damaged copies are noted.
const DAMAGED_MAX: usize = 4096;

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
            cache: RefCell::default(),
            flying: RefCell::default(),
            heals: Cell::new(false),
            healed: Cell::new(0),
            damaged: RefCell::default(),
        }
    }

    /// From now on, pointers of this transaction are good too.
    pub(crate) fn advance(&self, txg: u64) {
        self.newest.set(txg);
    }

    /// Why a pointer cannot lead anywhere.
    fn check(&self, ptr: &Ptr) -> Result<()> {
        if !ptr.fits(&self.area) {
            Err(Flaw::Address.at(ptr.block))
        } else if ptr.birth > self.newest.get() {
            Err(Flaw::Birth.at(ptr.block))
        } else {
            Ok(())
        }
    }

    /// What a pointer leads to on the device, checked by its sum. If the first copy is damaged,
    /// the second is used, and the first is healed.
    pub(crate) async fn content(&self, ptr: &Ptr) -> Result<Arc<[u8]>> {
        self.check(ptr)?;
        if let Some(content) = self.flying.borrow().get(&ptr.block) {
            ptr.verify(self.seed, content)?;
            return Ok(Arc::clone(content));
        }
        match self.copy(ptr, ptr.block).await {
            Err(error) if ptr.second != 0 && error.is_damage() => {
                let content = self.copy(ptr, ptr.second).await.map_err(|_| error)?;
                self.heal(ptr.block, &content).await;
                Ok(content)
            }
            result => result,
        }
    }

    /// Looks at all copies of what a pointer leads to, and heals one by the other.
    pub(crate) async fn scrub(&self, ptr: &Ptr) -> Result<()> {
        let content = self.content(ptr).await?;
        if ptr.second == 0 || self.flying.borrow().contains_key(&ptr.second) {
            return Ok(());
        }
        match self.copy(ptr, ptr.second).await {
            Err(error) if error.is_damage() => self.heal(ptr.second, &content).await,
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        Ok(())
    }

    /// The copy at this block.
    async fn copy(&self, ptr: &Ptr, block: u64) -> Result<Arc<[u8]>> {
        let content = device::read(&self.device, block, ptr.blocks).await?;
        ptr.verify(self.seed, &content)?;
        Ok(content.into())
    }

    /// Writes a damaged copy again, where it is: nothing else may be there, as whoever found it
    /// keeps its blocks from being used for anything else.
    async fn heal(&self, block: u64, content: &[u8]) {
        let mut healed = false;
        if self.heals.get() {
            let mut writer = device::Writer::new(&self.device);
            writer.write(block, content).await;
            healed = writer.finish().await.is_ok();
        }
        if healed {
            self.healed.set(self.healed.get().saturating_add(1));
        } else if self.damaged.borrow().len() < DAMAGED_MAX {
            self.damaged.borrow_mut().push(block);
        }
    }

    /// The content of a record.
    pub(crate) async fn record(&self, ptr: &Ptr) -> Result<Arc<[u8]>> {
        let kept = self.cache.borrow_mut().get(ptr);
        if let Some(Kept::Record(bytes)) = kept {
            return Ok(bytes);
        }
        let content = self.content(ptr).await?;
        self.keep(ptr, Kept::Record(Arc::clone(&content)));
        Ok(content)
    }

    /// Reads records that are not kept yet, all at once. What fails is left to who needs it.
    pub(crate) async fn fetch(&self, ptrs: &[Ptr]) -> Result<()> {
        let known = |ptr: &Ptr| {
            self.cache.borrow_mut().get(ptr).is_some()
                || self.flying.borrow().contains_key(&ptr.block)
        };
        let unknown = |ptr: &&Ptr| self.check(ptr).is_ok() && !known(ptr);
        let wanted: Vec<&Ptr> = ptrs.iter().filter(unknown).collect();
        let runs: Vec<(u64, u64)> = wanted.iter().map(|ptr| (ptr.block, ptr.blocks)).collect();
        for (ptr, content) in wanted.iter().zip(device::read_all(&self.device, &runs).await) {
            match content {
                Ok(content) if ptr.verify(self.seed, &content).is_ok() => {
                    self.keep(ptr, Kept::Record(content.into()));
                }
                Err(gone @ Error::Device(crate::error::Failure::Gone)) => return Err(gone),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// The node that a pointer leads to, which has to play this role.
    pub(crate) async fn node(&self, ptr: &Ptr, role: Role) -> Result<Arc<Node>> {
        let kept = self.cache.borrow_mut().get(ptr);
        let node = match kept {
            Some(Kept::Node(node)) => node,
            _ => {
                let content = self.content(ptr).await?;
                let node = Arc::new(Node::decode(&content, ptr, role.level, role.owner)?);
                self.keep(ptr, Kept::Node(Arc::clone(&node)));
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

    /// Keeps what a pointer leads to.
    pub(crate) fn keep(&self, ptr: &Ptr, kept: Kept) {
        self.cache.borrow_mut().insert(ptr, kept);
    }

    /// A commit begins to write this: until it [has landed](Self::landed) it is read from here.
    pub(crate) fn takes_off(&self, written: &Written) {
        let content = written.content.iter();
        *self.flying.borrow_mut() = content.map(|(at, bytes)| (*at, Arc::clone(bytes))).collect();
        for (ptr, kept) in &written.kept {
            self.keep(ptr, kept.clone());
        }
    }

    /// All that a commit wrote is on the device.
    pub(crate) fn landed(&self) {
        self.flying.borrow_mut().clear();
    }
}
