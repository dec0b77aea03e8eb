//! What can be asked of a mounted volume.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::log::LOG_MAX;
use super::{Turn, Volume, reserve};
use crate::cache::Kept;
use crate::device::{self, BlockDevice};
use crate::error::{Error, Result};
use crate::format::{Class, Kind, NODE_BLOCKS, Ptr, copies};
use crate::num::wide;
use crate::op::{Attributes, New, Op, Place, Record};

/// Blocks that are changed in memory before a commit comes by itself: 64 MiB.
const DIRTY_MAX: u64 = 1 << 14;

/// The most bytes of a write that travel through the log; more go to their place at once.
const LOGGED_MAX: usize = 32 << 10;

/// The most bytes that one write takes.
const WRITE_MAX: usize = 1 << 20;

/// Items of the tree that an operation on names changes at most.
const NAME_ITEMS: u64 = 8;

/// What an operation does to the free space in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trend {
    Grows,
    Shrinks,
}

impl<D: BlockDevice> Volume<D> {
    /// Makes a file; its number.
    ///
    /// # Errors
    ///
    /// `Exists`, `NotFound`, `NotDirectory`, `NameTooLong`, `Invalid`, `NoSpace`, or what all
    /// changes may fail with: `ReadOnly`, `Stopped`, what cannot be read, the device's.
    pub async fn create(&self, directory: u64, name: &[u8], new: New, time: i64) -> Result<u64> {
        let op = Op::Create { at: place(directory, name), new, target: Vec::new() };
        self.perform(op, time, NAME_ITEMS, Trend::Grows).await
    }

    /// Makes a symbolic link; its number.
    ///
    /// # Errors
    ///
    /// As [`Volume::create`].
    pub async fn symlink(
        &self,
        directory: u64,
        name: &[u8],
        target: &[u8],
        owner: (u32, u32),
        time: i64,
    ) -> Result<u64> {
        let (uid, gid) = owner;
        let new = New { kind: Kind::Symlink, mode: 0o777, uid, gid };
        let op = Op::Create { at: place(directory, name), new, target: target.into() };
        self.perform(op, time, NAME_ITEMS, Trend::Grows).await
    }

    /// Gives a file another name.
    ///
    /// # Errors
    ///
    /// `Forbidden` for a directory, `TooManyLinks`, and as [`Volume::create`].
    pub async fn link(&self, ino: u64, directory: u64, name: &[u8], time: i64) -> Result<()> {
        let op = Op::Link { at: place(directory, name), ino };
        self.perform(op, time, NAME_ITEMS, Trend::Grows).await.map(drop)
    }

    /// Takes a name away. A file that is open lives until it is closed.
    ///
    /// # Errors
    ///
    /// `NotFound`, `IsDirectory`, and what all changes may fail with.
    pub async fn unlink(&self, directory: u64, name: &[u8], time: i64) -> Result<()> {
        let op = Op::Unlink { at: place(directory, name), keep: false };
        self.perform(op, time, NAME_ITEMS, Trend::Shrinks).await.map(drop)
    }

    /// Takes an empty directory away.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotDirectory`, `NotEmpty`, and what all changes may fail with.
    pub async fn rmdir(&self, directory: u64, name: &[u8], time: i64) -> Result<()> {
        let op = Op::RemoveDirectory { at: place(directory, name), keep: false };
        self.perform(op, time, NAME_ITEMS, Trend::Shrinks).await.map(drop)
    }

    /// Moves a name; what has the new name already makes way in the same step.
    ///
    /// # Errors
    ///
    /// `Invalid` for a directory below itself, `NotEmpty`, `IsDirectory`, `NotDirectory`, and as
    /// [`Volume::create`].
    pub async fn rename(&self, from: (u64, &[u8]), to: (u64, &[u8]), time: i64) -> Result<()> {
        let op = Op::Rename { from: place(from.0, from.1), to: place(to.0, to.1), keep: false };
        let items = NAME_ITEMS.saturating_mul(2);
        self.perform(op, time, items, Trend::Grows).await.map(drop)
    }

