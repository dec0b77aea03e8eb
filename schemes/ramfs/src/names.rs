//! What changes names: create, unlink, rename, link.

use anode_abi::error::{
    EBUSY, EEXIST, EINVAL, EISDIR, EMLINK, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, Error, Result,
};

use crate::{
    node::{Body, Ino, Node, ROOT},
    rights::{Caller, SEARCH, WRITE},
    tree::Tree,
    walk::{Last, Place, Start},
};

/// Most names that one file may have.
const MAX_LINKS: u32 = 1000;

/// The kinds of node between which unlink and rename distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Directory,
    Other,
}

impl Sort {
    const fn of(node: &Node) -> Self {
        if node.directory().is_some() { Self::Directory } else { Self::Other }
    }
}

impl<L: AsRef<[u8]>> Tree<L> {
    /// Makes a new node at a place where nothing is.
    ///
    /// # Errors
    ///
    /// `EEXIST`; `EACCES`; `EINVAL` for a name that would read as another scheme's path;
    /// `ENOSPC`; `ENOENT` in a removed directory.
    pub(crate) fn create(
        &mut self,
        place: &Place,
        body: Body,
        mode: u16,
        caller: Caller,
    ) -> Result<Ino> {
        if place.ino.is_some() {
            return Err(Error::new(EEXIST));
        }
        let name = self.new_name(place)?;
        caller.may(self.get(place.parent)?.owned(), WRITE | SEARCH)?;
        if place.slash && !matches!(body, Body::Directory(_)) {
            return Err(Error::new(ENOENT));
        }
        let node = self.node(body, mode, caller);
        self.insert(place.parent, name, node)
    }

