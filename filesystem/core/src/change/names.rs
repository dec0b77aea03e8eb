//! Names: adding, taking away, and moving them.

use crate::NAME_MAX;
use crate::device::BlockDevice;
use crate::error::{Error, Flaw, Result};
use crate::format::{Kind, Name, VALUE_MAX, encode_names, is_name};
use crate::op::Place;

use super::{Change, Count, ROOT};

/// No directory lies deeper; the way up from one that does is a circle.
const DEEPEST: u32 = 4096;

impl<D: BlockDevice> Change<'_, D> {
    /// Adds a name that is not there yet.
    pub(super) async fn add_name(&mut self, at: &Place, ino: u64, kind: Kind) -> Result<()> {
        let name = check(&at.name)?;
        let (key, mut names) = self.view.bucket(at.directory, name).await?;
        if names.iter().any(|found| found.name == name) {
            return Err(Error::Exists);
        }
        names.push(Name { ino, kind, name: name.into() });
        let bytes = encode_names(&names);
        if bytes.len() > VALUE_MAX {
            return Err(Error::NoSpace);
        }
        self.put(key, bytes).await
    }

    /// Takes a name away.
    async fn take_name(&mut self, at: &Place) -> Result<()> {
        let (key, mut names) = self.view.bucket(at.directory, &at.name).await?;
        names.retain(|found| found.name != at.name);
        if names.is_empty() {
            self.take(key).await.map(drop)
        } else {
            self.put(key, encode_names(&names)).await
        }
    }

    /// Counts in a directory that a name of a file of this kind came or went.
    pub(super) async fn count_name(
        &mut self,
        directory: u64,
        kind: Kind,
        count: Count,
        time: i64,
    ) -> Result<()> {
        let mut inode = self.view.inode(directory).await?;
        let links = u32::from(kind == Kind::Directory);
        (inode.size, inode.links) = match count {
            Count::More => (
                inode.size.saturating_add(1),
                inode.links.checked_add(links).ok_or(Error::TooManyLinks)?,
            ),
            Count::Less => (inode.size.saturating_sub(1), inode.links.saturating_sub(links)),
        };
        let [_, modified, changed, _] = &mut inode.times;
        (*modified, *changed) = (time, time);
        self.put_inode(directory, &inode).await
    }

    pub(super) async fn link(&mut self, at: &Place, ino: u64, time: i64) -> Result<()> {
        self.view.directory(at.directory).await?;
        let mut inode = self.view.inode(ino).await?;
        if inode.kind == Kind::Directory {
            return Err(Error::Forbidden);
        }
        if inode.flags != 0 {
            return Err(Error::NotFound);
        }
        inode.links = inode.links.checked_add(1).ok_or(Error::TooManyLinks)?;
        let [_, _, changed, _] = &mut inode.times;
        *changed = time;
        self.add_name(at, ino, inode.kind).await?;
        self.put_inode(ino, &inode).await?;
        self.count_name(at.directory, inode.kind, Count::More, time).await
    }

    #[expect(clippy::fn_params_excessive_bools, reason = "a field of the operation")]
    pub(super) async fn unlink(&mut self, at: &Place, keep: bool, time: i64) -> Result<()> {
        let found = self.view.lookup(at.directory, check(&at.name)?).await?;
        if found.kind == Kind::Directory {
            return Err(Error::IsDirectory);
        }
        self.take_name(at).await?;
        self.count_name(at.directory, found.kind, Count::Less, time).await?;
        self.lose_name(found.ino, keep, time).await
    }

    #[expect(clippy::fn_params_excessive_bools, reason = "a field of the operation")]
    pub(super) async fn remove_directory(
        &mut self,
        at: &Place,
        keep: bool,
        time: i64,
    ) -> Result<()> {
        let found = self.view.lookup(at.directory, check(&at.name)?).await?;
        self.must_be_empty(found.ino).await?;
        self.take_name(at).await?;
        self.count_name(at.directory, found.kind, Count::Less, time).await?;
        self.lose_name(found.ino, keep, time).await
    }

    async fn must_be_empty(&self, directory: u64) -> Result<()> {
        if self.view.entries(directory, None, 1).await?.is_empty() {
            Ok(())
        } else {
            Err(Error::NotEmpty)
        }
    }

    #[expect(clippy::fn_params_excessive_bools, reason = "a field of the operation")]
    pub(super) async fn rename(
        &mut self,
        from: &Place,
        to: &Place,
        keep: bool,
        time: i64,
    ) -> Result<()> {
        check(&to.name)?;
        let source = self.view.lookup(from.directory, check(&from.name)?).await?;
        self.view.directory(to.directory).await?;
        if source.kind == Kind::Directory {
            self.must_not_be_below(to.directory, source.ino).await?;
        }
        match self.view.lookup(to.directory, &to.name).await {
            Ok(target) if target.ino == source.ino => return Ok(()),
            Ok(target) => self.make_way(&source, &target, to, keep, time).await?,
            Err(Error::NotFound) => {}
            Err(error) => return Err(error),
        }
        self.take_name(from).await?;
        self.count_name(from.directory, source.kind, Count::Less, time).await?;
        self.add_name(to, source.ino, source.kind).await?;
        self.count_name(to.directory, source.kind, Count::More, time).await?;
        let mut inode = self.view.inode(source.ino).await?;
        let [_, _, changed, _] = &mut inode.times;
        *changed = time;
        if inode.kind == Kind::Directory {
            inode.parent = to.directory;
        }
        self.put_inode(source.ino, &inode).await
    }

    /// Takes away what has the name that `source` gets.
    #[expect(clippy::fn_params_excessive_bools, reason = "a field of the operation")]
    async fn make_way(
        &mut self,
        source: &Name,
        target: &Name,
        at: &Place,
        keep: bool,
        time: i64,
    ) -> Result<()> {
        match (source.kind == Kind::Directory, target.kind == Kind::Directory) {
            (true, false) => return Err(Error::NotDirectory),
            (false, true) => return Err(Error::IsDirectory),
            (true, true) => self.must_be_empty(target.ino).await?,
            (false, false) => {}
        }
        self.take_name(at).await?;
        self.count_name(at.directory, target.kind, Count::Less, time).await?;
        self.lose_name(target.ino, keep, time).await
    }

    /// Whether the way from a directory up to the root leads past another one.
    async fn must_not_be_below(&self, directory: u64, other: u64) -> Result<()> {
        let mut at = directory;
        for _ in 0..DEEPEST {
            if at == other {
                return Err(Error::Invalid);
            }
            if at == ROOT {
                return Ok(());
            }
            at = self.view.inode(at).await?.parent;
        }
        Err(Flaw::Sum.at(directory))
    }
}

/// A name that a file may have.
fn check(name: &[u8]) -> Result<&[u8]> {
    if name.len() > NAME_MAX {
        Err(Error::NameTooLong)
    } else if is_name(name) {
        Ok(name)
    } else {
        Err(Error::Invalid)
    }
}
