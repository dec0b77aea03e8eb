//! What changes names: create, unlink, rename, link.

use anode_abi::error::{EBUSY, EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, EPERM, Error, Result};
use anode_fs::Kind;
use anode_fs::device::BlockDevice;

use crate::files::Files;
use crate::rights::{Caller, SEARCH, WRITE, owned};
use crate::walk::{Last, Place, ROOT, Start, refused};

/// What an unlink is to remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Directory,
    Other,
}

impl<D: BlockDevice> Files<D> {
    /// Refuses if nothing of this kind may be made at a place.
    ///
    /// # Errors
    ///
    /// `EEXIST`; `EACCES`; `EINVAL` for a name that would read as another scheme's path; `ENOENT`.
    pub(crate) async fn may_create(&self, place: &Place, kind: Kind, caller: Caller) -> Result<()> {
        if place.found.is_some() {
            return Err(Error::new(EEXIST));
        }
        self.good_name(place)?;
        let walker = self.walker();
        caller.may(owned(&walker.inode(place.parent).await?), WRITE | SEARCH)?;
        let file = place.slash && kind != Kind::Directory;
        if file { Err(Error::new(ENOENT)) } else { Ok(()) }
    }

    /// Refuses a place whose name no file may be given.
    fn good_name(&self, place: &Place) -> Result<()> {
        let name = place.named()?;
        let bad = self.walker().names_scheme(name) || name.contains('\0');
        if bad { Err(Error::new(EINVAL)) } else { Ok(()) }
    }

    /// Removes a name: of a directory or of anything else, as `sort` says.
    ///
    /// # Errors
    ///
    /// `ENOENT`, `EACCES`, `EPERM` (sticky); `EISDIR`, `ENOTDIR`, `ENOTEMPTY`, `EBUSY` (root),
    /// `EINVAL` for `.` and `..`.
    pub(crate) async fn unlink(
        &mut self,
        from: Start,
        path: &str,
        sort: Sort,
        caller: Caller,
    ) -> Result<()> {
        let walker = self.walker();
        let place = walker.walk(from, path, Last::Keep, caller).await?;
        let ino = place.existing()?;
        if ino == ROOT {
            return Err(Error::new(EBUSY));
        }
        let file = walker.inode(ino).await?;
        match (file.kind == Kind::Directory, sort) {
            (true, Sort::Other) => return Err(Error::new(EISDIR)),
            (false, Sort::Directory) => return Err(Error::new(ENOTDIR)),
            (true, Sort::Directory) if file.size > 0 => {
                return Err(refused(anode_fs::error::Error::NotEmpty));
            }
            (true, Sort::Directory) | (false, Sort::Other) => {}
        }
        let name = place.named()?.as_bytes();
        caller.may_remove(owned(&walker.inode(place.parent).await?), owned(&file))?;
        let now = self.touch();
        let removed = match sort {
            Sort::Directory => self.volume.rmdir(place.parent, name, now).await,
            Sort::Other => self.volume.unlink(place.parent, name, now).await,
        };
        removed.map_err(refused)
    }

    /// Gives what has the name `old` the name `path`, in one step; what had that name is replaced.
    /// The new directory and name.
    ///
    /// # Errors
    ///
    /// `ENOENT` if `old` is gone; `EACCES`, `EPERM`; `EINVAL` into its own subtree, and for a name
    /// that no file may have; `EISDIR`, `ENOTDIR`, `ENOTEMPTY`.
    pub(crate) async fn rename(
        &mut self,
        (from, old): &(u64, String),
        to: Start,
        path: &str,
        caller: Caller,
    ) -> Result<(u64, String)> {
        let walker = self.walker();
        let (ino, kind) = walker.lookup(*from, old).await?.ok_or(Error::new(ENOENT))?;
        let place = walker.walk(to, path, Last::Keep, caller).await?;
        self.good_name(&place)?;
        let parent = walker.inode(place.parent).await?;
        caller.may_remove(owned(&walker.inode(*from).await?), owned(&walker.inode(ino).await?))?;
        caller.may(owned(&parent), WRITE | SEARCH)?;
        if place.slash && kind != Kind::Directory {
            return Err(Error::new(ENOTDIR));
        }
        if let Some((other, _)) = place.found.filter(|(other, _)| *other != ino) {
            caller.may_remove(owned(&parent), owned(&walker.inode(other).await?))?;
        }
        let now = self.touch();
        let new = (place.parent, place.name.as_bytes());
        self.volume.rename((*from, old.as_bytes()), new, now).await.map_err(refused)?;
        Ok((place.parent, place.name))
    }

    /// Gives a file one more name.
    ///
    /// # Errors
    ///
    /// `EPERM` for a directory, `ENOENT` if the file has no name any more, `EMLINK`, and as for
    /// [`Files::may_create`].
    pub(crate) async fn link(
        &mut self,
        ino: u64,
        to: Start,
        path: &str,
        caller: Caller,
    ) -> Result<()> {
        let walker = self.walker();
        let file = walker.inode(ino).await?;
        if file.kind == Kind::Directory {
            return Err(Error::new(EPERM));
        }
        if file.links == 0 {
            return Err(Error::new(ENOENT));
        }
        let place = walker.walk(to, path, Last::Keep, caller).await?;
        self.may_create(&place, file.kind, caller).await?;
        let now = self.touch();
        self.volume.link(ino, place.parent, place.name.as_bytes(), now).await.map_err(refused)
    }
}
