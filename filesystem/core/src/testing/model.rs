//! The filesystem as it should be: maps in memory, and the same steps done to both.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;

use crate::Kind;
use crate::error::{Error, Result};

/// A step that both do. Paths have no `/` in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Create(String),
    Mkdir(String),
    Symlink(String),
    Link(String, String),
    Unlink(String),
    Rmdir(String),
    Rename(String, String),
    Chmod(String, u16),
    Truncate(String, u64),
    /// Where, how many bytes, and what they begin with.
    Write(String, u64, usize, u8),
    /// At the end.
    Append(String, usize, u8),
    Fsync,
    Commit,
    /// A snapshot of this name is made, goes, or is what the volume becomes.
    Keep(String),
    Forget(String),
    RollBack(String),
}

impl Step {
    /// Whether all that was done before lasts once this has worked.
    pub(crate) const fn lasts(&self) -> bool {
        matches!(
            self,
            Self::Fsync | Self::Commit | Self::Keep(_) | Self::Forget(_) | Self::RollBack(_)
        )
    }
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(super) kind: Kind,
    pub(super) mode: u16,
    pub(super) links: u32,
    pub(super) modified: i64,
    pub(super) content: Vec<u8>,
    /// The least path of the same file.
    pub(super) first: String,
}

/// Everything that can be seen.
pub(crate) type Tree = BTreeMap<String, Entry>;

#[derive(Clone, Debug)]
struct Node {
    kind: Kind,
    mode: u16,
    links: u32,
    modified: i64,
    content: Vec<u8>,
    names: BTreeMap<String, usize>,
}

/// The model.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    nodes: Vec<Node>,
    now: i64,
    /// The snapshots, the oldest first.
    kept: Vec<(String, Vec<Node>)>,
}

/// Bytes that are different in each place.
pub(crate) fn pattern(count: usize, seed: u8) -> Vec<u8> {
    let byte = |at: usize| u8::try_from((at % 251 + (at >> 12)) % 256).unwrap();
    (0..count).map(|at| seed.wrapping_add(byte(at))).collect()
}

pub(super) const TARGET: &str = "over/there";

pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

impl Model {
    /// An empty volume.
    pub(crate) fn new() -> Self {
        Self { nodes: vec![node(Kind::Directory, 0o755, 1)], now: 1, kept: Vec::new() }
    }

