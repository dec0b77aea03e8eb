//! Making an image, on the host.

use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    vec::Vec,
};

use crate::{
    CHECKSUM_AT, ENTRY_SIZE, Error, HEADER_SIZE, MAGIC, MAX_PATH, PAGE_SIZE, PERMISSIONS,
    TYPE_DIRECTORY, TYPE_FILE, TYPE_MASK, TYPE_SYMLINK, VERSION, checksum, parent, valid_path,
};

/// Collects files and writes them as an image.
///
/// The same files always give the same bytes, in whatever order they were added.
#[derive(Debug)]
pub struct Builder {
    nodes: BTreeMap<String, Node>,
}

#[derive(Debug)]
struct Node {
    mode: u32,
    data: Vec<u8>,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// A tree of nothing but the root directory.
    #[must_use]
    pub fn new() -> Self {
        let root = Node { mode: TYPE_DIRECTORY | 0o755, data: Vec::new() };
        Self { nodes: BTreeMap::from([(String::new(), root)]) }
    }

    /// Adds a directory; missing parents are made with permissions 755.
    ///
    /// # Errors
    ///
    /// [`Error::Path`] for a path that no file may have, [`Error::Parent`] if a parent is no
    /// directory, [`Error::Duplicate`] if something else has the path. A directory may be
    /// added twice: the later permissions hold.
    pub fn directory(&mut self, path: &str, permissions: u32) -> Result<&mut Self, Error> {
        let path = path.trim_matches('/');
        if self.nodes.get(path).is_some_and(Node::is_directory) {
            self.nodes.remove(path);
        }
        self.insert(path, TYPE_DIRECTORY, permissions, Vec::new())
    }

    /// Adds a regular file.
    ///
    /// # Errors
    ///
    /// As for [`Builder::directory`], and [`Error::Duplicate`] for any path that is taken.
    pub fn file(
        &mut self,
        path: &str,
        permissions: u32,
        data: impl Into<Vec<u8>>,
    ) -> Result<&mut Self, Error> {
        self.insert(path.trim_matches('/'), TYPE_FILE, permissions, data.into())
    }

    /// Adds a symbolic link at `path` that points to `target`.
    ///
    /// # Errors
    ///
    /// As for [`Builder::file`], and [`Error::Path`] for an empty or overlong target.
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<&mut Self, Error> {
        if target.is_empty() || target.len() > MAX_PATH || target.contains('\0') {
            return Err(Error::Path);
        }
        self.insert(path.trim_matches('/'), TYPE_SYMLINK, 0o777, target.into())
    }

    fn insert(
        &mut self,
        path: &str,
        kind: u32,
        permissions: u32,
        data: Vec<u8>,
    ) -> Result<&mut Self, Error> {
        let root = path.is_empty() && kind == TYPE_DIRECTORY;
        if !root && !valid_path(path) {
            return Err(Error::Path);
        }
        if self.nodes.contains_key(path) {
            return Err(Error::Duplicate);
        }
        if !root {
            self.ensure_directory(parent(path))?;
        }
        let mode = kind | (permissions & PERMISSIONS);
        self.nodes.insert(path.to_string(), Node { mode, data });
        Ok(self)
    }

    fn ensure_directory(&mut self, path: &str) -> Result<(), Error> {
        match self.nodes.get(path) {
            Some(node) if node.is_directory() => Ok(()),
            Some(_) => Err(Error::Parent),
            None => self.insert(path, TYPE_DIRECTORY, 0o755, Vec::new()).map(|_self| ()),
        }
    }

    /// Writes the image.
    ///
    /// # Errors
    ///
    /// [`Error::TooBig`] if there is more than the format can number.
    pub fn build(&self) -> Result<Vec<u8>, Error> {
        let (entries, names, total) = self.entries()?;
        let mut image = self.header(total, names.len())?;
        image.extend(entries);
        image.extend(names);
        for node in self.nodes.values().filter(|node| node.is_file()) {
            image.resize(page_up(image.len())?, 0);
            image.extend(&node.data);
        }
        image.resize(total, 0);
        seal(&mut image);
        Ok(image)
    }

    /// The entries, the names, and the length of the whole image.
    fn entries(&self) -> Result<(Vec<u8>, Vec<u8>, usize), Error> {
        let names_len = self
            .nodes
            .iter()
            .map(|(path, node)| path.len().saturating_add(node.name_bytes()))
            .fold(0, usize::saturating_add);
        let entries_len = self.nodes.len().saturating_mul(ENTRY_SIZE);
        let head = HEADER_SIZE.saturating_add(entries_len).saturating_add(names_len);
        let mut data_at = page_up(head)?;
        let (mut entries, mut names) = (Vec::new(), Vec::new());
        for (path, node) in &self.nodes {
            let path_at = number(names.len())?;
            names.extend(path.as_bytes());
            let offset = match node.mode & TYPE_MASK {
                TYPE_FILE => data_at,
                TYPE_SYMLINK => names.len(),
                _ => 0,
            };
            entries.extend(path_at.to_le_bytes());
            entries.extend(number(path.len())?.to_le_bytes());
            entries.extend(u64::from(node.mode).to_le_bytes());
            entries.extend(long(offset)?.to_le_bytes());
            entries.extend(long(node.data.len())?.to_le_bytes());
            if node.is_file() {
                data_at = data_at.checked_add(page_up(node.data.len())?).ok_or(Error::TooBig)?;
            } else {
                names.extend(&node.data);
            }
        }
        Ok((entries, names, data_at))
    }

    fn header(&self, total: usize, names_len: usize) -> Result<Vec<u8>, Error> {
        let mut header = Vec::with_capacity(HEADER_SIZE);
        header.extend(MAGIC);
        header.extend(VERSION.to_le_bytes());
        header.extend(number(self.nodes.len())?.to_le_bytes());
        header.extend(long(total)?.to_le_bytes());
        header.extend(long(names_len)?.to_le_bytes());
        header.resize(HEADER_SIZE, 0);
        Ok(header)
    }
}

impl Node {
    const fn is_directory(&self) -> bool {
        self.mode & TYPE_MASK == TYPE_DIRECTORY
    }

    const fn is_file(&self) -> bool {
        self.mode & TYPE_MASK == TYPE_FILE
    }

    /// How much of the names it takes besides its path: a symlink's target.
    const fn name_bytes(&self) -> usize {
        if self.is_file() { 0 } else { self.data.len() }
    }
}

/// Writes the checksum into its place.
pub(crate) fn seal(image: &mut [u8]) {
    let sum = checksum(image).to_le_bytes();
    let field = image.get_mut(CHECKSUM_AT..).and_then(|rest| rest.first_chunk_mut());
    if let Some(field) = field {
        *field = sum;
    }
}

fn page_up(len: usize) -> Result<usize, Error> {
    len.checked_next_multiple_of(PAGE_SIZE).ok_or(Error::TooBig)
}

fn number(value: usize) -> Result<u32, Error> {
    u32::try_from(value).map_err(|_too_big| Error::TooBig)
}

fn long(value: usize) -> Result<u64, Error> {
    u64::try_from(value).map_err(|_too_big| Error::TooBig)
}