    /// Changes attributes.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Invalid`, `NoSpace`, and what all changes may fail with.
    pub async fn set_attributes(&self, ino: u64, new: Attributes, time: i64) -> Result<()> {
        self.perform(Op::Attributes { ino, new }, time, 1, Trend::Shrinks).await.map(drop)
    }

    /// Sets the size of a file; what comes is zero.
    ///
    /// # Errors
    ///
    /// `NotFound`, `IsDirectory`, `Invalid`, `TooLarge`, `NoSpace`, and what all changes may fail
    /// with.
    pub async fn truncate(&self, ino: u64, length: u64, time: i64) -> Result<()> {
        let op = Op::Truncate { ino, size: length };
        self.perform(op, time, NAME_ITEMS, Trend::Shrinks).await.map(drop)
    }

    /// Writes to a file; how many bytes, at least one: a long write is done in parts.
    ///
    /// # Errors
    ///
    /// As [`Volume::truncate`].
    pub async fn write(&self, ino: u64, offset: u64, data: &[u8], time: i64) -> Result<usize> {
        let data = data.get(..WRITE_MAX).unwrap_or(data);
        if data.is_empty() {
            return self.view().inode(ino).await.map(|_| 0);
        }
        if data.len() > LOGGED_MAX {
            return self.write_through(ino, offset, data, time).await;
        }
        let op = Op::Write { ino, offset, data: data.into() };
        // At most three records of 16 KiB, or nine of one block.
        self.perform(op, time, 10, Trend::Grows).await?;
        Ok(data.len())
    }

    /// Writes records to their final place, then refers to them.
    async fn write_through(&self, ino: u64, offset: u64, data: &[u8], time: i64) -> Result<usize> {
        let inode = self.view().inode(ino).await?;
        let end = offset.checked_add(wide(data.len())).ok_or(Error::TooLarge)?;
        let record = inode.record_size();
        let numbers = offset.div_euclid(record)..end.div_ceil(record);
        let items = numbers.end.saturating_sub(numbers.start);
        let groups = record.div_ceil(wide(crate::BLOCK)).next_multiple_of(NODE_BLOCKS);
        let blocks = items.saturating_mul(groups);
        let mut turn = self.admit(blocks, items.saturating_add(2), Trend::Grows).await?;
        let change = turn.change();
        let inode = change.view.inode(ino).await?;
        let mut contents = Vec::new();
        for number in numbers.clone() {
            contents.push(change.merged(ino, &inode, number, offset, data).await?.into());
        }
        drop(change);
        let mut ptrs = Vec::new();
        let written = turn.write_records(&contents, &mut ptrs).await;
        let op = Op::Records { ino, first: numbers.start, end, ptrs: ptrs.clone() };
        let result = match written {
            Ok(()) => turn.apply(op, time).await,
            Err(error) => Err(error),
        };
        for (ptr, content) in ptrs.iter().zip(contents) {
            match result {
                Ok(_) => self.store.keep(ptr, Kept::Record(content)),
                Err(_) => turn.state.space.give_back((ptr.block, ptr.blocks))?,
            }
        }
        result.map(|_| data.len())
    }

    /// Notes that a file is open: it stays when its last name goes.
    ///
    /// # Errors
    ///
    /// `NotFound`, or what reading fails with.
    pub async fn open(&self, ino: u64) -> Result<()> {
        let mut turn = self.turn().await;
        turn.view().inode(ino).await?;
        let count = turn.state.open.entry(ino).or_default();
        *count = count.saturating_add(1);
        Ok(())
    }

    /// Notes that a file is open once less; the last time, a file without a name goes.
    ///
    /// # Errors
    ///
    /// What all changes may fail with; the file then goes at the next mount.
    pub async fn close(&self, ino: u64) -> Result<()> {
        let mut turn = self.turn().await;
        match turn.state.open.get_mut(&ino) {
            Some(count @ 2..) => {
                *count = count.saturating_sub(1);
                return Ok(());
            }
            Some(_) => turn.state.open.remove(&ino),
            None => return Err(Error::Invalid),
        };
        let orphan = turn.view().inode(ino).await?.flags != 0;
        drop(turn);
        if !orphan {
            return Ok(());
        }
        // This is not logged: after a crash no file is open, and it goes anyway.
        let mut turn = self.admit(0, NAME_ITEMS, Trend::Shrinks).await?;
        if !turn.state.open.contains_key(&ino) {
            turn.erase(&[ino]).await?;
        }
        Ok(())
    }

