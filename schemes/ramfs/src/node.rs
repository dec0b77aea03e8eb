//! Files, directories and symbolic links.

use std::collections::BTreeMap;

use crate::content::Content;
use crate::rights::Owned;

/// Inode number; never used twice.
pub(crate) type Ino = u64;
/// The root directory's inode number.
pub(crate) const ROOT: Ino = 1;

/// A time since 1970: seconds and nanoseconds.
pub(crate) type Time = (u64, u32);

/// Anything with an inode number.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) body: Body,
    /// Permission bits, the lower 12 of a mode.
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// How many names it has.
    pub(crate) links: u32,
    /// How many open descriptions keep it.
    pub(crate) opens: u32,
    /// Directory and name under which it was last put; a hint for its path.
    pub(crate) home: (Ino, String),
    pub(crate) accessed: Time,
    pub(crate) modified: Time,
    pub(crate) changed: Time,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Body {
    File(Content),
    Directory(Directory),
    Symlink(String),
}

impl Node {
    /// The directory that it is.
    pub(crate) const fn directory(&self) -> Option<&Directory> {
        match &self.body {
            Body::Directory(directory) => Some(directory),
            Body::File(_) | Body::Symlink(_) => None,
        }
    }

    /// The directory that it is, to change.
    pub(crate) const fn directory_mut(&mut self) -> Option<&mut Directory> {
        match &mut self.body {
            Body::Directory(directory) => Some(directory),
            Body::File(_) | Body::Symlink(_) => None,
        }
    }

    /// Whose it is, and what it allows.
    pub(crate) const fn owned(&self) -> Owned {
        Owned { uid: self.uid, gid: self.gid, mode: self.mode }
    }
}

/// The names in a directory.
///
/// Each name has a position that it keeps for life and that no later name gets, so a listing
/// that goes on from a position neither skips nor repeats a name, whatever was removed.
#[derive(Debug)]
pub(crate) struct Directory {
    /// The directory above; the root's is the root.
    pub(crate) parent: Ino,
    names: BTreeMap<String, u64>,
    entries: BTreeMap<u64, (String, Ino)>,
    next: u64,
}

/// Positions 1 and 2 are those of `.` and `..`.
const FIRST_POSITION: u64 = 3;

impl Directory {
    /// Without a name in it.
    pub(crate) const fn new(parent: Ino) -> Self {
        Self { parent, names: BTreeMap::new(), entries: BTreeMap::new(), next: FIRST_POSITION }
    }

    /// What bears this name.
    pub(crate) fn get(&self, name: &str) -> Option<Ino> {
        let position = self.names.get(name)?;
        self.entries.get(position).map(|(_, ino)| *ino)
    }

    /// Gives `name` to `ino`; a name that exists changes its owner in place.
    pub(crate) fn put(&mut self, name: &str, ino: Ino) {
        let position = *self.names.entry(name.to_owned()).or_insert(self.next);
        if position == self.next {
            self.next = self.next.saturating_add(1);
        }
        self.entries.insert(position, (name.to_owned(), ino));
    }

    /// Takes a name out.
    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(position) = self.names.remove(name) {
            self.entries.remove(&position);
        }
    }

    /// Whether no name is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Names behind `position`, each with its own position.
    pub(crate) fn after(&self, position: u64) -> impl Iterator<Item = (u64, &str, Ino)> {
        let from = position.saturating_add(1);
        self.entries.range(from..).map(|(position, (name, ino))| (*position, name.as_str(), *ino))
    }
}

#[cfg(test)]
mod tests {
    use super::Directory;

    #[test]
    fn a_listing_goes_on_where_it_stopped_whatever_was_removed() {
        let mut directory = Directory::new(1);
        for (ino, name) in (10..).zip(["a", "b", "c", "d"]) {
            directory.put(name, ino);
        }
        let first: Vec<_> =
            directory.after(0).take(2).map(|(at, name, _)| (at, name.to_owned())).collect();
        let (last, _) = first[1];
        for name in ["a", "b", "c"] {
            directory.remove(name);
        }
        directory.put("e", 14);
        let rest: Vec<_> = directory.after(last).map(|(_, name, _)| name).collect();
        assert_eq!(rest, ["d", "e"]);
    }

    #[test]
    fn a_name_that_changes_hands_keeps_its_place() {
        let mut directory = Directory::new(1);
        directory.put("a", 10);
        directory.put("b", 11);
        directory.put("a", 12);
        let all: Vec<_> = directory.after(0).map(|(_, name, ino)| (name, ino)).collect();
        assert_eq!(all, [("a", 12), ("b", 11)]);
        assert_eq!(directory.get("a"), Some(12));
    }
}
