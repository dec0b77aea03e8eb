//! The content of files: beside the inode while it is small, else in records; what is missing is
//! zero.

use alloc::vec::Vec;

use super::Change;
use crate::BLOCK;
use crate::device::BlockDevice;
use crate::error::{Error, Flaw, Result};
use crate::format::{Inode, Key, Kind, Ptr, Tag, Value};
use crate::num::{size, wide};
use crate::view::{overlay, records};

/// The most bytes of a file that are kept beside its inode.
pub(crate) const INLINE_MAX: u64 = 2048;

/// The most bytes of a file.
const SIZE_MAX: u64 = i64::MAX.cast_unsigned();

impl<D: BlockDevice> Change<'_, D> {
    /// The inode of a file of bytes.
    async fn file(&self, ino: u64) -> Result<Inode> {
        let inode = self.view.inode(ino).await?;
        match inode.kind {
            Kind::File => Ok(inode),
            Kind::Directory => Err(Error::IsDirectory),
            Kind::Symlink | Kind::Fifo | Kind::Socket => Err(Error::Invalid),
        }
    }

    pub(super) async fn write(
        &mut self,
        ino: u64,
        offset: u64,
        data: &[u8],
        time: i64,
    ) -> Result<()> {
        let mut inode = self.file(ino).await?;
        let end = end(offset, data.len())?;
        let inline = self.view.inline(ino).await?;
        if inode.blocks == 0 && end.max(inode.size) <= INLINE_MAX {
            let mut content = inline.map(|old| old.to_vec()).unwrap_or_default();
            content.resize(content.len().max(size(end)), 0);
            overlay(&mut content, 0, data, offset);
            self.put(Key::new(ino, Tag::Inline, 0), content).await?;
        } else {
            self.move_inline(ino, &mut inode).await?;
            let record = inode.record_size();
            for number in offset.div_euclid(record)..end.div_ceil(record) {
                let content = self.merged(ino, &inode, number, offset, data).await?;
                self.put_record(ino, &mut inode, number, Value::Record(content.into())).await?;
            }
        }
        self.written(ino, inode, end, time).await
    }

    /// A record as it is once `data` is written at `offset`.
    pub(crate) async fn merged(
        &self,
        ino: u64,
        inode: &Inode,
        number: u64,
        offset: u64,
        data: &[u8],
    ) -> Result<Vec<u8>> {
        let record = inode.record_size();
        let start = number.checked_mul(record).ok_or(Error::TooLarge)?;
        let last = end(offset, data.len())?.saturating_sub(start).min(record);
        let mut content = Vec::new();
        let whole = offset <= start && last == record;
        if !whole {
            let key = Key::new(ino, Tag::Data, number);
            if let Some(value) = self.view.tree.get(self.view.store, key).await? {
                content = self.view.content(&value).await?.to_vec();
            } else if number == 0
                && let Some(inline) = self.view.inline(ino).await?
            {
                content.extend_from_slice(&inline);
            }
        }
        if wide(content.len()) > record {
            return Err(Flaw::Length.at(ino));
        }
        content.resize(content.len().max(size(last)).next_multiple_of(BLOCK), 0);
        overlay(&mut content, start, data, offset);
        Ok(content)
    }

    /// Takes records in that were written already, from number `first` on; the file reaches to
    /// `end` at least.
    pub(super) async fn records(
        &mut self,
        ino: u64,
        first: u64,
        end: u64,
        ptrs: &[Ptr],
        time: i64,
    ) -> Result<()> {
        let mut inode = self.file(ino).await?;
        if end > SIZE_MAX {
            return Err(Error::TooLarge);
        }
        self.move_inline(ino, &mut inode).await?;
        for (number, ptr) in (first..).zip(ptrs) {
            if ptr.blocks.saturating_mul(wide(BLOCK)) > inode.record_size() {
                return Err(Flaw::Length.at(ptr.block));
            }
            self.put_record(ino, &mut inode, number, Value::Stored(*ptr)).await?;
        }
        self.written(ino, inode, end, time).await
    }

    pub(super) async fn truncate(&mut self, ino: u64, length: u64, time: i64) -> Result<()> {
        let mut inode = self.file(ino).await?;
        if length > SIZE_MAX {
            return Err(Error::TooLarge);
        }
        let inline = self.view.inline(ino).await?;
        match inline {
            Some(old) if length <= INLINE_MAX => {
                let kept = old.get(..size(length)).unwrap_or(&old).to_vec();
                self.put(Key::new(ino, Tag::Inline, 0), kept).await?;
            }
            Some(_) => self.move_inline(ino, &mut inode).await?,
            None if length < inode.size => self.cut(ino, &mut inode, length).await?,
            None => {}
        }
        inode.size = length;
        self.touch(ino, inode, time).await
    }

    /// Takes all records away behind `length`, and makes what is behind it in the last one zero.
    async fn cut(&mut self, ino: u64, inode: &mut Inode, length: u64) -> Result<()> {
        let record = inode.record_size();
        let (from, to) = records(ino, length.div_ceil(record), u64::MAX);
        while let Some((key, _)) = self.view.tree.first(self.view.store, from, to).await? {
            let old = self.take(key).await?;
            let blocks = old.map_or(0, |value| value.blocks());
            inode.blocks = inode.blocks.saturating_sub(blocks);
        }
        let number = length.div_euclid(record);
        let key = Key::new(ino, Tag::Data, number);
        let rest = size(length.rem_euclid(record));
        if rest > 0
            && let Some(value) = self.view.tree.get(self.view.store, key).await?
        {
            let mut content = self.view.content(&value).await?.to_vec();
            content.truncate(rest);
            content.resize(content.len().next_multiple_of(BLOCK), 0);
            self.put_record(ino, inode, number, Value::Record(content.into())).await?;
        }
        Ok(())
    }

    /// Makes a record of what is kept beside the inode.
    async fn move_inline(&mut self, ino: u64, inode: &mut Inode) -> Result<()> {
        let Some(Value::Bytes(inline)) = self.take(Key::new(ino, Tag::Inline, 0)).await? else {
            return Ok(());
        };
        let mut content = inline.to_vec();
        content.resize(content.len().next_multiple_of(BLOCK), 0);
        if content.is_empty() {
            return Ok(());
        }
        self.put_record(ino, inode, 0, Value::Record(content.into())).await
    }

    async fn put_record(
        &mut self,
        ino: u64,
        inode: &mut Inode,
        number: u64,
        value: Value,
    ) -> Result<()> {
        let more = value.blocks();
        let old = self.set(Key::new(ino, Tag::Data, number), value).await?;
        let less = old.map_or(0, |value| value.blocks());
        inode.blocks = inode.blocks.saturating_add(more).saturating_sub(less);
        Ok(())
    }

    async fn written(&mut self, ino: u64, mut inode: Inode, end: u64, time: i64) -> Result<()> {
        inode.size = inode.size.max(end);
        self.touch(ino, inode, time).await
    }

    async fn touch(&mut self, ino: u64, mut inode: Inode, time: i64) -> Result<()> {
        let [_, modified, changed, _] = &mut inode.times;
        (*modified, *changed) = (time, time);
        self.put_inode(ino, &inode).await
    }
}

/// The byte behind a write.
fn end(offset: u64, length: usize) -> Result<u64> {
    let end = offset.checked_add(wide(length)).ok_or(Error::TooLarge)?;
    if end > SIZE_MAX { Err(Error::TooLarge) } else { Ok(end) }
}