    fn find(&self, path: &str) -> Result<usize> {
        let mut at = 0;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            if self.nodes[at].kind != Kind::Directory {
                return Err(Error::NotDirectory);
            }
            at = *self.nodes[at].names.get(name).ok_or(Error::NotFound)?;
        }
        Ok(at)
    }

    /// The directory of a path; it may turn out to be none.
    fn directory(&self, path: &str) -> Result<usize> {
        let at = self.find(split(path).0)?;
        if self.nodes[at].kind == Kind::Directory { Ok(at) } else { Err(Error::NotDirectory) }
    }

    fn add(&mut self, path: &str, new: Node) -> Result<()> {
        let directory = self.directory(path)?;
        if self.nodes[directory].names.contains_key(split(path).1) {
            return Err(Error::Exists);
        }
        self.nodes.push(new);
        let ino = self.nodes.len() - 1;
        self.enter(directory, split(path).1, ino);
        Ok(())
    }

    fn enter(&mut self, directory: usize, name: &str, ino: usize) {
        let links = u32::from(self.nodes[ino].kind == Kind::Directory);
        let now = self.now;
        let directory = &mut self.nodes[directory];
        directory.names.insert(name.to_string(), ino);
        directory.links += links;
        directory.modified = now;
    }

    fn leave(&mut self, directory: usize, name: &str) -> usize {
        let ino = self.nodes[directory].names.remove(name).unwrap();
        self.nodes[directory].links -= u32::from(self.nodes[ino].kind == Kind::Directory);
        self.nodes[directory].modified = self.now;
        ino
    }

    fn file(&mut self, path: &str) -> Result<&mut Node> {
        let now = self.now;
        let at = self.find(path)?;
        let node = &mut self.nodes[at];
        match node.kind {
            Kind::File => {
                node.modified = now;
                Ok(node)
            }
            Kind::Directory => Err(Error::IsDirectory),
            _ => Err(Error::Invalid),
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        let (from_directory, to_directory) = (self.find(split(from).0)?, self.find(split(to).0)?);
        let source = self.find(from)?;
        if self.nodes[to_directory].kind != Kind::Directory {
            return Err(Error::NotDirectory);
        }
        let directory = self.nodes[source].kind == Kind::Directory;
        if directory && to.starts_with(&(from.to_string() + "/")) {
            return Err(Error::Invalid);
        }
        match self.nodes[to_directory].names.get(split(to).1).copied() {
            Some(target) if target == source => return Ok(()),
            Some(target) => {
                match (directory, self.nodes[target].kind == Kind::Directory) {
                    (true, false) => return Err(Error::NotDirectory),
                    (false, true) => return Err(Error::IsDirectory),
                    (true, true) if !self.nodes[target].names.is_empty() => {
                        return Err(Error::NotEmpty);
                    }
                    _ => {}
                }
                self.leave(to_directory, split(to).1);
                self.nodes[target].links -= 1;
            }
            None => {}
        }
        let ino = self.leave(from_directory, split(from).1);
        self.enter(to_directory, split(to).1, ino);
        Ok(())
    }

    /// Does a step at a time.
    pub(crate) fn step(&mut self, step: &Step, now: i64) -> Result<()> {
        self.now = now;
        match step {
            Step::Create(path) => self.add(path, node(Kind::File, 0o644, now)),
            Step::Mkdir(path) => self.add(path, node(Kind::Directory, 0o755, now)),
            Step::Symlink(path) => {
                let mut link = node(Kind::Symlink, 0o777, now);
                link.content = TARGET.into();
                self.add(path, link)
            }
            Step::Link(from, to) => {
                let ino = self.find(from)?;
                let directory = self.directory(to)?;
                if self.nodes[ino].kind == Kind::Directory {
                    return Err(Error::Forbidden);
                }
                if self.nodes[directory].names.contains_key(split(to).1) {
                    return Err(Error::Exists);
                }
                self.nodes[ino].links += 1;
                self.enter(directory, split(to).1, ino);
                Ok(())
            }
            Step::Unlink(path) => {
                let ino = self.find(path)?;
                if self.nodes[ino].kind == Kind::Directory {
                    return Err(Error::IsDirectory);
                }
                let directory = self.directory(path)?;
                self.leave(directory, split(path).1);
                self.nodes[ino].links -= 1;
                Ok(())
            }
            Step::Rmdir(path) => {
                let ino = self.find(path)?;
                if self.nodes[ino].kind != Kind::Directory {
                    return Err(Error::NotDirectory);
                }
                if !self.nodes[ino].names.is_empty() {
                    return Err(Error::NotEmpty);
                }
                let directory = self.directory(path)?;
                self.leave(directory, split(path).1);
                Ok(())
            }
            Step::Rename(from, to) => self.rename(from, to),
            Step::Keep(_) | Step::Forget(_) | Step::RollBack(_) => self.snapshot_step(step),
            _ => self.content_step(step),
        }
    }

    fn snapshot_step(&mut self, step: &Step) -> Result<()> {
        let at = |name: &String| {
            self.kept.iter().position(|kept| kept.0 == *name).ok_or(Error::NotFound)
        };
        match step {
            Step::Keep(name) if at(name).is_ok() => return Err(Error::Exists),
            Step::Keep(name) => self.kept.push((name.clone(), self.nodes.clone())),
            Step::Forget(name) => drop(self.kept.remove(at(name)?)),
            Step::RollBack(name) => {
                let at = at(name)?;
                self.nodes = self.kept[at].1.clone();
                self.kept.truncate(at + 1);
            }
            _ => {}
        }
        Ok(())
    }

    fn content_step(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Chmod(path, mode) => {
                let at = self.find(path)?;
                self.nodes[at].mode = *mode;
            }
            Step::Truncate(path, size) => {
                self.file(path)?.content.resize(usize::try_from(*size).unwrap(), 0);
            }
            Step::Write(path, offset, count, seed) => {
                let content = &mut self.file(path)?.content;
                let offset = usize::try_from(*offset).unwrap();
                content.resize(content.len().max(offset + count), 0);
                content[offset..offset + count].copy_from_slice(&pattern(*count, *seed));
            }
            Step::Append(path, count, seed) => {
                self.file(path)?.content.extend(pattern(*count, *seed));
            }
            _ => {}
        }
        Ok(())
    }

    /// Everything that can be seen, of snapshots too.
    pub(crate) fn tree(&self) -> Tree {
        let mut tree = self.now_tree();
        for (name, nodes) in &self.kept {
            let kept = Self { nodes: nodes.clone(), now: 0, kept: Vec::new() };
            let kept = kept.now_tree().into_iter();
            tree.extend(kept.map(|(path, entry)| (alloc::format!("@{name}{path}"), entry)));
        }
        tree
    }

    fn now_tree(&self) -> Tree {
        let mut tree = Tree::new();
        let mut first: BTreeMap<usize, String> = BTreeMap::new();
        let mut todo = vec![(String::new(), 0)];
        let mut paths = BTreeMap::new();
        while let Some((path, ino)) = todo.pop() {
            for (name, ino) in &self.nodes[ino].names {
                todo.push((path.clone() + "/" + name, *ino));
            }
            paths.insert(path, ino);
        }
        for (path, ino) in paths {
            let node = &self.nodes[ino];
            let first = first.entry(ino).or_insert_with(|| path.clone()).clone();
            let (kind, mode, links) = (node.kind, node.mode, node.links);
            let content = node.content.clone();
            tree.insert(path, Entry { kind, mode, links, modified: node.modified, content, first });
        }
        tree
    }
}

fn node(kind: Kind, mode: u16, now: i64) -> Node {
    let links = if kind == Kind::Directory { 2 } else { 1 };
    Node { kind, mode, links, modified: now, content: Vec::new(), names: BTreeMap::new() }
}
