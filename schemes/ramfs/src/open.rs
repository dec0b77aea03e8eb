//! What an open does, by its flags, and what a description may do afterwards.

use anode_abi::error::{EBADF, EEXIST, EINVAL, EISDIR, ELOOP, ENOTDIR, Error, Result};
use redox::flag::{
    O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_STAT, O_SYMLINK, O_TRUNC, O_WRONLY,
};

use crate::{
    content::Content,
    node::{Body, Directory, Ino},
    rights::{Caller, READ, WRITE},
    tree::Tree,
    walk::{Last, Place, Start},
};

/// libc's `O_NOFOLLOW`; `redox_syscall` has no name for it.
const O_NOFOLLOW: usize = 0x8000_0000;
/// The bits of the open flags that are the mode of what is created.
const MODE: usize = 0o7777;

/// An open description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) ino: Ino,
    /// The root of what is opened from here.
    top: Ino,
    /// Directory and name under which it was opened: what a rename through it renames.
    pub(crate) name: (Ino, String),
    /// [`READ`] and [`WRITE`], as it was opened for.
    access: u16,
    append: bool,
}

impl Open {
    /// Where a path from this directory begins.
    pub(crate) const fn start(&self) -> Start {
        Start { at: self.ino, top: self.top }
    }

    /// The same directory as the root of all that is opened from it.
    pub(crate) fn as_root(&self) -> Self {
        Self { top: self.ino, ..self.clone() }
    }

    /// Refuses what the description was not opened for.
    ///
    /// # Errors
    ///
    /// `EBADF`.
    pub(crate) const fn for_reading(&self) -> Result<Ino> {
        if self.access & READ != 0 { Ok(self.ino) } else { Err(Error::new(EBADF)) }
    }

    /// As [`Open::for_reading`].
    ///
    /// # Errors
    ///
    /// `EBADF`.
    pub(crate) const fn for_writing(&self) -> Result<Ino> {
        if self.access & WRITE != 0 { Ok(self.ino) } else { Err(Error::new(EBADF)) }
    }

    /// Where a write at `offset` goes: nowhere in particular if it appends.
    pub(crate) const fn at(&self, offset: u64) -> Option<u64> {
        if self.append { None } else { Some(offset) }
    }

    /// It can never be changed through this description.
    pub(crate) const fn is_read_only(&self) -> bool {
        self.access == READ
    }
}

impl<L: AsRef<[u8]>> Tree<L> {
    /// Opens `path` from a directory; the node is held until [`Tree::let_go`].
    ///
    /// # Errors
    ///
    /// What the path, the permissions and `open` of POSIX demand.
    pub(crate) fn open(
        &mut self,
        from: impl Into<Start>,
        path: &str,
        flags: usize,
        caller: Caller,
    ) -> Result<Open> {
        let has = |flag: usize| flags & flag != 0;
        let exclusive = has(O_CREAT) && has(O_EXCL);
        let keep = has(O_SYMLINK) || has(O_NOFOLLOW) || exclusive;
        let last = if keep { Last::Keep } else { Last::Follow };
        let from = from.into();
        let place = self.walk(from, path, last, caller)?;
        if exclusive && place.ino.is_some() {
            return Err(Error::new(EEXIST));
        }
        let access = match flags {
            _ if has(O_STAT) => 0,
            _ => (if has(O_RDONLY) { READ } else { 0 }) | if has(O_WRONLY) { WRITE } else { 0 },
        };
        let ino = match place.ino {
            Some(ino) => {
                self.check_existing(ino, flags)?;
                caller.may(self.get(ino)?.owned(), access)?;
                ino
            }
            None if has(O_CREAT) => self.create_by_flags(&place, flags, caller)?,
            None => return Err(Error::new(anode_abi::error::ENOENT)),
        };
        if has(O_TRUNC) && access & WRITE != 0 && matches!(self.get(ino)?.body, Body::File(_)) {
            self.truncate(ino, 0)?;
        }
        self.hold(ino)?;
        let name = (place.parent, place.name);
        Ok(Open { ino, top: from.top, name, access, append: has(O_APPEND) })
    }

    /// Refuses flags that do not go with what is there.
    fn check_existing(&self, ino: Ino, flags: usize) -> Result<()> {
        let has = |flag: usize| flags & flag != 0;
        match &self.get(ino)?.body {
            Body::Directory(_) if has(O_CREAT) && has(O_DIRECTORY) => Err(Error::new(EEXIST)),
            Body::Directory(_) if has(O_WRONLY) && !has(O_STAT) => Err(Error::new(EISDIR)),
            Body::Directory(_) => Ok(()),
            Body::File(_) | Body::Symlink(_) if has(O_DIRECTORY) => Err(Error::new(ENOTDIR)),
            Body::Symlink(_) if !has(O_SYMLINK) => Err(Error::new(ELOOP)),
            Body::Symlink(_) if has(O_TRUNC) => Err(Error::new(EINVAL)),
            Body::File(_) | Body::Symlink(_) => Ok(()),
        }
    }

    /// Makes what `O_CREAT` with its companions asks for.
    fn create_by_flags(&mut self, place: &Place, flags: usize, caller: Caller) -> Result<Ino> {
        let mode = u16::try_from(flags & MODE).unwrap_or(0);
        let (body, mode) = if flags & O_DIRECTORY != 0 {
            (Body::Directory(Directory::new(place.parent)), mode)
        } else if flags & O_SYMLINK != 0 {
            (Body::Symlink(String::new()), 0o777)
        } else {
            (Body::File(Content::empty()), mode)
        };
        self.create(place, body, mode, caller)
    }
}
