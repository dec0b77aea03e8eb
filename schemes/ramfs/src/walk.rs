//! Paths: from a directory and a text to a node.

use anode_abi::error::{EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EXDEV, Error, Result};

use crate::{
    node::{Body, Ino, ROOT},
    rights::{Caller, SEARCH},
    tree::Tree,
};

/// More symbolic links than this on one path are taken for a loop.
const MAX_LINKS: u32 = 40;
/// Longest name, in bytes.
const MAX_NAME: usize = 255;
/// Longest path, in bytes; also of what is left of one after links were followed.
const MAX_PATH: usize = 4095;

/// Where a path begins, and the directory that it does not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) at: Ino,
    /// The root as the caller sees it: of absolute paths, and where `..` ends.
    pub(crate) top: Ino,
}

impl From<Ino> for Start {
    fn from(at: Ino) -> Self {
        Self { at, top: ROOT }
    }
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
    pub(crate) parent: Ino,
    /// The last name; empty if the path ends in `.`, `..` or the root.
    pub(crate) name: String,
    /// What is there.
    pub(crate) ino: Option<Ino>,
    /// The path ended in a slash, so it can only mean a directory.
    pub(crate) slash: bool,
}

impl Place {
    /// A directory that is not reached by a name.
    const fn of(ino: Ino) -> Self {
        Self { parent: ino, name: String::new(), ino: Some(ino), slash: false }
    }

    /// What is there.
    ///
    /// # Errors
    ///
    /// `ENOENT` if nothing is.
    pub(crate) fn existing(&self) -> Result<Ino> {
        self.ino.ok_or(Error::new(ENOENT))
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

impl<L: AsRef<[u8]>> Tree<L> {
    /// Follows `path` from a directory, all of it but its last name must exist.
    ///
    /// # Errors
    ///
    /// `ENOENT`, `ENOTDIR`, `EACCES` on the way; `ELOOP` after 40 links; `EXDEV` at a link that
    /// leaves this scheme; `ENAMETOOLONG`.
    pub(crate) fn walk(
        &self,
        from: impl Into<Start>,
        path: &str,
        last: Last,
        caller: Caller,
    ) -> Result<Place> {
        if path.len() > MAX_PATH {
            return Err(Error::new(ENAMETOOLONG));
        }
        let (Start { mut at, top }, mut links) = (from.into(), 0_u32);
        let mut rest = path.to_owned();
        if rest.starts_with('/') {
            at = top;
        }
        let mut place = Place::of(at);
        while let Some((name, tail)) = split(&rest) {
            let more = !tail.trim_matches('/').is_empty();
            place = self.step(Start { at, top }, name, caller)?;
            place.slash = tail.starts_with('/');
            let followed = more || place.slash || last == Last::Follow;
            let target = self.target(&place).filter(|_| followed);
            if target.is_none() && !more {
                break;
            }
            let Some(target) = target else {
                (at, rest) = (place.existing()?, tail.to_owned());
                continue;
            };
            links = links.saturating_add(1);
            rest = self.turn(target, tail, links)?;
            at = if rest.starts_with('/') { top } else { place.parent };
            place = Place::of(at);
        }
        if place.slash
            && let Some(ino) = place.ino
        {
            self.directory(ino)?;
        }
        Ok(place)
    }

    /// The path to go on with at the `links`th symbolic link.
    fn turn(&self, target: &str, tail: &str, links: u32) -> Result<String> {
        if links > MAX_LINKS {
            return Err(Error::new(ELOOP));
        }
        continued(self.within(target)?, tail)
    }

    /// One name further.
    fn step(&self, Start { at, top }: Start, name: &str, caller: Caller) -> Result<Place> {
        let node = self.get(at)?;
        let directory = node.directory().ok_or(Error::new(ENOTDIR))?;
        caller.may(node.owned(), SEARCH)?;
        match name {
            "." => Ok(Place::of(at)),
            ".." if at == top => Ok(Place::of(top)),
            ".." => Ok(Place::of(directory.parent)),
            _ if name.len() > MAX_NAME => Err(Error::new(ENAMETOOLONG)),
            _ => {
                let (name, ino) = (name.to_owned(), directory.get(name));
                Ok(Place { parent: at, name, ino, slash: false })
            }
        }
    }

    /// The target, if the place holds a symbolic link.
    fn target(&self, place: &Place) -> Option<&str> {
        match &self.nodes.get(&place.ino?)?.body {
            Body::Symlink(target) => Some(target),
            Body::File(_) | Body::Directory(_) => None,
        }
    }

    /// A link's target, if it stays in this scheme.
    fn within<'a>(&self, target: &'a str) -> Result<&'a str> {
        let canonical = target == "/scheme" || target.starts_with("/scheme/");
        if canonical || self.names_scheme(target) {
            return Err(Error::new(EXDEV));
        }
        if target.is_empty() { Err(Error::new(ENOENT)) } else { Ok(target) }
    }

    /// Whether `text` begins with the name of a known scheme and a colon.
    pub(crate) fn names_scheme(&self, text: &str) -> bool {
        let scheme = text.split_once(':').map(|(scheme, _)| scheme);
        scheme.is_some_and(|scheme| self.schemes.iter().any(|name| name == scheme))
    }

    /// The path of a node from its root, by the name under which it was last put.
    ///
    /// # Errors
    ///
    /// `ENOENT` if it has lost that name, or does not lie below the root.
    pub(crate) fn path(&self, node: impl Into<Start>) -> Result<String> {
        let (Start { mut at, top }, mut names) = (node.into(), Vec::new());
        while at != top {
            if at == ROOT {
                return Err(Error::new(ENOENT));
            }
            let (parent, name) = &self.get(at)?.home;
            if self.directory(*parent)?.get(name) != Some(at) {
                return Err(Error::new(ENOENT));
            }
            names.push(name.as_str());
            at = *parent;
        }
        names.reverse();
        Ok(format!("/{}", names.join("/")))
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

/// A link's target and what is still to be walked behind it.
fn continued(target: &str, tail: &str) -> Result<String> {
    if target.len().saturating_add(tail.len()) > MAX_PATH {
        return Err(Error::new(ENAMETOOLONG));
    }
    Ok([target, tail].concat())
}
