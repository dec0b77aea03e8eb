//! The tree of nodes: made from the image, kept within its bounds.

use std::collections::BTreeMap;

use anode_abi::error::{EINVAL, EISDIR, ENOENT, ENOSPC, ENOTDIR, Error, Result};
use anode_initfs::{Image, Kind};

use crate::{
    content::{Content, PAGE, Quota},
    node::{Body, Directory, Ino, Node, ROOT, Time},
    rights::{Caller, WRITE},
};

/// Most nodes that there may be at once.
const MAX_NODES: usize = 1 << 15;

const TYPE_DIRECTORY: u16 = 0o040_000;
const TYPE_FILE: u16 = 0o100_000;
const TYPE_SYMLINK: u16 = 0o120_000;

/// All files. The bytes of the image, `L`, are never changed.
#[derive(Debug)]
pub(crate) struct Tree<L> {
    pub(crate) lower: L,
    pub(crate) nodes: BTreeMap<Ino, Node>,
    pub(crate) quota: Quota,
    /// Names with a colon behind that no file may begin with.
    pub(crate) schemes: Vec<String>,
    /// What the time is, for the requests that follow.
    pub(crate) now: Time,
    next: Ino,
}

/// What `fstat` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) ino: Ino,
    /// Type and permissions.
    pub(crate) mode: u16,
    pub(crate) links: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    /// Pages of memory that it takes.
    pub(crate) pages: u64,
    pub(crate) accessed: Time,
    pub(crate) modified: Time,
    pub(crate) changed: Time,
}

impl<L: AsRef<[u8]>> Tree<L> {
    /// The tree of the image in `lower`, with room for `pages` pages of changes.
    ///
    /// # Errors
    ///
    /// What [`Image::parse`] says about the image.
    pub(crate) fn new(lower: L, pages: u64, now: Time) -> Result<Self, anode_initfs::Error> {
        let mut tree = Self {
            lower,
            nodes: BTreeMap::new(),
            quota: Quota::new(pages),
            schemes: Vec::new(),
            now,
            next: ROOT,
        };
        let built = tree.import(Image::parse(tree.lower.as_ref())?);
        (tree.nodes, tree.next) = built;
        Ok(tree)
    }

    /// Nodes for all entries of the image, and the next free inode number.
    fn import(&self, image: Image<'_>) -> (BTreeMap<Ino, Node>, Ino) {
        let mut nodes: BTreeMap<Ino, Node> = BTreeMap::new();
        let mut inos: BTreeMap<&str, Ino> = BTreeMap::new();
        let mut next = ROOT;
        for entry in image.entries() {
            let (above, name) = entry.path.rsplit_once('/').unwrap_or(("", entry.path));
            let parent = inos.get(above).copied().unwrap_or(ROOT);
            let body = match entry.kind {
                Kind::Directory => Body::Directory(Directory::new(parent)),
                Kind::File { offset, .. } => {
                    Body::File(Content::Lower { offset, size: entry.size() })
                }
                Kind::Symlink(target) => Body::Symlink(target.to_owned()),
            };
            let mode = u16::try_from(entry.permissions & 0o7777).unwrap_or(0);
            let root = Caller { uid: 0, gid: 0 };
            let mut node = self.node(body, mode, root);
            node.home = (parent, name.to_owned());
            node.links = 1;
            nodes.insert(next, node);
            inos.insert(entry.path, next);
            let directory = nodes.get_mut(&parent).and_then(Node::directory_mut);
            if next != ROOT
                && let Some(directory) = directory
            {
                directory.put(name, next);
            }
            next = next.saturating_add(1);
        }
        (nodes, next)
    }

    /// A node of `caller`'s that has no name yet.
    pub(crate) fn node(&self, body: Body, mode: u16, caller: Caller) -> Node {
        Node {
            body,
            mode: mode & 0o7777,
            uid: caller.uid,
            gid: caller.gid,
            links: 0,
            opens: 0,
            home: (ROOT, String::new()),
            accessed: self.now,
            modified: self.now,
            changed: self.now,
        }
    }

    /// The node of that number.
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is none.
    pub(crate) fn get(&self, ino: Ino) -> Result<&Node> {
        self.nodes.get(&ino).ok_or(Error::new(ENOENT))
    }

    /// The node of that number, to change.
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is none.
    pub(crate) fn get_mut(&mut self, ino: Ino) -> Result<&mut Node> {
        self.nodes.get_mut(&ino).ok_or(Error::new(ENOENT))
    }

