//! Paths: from a directory and a text to a file, all in one request.

use anode_abi::error::{EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EXDEV, Error, Result};
use anode_fs::device::BlockDevice;
use anode_fs::{Inode, Kind, NAME_MAX, View};

use crate::rights::{Caller, SEARCH, owned};

/// The root directory's number.
pub(crate) const ROOT: u64 = 1;
/// More symbolic links than this on one path are taken for a loop.
const MAX_LINKS: u32 = 40;
/// Longest path, in bytes; also of what is left of one after links were followed.
const MAX_PATH: usize = 4095;
/// No directory lies deeper.
const DEEPEST: usize = 4096;
/// Names that are read at once when one is sought.
const BATCH: usize = 64;

/// Where a path begins, and the directory that it does not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) at: u64,
    /// The root as the caller sees it: of absolute paths, and where `..` ends.
    pub(crate) top: u64,
}

/// Whether a symbolic link at the very end of a path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    Follow,
    Keep,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The directory that holds the last name.
    pub(crate) parent: u64,
    /// The last name; empty if the path ends in `.`, `..` or the root.
    pub(crate) name: String,
    /// What is there.
    pub(crate) found: Option<(u64, Kind)>,
    /// The path ended in a slash, so it can only mean a directory.
    pub(crate) slash: bool,
}

impl Place {
    /// A directory that is not reached by a name.
    const fn of(ino: u64) -> Self {
        let found = Some((ino, Kind::Directory));
        Self { parent: ino, name: String::new(), found, slash: false }
    }

    /// What is there.
    ///
    /// # Errors
    ///
    /// `ENOENT` if nothing is.
    pub(crate) fn existing(&self) -> Result<u64> {
        self.found.map(|(ino, _)| ino).ok_or(Error::new(ENOENT))
    }

    /// The name, where a path must end in one.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a path that ends in `.`, `..` or the root.
    pub(crate) fn named(&self) -> Result<&str> {
        if self.name.is_empty() { Err(Error::new(EINVAL)) } else { Ok(&self.name) }
    }
}

/// What the filesystem refused, as programs hear it.
pub(crate) fn refused(error: anode_fs::error::Error) -> Error {
    Error::new(error.errno())
}

/// One who reads directories to find files.
pub(crate) struct Walker<'a, D> {
    pub(crate) view: View<'a, D>,
    /// Names with a colon behind that no file may begin with.
    pub(crate) schemes: &'a [String],
}