    /// The name at a place, if a file may be given it.
    fn new_name<'a>(&self, place: &'a Place) -> Result<&'a str> {
        let name = place.named()?;
        if self.names_scheme(name) || name.contains('\0') {
            return Err(Error::new(EINVAL));
        }
        Ok(name)
    }

    /// Removes a name: of a directory or of anything else, as `sort` says.
    ///
    /// # Errors
    ///
    /// `ENOENT`, `EACCES`, `EPERM` (sticky); `EISDIR`, `ENOTDIR`, `ENOTEMPTY`, `EBUSY` (root),
    /// `EINVAL` for `.` and `..`.
    pub(crate) fn unlink(
        &mut self,
        from: impl Into<Start>,
        path: &str,
        sort: Sort,
        caller: Caller,
    ) -> Result<()> {
        let place = self.walk(from, path, Last::Keep, caller)?;
        let ino = place.existing()?;
        if ino == ROOT {
            return Err(Error::new(EBUSY));
        }
        let node = self.get(ino)?;
        removable_as(node, sort)?;
        let name = place.named()?;
        caller.may_remove(self.get(place.parent)?.owned(), node.owned())?;
        self.take(place.parent, name);
        Ok(())
    }

    /// Gives what is named `old` in the directory `from` the name `path`, in one step.
    ///
    /// What had that name is replaced: a directory only by a directory, and only if empty.
    ///
    /// # Errors
    ///
    /// `ENOENT` if `old` is gone; `EACCES`, `EPERM`; `EINVAL` into its own subtree;
    /// `EISDIR`, `ENOTDIR`, `ENOTEMPTY`; `EBUSY` (root); `EINVAL` as for [`Tree::create`].
    pub(crate) fn rename(
        &mut self,
        (from, old): (Ino, &str),
        dir: impl Into<Start>,
        path: &str,
        caller: Caller,
    ) -> Result<Place> {
        let ino = self.directory(from)?.get(old).ok_or(Error::new(ENOENT))?;
        let place = self.walk(dir, path, Last::Keep, caller)?;
        self.check_rename((from, ino), &place, caller)?;
        if place.ino == Some(ino) {
            return Ok(place);
        }
        // Nothing is refused once `put` has found the directory alive.
        self.put(place.parent, &place.name, ino)?;
        if let Some(other) = place.ino {
            self.unlinked(other);
        }
        self.forget(from, old);
        self.settle(ino, &place);
        Ok(Place { ino: Some(ino), ..place })
    }

    /// Refuses a rename of `ino` in `from` to `place` that must not be.
    fn check_rename(&self, (from, ino): (Ino, Ino), place: &Place, caller: Caller) -> Result<()> {
        self.new_name(place)?;
        let node = self.get(ino)?;
        let parent = self.get(place.parent)?;
        caller.may_remove(self.get(from)?.owned(), node.owned())?;
        caller.may(parent.owned(), WRITE | SEARCH)?;
        match Sort::of(node) {
            Sort::Other if place.slash => return Err(Error::new(ENOTDIR)),
            Sort::Directory if self.within_subtree(place.parent, ino) => {
                return Err(Error::new(EINVAL));
            }
            Sort::Directory | Sort::Other => {}
        }
        let Some(other) = place.ino.filter(|other| *other != ino) else { return Ok(()) };
        let other = self.get(other)?;
        caller.may_remove(parent.owned(), other.owned())?;
        removable_as(other, Sort::of(node))
    }

    /// Takes `old` out of `from`; its node keeps all of its links, as it has another name now.
    fn forget(&mut self, from: Ino, old: &str) {
        let now = self.now;
        let Some(parent) = self.nodes.get_mut(&from) else { return };
        (parent.modified, parent.changed) = (now, now);
        if let Some(names) = parent.directory_mut() {
            names.remove(old);
        }
    }

    /// `ino` lies at `place` now.
    fn settle(&mut self, ino: Ino, place: &Place) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(&ino) else { return };
        (node.home, node.changed) = ((place.parent, place.name.clone()), now);
        if let Some(names) = node.directory_mut() {
            names.parent = place.parent;
        }
    }

    /// Whether `at` is `top` or lies below it.
    fn within_subtree(&self, mut at: Ino, top: Ino) -> bool {
        loop {
            if at == top {
                return true;
            }
            match self.directory(at) {
                Ok(directory) if at != ROOT => at = directory.parent,
                Ok(_) | Err(_) => return false,
            }
        }
    }

    /// Gives a file one more name.
    ///
    /// # Errors
    ///
    /// `EPERM` for a directory, `ENOENT` if the file has no name any more, `EMLINK`, and as for
    /// [`Tree::create`].
    pub(crate) fn link(
        &mut self,
        ino: Ino,
        dir: impl Into<Start>,
        path: &str,
        caller: Caller,
    ) -> Result<()> {
        let node = self.get(ino)?;
        if node.directory().is_some() {
            return Err(Error::new(EPERM));
        }
        if node.links == 0 {
            return Err(Error::new(ENOENT));
        }
        if node.links >= MAX_LINKS {
            return Err(Error::new(EMLINK));
        }
        let place = self.walk(dir, path, Last::Keep, caller)?;
        if place.ino.is_some() {
            return Err(Error::new(EEXIST));
        }
        if place.slash {
            return Err(Error::new(ENOENT));
        }
        let name = self.new_name(&place)?;
        caller.may(self.get(place.parent)?.owned(), WRITE | SEARCH)?;
        self.put(place.parent, name, ino)?;
        let now = self.now;
        let node = self.get_mut(ino)?;
        (node.links, node.changed) = (node.links.saturating_add(1), now);
        Ok(())
    }
}

/// Refuses unless the node is of that sort and nothing is in it.
fn removable_as(node: &Node, sort: Sort) -> Result<()> {
    match (node.directory(), sort) {
        (Some(_), Sort::Other) => Err(Error::new(EISDIR)),
        (None, Sort::Directory) => Err(Error::new(ENOTDIR)),
        (Some(names), Sort::Directory) if !names.is_empty() => Err(Error::new(ENOTEMPTY)),
        (Some(_) | None, Sort::Directory | Sort::Other) => Ok(()),
    }
}