    /// The directory of that number.
    ///
    /// # Errors
    ///
    /// `ENOENT`, `ENOTDIR`.
    pub(crate) fn directory(&self, ino: Ino) -> Result<&Directory> {
        self.get(ino)?.directory().ok_or(Error::new(ENOTDIR))
    }

    /// Gives a new node a number, and `name` in `parent`.
    ///
    /// # Errors
    ///
    /// `ENOSPC` if there are too many nodes, `ENOENT` if `parent` was removed.
    pub(crate) fn insert(&mut self, parent: Ino, name: &str, node: Node) -> Result<Ino> {
        if self.nodes.len() >= MAX_NODES {
            return Err(Error::new(ENOSPC));
        }
        let ino = self.next;
        self.put(parent, name, ino)?;
        self.next = self.next.saturating_add(1);
        let home = (parent, name.to_owned());
        self.nodes.insert(ino, Node { home, links: 1, ..node });
        Ok(ino)
    }

    /// Writes a name into a directory.
    ///
    /// # Errors
    ///
    /// `ENOENT` if the directory was removed, `ENOTDIR`.
    pub(crate) fn put(&mut self, parent: Ino, name: &str, ino: Ino) -> Result<()> {
        let now = self.now;
        let directory = self.get_mut(parent)?;
        if directory.links == 0 {
            return Err(Error::new(ENOENT));
        }
        (directory.modified, directory.changed) = (now, now);
        directory.directory_mut().ok_or(Error::new(ENOTDIR))?.put(name, ino);
        Ok(())
    }