impl<D: BlockDevice> Walker<'_, D> {
    /// Everything about a file but its content.
    ///
    /// # Errors
    ///
    /// `ENOENT`, or what reading fails with.
    pub(crate) async fn inode(&self, ino: u64) -> Result<Inode> {
        self.view.inode(ino).await.map_err(refused)
    }

    /// Follows `path` from a directory, all of it but its last name must exist.
    ///
    /// # Errors
    ///
    /// `ENOENT`, `ENOTDIR`, `EACCES` on the way; `ELOOP` after 40 links; `EXDEV` at a link that
    /// leaves this scheme; `ENAMETOOLONG`.
    pub(crate) async fn walk(
        &self,
        from: Start,
        path: &str,
        last: Last,
        caller: Caller,
    ) -> Result<Place> {
        if path.len() > MAX_PATH {
            return Err(Error::new(ENAMETOOLONG));
        }
        let (Start { mut at, top }, mut links) = (from, 0_u32);
        let mut rest = path.to_owned();
        if rest.starts_with('/') {
            at = top;
        }
        let mut place = Place::of(at);
        while let Some((name, tail)) = split(&rest) {
            let more = !tail.trim_matches('/').is_empty();
            place = self.step(Start { at, top }, name, caller).await?;
            place.slash = tail.starts_with('/');
            let followed = more || place.slash || last == Last::Follow;
            let target = if followed { self.target(&place).await? } else { None };
            if target.is_none() && !more {
                break;
            }
            let Some(target) = target else {
                (at, rest) = (place.existing()?, tail.to_owned());
                continue;
            };
            links = links.saturating_add(1);
            rest = self.turn(&target, tail, links)?;
            at = if rest.starts_with('/') { top } else { place.parent };
            place = Place::of(at);
        }
        match place.found {
            Some((_, kind)) if place.slash && kind != Kind::Directory => Err(Error::new(ENOTDIR)),
            _ => Ok(place),
        }
    }

    /// One name further.
    async fn step(&self, Start { at, top }: Start, name: &str, caller: Caller) -> Result<Place> {
        let directory = self.inode(at).await?;
        if directory.kind != Kind::Directory {
            return Err(Error::new(ENOTDIR));
        }
        caller.may(owned(&directory), SEARCH)?;
        match name {
            "." => Ok(Place::of(at)),
            ".." if at == top => Ok(Place::of(top)),
            ".." => Ok(Place::of(directory.parent)),
            _ if name.len() > NAME_MAX => Err(Error::new(ENAMETOOLONG)),
            _ => {
                let found = self.lookup(at, name).await?;
                Ok(Place { parent: at, name: name.to_owned(), found, slash: false })
            }
        }
    }

    /// What bears a name in a directory.
    ///
    /// # Errors
    ///
    /// `ENOTDIR`, or what reading fails with.
    pub(crate) async fn lookup(&self, directory: u64, name: &str) -> Result<Option<(u64, Kind)>> {
        match self.view.lookup(directory, name.as_bytes()).await {
            Ok(found) => Ok(Some((found.ino, found.kind))),
            Err(anode_fs::error::Error::NotFound) => Ok(None),
            Err(error) => Err(refused(error)),
        }
    }

    /// The target, if the place holds a symbolic link.
    async fn target(&self, place: &Place) -> Result<Option<String>> {
        let Some((ino, Kind::Symlink)) = place.found else { return Ok(None) };
        let target = self.view.target(ino).await.map_err(refused)?;
        String::from_utf8(target).map(Some).map_err(|_| Error::new(EINVAL))
    }

    /// The path to go on with at the `links`th symbolic link.
    fn turn(&self, target: &str, tail: &str, links: u32) -> Result<String> {
        let canonical = target == "/scheme" || target.starts_with("/scheme/");
        match target {
            _ if links > MAX_LINKS => Err(Error::new(ELOOP)),
            _ if canonical || self.names_scheme(target) => Err(Error::new(EXDEV)),
            "" => Err(Error::new(ENOENT)),
            _ if target.len().saturating_add(tail.len()) > MAX_PATH => {
                Err(Error::new(ENAMETOOLONG))
            }
            _ => Ok([target, tail].concat()),
        }
    }

    /// Whether `text` begins with the name of a known scheme and a colon.
    pub(crate) fn names_scheme(&self, text: &str) -> bool {
        let scheme = text.split_once(':').map(|(scheme, _)| scheme);
        scheme.is_some_and(|scheme| self.schemes.iter().any(|name| name == scheme))
    }

    /// The path of a file from `top`, by the directory and name that it was opened by; that of a
    /// directory by where it lies now.
    ///
    /// # Errors
    ///
    /// `ENOENT` if it has lost that name, or does not lie below `top`.
    pub(crate) async fn path(&self, ino: u64, top: u64, opened: &(u64, String)) -> Result<String> {
        let mut names: Vec<String> = Vec::new();
        let mut at = ino;
        if self.inode(ino).await?.kind != Kind::Directory {
            let (parent, name) = opened;
            if self.lookup(*parent, name).await?.map(|(found, _)| found) != Some(ino) {
                return Err(Error::new(ENOENT));
            }
            names.push(name.clone());
            at = *parent;
        }
        while at != top {
            if at == ROOT || names.len() >= DEEPEST {
                return Err(Error::new(ENOENT));
            }
            let parent = self.inode(at).await?.parent;
            names.push(self.name_of(parent, at).await?);
            at = parent;
        }
        names.reverse();
        Ok(names.join("/"))
    }

    /// The name by which a directory knows another.
    async fn name_of(&self, directory: u64, ino: u64) -> Result<String> {
        let mut after = None;
        loop {
            let entries = self.view.entries(directory, after, BATCH).await.map_err(refused)?;
            let Some((last, _)) = entries.last() else { return Err(Error::new(ENOENT)) };
            after = Some(*last);
            if let Some((_, found)) = entries.into_iter().find(|(_, found)| found.ino == ino) {
                return Ok(String::from_utf8_lossy(&found.name).into_owned());
            }
        }
    }
}

/// The first name of a path, and what follows it with its slashes.
fn split(path: &str) -> Option<(&str, &str)> {
    let path = path.trim_start_matches('/');
    if path.is_empty() {
        return None;
    }
    Some(path.find('/').map_or((path, ""), |end| path.split_at(end)))
}
