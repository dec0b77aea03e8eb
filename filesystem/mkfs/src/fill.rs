//! Putting files into a volume by their paths.

use std::collections::BTreeMap;

use anode_fs::device::BlockDevice;
use anode_fs::executor::block_on;
use anode_fs::{Attributes, Kind, New, Volume};

use crate::sentence::Failed;

/// The root directory's number.
const ROOT: u64 = 1;

/// A volume that is being filled. All files belong to root, and their times are the volume's.
#[derive(Debug)]
pub struct Filler<D> {
    volume: Volume<D>,
    time: i64,
    /// Directories that were made or met, by path.
    directories: BTreeMap<String, u64>,
    files: u64,
    bytes: u64,
}

impl<D: BlockDevice> Filler<D> {
    pub(crate) fn new(volume: Volume<D>, time: i64) -> Self {
        let directories = BTreeMap::from([(String::new(), ROOT)]);
        Self { volume, time, directories, files: 0, bytes: 0 }
    }

    /// How many files, directories and links were made, and how many bytes were written.
    pub const fn done(&self) -> (u64, u64) {
        (self.files, self.bytes)
    }

    /// Makes a directory, and those above it that are missing (with 0755); one that is there
    /// gets these permissions.
    ///
    /// # Errors
    ///
    /// The path, and why it could not be.
    pub fn directory(&mut self, path: &str, mode: u16) -> Result<(), Failed> {
        let path = path.trim_matches('/');
        let ino = self.reach(path, mode)?;
        let new = Attributes { mode: Some(mode), ..Attributes::default() };
        let set = block_on(self.volume.set_attributes(ino, new, self.time), || {});
        set.map_err(|error| Failed::new(path, error))
    }

    /// Makes a file with this content.
    ///
    /// # Errors
    ///
    /// As for [`Filler::directory`]; `it is there already` too.
    pub fn file(&mut self, path: &str, mode: u16, content: &[u8]) -> Result<(), Failed> {
        let (directory, name) = self.place(path)?;
        let new = New { kind: Kind::File, mode, uid: 0, gid: 0 };
        let failed = |error| Failed::new(path, error);
        let (volume, time) = (&mut self.volume, self.time);
        let written = block_on(
            async {
                let ino = volume.create(directory, name.as_bytes(), new, time).await?;
                let (mut offset, mut rest) = (0_u64, content);
                while !rest.is_empty() {
                    let count = volume.write(ino, offset, rest, time).await?;
                    rest = rest.get(count..).unwrap_or_default();
                    offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
                }
                Ok(())
            },
            || {},
        );
        written.map_err(failed)?;
        self.count(content.len());
        Ok(())
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    ///
    /// As for [`Filler::file`].
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<(), Failed> {
        let (directory, name) = self.place(path)?;
        let made =
            self.volume.symlink(directory, name.as_bytes(), target.as_bytes(), (0, 0), self.time);
        block_on(made, || {}).map_err(|error| Failed::new(path, error))?;
        self.count(0);
        Ok(())
    }

    /// Makes all of it last, and gives the device back.
    ///
    /// # Errors
    ///
    /// The device failed.
    pub fn finish(self) -> Result<D, Failed> {
        let unmounted = block_on(self.volume.unmount(self.time), || {});
        unmounted.map_err(|error| Failed::new("the device", error))
    }

    fn count(&mut self, bytes: usize) {
        self.files = self.files.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// The directory of a path, made if need be, and the last name.
    fn place<'p>(&mut self, path: &'p str) -> Result<(u64, &'p str), Failed> {
        let path = path.trim_matches('/');
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((self.reach(above, 0o755)?, name))
    }

    /// The number of a directory; those that are missing are made.
    fn reach(&mut self, path: &str, mode: u16) -> Result<u64, Failed> {
        if let Some(ino) = self.directories.get(path) {
            return Ok(*ino);
        }
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.reach(above, 0o755)?;
        let new = New { kind: Kind::Directory, mode, uid: 0, gid: 0 };
        let made = block_on(self.volume.create(parent, name.as_bytes(), new, self.time), || {});
        let ino = made.map_err(|error| Failed::new(path, error))?;
        self.directories.insert(path.to_owned(), ino);
        self.count(0);
        Ok(ino)
    }
}
