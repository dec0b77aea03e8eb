//! Reading an image: all checks are made by [`Image::parse`].

use alloc::string::String;
use core::str;

use crate::{
    CHECKSUM_AT, ENTRY_SIZE, Error, HEADER_SIZE, MAGIC, MAX_LINKS, MAX_PATH, PAGE_SIZE,
    PERMISSIONS, TYPE_DIRECTORY, TYPE_FILE, TYPE_MASK, TYPE_SYMLINK, VERSION, checksum, parent,
    valid_path,
};

/// A checked image, borrowed from the bytes that it lies in.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    bytes: &'a [u8],
    entries: &'a [[u8; ENTRY_SIZE]],
    names: &'a [u8],
}

/// One file, directory or symbolic link of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its number in the image, from 0 (the root). It serves as an inode number.
    pub index: u32,
    /// The path from the root, without a leading slash; empty for the root.
    pub path: &'a str,
    /// Permission bits, as `chmod` takes them.
    pub permissions: u32,
    /// What it is, with what belongs to it.
    pub kind: Kind<'a>,
}

/// What an [`Entry`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A directory; [`Image::list`] names what it holds.
    Directory,
    /// A regular file.
    File {
        /// Where its data begins in the image, a multiple of [`PAGE_SIZE`].
        offset: u64,
        /// Its content. It is zero-filled to the end of its last page in the image.
        data: &'a [u8],
    },
    /// A symbolic link to this target.
    Symlink(&'a str),
}

impl<'a> Entry<'a> {
    /// The last component of the path; empty for the root.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.path.rsplit_once('/').map_or(self.path, |(_parent, name)| name)
    }

    /// The size in bytes that `stat` reports.
    #[must_use]
    pub fn size(&self) -> u64 {
        let bytes = match self.kind {
            Kind::Directory => 0,
            Kind::File { data, .. } => data.len(),
            Kind::Symlink(target) => target.len(),
        };
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// File type and permission bits, as `st_mode` has them.
    #[must_use]
    pub const fn mode(&self) -> u32 {
        let kind = match self.kind {
            Kind::Directory => TYPE_DIRECTORY,
            Kind::File { .. } => TYPE_FILE,
            Kind::Symlink(_) => TYPE_SYMLINK,
        };
        kind | self.permissions
    }
}

