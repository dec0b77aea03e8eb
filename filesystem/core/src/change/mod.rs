//! Operations, on a copy of the volume that is kept only if all of it worked.

mod data;
mod names;

use alloc::vec::Vec;

pub(crate) use data::INLINE_MAX;

use crate::device::BlockDevice;
use crate::error::{Error, Flaw, Result};
use crate::format::{FLAG_ORPHAN, Inode, Key, Kind, Ptr, Tag, VALUE_MAX, Value};
use crate::op::{Attributes, New, Op, Place};
use crate::tree::Tree;
use crate::view::View;

/// A volume that is being changed.
#[derive(Debug)]
pub(crate) struct Change<'s, D> {
    pub(crate) view: View<'s, D>,
    /// The number of the next file.
    pub(crate) next: u64,
    /// How many files there are.
    pub(crate) files: u64,
    /// What is not needed any more.
    pub(crate) freed: Vec<Ptr>,
}

/// What a change leaves.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) tree: Tree,
    pub(crate) next: u64,
    pub(crate) files: u64,
    pub(crate) freed: Vec<Ptr>,
}

/// A record has 16 KiB unless a file says otherwise.
const RECORD: u8 = 14;

/// The root directory's number.
pub(crate) const ROOT: u64 = 1;

impl<D: BlockDevice> Change<'_, D> {
    /// Does an operation at a time; the number of the file that was made or named, else 0.
    pub(crate) async fn apply(&mut self, op: &Op, time: i64) -> Result<u64> {
        match op {
            Op::Create { at, new, target } => return self.create(at, new, target, time).await,
            Op::Link { at, ino } => self.link(at, *ino, time).await?,
            Op::Unlink { at, keep } => self.unlink(at, *keep, time).await?,
            Op::RemoveDirectory { at, keep } => self.remove_directory(at, *keep, time).await?,
            Op::Rename { from, to, keep } => self.rename(from, to, *keep, time).await?,
            Op::Attributes { ino, new } => self.attributes(*ino, new, time).await?,
            Op::Truncate { ino, size } => self.truncate(*ino, *size, time).await?,
            Op::Write { ino, offset, data } => self.write(*ino, *offset, data, time).await?,
            Op::Records { ino, first, end, ptrs } => {
                self.records(*ino, *first, *end, ptrs, time).await?;
            }
        }
        Ok(0)
    }

    /// The changed volume.
    pub(crate) fn done(self) -> Done {
        let Self { view, next, files, freed } = self;
        Done { tree: view.tree, next, files, freed }
    }

    /// Makes the root directory of an empty volume.
    pub(crate) async fn found(&mut self, mode: u16, time: i64) -> Result<()> {
        let new = New { kind: Kind::Directory, mode, uid: 0, gid: 0 };
        self.next = ROOT.saturating_add(1);
        self.files = 1;
        self.put_inode(ROOT, &fresh(&new, ROOT, 0, time)).await
    }

    async fn create(&mut self, at: &Place, new: &New, target: &[u8], time: i64) -> Result<u64> {
        self.view.directory(at.directory).await?;
        if target.len() > VALUE_MAX {
            return Err(Error::NameTooLong);
        }
        if (new.kind == Kind::Symlink) == target.is_empty() || new.mode & !0o7777 != 0 {
            return Err(Error::Invalid);
        }
        let ino = self.next;
        self.add_name(at, ino, new.kind).await?;
        self.next = ino.checked_add(1).ok_or(Error::NoSpace)?;
        self.files = self.files.saturating_add(1);
        let mut inode = fresh(new, at.directory, target.len(), time);
        if !target.is_empty() {
            self.put(Key::new(ino, Tag::Inline, 0), target.to_vec()).await?;
        }
        if new.kind != Kind::Directory {
            inode.parent = 0;
        }
        self.put_inode(ino, &inode).await?;
        self.count_name(at.directory, new.kind, Count::More, time).await?;
        Ok(ino)
    }

    async fn attributes(&mut self, ino: u64, new: &Attributes, time: i64) -> Result<()> {
        let mut inode = self.view.inode(ino).await?;
        if new.mode.is_some_and(|mode| mode & !0o7777 != 0) {
            return Err(Error::Invalid);
        }
        inode.mode = new.mode.unwrap_or(inode.mode);
        inode.uid = new.uid.unwrap_or(inode.uid);
        inode.gid = new.gid.unwrap_or(inode.gid);
        let [accessed, modified, changed, _] = &mut inode.times;
        *accessed = new.accessed.unwrap_or(*accessed);
        *modified = new.modified.unwrap_or(*modified);
        *changed = time;
        self.put_inode(ino, &inode).await
    }

    /// Takes a file away with all that belongs to it.
    pub(crate) async fn erase(&mut self, ino: u64) -> Result<()> {
        let from = Key::new(ino, Tag::Region, 0);
        let end = Key::new(ino.checked_add(1).ok_or(Flaw::Value.at(ino))?, Tag::Region, 0);
        while let Some((key, _)) = self.view.tree.first(self.view.store, from, end).await? {
            self.take(key).await?;
        }
        self.take(orphan(ino)).await?;
        self.files = self.files.saturating_sub(1);
        Ok(())
    }

    /// The files without a name.
    pub(crate) async fn orphans(&self) -> Result<Vec<u64>> {
        let end = Key::new(0, Tag::Orphan, u64::MAX);
        let found = self.view.tree.range(self.view.store, orphan(0), end, usize::MAX).await?;
        Ok(found.into_iter().map(|(key, _)| key.offset).collect())
    }

    /// A file lost a name: it goes with its last one, or waits until it is closed.
    #[expect(clippy::fn_params_excessive_bools, reason = "a field of the operation")]
    async fn lose_name(&mut self, ino: u64, keep: bool, time: i64) -> Result<()> {
        let mut inode = self.view.inode(ino).await?;
        inode.links = match inode.kind {
            Kind::Directory => 0,
            _ => inode.links.saturating_sub(1),
        };
        let [_, _, changed, _] = &mut inode.times;
        *changed = time;
        if inode.links > 0 {
            return self.put_inode(ino, &inode).await;
        }
        if !keep {
            return self.erase(ino).await;
        }
        inode.flags = FLAG_ORPHAN;
        self.put(orphan(ino), Vec::new()).await?;
        self.put_inode(ino, &inode).await
    }

    /// Sets an inode.
    pub(crate) async fn put_inode(&mut self, ino: u64, inode: &Inode) -> Result<()> {
        self.put(Key::new(ino, Tag::Inode, 0), inode.encode()).await
    }

    /// Sets a key to these bytes.
    pub(crate) async fn put(&mut self, key: Key, bytes: Vec<u8>) -> Result<()> {
        self.set(key, Value::Bytes(bytes.into())).await.map(drop)
    }

    /// Sets a key; the value before.
    pub(crate) async fn set(&mut self, key: Key, value: Value) -> Result<Option<Value>> {
        let View { store, tree, .. } = &mut self.view;
        tree.insert(store, &mut self.freed, key, value).await
    }

    /// Takes a key away; its value.
    pub(crate) async fn take(&mut self, key: Key) -> Result<Option<Value>> {
        let View { store, tree, .. } = &mut self.view;
        tree.remove(store, &mut self.freed, key).await
    }
}

/// Whether a directory has one name more or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    More,
    Less,
}

/// The inode of a new file.
fn fresh(new: &New, parent: u64, size: usize, time: i64) -> Inode {
    Inode {
        kind: new.kind,
        mode: new.mode,
        uid: new.uid,
        gid: new.gid,
        links: if new.kind == Kind::Directory { 2 } else { 1 },
        size: crate::num::wide(size),
        blocks: 0,
        times: [time; 4],
        record: RECORD,
        parent,
        flags: 0,
    }
}

/// The key that tells of a file without a name.
pub(crate) const fn orphan(ino: u64) -> Key {
    Key::new(0, Tag::Orphan, ino)
}
