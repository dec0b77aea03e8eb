//! What an open does, by its flags, and what a description may do afterwards.

use anode_abi::error::{EBADF, EEXIST, EINVAL, EISDIR, ELOOP, ENOENT, ENOTDIR, Error, Result};
use anode_fs::device::BlockDevice;
use anode_fs::{Kind, New};
use redox::flag::{
    O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_STAT, O_SYMLINK, O_TRUNC, O_WRONLY,
};

use crate::files::Files;
use crate::rights::{Caller, READ, WRITE, owned};
use crate::walk::{Last, Place, Start, refused};

/// libc's `O_NOFOLLOW`; `redox_syscall` has no name for it.
const O_NOFOLLOW: usize = 0x8000_0000;
/// The bits of the open flags that are the mode of what is created.
const MODE: usize = 0o7777;

/// An open description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    /// The file; none for a symbolic link that is made when its target is written.
    ino: Option<u64>,
    /// The root of what is opened from here.
    pub(crate) top: u64,
    /// Directory and name under which it was opened: what a rename through it renames.
    pub(crate) name: (u64, String),
    /// [`READ`] and [`WRITE`], as it was opened for.
    access: u16,
    pub(crate) append: bool,
}

impl Open {
    /// The file.
    ///
    /// # Errors
    ///
    /// `ENOENT` for a link that has no target yet.
    pub(crate) fn ino(&self) -> Result<u64> {
        self.ino.ok_or(Error::new(ENOENT))
    }

    /// Whether it is a link that waits for its target.
    pub(crate) const fn is_new_link(&self) -> bool {
        self.ino.is_none()
    }

    /// The link was made.
    pub(crate) const fn made(&mut self, ino: u64) {
        self.ino = Some(ino);
    }

    /// Where a path from this directory begins.
    ///
    /// # Errors
    ///
    /// As for [`Open::ino`].
    pub(crate) fn start(&self) -> Result<Start> {
        Ok(Start { at: self.ino()?, top: self.top })
    }

    /// The same directory as the root of all that is opened from it.
    ///
    /// # Errors
    ///
    /// As for [`Open::ino`].
    pub(crate) fn as_root(&self) -> Result<Self> {
        Ok(Self { top: self.ino()?, ..self.clone() })
    }

    /// Refuses what the description was not opened for.
    ///
    /// # Errors
    ///
    /// `EBADF`.
    pub(crate) fn for_reading(&self) -> Result<u64> {
        if self.access & READ != 0 { self.ino() } else { Err(Error::new(EBADF)) }
    }

    /// As [`Open::for_reading`].
    ///
    /// # Errors
    ///
    /// `EBADF`.
    pub(crate) const fn for_writing(&self) -> Result<()> {
        if self.access & WRITE != 0 { Ok(()) } else { Err(Error::new(EBADF)) }
    }
}

impl<D: BlockDevice> Files<D> {
    /// Opens `path` from a directory; the file is held until [`Files::let_go`].
    ///
    /// # Errors
    ///
    /// What the path, the permissions and `open` of POSIX demand.
    pub(crate) async fn open(
        &mut self,
        from: Start,
        path: &str,
        flags: usize,
        caller: Caller,
    ) -> Result<Open> {
        let has = |flag: usize| flags & flag != 0;
        let exclusive = has(O_CREAT) && has(O_EXCL);
        let keep = has(O_SYMLINK) || has(O_NOFOLLOW) || exclusive;
        let last = if keep { Last::Keep } else { Last::Follow };
        let place = self.walker().walk(from, path, last, caller).await?;
        if exclusive && place.found.is_some() {
            return Err(Error::new(EEXIST));
        }
        let access = match flags {
            _ if has(O_STAT) => 0,
            _ => (if has(O_RDONLY) { READ } else { 0 }) | if has(O_WRONLY) { WRITE } else { 0 },
        };
        let ino = match place.found {
            Some((ino, kind)) => {
                check_existing(kind, flags)?;
                caller.may(owned(&self.walker().inode(ino).await?), access)?;
                if has(O_TRUNC) && access & WRITE != 0 && kind == Kind::File {
                    self.truncate(ino, 0).await?;
                }
                Some(ino)
            }
            None if has(O_CREAT) => self.create_by_flags(&place, flags, caller).await?,
            None => return Err(Error::new(ENOENT)),
        };
        if let Some(ino) = ino {
            self.volume.open(ino).await.map_err(refused)?;
        }
        let name = (place.parent, place.name);
        Ok(Open { ino, top: from.top, name, access, append: has(O_APPEND) })
    }

    /// Makes what `O_CREAT` with its companions asks for; a symbolic link only later, when its
    /// target is known.
    async fn create_by_flags(
        &mut self,
        place: &Place,
        flags: usize,
        caller: Caller,
    ) -> Result<Option<u64>> {
        let kind = match flags {
            _ if flags & O_DIRECTORY != 0 => Kind::Directory,
            _ if flags & O_SYMLINK != 0 => Kind::Symlink,
            _ => Kind::File,
        };
        self.may_create(place, kind, caller).await?;
        if kind == Kind::Symlink {
            return Ok(None);
        }
        let mode = u16::try_from(flags & MODE).unwrap_or(0);
        let new = New { kind, mode, uid: caller.uid, gid: caller.gid };
        let now = self.touch();
        let made = self.volume.create(place.parent, place.name.as_bytes(), new, now).await;
        made.map(Some).map_err(refused)
    }

    /// Makes the link that a description waits for, with this target.
    ///
    /// # Errors
    ///
    /// `EINVAL` for what can be no target, `EEXIST`, `ENOSPC`.
    pub(crate) async fn make_link(
        &mut self,
        open: &mut Open,
        target: &[u8],
        caller: Caller,
    ) -> Result<()> {
        let text = std::str::from_utf8(target).ok();
        let good = |text: &&str| (1..4096).contains(&text.len()) && !text.contains('\0');
        text.filter(good).ok_or(Error::new(EINVAL))?;
        let (parent, name) = &open.name;
        let (now, owner) = (self.touch(), (caller.uid, caller.gid));
        let made = self.volume.symlink(*parent, name.as_bytes(), target, owner, now).await;
        let ino = made.map_err(refused)?;
        self.volume.open(ino).await.map_err(refused)?;
        open.made(ino);
        Ok(())
    }
}

/// Refuses flags that do not go with what is there.
fn check_existing(kind: Kind, flags: usize) -> Result<()> {
    let has = |flag: usize| flags & flag != 0;
    match kind {
        Kind::Directory if has(O_CREAT) && has(O_DIRECTORY) => Err(Error::new(EEXIST)),
        Kind::Directory if has(O_WRONLY) && !has(O_STAT) => Err(Error::new(EISDIR)),
        Kind::Directory => Ok(()),
        _ if has(O_DIRECTORY) => Err(Error::new(ENOTDIR)),
        Kind::Symlink if !has(O_SYMLINK) => Err(Error::new(ELOOP)),
        Kind::Symlink if has(O_TRUNC) => Err(Error::new(EINVAL)),
        Kind::File | Kind::Symlink | Kind::Fifo | Kind::Socket => Ok(()),
    }
}