impl<'a> Image<'a> {
    /// Checks `bytes` and lends the image in them; bytes behind its end are ignored.
    ///
    /// # Errors
    ///
    /// Every [`Error`] that damaged or malicious bytes can deserve; see its variants.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let header = bytes.get(..HEADER_SIZE).ok_or(Error::Length)?;
        if header.get(..MAGIC.len()) != Some(MAGIC.as_slice()) {
            return Err(Error::Magic);
        }
        let version = u32_at(header, 8).ok_or(Error::Length)?;
        if version != VERSION {
            return Err(Error::Version(version));
        }
        let count = u32_at(header, 12).and_then(|count| usize::try_from(count).ok());
        let (Some(count), Some(total), Some(names), Some(sum)) =
            (count, size_at(header, 16), size_at(header, 24), u64_at(header, CHECKSUM_AT))
        else {
            return Err(Error::Length);
        };
        let bytes = bytes.get(..total).ok_or(Error::Length)?;
        if !total.is_multiple_of(PAGE_SIZE) {
            return Err(Error::Length);
        }
        if checksum(bytes) != sum {
            return Err(Error::Checksum);
        }
        let entries_len = count.checked_mul(ENTRY_SIZE).ok_or(Error::Length)?;
        let (entries, rest) = bytes
            .get(HEADER_SIZE..)
            .and_then(|rest| rest.split_at_checked(entries_len))
            .ok_or(Error::Length)?;
        let names = rest.get(..names).ok_or(Error::Length)?;
        let image = Self { bytes, entries: entries.as_chunks().0, names };
        image.check_entries()?;
        Ok(image)
    }

    /// How many bytes the image is long, a multiple of [`PAGE_SIZE`].
    #[must_use]
    pub const fn size(&self) -> usize {
        self.bytes.len()
    }

    /// All entries in the order of their paths, the root first.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let image = *self;
        (0..).map_while(move |index| image.entry(index))
    }

    /// The entry of this number.
    #[must_use]
    pub fn entry(&self, index: u32) -> Option<Entry<'a>> {
        let raw = self.entries.get(usize::try_from(index).ok()?)?;
        let mode = u32_at(raw, 8)?;
        let (offset, size) = (size_at(raw, 16)?, size_at(raw, 24)?);
        let kind = match mode & TYPE_MASK {
            TYPE_DIRECTORY => Kind::Directory,
            TYPE_FILE => Kind::File {
                offset: u64_at(raw, 16)?,
                data: self.bytes.get(offset..offset.checked_add(size)?)?,
            },
            TYPE_SYMLINK => Kind::Symlink(self.name_at(offset, size)?),
            _ => return None,
        };
        let path = self.path(raw)?;
        Some(Entry { index, path, permissions: mode & PERMISSIONS, kind })
    }

    /// The entry at `path`, taken literally: slashes at either end do not matter, `.`, `..` and
    /// symbolic links are not followed.
    #[must_use]
    pub fn lookup(&self, path: &str) -> Option<Entry<'a>> {
        let path = path.trim_matches('/');
        let found =
            self.entries.binary_search_by(|raw| self.path(raw).unwrap_or_default().cmp(path));
        self.entry(u32::try_from(found.ok()?).ok()?)
    }

    /// The entries that lie directly in the directory `dir`, in the order of their names.
    pub fn list(&self, dir: &Entry<'a>) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let (image, dir) = (*self, *dir);
        let first = dir.index.saturating_add(1);
        (first..)
            .map_while(move |index| image.entry(index))
            .skip_while(move |entry| {
                below(dir.path, entry.path).is_none() && entry.path <= dir.path
            })
            .filter(move |entry| below(dir.path, entry.path).is_some_and(|n| !n.contains('/')))
            .filter(move |_entry| dir.kind == Kind::Directory)
    }

    /// The entry at `path` after `.`, `..` and symbolic links, all kept within the image.
    ///
    /// A link at the end is followed too unless `path` is wanted itself: see [`Image::lookup`].
    /// An absolute target counts from the image's root.
    ///
    /// # Errors
    ///
    /// [`Error::Path`] if there is no such entry, [`Error::Parent`] if a part before the last is
    /// no directory, [`Error::TooBig`] after [`MAX_LINKS`] links.
    pub fn resolve(&self, path: &str) -> Result<Entry<'a>, Error> {
        let mut rest = String::from(path);
        let mut at = self.entry(0).ok_or(Error::Path)?;
        let mut links = 0_usize;
        while let Some((part, tail)) = next_part(&rest) {
            if at.kind != Kind::Directory {
                return Err(Error::Parent);
            }
            let next = self.step(&at, part)?;
            let Kind::Symlink(target) = next.kind else {
                (at, rest) = (next, String::from(tail));
                continue;
            };
            links = links.saturating_add(1);
            if links > MAX_LINKS || target.len().saturating_add(tail.len()) > MAX_PATH {
                return Err(Error::TooBig);
            }
            if target.starts_with('/') {
                at = self.entry(0).ok_or(Error::Path)?;
            }
            rest = [target, tail].join("/");
        }
        Ok(at)
    }

    fn step(&self, dir: &Entry<'a>, part: &str) -> Result<Entry<'a>, Error> {
        let path = match (part, dir.path) {
            (".", _) => return Ok(*dir),
            ("..", path) => String::from(parent(path)),
            (_, "") => String::from(part),
            (_, path) => [path, part].join("/"),
        };
        self.lookup(&path).ok_or(Error::Path)
    }

    fn name_at(&self, offset: usize, len: usize) -> Option<&'a str> {
        str::from_utf8(self.names.get(offset..offset.checked_add(len)?)?).ok()
    }

    fn path(&self, raw: &[u8; ENTRY_SIZE]) -> Option<&'a str> {
        let offset = usize::try_from(u32_at(raw, 0)?).ok()?;
        self.name_at(offset, usize::try_from(u32_at(raw, 4)?).ok()?)
    }

    /// Each entry is well formed, their paths ascend, and each lies in a directory.
    fn check_entries(&self) -> Result<(), Error> {
        let mut last: Option<&str> = None;
        let mut count = 0_usize;
        for entry in self.entries() {
            let malformed = Error::Entry(entry.index);
            self.check_entry(&entry).ok_or(malformed)?;
            if last.is_some_and(|last| last >= entry.path) {
                return Err(malformed);
            }
            last = Some(entry.path);
            count = count.saturating_add(1);
        }
        // `entries` stops at the first entry that cannot be read at all.
        if count == 0 || count != self.entries.len() {
            return Err(Error::Entry(u32::try_from(count).unwrap_or(u32::MAX)));
        }
        let orphan = self.entries().skip(1).find(|entry| {
            self.lookup(parent(entry.path)).is_none_or(|parent| parent.kind != Kind::Directory)
        });
        orphan.map_or(Ok(()), |_orphan| Err(Error::Parent))
    }

    fn check_entry(&self, entry: &Entry<'a>) -> Option<()> {
        let raw = self.entries.get(usize::try_from(entry.index).ok()?)?;
        let known = TYPE_MASK | PERMISSIONS;
        let plain = u32_at(raw, 8)? & !known == 0 && u32_at(raw, 12)? == 0;
        let good = match entry.kind {
            Kind::Directory => u64_at(raw, 16)? == 0 && u64_at(raw, 24)? == 0,
            Kind::File { offset, .. } => {
                let head = self.names.len().checked_add(self.entries.as_flattened().len())?;
                let head = head.checked_add(HEADER_SIZE)?;
                let offset = usize::try_from(offset).ok()?;
                offset.is_multiple_of(PAGE_SIZE) && offset >= head
            }
            Kind::Symlink(target) => {
                !target.is_empty() && target.len() <= MAX_PATH && !target.contains('\0')
            }
        };
        let named = match entry.index {
            0 => entry.path.is_empty() && entry.kind == Kind::Directory,
            _ => valid_path(entry.path),
        };
        (plain && good && named).then_some(())
    }
}

/// What is left of `path` within the directory `dir`, if it lies there at any depth.
fn below<'a>(dir: &str, path: &'a str) -> Option<&'a str> {
    if dir.is_empty() { Some(path) } else { path.strip_prefix(dir)?.strip_prefix('/') }
}

/// The first component of a path and what follows it; `None` when only slashes are left.
fn next_part(path: &str) -> Option<(&str, &str)> {
    let path = path.trim_start_matches('/');
    if path.is_empty() { None } else { Some(path.split_once('/').unwrap_or((path, ""))) }
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

fn size_at(bytes: &[u8], offset: usize) -> Option<usize> {
    usize::try_from(u64_at(bytes, offset)?).ok()
}