    /// Takes a name out of a directory, and the node away if that was the last thing that kept it.
    pub(crate) fn take(&mut self, parent: Ino, name: &str) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(&parent) else { return };
        (node.modified, node.changed) = (now, now);
        let Some(directory) = node.directory_mut() else { return };
        let Some(ino) = directory.get(name) else { return };
        directory.remove(name);
        self.unlinked(ino);
    }

    /// `ino` lost one of its names.
    pub(crate) fn unlinked(&mut self, ino: Ino) {
        let now = self.now;
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.links = node.links.saturating_sub(1);
            node.changed = now;
        }
        self.reap(ino);
    }

    /// Frees a node that neither a name nor a description keeps.
    fn reap(&mut self, ino: Ino) {
        if !self.nodes.get(&ino).is_some_and(|node| node.links == 0 && node.opens == 0) {
            return;
        }
        if let Some(Node { body: Body::File(mut content), .. }) = self.nodes.remove(&ino) {
            content.release(&mut self.quota);
        }
    }

    /// A description keeps `ino` from now on.
    ///
    /// # Errors
    ///
    /// `ENOENT`.
    pub(crate) fn hold(&mut self, ino: Ino) -> Result<()> {
        let node = self.get_mut(ino)?;
        node.opens = node.opens.saturating_add(1);
        Ok(())
    }

    /// A description that kept `ino` was closed.
    pub(crate) fn let_go(&mut self, ino: Ino) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.opens = node.opens.saturating_sub(1);
        }
        self.reap(ino);
    }

    /// Copies bytes out of a file, or of a symbolic link's target.
    ///
    /// # Errors
    ///
    /// `EISDIR` for a directory.
    pub(crate) fn read(&mut self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let now = self.now;
        let node = self.nodes.get_mut(&ino).ok_or(Error::new(ENOENT))?;
        let len = match &node.body {
            Body::File(content) => content.read(self.lower.as_ref(), offset, buf),
            Body::Symlink(target) => {
                let at = usize::try_from(offset).unwrap_or(usize::MAX);
                let rest = target.as_bytes().get(at..).unwrap_or_default();
                rest.iter().zip(buf).map(|(byte, to)| *to = *byte).count()
            }
            Body::Directory(_) => return Err(Error::new(EISDIR)),
        };
        node.accessed = now;
        Ok(len)
    }

    /// Puts bytes into a file; `None` appends. The first write to a new symbolic link is its target.
    ///
    /// # Errors
    ///
    /// `EISDIR`, `ENOSPC`, `EFBIG`; `EINVAL` for a link that has a target or cannot have this one.
    pub(crate) fn write(&mut self, ino: Ino, offset: Option<u64>, data: &[u8]) -> Result<usize> {
        let now = self.now;
        let node = self.nodes.get_mut(&ino).ok_or(Error::new(ENOENT))?;
        let len = match &mut node.body {
            Body::File(content) => {
                let offset = offset.unwrap_or_else(|| content.size());
                content.write(self.lower.as_ref(), &mut self.quota, offset, data)?
            }
            Body::Symlink(target) => {
                let text = std::str::from_utf8(data).ok().filter(|text| {
                    target.is_empty() && (1..4096).contains(&text.len()) && !text.contains('\0')
                });
                text.ok_or(Error::new(EINVAL))?.clone_into(target);
                data.len()
            }
            Body::Directory(_) => return Err(Error::new(EISDIR)),
        };
        (node.modified, node.changed) = (now, now);
        Ok(len)
    }

    /// Sets a file's length.
    ///
    /// # Errors
    ///
    /// `EISDIR`, `EINVAL` for a link, `ENOSPC`, `EFBIG`.
    pub(crate) fn truncate(&mut self, ino: Ino, size: u64) -> Result<()> {
        let now = self.now;
        let node = self.nodes.get_mut(&ino).ok_or(Error::new(ENOENT))?;
        match &mut node.body {
            Body::File(content) => content.truncate(self.lower.as_ref(), &mut self.quota, size)?,
            Body::Symlink(_) => return Err(Error::new(EINVAL)),
            Body::Directory(_) => return Err(Error::new(EISDIR)),
        }
        (node.modified, node.changed) = (now, now);
        Ok(())
    }

    /// Sets permission bits.
    ///
    /// # Errors
    ///
    /// `EPERM` unless the caller owns the node.
    pub(crate) fn chmod(&mut self, ino: Ino, caller: Caller, mode: u16) -> Result<()> {
        let now = self.now;
        let node = self.get_mut(ino)?;
        caller.owns(node.owned())?;
        (node.mode, node.changed) = (mode & 0o7777, now);
        Ok(())
    }

    /// Sets owner and group; `None` leaves one as it is.
    ///
    /// # Errors
    ///
    /// `EPERM` unless the caller is root, or owns the node and gives it to its own group.
    pub(crate) fn chown(
        &mut self,
        ino: Ino,
        caller: Caller,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<()> {
        let now = self.now;
        let node = self.get_mut(ino)?;
        caller.owns(node.owned())?;
        let (uid, gid) = (uid.unwrap_or(node.uid), gid.unwrap_or(node.gid));
        if caller.uid != 0 && (uid != node.uid || (gid != node.gid && gid != caller.gid)) {
            return Err(Error::new(anode_abi::error::EPERM));
        }
        if caller.uid != 0 {
            // A program that runs as its owner must not become another's.
            node.mode &= !0o6000;
        }
        (node.uid, node.gid, node.changed) = (uid, gid, now);
        Ok(())
    }

    /// Sets the times of the last access and the last change of content.
    ///
    /// # Errors
    ///
    /// `EPERM` unless the caller owns the node or may write it.
    pub(crate) fn set_times(
        &mut self,
        ino: Ino,
        caller: Caller,
        accessed: Time,
        modified: Time,
    ) -> Result<()> {
        let now = self.now;
        let node = self.get_mut(ino)?;
        caller
            .owns(node.owned())
            .or_else(|error| caller.may(node.owned(), WRITE).map_err(|_| error))?;
        (node.accessed, node.modified, node.changed) = (accessed, modified, now);
        Ok(())
    }

    /// What `fstat` tells about a node.
    ///
    /// # Errors
    ///
    /// `ENOENT`.
    pub(crate) fn stat(&self, ino: Ino) -> Result<Stat> {
        let node = self.get(ino)?;
        let (kind, size, pages) = match &node.body {
            Body::File(content) => (TYPE_FILE, content.size(), content.pages()),
            Body::Directory(_) => (TYPE_DIRECTORY, 0, 0),
            Body::Symlink(target) => (TYPE_SYMLINK, u64::try_from(target.len()).unwrap_or(0), 0),
        };
        Ok(Stat {
            ino,
            mode: kind | node.mode,
            links: node.links,
            uid: node.uid,
            gid: node.gid,
            size,
            pages: u64::try_from(pages).unwrap_or(0),
            accessed: node.accessed,
            modified: node.modified,
            changed: node.changed,
        })
    }

    /// Block size, blocks, and free blocks.
    pub(crate) const fn figures(&self) -> (u64, u64, u64) {
        let (total, free) = self.quota.figures();
        (PAGE, total, free)
    }
}
