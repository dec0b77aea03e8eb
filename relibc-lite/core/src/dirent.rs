//! Directory records: from what a back-end gives to C's `struct dirent`.

use crate::abi::Dirent;
use crate::errno::{EIO, Result};

/// One entry, as either back-end's record holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Inode number.
    pub inode: u64,
    /// Where the entry after this one begins, as `telldir` and `seekdir` know it.
    pub next: u64,
    /// `DT_*`; 0 when the kind is not known.
    pub kind: u8,
    /// Name, without NUL.
    pub name: &'a [u8],
    /// Bytes of the record, up to the next one.
    pub length: usize,
}

/// Bytes before the name in a record: inode 8, next 8, length 2, kind 1. Linux's `getdents64`
/// and Redox's `DirentHeader` agree on them.
pub const HEADER: usize = 19;

/// Reads the record at the start of `bytes`; `None` at their end.
///
/// # Errors
///
/// - `EIO`: the record is cut, its length is wrong or its name does not end in it.
pub fn read(bytes: &[u8]) -> Result<Option<Entry<'_>>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    parse(bytes).map(Some).ok_or(EIO)
}

fn parse(bytes: &[u8]) -> Option<Entry<'_>> {
    let (inode, rest) = bytes.split_first_chunk::<8>()?;
    let (next, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (kind, _) = rest.split_first()?;
    let length = usize::from(u16::from_le_bytes(*length));
    let text = bytes.get(HEADER..length)?;
    let end = text.iter().position(|byte| *byte == 0)?;
    Some(Entry {
        inode: u64::from_le_bytes(*inode),
        next: u64::from_le_bytes(*next),
        kind: *kind,
        name: text.get(..end)?,
        length,
    })
}

/// The entry as C's `struct dirent`; names are cut to 255 bytes.
#[must_use]
pub fn to_c(entry: &Entry<'_>) -> Dirent {
    let mut d_name = [0; 256];
    // A longer name cannot be opened anyway: 255 is NAME_MAX.
    let _fits = crate::text::put(&mut d_name, entry.name);
    Dirent {
        d_ino: entry.inode,
        d_off: i64::from_le_bytes(entry.next.to_le_bytes()),
        d_reclen: 280,
        d_type: entry.kind,
        d_name,
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, read, to_c};
    use crate::errno::EIO;
    use std::vec::Vec;

    fn record(name: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(7_u64.to_le_bytes());
        bytes.extend(9_u64.to_le_bytes());
        bytes.extend(u16::try_from(name.len()).unwrap().strict_add(20).to_le_bytes());
        bytes.push(8);
        bytes.extend(name);
        bytes.push(0);
        bytes
    }

    #[test]
    fn records_are_read_one_after_another() {
        let mut bytes = record(b"a");
        bytes.extend(record(b"bc"));
        let first = read(&bytes).unwrap().unwrap();
        assert_eq!(first, Entry { inode: 7, next: 9, kind: 8, name: b"a", length: 21 });
        assert_eq!(read(&bytes[first.length..]).unwrap().unwrap().name, b"bc");
        assert_eq!(read(b""), Ok(None));
        assert_eq!(&to_c(&first).d_name[..2], b"a\0");
    }

    #[test]
    fn cut_and_flipped_records_are_errors_and_never_panics() {
        let good = record(b"name");
        for end in 1..good.len() {
            assert_eq!(read(&good[..end]), Err(EIO), "cut at {end}");
        }
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert!(read(&bad).is_ok_and(|entry| entry.is_some()) || read(&bad) == Err(EIO));
            }
        }
    }
}
