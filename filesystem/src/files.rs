//! The volume as programs see it: what is asked of files that are open.

use std::time::{SystemTime, UNIX_EPOCH};

use anode_abi::error::{EINVAL, EISDIR, EPERM, Error, Result};
use anode_fs::device::BlockDevice;
use anode_fs::{Attributes, Inode, Kind, Volume};

use crate::rights::{Caller, WRITE, owned};
use crate::walk::{Walker, refused};

/// The mounted volume.
#[derive(Debug)]
pub(crate) struct Files<D> {
    pub(crate) volume: Volume<D>,
    /// Names with a colon behind that no file may begin with.
    schemes: Vec<String>,
    /// Something was changed since the last commit.
    changed: bool,
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Bytes.
    pub(crate) count: usize,
    /// First byte whose content is another than before.
    pub(crate) from: u64,
}

impl<D: BlockDevice> Files<D> {
    /// Serves this volume; no file may begin with one of these names and a colon.
    pub(crate) const fn new(volume: Volume<D>, schemes: Vec<String>) -> Self {
        Self { volume, schemes, changed: false }
    }

    /// One who finds files as they are now.
    pub(crate) fn walker(&self) -> Walker<'_, D> {
        Walker { view: self.volume.view(), schemes: &self.schemes }
    }

    /// Notes that something is about to change; the time of that.
    pub(crate) fn touch(&mut self) -> i64 {
        self.changed = true;
        now()
    }

    /// Whether there is something to commit.
    pub(crate) const fn is_changed(&self) -> bool {
        self.changed
    }

    /// Ends the transaction: all that was done lasts from here on.
    ///
    /// # Errors
    ///
    /// The device failed; nothing can be changed any more.
    pub(crate) async fn commit(&mut self) -> Result<(), anode_fs::error::Error> {
        self.changed = false;
        self.volume.commit(now()).await
    }

    /// A description of the file was closed.
    pub(crate) async fn let_go(&mut self, ino: u64) -> Result<()> {
        if self.walker().inode(ino).await?.links == 0 {
            self.touch();
        }
        self.volume.close(ino).await.map_err(refused)
    }

    /// Writes to a file; `None` appends.
    ///
    /// # Errors
    ///
    /// `EISDIR`, `EINVAL` for what has no bytes, `ENOSPC`, `EFBIG`.
    pub(crate) async fn write(
        &mut self,
        ino: u64,
        offset: Option<u64>,
        data: &[u8],
    ) -> Result<Written> {
        let file = self.walker().inode(ino).await?;
        bytes_of(&file)?;
        let offset = offset.unwrap_or(file.size);
        let now = self.touch();
        let count = self.volume.write(ino, offset, data, now).await.map_err(refused)?;
        Ok(Written { count, from: offset.min(file.size) })
    }

    /// Sets a file's length; the first byte that is another than before.
    ///
    /// # Errors
    ///
    /// `EISDIR`, `EINVAL` for a link, `ENOSPC`, `EFBIG`.
    pub(crate) async fn truncate(&mut self, ino: u64, size: u64) -> Result<u64> {
        let file = self.walker().inode(ino).await?;
        bytes_of(&file)?;
        if size == file.size && size == 0 {
            return Ok(0);
        }
        let now = self.touch();
        self.volume.truncate(ino, size, now).await.map_err(refused)?;
        Ok(size.min(file.size))
    }

    /// Sets permission bits.
    ///
    /// # Errors
    ///
    /// `EPERM` unless the caller owns the file.
    pub(crate) async fn chmod(&mut self, ino: u64, caller: Caller, mode: u16) -> Result<()> {
        caller.owns(owned(&self.walker().inode(ino).await?))?;
        self.set(ino, Attributes { mode: Some(mode & 0o7777), ..Attributes::default() }).await
    }

    /// Sets owner and group; `None` leaves one as it is.
    ///
    /// # Errors
    ///
    /// `EPERM` unless the caller is root, or owns the file and gives it to its own group.
    pub(crate) async fn chown(
        &mut self,
        ino: u64,
        caller: Caller,
        [uid, gid]: [Option<u32>; 2],
    ) -> Result<()> {
        let file = self.walker().inode(ino).await?;
        caller.owns(owned(&file))?;
        let stays = uid.is_none_or(|uid| uid == file.uid);
        let own = gid.is_none_or(|gid| gid == file.gid || gid == caller.gid);
        if caller.uid != 0 && !(stays && own) {
            return Err(Error::new(EPERM));
        }
        // A program that runs as its owner must not become another's.
        let mode = (caller.uid != 0).then_some(file.mode & !0o6000);
        self.set(ino, Attributes { mode, uid, gid, ..Attributes::default() }).await
    }

    /// Sets the times of the last access and the last change of content, in ns since 1970.
    ///
    /// # Errors
    ///
    /// `EPERM` unless the caller owns the file or may write it.
    pub(crate) async fn set_times(
        &mut self,
        ino: u64,
        caller: Caller,
        [accessed, modified]: [i64; 2],
    ) -> Result<()> {
        let file = self.walker().inode(ino).await?;
        caller
            .owns(owned(&file))
            .or_else(|error| caller.may(owned(&file), WRITE).map_err(|_| error))?;
        let (accessed, modified) = (Some(accessed), Some(modified));
        self.set(ino, Attributes { accessed, modified, ..Attributes::default() }).await
    }

    async fn set(&mut self, ino: u64, new: Attributes) -> Result<()> {
        let now = self.touch();
        self.volume.set_attributes(ino, new, now).await.map_err(refused)
    }
}

/// Refuses what has no bytes.
fn bytes_of(file: &Inode) -> Result<()> {
    match file.kind {
        Kind::File => Ok(()),
        Kind::Directory => Err(Error::new(EISDIR)),
        Kind::Symlink | Kind::Fifo | Kind::Socket => Err(Error::new(EINVAL)),
    }
}

/// The wall clock in nanoseconds since 1970; before that it stands.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
