//! Reading a volume: as it was when the view was taken, whatever is written meanwhile.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use crate::device::BlockDevice;
use crate::error::{Error, Flaw, Result};
use crate::format::{Inode, Key, Kind, Name, Ptr, Tag, Value, decode_names};
use crate::num::{size, wide};
use crate::store::Store;
use crate::tree::Tree;

/// A volume at one moment. While it is there, no block that it leads to is used again: a view
/// that is kept for long keeps space from those who delete.
#[derive(Debug)]
pub struct View<'s, D> {
    pub(crate) store: &'s Store<D>,
    /// What the open transaction frees, and those behind it, stays for as long as this.
    pub(crate) _pin: Arc<()>,
    /// Key of the hash of names.
    pub(crate) secret: [u8; 16],
    pub(crate) tree: Tree,
}

/// How many records are read at once: with the largest, four megabytes.
const BATCH: usize = 32;

/// The keys of a file's records from number `first` to before `end`.
pub(crate) const fn records(ino: u64, first: u64, end: u64) -> (Key, Key) {
    (Key::new(ino, Tag::Data, first), Key::new(ino, Tag::Data, end))
}

impl<D: BlockDevice> View<'_, D> {
    /// Everything about a file but its content.
    ///
    /// # Errors
    ///
    /// `NotFound`, or what reading fails with.
    pub async fn inode(&self, ino: u64) -> Result<Inode> {
        let value = self.tree.get(self.store, Key::new(ino, Tag::Inode, 0)).await?;
        match value.ok_or(Error::NotFound)? {
            Value::Bytes(bytes) => Inode::decode(&bytes).map_err(|flaw| flaw.at(ino)),
            _ => Err(Flaw::Role.at(ino)),
        }
    }

    /// The inode of a directory that has a name.
    pub(crate) async fn directory(&self, ino: u64) -> Result<Inode> {
        let inode = self.inode(ino).await?;
        match inode.kind {
            Kind::Directory if inode.flags == 0 => Ok(inode),
            Kind::Directory => Err(Error::NotFound),
            _ => Err(Error::NotDirectory),
        }
    }

    /// Where a name is, and the names that are there.
    pub(crate) async fn bucket(&self, directory: u64, name: &[u8]) -> Result<(Key, Vec<Name>)> {
        let key = Key::new(directory, Tag::Name, hash(&self.secret, name));
        let names = match self.tree.get(self.store, key).await? {
            Some(value) => names(&key, &value)?,
            None => Vec::new(),
        };
        Ok((key, names))
    }

    /// The file that a directory knows by this name.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotDirectory`, or what reading fails with.
    pub async fn lookup(&self, directory: u64, name: &[u8]) -> Result<Name> {
        if self.inode(directory).await?.kind != Kind::Directory {
            return Err(Error::NotDirectory);
        }
        let (_, names) = self.bucket(directory, name).await?;
        names.into_iter().find(|found| found.name == name).ok_or(Error::NotFound)
    }

    /// Names of a directory with their cookies, in the order of these: those behind `after`, or
    /// from the first on. Names of one cookie come together, and at least one if there is any.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotDirectory`, or what reading fails with.
    pub async fn entries(
        &self,
        directory: u64,
        after: Option<u64>,
        most: usize,
    ) -> Result<Vec<(u64, Name)>> {
        if self.inode(directory).await?.kind != Kind::Directory {
            return Err(Error::NotDirectory);
        }
        let from = match after.map(|cookie| cookie.checked_add(1)) {
            Some(None) => return Ok(Vec::new()),
            Some(Some(next)) => next,
            None => 0,
        };
        let from = Key::new(directory, Tag::Name, from);
        let end = Key::new(directory, Tag::Data, 0);
        let mut entries = Vec::new();
        for (key, value) in self.tree.range(self.store, from, end, most.max(1)).await? {
            let names = names(&key, &value)?;
            entries.extend(names.into_iter().map(|name| (key.offset, name)));
        }
        Ok(entries)
    }

    /// The path that a symbolic link stands for.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Invalid` for what is no link, or what reading fails with.
    pub async fn target(&self, ino: u64) -> Result<Vec<u8>> {
        match self.inode(ino).await?.kind {
            Kind::Symlink => Ok(self.inline(ino).await?.unwrap_or_default().to_vec()),
            _ => Err(Error::Invalid),
        }
    }

    /// What is kept beside the inode itself.
    pub(crate) async fn inline(&self, ino: u64) -> Result<Option<Arc<[u8]>>> {
        match self.tree.get(self.store, Key::new(ino, Tag::Inline, 0)).await? {
            Some(Value::Bytes(bytes)) => Ok(Some(bytes)),
            Some(_) => Err(Flaw::Role.at(ino)),
            None => Ok(None),
        }
    }

    /// Fills `into` with bytes of a file from `offset` on; how many there were.
    ///
    /// # Errors
    ///
    /// `NotFound`, `IsDirectory`, `Invalid` for what has no bytes, or what reading fails with.
    pub async fn read(&self, ino: u64, offset: u64, into: &mut [u8]) -> Result<usize> {
        let inode = self.inode(ino).await?;
        match inode.kind {
            Kind::File => {}
            Kind::Directory => return Err(Error::IsDirectory),
            Kind::Symlink | Kind::Fifo | Kind::Socket => return Err(Error::Invalid),
        }
        let count = inode.size.saturating_sub(offset).min(wide(into.len()));
        let into = into.get_mut(..size(count)).unwrap_or_default();
        into.fill(0);
        if let Some(inline) = self.inline(ino).await? {
            overlay(into, offset, &inline, 0);
            return Ok(size(count));
        }
        let record = inode.record_size();
        let mut next = offset.div_euclid(record);
        let end = offset.saturating_add(count).div_ceil(record);
        while next < end {
            let found = self.fetch(ino, next, end).await?;
            let Some((last, _)) = found.last() else { break };
            next = last.offset.saturating_add(1);
            for (key, value) in &found {
                let content = self.content(value).await?;
                let start = key.offset.checked_mul(record).ok_or(Flaw::Value.at(ino))?;
                overlay(into, offset, &content, start);
            }
        }
        Ok(size(count))
    }

    /// Reads ahead: what a file has of the bytes from `offset` on, so many, is kept for those who
    /// will read it, as far as there is room.
    ///
    /// # Errors
    ///
    /// As [`View::read`], but not for what cannot be read: that is told to whoever wants it.
    pub async fn prefetch(&self, ino: u64, offset: u64, count: u64) -> Result<()> {
        let inode = self.inode(ino).await?;
        if inode.kind != Kind::File {
            return Err(Error::Invalid);
        }
        let record = inode.record_size();
        let end = inode.size.min(offset.saturating_add(count)).div_ceil(record);
        let mut next = offset.div_euclid(record);
        while next < end {
            let found = self.fetch(ino, next, end).await?;
            let Some((last, _)) = found.last() else { break };
            next = last.offset.saturating_add(1);
        }
        Ok(())
    }

    /// The next records of a file from number `first` to before `end`, read all at once.
    async fn fetch(&self, ino: u64, first: u64, end: u64) -> Result<Vec<(Key, Value)>> {
        let (from, to) = records(ino, first, end);
        let mut found = self.tree.range(self.store, from, to, BATCH).await?;
        found.truncate(BATCH);
        let on_disk = |value: &Value| match value {
            Value::Stored(ptr) => Some(*ptr),
            _ => None,
        };
        let ptrs: Vec<Ptr> = found.iter().filter_map(|(_, value)| on_disk(value)).collect();
        if ptrs.len() > 1 {
            self.store.fetch(&ptrs).await?;
        }
        Ok(found)
    }

    /// The bytes of a record.
    pub(crate) async fn content(&self, value: &Value) -> Result<Arc<[u8]>> {
        match value {
            Value::Stored(ptr) => self.store.record(ptr).await,
            Value::Record(bytes) => Ok(Arc::clone(bytes)),
            Value::Bytes(_) | Value::Child(_) => Err(Flaw::Role.at(0)),
        }
    }
}

/// Where in a directory a name is.
pub(crate) fn hash(secret: &[u8; 16], name: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(secret);
    hasher.write(name);
    hasher.finish()
}

/// The names of a bucket.
pub(crate) fn names(key: &Key, value: &Value) -> Result<Vec<Name>> {
    match value {
        Value::Bytes(bytes) => decode_names(bytes).map_err(|flaw| flaw.at(key.object)),
        _ => Err(Flaw::Role.at(key.object)),
    }
}

/// Copies what `content`, which begins at byte `start` of a file, has of the bytes that `into`
/// is to hold, which begins at byte `offset`.
pub(crate) fn overlay(into: &mut [u8], offset: u64, content: &[u8], start: u64) {
    let skip = size(start.saturating_sub(offset));
    let from = size(offset.saturating_sub(start));
    let into = into.get_mut(skip..).unwrap_or_default();
    let content = content.get(from..).unwrap_or_default();
    into.iter_mut().zip(content).for_each(|(into, byte)| *into = *byte);
}
