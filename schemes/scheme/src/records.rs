//! Structs as the bytes that clients read: directory records, `Stat`, `StatVfs`, times.

use redox::data::{Stat, StatVfs, TimeSpec};
use redox::dirent::DirentKind;
use redox::error::{EINVAL, Error, Result};

/// Bytes of a record before its name.
const HEADER: usize = 19;

/// A directory listing as it is filled.
#[derive(Debug)]
pub struct Entries<'a> {
    space: &'a mut [u8],
    used: usize,
    full: bool,
}

impl<'a> Entries<'a> {
    pub(crate) const fn new(space: &'a mut [u8]) -> Self {
        Self { space, used: 0, full: false }
    }

    /// Adds a name; false when there is no more room, and the listing ends here.
    ///
    /// `next` is the position of the record after this one: what the next listing starts at.
    #[must_use]
    pub fn push(&mut self, inode: u64, next: u64, kind: DirentKind, name: &str) -> bool {
        self.full = self.full || self.write(inode, next, kind, name).is_none();
        !self.full
    }

    fn write(&mut self, inode: u64, next: u64, kind: DirentKind, name: &str) -> Option<()> {
        let len = HEADER.checked_add(name.len())?.checked_add(1)?.checked_next_multiple_of(8)?;
        let record = self.space.get_mut(self.used..)?.get_mut(..len)?;
        record.fill(0);
        let length = u16::try_from(len).ok()?;
        let fields: [&[u8]; 5] = [
            &inode.to_le_bytes(),
            &next.to_le_bytes(),
            &length.to_le_bytes(),
            &[kind as u8],
            name.as_bytes(),
        ];
        for (to, from) in record.iter_mut().zip(fields.into_iter().flatten()) {
            *to = *from;
        }
        self.used = self.used.checked_add(len)?;
        Some(())
    }

    /// The bytes that were filled.
    ///
    /// # Errors
    ///
    /// `EINVAL`: not even the first record fitted.
    pub(crate) fn len(&self) -> Result<usize> {
        if self.full && self.used == 0 { Err(Error::new(EINVAL)) } else { Ok(self.used) }
    }
}

/// Two `u32` in a word.
fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

/// `Stat` as it lies in a client's memory, padding zeroed.
pub(crate) fn stat_words(stat: &Stat) -> [u64; 13] {
    [
        stat.st_dev,
        stat.st_ino,
        pair(u32::from(stat.st_mode), stat.st_nlink),
        pair(stat.st_uid, stat.st_gid),
        stat.st_size,
        u64::from(stat.st_blksize),
        stat.st_blocks,
        stat.st_mtime,
        u64::from(stat.st_mtime_nsec),
        stat.st_atime,
        u64::from(stat.st_atime_nsec),
        stat.st_ctime,
        u64::from(stat.st_ctime_nsec),
    ]
}

/// `StatVfs` as it lies in a client's memory, padding zeroed.
pub(crate) fn stat_vfs_words(stat: &StatVfs) -> [u64; 4] {
    [u64::from(stat.f_bsize), stat.f_blocks, stat.f_bfree, stat.f_bavail]
}

/// Writes words into the start of `space`; gives how many bytes fitted.
pub(crate) fn put_words(words: &[u64], space: &mut [u8]) -> usize {
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    space.iter_mut().zip(bytes).map(|(to, from)| *to = from).count()
}