    /// Takes all files away that have no name.
    pub(super) async fn erase_orphans(&self) -> Result<()> {
        let mut turn = self.turn().await;
        let orphans = turn.change().orphans().await?;
        turn.erase(&orphans).await
    }

    /// Does an operation that changes at most so many items, and notes it in the log.
    async fn perform(&self, op: Op, time: i64, items: u64, trend: Trend) -> Result<u64> {
        let mut turn = self.admit(0, items, trend).await?;
        let op = turn.told_what_is_open(op).await?;
        turn.apply(op, time).await
    }

    /// A turn in which there is space for so many blocks of data and changed items; what was freed
    /// lately becomes usable by commits.
    async fn admit(&self, blocks: u64, items: u64, trend: Trend) -> Result<Turn<'_, D>> {
        let kept = match trend {
            Trend::Grows => reserve(&self.store.area),
            Trend::Shrinks => reserve(&self.store.area).div_euclid(2),
        };
        for _ in 0..5 {
            let turn = self.turn().await;
            self.writable()?;
            let state = &turn.state;
            let nodes = state.tree.growth().saturating_add(items);
            // An item of data brings its record.
            let each = NODE_BLOCKS.saturating_mul(copies(&self.store.area).saturating_add(1));
            let need = nodes.saturating_mul(each).saturating_add(blocks);
            let (wanted, available) = (kept.saturating_add(need), state.available());
            let full = state.log.length >= LOG_MAX || state.dirty() >= DIRTY_MAX;
            if available >= wanted && !full {
                return Ok(turn);
            }
            // No commit can bring more than what is held.
            if available.saturating_add(state.space.held()) < wanted && !full {
                break;
            }
            drop(turn);
            self.commit(0).await?;
        }
        Err(Error::NoSpace)
    }
}

impl<D: BlockDevice> Turn<'_, D> {
    async fn apply(&mut self, op: Op, time: i64) -> Result<u64> {
        let mut change = self.change();
        let result = change.apply(&op, time).await?;
        self.adopt(change.done());
        self.state.log.append(&Record { time, op });
        Ok(result)
    }

    pub(super) async fn erase(&mut self, files: &[u64]) -> Result<()> {
        let mut change = self.change();
        for ino in files {
            change.erase(*ino).await?;
        }
        self.adopt(change.done());
        Ok(())
    }

    /// The operation, which keeps what loses its name by it if that is open.
    async fn told_what_is_open(&self, mut op: Op) -> Result<Op> {
        if let Op::Unlink { at, keep }
        | Op::RemoveDirectory { at, keep }
        | Op::Rename { to: at, keep, .. } = &mut op
        {
            *keep = match self.view().lookup(at.directory, &at.name).await {
                Ok(found) => self.state.open.contains_key(&found.ino),
                Err(Error::NotFound | Error::NotDirectory) => false,
                Err(error) => return Err(error),
            };
        }
        Ok(op)
    }

    /// Writes these to places of their own; `ptrs` has what was taken even when that fails.
    async fn write_records(&mut self, contents: &[Arc<[u8]>], ptrs: &mut Vec<Ptr>) -> Result<()> {
        let (store, state) = (&self.volume.store, &mut *self.state);
        let txg = state.root.txg.saturating_add(1);
        let mut writer = device::Writer::new(&store.device);
        let mut result = Ok(());
        for content in contents {
            let blocks = wide(content.len()).div_euclid(wide(crate::BLOCK));
            let at = match state.space.places(store, blocks, Class::Data).await {
                Ok(at) => at,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            };
            ptrs.push(Ptr::to(store.seed, Class::Data, txg, at, content));
            writer.write(at.block, content).await;
        }
        writer.finish().await.and(result)
    }
}

fn place(directory: u64, name: &[u8]) -> Place {
    Place { directory, name: name.into() }
}
