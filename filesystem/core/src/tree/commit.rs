//! Giving places to what was changed, children before parents.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Tree;
use crate::cache::Kept;
use crate::error::{Flaw, Result};
use crate::format::{Class, NODE_BLOCKS, Places, Ptr, Value};

/// What a commit of a tree has to write.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Where, and what.
    pub(crate) content: Vec<(u64, Arc<[u8]>)>,
    /// What is worth keeping of it: nodes and records as they are on disk then.
    pub(crate) kept: Vec<(Ptr, Kept)>,
}

impl Written {
    /// All copies of what a pointer leads to have to be written.
    pub(crate) fn add(&mut self, ptr: &Ptr, content: &Arc<[u8]>) {
        self.content.extend(ptr.runs().map(|(block, _)| (block, Arc::clone(content))));
    }
}

/// Everything that giving a place needs.
#[derive(Debug)]
struct Settler<'a> {
    places: core::slice::Iter<'a, Places>,
    seed: u64,
    owner: u32,
    txg: u64,
    written: &'a mut Written,
}

impl Tree {
    /// The sizes of what has to be written, in blocks, in the order of [`Tree::settle`].
    pub(crate) fn sizes(&self) -> Vec<(Class, u64)> {
        let mut sizes = Vec::new();
        measure(&self.root, &mut sizes);
        sizes
    }

    /// Gives what was changed these places, one for each of [`Tree::sizes`].
    pub(crate) fn settle(
        &mut self,
        places: &[Places],
        seed: u64,
        txg: u64,
        written: &mut Written,
    ) -> Result<()> {
        let mut settler = Settler { places: places.iter(), seed, owner: self.owner, txg, written };
        settler.settle(&mut self.root)?;
        (self.nodes, self.records) = (0, 0);
        Ok(())
    }
}

fn measure(value: &Value, sizes: &mut Vec<(Class, u64)>) {
    match value {
        Value::Child(node) => {
            node.items.iter().for_each(|(_, value)| measure(value, sizes));
            sizes.push((Class::Node, NODE_BLOCKS));
        }
        Value::Record(_) => sizes.push((Class::Data, value.blocks())),
        Value::Bytes(_) | Value::Stored(_) => {}
    }
}

impl Settler<'_> {
    fn place(&mut self) -> Result<Places> {
        self.places.next().copied().ok_or(Flaw::Missing.at(self.txg))
    }

    fn settle(&mut self, value: &mut Value) -> Result<()> {
        let (class, content): (_, Arc<[u8]>) = match value {
            Value::Child(node) => {
                let node = Arc::make_mut(node);
                node.items.iter_mut().try_for_each(|(_, value)| self.settle(value))?;
                (Class::Node, node.encode(self.owner, self.txg)?.into())
            }
            Value::Record(record) => (Class::Data, Arc::clone(record)),
            Value::Bytes(_) | Value::Stored(_) => return Ok(()),
        };
        let ptr = Ptr::to(self.seed, class, self.txg, self.place()?, &content);
        self.written.add(&ptr, &content);
        let kept = match core::mem::replace(value, Value::Stored(ptr)) {
            Value::Child(node) => Kept::Node(node),
            _ => Kept::Record(content),
        };
        self.written.kept.push((ptr, kept));
        Ok(())
    }
}