/// Access and modification time as `futimens` passes them.
pub(crate) fn times(bytes: &[u8]) -> Result<[TimeSpec; 2]> {
    let word = |index: usize| {
        let word = bytes.as_chunks::<8>().0.get(index).copied();
        word.map(i64::from_le_bytes).ok_or(Error::new(EINVAL))
    };
    let time = |seconds: i64, nanoseconds: i64| {
        let tv_nsec = i32::try_from(nanoseconds).ok().filter(|n| (0..1_000_000_000).contains(n));
        Ok(TimeSpec { tv_sec: seconds, tv_nsec: tv_nsec.ok_or(Error::new(EINVAL))? })
    };
    // The upper half of a nanosecond word is padding.
    Ok([time(word(0)?, word(1)? & 0xFFFF_FFFF)?, time(word(2)?, word(3)? & 0xFFFF_FFFF)?])
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use redox::dirent::DirentIter;

    use super::*;

    #[test]
    fn stat_words_lie_where_the_struct_has_its_fields() {
        let stat = Stat {
            st_dev: 1,
            st_ino: 2,
            st_mode: 3,
            st_nlink: 4,
            st_uid: 5,
            st_gid: 6,
            st_size: 7,
            st_blksize: 8,
            st_blocks: 9,
            st_mtime: 10,
            st_mtime_nsec: 11,
            st_atime: 12,
            st_atime_nsec: 13,
            st_ctime: 14,
            st_ctime_nsec: 15,
        };
        let mut bytes = [0; size_of::<Stat>()];
        assert_eq!(put_words(&stat_words(&stat), &mut bytes), bytes.len());
        let offsets = [
            offset_of!(Stat, st_dev),
            offset_of!(Stat, st_ino),
            offset_of!(Stat, st_mode),
            offset_of!(Stat, st_nlink),
            offset_of!(Stat, st_uid),
            offset_of!(Stat, st_gid),
            offset_of!(Stat, st_size),
            offset_of!(Stat, st_blksize),
            offset_of!(Stat, st_blocks),
            offset_of!(Stat, st_mtime),
            offset_of!(Stat, st_mtime_nsec),
            offset_of!(Stat, st_atime),
            offset_of!(Stat, st_atime_nsec),
            offset_of!(Stat, st_ctime),
            offset_of!(Stat, st_ctime_nsec),
        ];
        for (value, offset) in (1..).zip(offsets) {
            assert_eq!(bytes[offset], value, "offset {offset}");
        }
        assert_eq!(bytes.iter().filter(|byte| **byte != 0).count(), offsets.len());
    }

    #[test]
    fn a_listing_is_read_back_by_the_published_reader() {
        let mut space = [0xEE; 100];
        let mut entries = Entries::new(&mut space);
        assert!(entries.push(7, 1, DirentKind::Regular, "a"));
        assert!(entries.push(8, 2, DirentKind::Directory, "subdirectory"));
        assert!(!entries.push(9, 3, DirentKind::Regular, &"x".repeat(40)));
        assert!(!entries.push(9, 4, DirentKind::Regular, "b"), "the order would be lost");
        let len = entries.len().unwrap();

        let read: Vec<_> = DirentIter::new(&space[..len])
            .map(|record| record.unwrap())
            .map(|(header, name)| (header.inode, header.next_opaque_id, header.kind, name.to_vec()))
            .collect();
        assert_eq!(read[0].0, 7);
        assert_eq!((read[1].0, read[1].1, read[1].2), (8, 2, DirentKind::Directory as u8));
        assert_eq!(read[1].3.strip_suffix(b"\0").unwrap_or(&read[1].3), b"subdirectory");
        assert_eq!(read.len(), 2);
    }

    #[test]
    fn a_listing_without_room_for_one_name_is_an_error() {
        let mut space = [0; 20];
        let mut entries = Entries::new(&mut space);
        assert_eq!(entries.len(), Ok(0));
        assert!(!entries.push(1, 1, DirentKind::Regular, "name"));
        assert_eq!(entries.len(), Err(Error::new(EINVAL)));
    }

    #[test]
    fn times_outside_a_second_are_refused() {
        let mut bytes = [0; 32];
        put_words(&[5, 999_999_999, 6, 0xFFFF_FFFF_0000_0001], &mut bytes);
        let [access, modification] = times(&bytes).unwrap();
        assert_eq!((access.tv_sec, access.tv_nsec), (5, 999_999_999));
        assert_eq!((modification.tv_sec, modification.tv_nsec), (6, 1));
        put_words(&[5, 1_000_000_000], &mut bytes);
        assert!(times(&bytes).is_err());
        assert!(times(&bytes[..31]).is_err());
    }
}
