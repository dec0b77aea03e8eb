//! What can be asked of a mounted volume.

use alloc::vec::Vec;

use super::Volume;
use super::log::LOG_MAX;
use crate::change::{Change, Done};
use crate::device::{self, BlockDevice};
use crate::error::{Error, Result};
use crate::format::{Class, Kind, NODE_BLOCKS, Ptr};
use crate::num::wide;
use crate::op::{Attributes, New, Op, Place, Record};
use crate::tree::Run;

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
    pub async fn create(
        &mut self,
        directory: u64,
        name: &[u8],
        new: New,
        time: i64,
    ) -> Result<u64> {
        let op = Op::Create { at: place(directory, name), new, target: Vec::new() };
        self.perform(op, time, NAME_ITEMS, Trend::Grows).await
    }

    /// Makes a symbolic link; its number.
    ///
    /// # Errors
    ///
    /// As [`Volume::create`].
    pub async fn symlink(
        &mut self,
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
    pub async fn link(&mut self, ino: u64, directory: u64, name: &[u8], time: i64) -> Result<()> {
        let op = Op::Link { at: place(directory, name), ino };
        self.perform(op, time, NAME_ITEMS, Trend::Grows).await.map(drop)
    }

    /// Takes a name away. A file that is open lives until it is closed.
    ///
    /// # Errors
    ///
    /// `NotFound`, `IsDirectory`, and what all changes may fail with.
    pub async fn unlink(&mut self, directory: u64, name: &[u8], time: i64) -> Result<()> {
        let keep = self.is_open_at(directory, name).await?;
        let op = Op::Unlink { at: place(directory, name), keep };
        self.perform(op, time, NAME_ITEMS, Trend::Shrinks).await.map(drop)
    }

    /// Takes an empty directory away.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotDirectory`, `NotEmpty`, and what all changes may fail with.
    pub async fn rmdir(&mut self, directory: u64, name: &[u8], time: i64) -> Result<()> {
        let keep = self.is_open_at(directory, name).await?;
        let op = Op::RemoveDirectory { at: place(directory, name), keep };
        self.perform(op, time, NAME_ITEMS, Trend::Shrinks).await.map(drop)
    }

    /// Moves a name; what has the new name already makes way in the same step.
    ///
    /// # Errors
    ///
    /// `Invalid` for a directory below itself, `NotEmpty`, `IsDirectory`, `NotDirectory`, and as
    /// [`Volume::create`].
    pub async fn rename(&mut self, from: (u64, &[u8]), to: (u64, &[u8]), time: i64) -> Result<()> {
        let keep = self.is_open_at(to.0, to.1).await?;
        let op = Op::Rename { from: place(from.0, from.1), to: place(to.0, to.1), keep };
        let items = NAME_ITEMS.saturating_mul(2);
        self.perform(op, time, items, Trend::Grows).await.map(drop)
    }

    /// Changes attributes.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Invalid`, `NoSpace`, and what all changes may fail with.
    pub async fn set_attributes(&mut self, ino: u64, new: Attributes, time: i64) -> Result<()> {
        self.perform(Op::Attributes { ino, new }, time, 1, Trend::Shrinks).await.map(drop)
    }

    /// Sets the size of a file; what comes is zero.
    ///
    /// # Errors
    ///
    /// `NotFound`, `IsDirectory`, `Invalid`, `TooLarge`, `NoSpace`, and what all changes may fail
    /// with.
    pub async fn truncate(&mut self, ino: u64, length: u64, time: i64) -> Result<()> {
        let op = Op::Truncate { ino, size: length };
        self.perform(op, time, NAME_ITEMS, Trend::Shrinks).await.map(drop)
    }

    /// Writes to a file; how many bytes, at least one: a long write is done in parts.
    ///
    /// # Errors
    ///
    /// As [`Volume::truncate`].
    pub async fn write(&mut self, ino: u64, offset: u64, data: &[u8], time: i64) -> Result<usize> {
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
    async fn write_through(
        &mut self,
        ino: u64,
        offset: u64,
        data: &[u8],
        time: i64,
    ) -> Result<usize> {
        let inode = self.view().inode(ino).await?;
        let end = offset.checked_add(wide(data.len())).ok_or(Error::TooLarge)?;
        let record = inode.record_size();
        let numbers = offset.div_euclid(record)..end.div_ceil(record);
        let items = numbers.end.saturating_sub(numbers.start);
        let groups = record.div_ceil(wide(crate::BLOCK)).next_multiple_of(NODE_BLOCKS);
        self.admit(items.saturating_mul(groups), items.saturating_add(2), Trend::Grows).await?;
        let mut contents = Vec::new();
        let change = self.change();
        for number in numbers.clone() {
            contents.push(change.merged(ino, &inode, number, offset, data).await?);
        }
        drop(change);
        let mut ptrs = Vec::new();
        let written = self.write_records(&contents, &mut ptrs).await;
        let runs: Vec<Run> = ptrs.iter().map(|ptr| (ptr.block, ptr.blocks)).collect();
        let result = match written {
            Ok(()) => {
                let op = Op::Records { ino, first: numbers.start, end, ptrs };
                self.apply(op, time).await
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(_) => Ok(data.len()),
            Err(error) => {
                runs.into_iter().try_for_each(|run| self.space.give_back(run))?;
                Err(error)
            }
        }
    }

    /// Writes these to places of their own; `ptrs` has what was taken even when that fails.
    async fn write_records(&mut self, contents: &[Vec<u8>], ptrs: &mut Vec<Ptr>) -> Result<()> {
        let txg = self.root.txg.saturating_add(1);
        let mut writer = device::Writer::new(&self.store.device);
        let mut result = Ok(());
        for content in contents {
            let blocks = wide(content.len()).div_euclid(wide(crate::BLOCK));
            let block = match self.space.take(&self.store, blocks, Class::Data).await {
                Ok(block) => block,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            };
            ptrs.push(Ptr::to(self.store.seed, Class::Data, txg, block, content));
            writer.write(block, content).await;
        }
        writer.finish().await.and(result)
    }

    /// Notes that a file is open: it stays when its last name goes.
    ///
    /// # Errors
    ///
    /// `NotFound`, or what reading fails with.
    pub async fn open(&mut self, ino: u64) -> Result<()> {
        self.view().inode(ino).await?;
        let count = self.open.entry(ino).or_default();
        *count = count.saturating_add(1);
        Ok(())
    }

    /// Notes that a file is open once less; the last time, a file without a name goes.
    ///
    /// # Errors
    ///
    /// What all changes may fail with; the file then goes at the next mount.
    pub async fn close(&mut self, ino: u64) -> Result<()> {
        match self.open.get_mut(&ino) {
            Some(count @ 2..) => {
                *count = count.saturating_sub(1);
                return Ok(());
            }
            Some(_) => self.open.remove(&ino),
            None => return Err(Error::Invalid),
        };
        if self.view().inode(ino).await?.flags == 0 {
            return Ok(());
        }
        // This is not logged: after a crash no file is open, and it goes anyway.
        self.admit(0, NAME_ITEMS, Trend::Shrinks).await?;
        let mut change = self.change();
        change.erase(ino).await?;
        let done = change.done();
        self.adopt(done);
        Ok(())
    }

    /// Takes all files away that have no name.
    pub(super) async fn erase_orphans(&mut self) -> Result<()> {
        let mut change = self.change();
        for ino in change.orphans().await? {
            change.erase(ino).await?;
        }
        let done = change.done();
        self.adopt(done);
        Ok(())
    }

    async fn is_open_at(&self, directory: u64, name: &[u8]) -> Result<bool> {
        match self.view().lookup(directory, name).await {
            Ok(found) => Ok(self.open.contains_key(&found.ino)),
            Err(Error::NotFound | Error::NotDirectory) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Does an operation that changes at most so many items, and notes it in the log.
    async fn perform(&mut self, op: Op, time: i64, items: u64, trend: Trend) -> Result<u64> {
        self.admit(0, items, trend).await?;
        self.apply(op, time).await
    }

    async fn apply(&mut self, op: Op, time: i64) -> Result<u64> {
        let mut change: Change<'_, D> = self.change();
        let result = change.apply(&op, time).await?;
        let done = change.done();
        self.adopt(done);
        self.log.append(&Record { time, op });
        Ok(result)
    }

    /// From now on the volume is as a change made it.
    pub(crate) fn adopt(&mut self, done: Done) {
        (self.tree, self.next, self.files) = (done.tree, done.next, done.files);
        done.freed.into_iter().for_each(|run| self.space.hold(run));
    }

    /// Makes sure that there is space for so many blocks of data and changed items; what was
    /// freed lately becomes usable by commits.
    async fn admit(&mut self, blocks: u64, items: u64, trend: Trend) -> Result<()> {
        self.writable()?;
        let (nodes, records) = self.tree.dirty();
        let dirty = nodes.saturating_mul(NODE_BLOCKS).saturating_add(records);
        if self.log.length >= LOG_MAX || dirty >= DIRTY_MAX {
            self.commit(0).await?;
        }
        let nodes = self.tree.growth().saturating_add(items);
        // An item of data brings its record.
        let each = NODE_BLOCKS.saturating_mul(2);
        let need = nodes.saturating_mul(each).saturating_add(blocks);
        let kept = match trend {
            Trend::Grows => self.reserve(),
            Trend::Shrinks => self.reserve().div_euclid(2),
        };
        let wanted = kept.saturating_add(need);
        for _ in 0..3 {
            if self.available() >= wanted {
                return Ok(());
            }
            // No commit can bring more than what is held.
            if self.available().saturating_add(self.space.held()) < wanted {
                break;
            }
            self.commit(0).await?;
        }
        if self.available() >= wanted { Ok(()) } else { Err(Error::NoSpace) }
    }
}

fn place(directory: u64, name: &[u8]) -> Place {
    Place { directory, name: name.into() }
}
