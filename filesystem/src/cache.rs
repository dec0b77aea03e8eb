//! Content of files in one memory object, from which the kernel copies straight to the reader.
//!
//! A file is cut into lines of 64 KiB, and a line is read whole: that is the readahead too. Which
//! line goes when there is no room is decided by a second chance (CLOCK).

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use anode_scheme::AnswerRange;

/// Bytes of a line.
pub(crate) const LINE: usize = 64 << 10;
/// How many lines there are: 32 MiB of them.
const LINES: usize = 512;
/// Bytes of the memory object.
pub(crate) const BYTES: u64 = (LINE as u64) * (LINES as u64);

/// A place for a line.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// The file and the number of the line that is here.
    key: Option<(u64, u64)>,
    /// Bytes of the line; fewer than [`LINE`] where the file ends.
    len: usize,
    /// It was asked for since the hand last came by.
    asked: bool,
    /// An answer names it that the kernel has not taken yet: it may not become another's.
    lent: bool,
}

/// The cache.
#[derive(Debug)]
pub(crate) struct Cache {
    pool: File,
    places: BTreeMap<(u64, u64), usize>,
    slots: Vec<Slot>,
    hand: usize,
    lent: Vec<usize>,
}

/// Where bytes of a file lie in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    slot: usize,
    /// The bytes, up to the end of the line or of the file.
    pub(crate) range: AnswerRange,
    /// The file ends with them.
    pub(crate) ends: bool,
}

impl Cache {
    /// Over a pool of [`BYTES`] bytes.
    pub(crate) fn new(pool: File) -> Self {
        let slots = vec![Slot::default(); LINES];
        Self { pool, places: BTreeMap::new(), slots, hand: 0, lent: Vec::new() }
    }

    /// The memory object.
    pub(crate) const fn pool(&self) -> &File {
        &self.pool
    }

    /// What is here of a file from `offset` on, at most `most` bytes; it is asked for.
    pub(crate) fn find(&mut self, ino: u64, offset: u64, most: usize) -> Option<Found> {
        let found = self.peek(ino, offset, most)?;
        self.slots.get_mut(found.slot)?.asked = true;
        Some(found)
    }

    /// The same, for one who has just brought it here: what is read once does not drive out what
    /// is read again and again.
    pub(crate) fn peek(&self, ino: u64, offset: u64, most: usize) -> Option<Found> {
        let (number, skip) = split(offset);
        let index = *self.places.get(&(ino, number))?;
        let slot = self.slots.get(index)?;
        let left = slot.len.saturating_sub(skip);
        let len = left.min(most);
        let start = start_of(index).saturating_add(wide(skip));
        let range = AnswerRange { offset: start, len: wide(len) };
        Some(Found { slot: index, range, ends: slot.len < LINE && len == left })
    }

    /// An answer names what was found; it stays as it is until [`Cache::settle`].
    pub(crate) fn lend(&mut self, found: &Found) {
        if let Some(slot) = self.slots.get_mut(found.slot)
            && !slot.lent
        {
            slot.lent = true;
            self.lent.push(found.slot);
        }
    }

    /// The kernel took all answers.
    pub(crate) fn settle(&mut self) {
        for index in self.lent.drain(..) {
            if let Some(slot) = self.slots.get_mut(index) {
                slot.lent = false;
            }
        }
    }

    /// Copies what was found out of the pool.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn copy(&self, found: &Found, into: &mut [u8]) -> io::Result<()> {
        self.pool.read_exact_at(into, found.range.offset)
    }

    /// Keeps the line of a file in which `offset` lies.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn keep(&mut self, ino: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let key = (ino, split(offset).0);
        let Some(index) = self.room() else { return Ok(()) };
        if let Some(slot) = self.slots.get_mut(index) {
            if let Some(old) = slot.key.take() {
                self.places.remove(&old);
            }
            self.pool.write_all_at(bytes, start_of(index))?;
            *slot = Slot { key: Some(key), len: bytes.len().min(LINE), asked: false, lent: false };
            self.places.insert(key, index);
        }
        Ok(())
    }

    /// A slot that can be used for something else.
    fn room(&mut self) -> Option<usize> {
        for _ in 0..LINES.saturating_mul(2) {
            let index = self.hand;
            self.hand = index.saturating_add(1) % LINES;
            let slot = self.slots.get_mut(index)?;
            if !slot.lent && (slot.key.is_none() || !slot.asked) {
                return Some(index);
            }
            slot.asked = false;
        }
        None
    }

    /// What is kept of a file from byte `from` up to byte `end` is not its content any more.
    pub(crate) fn forget(&mut self, ino: u64, from: u64, end: u64) {
        let (first, last) = (split(from).0, split(end.saturating_sub(1).max(from)).0);
        let gone: Vec<_> = self
            .places
            .range((ino, first)..=(ino, last))
            .map(|(key, slot)| (*key, *slot))
            .collect();
        for (key, index) in gone {
            self.places.remove(&key);
            if let Some(slot) = self.slots.get_mut(index) {
                slot.key = None;
            }
        }
    }
}

/// The number of the line in which a byte lies, and where in it.
fn split(offset: u64) -> (u64, usize) {
    let line = wide(LINE);
    (offset.div_euclid(line), usize::try_from(offset.rem_euclid(line)).unwrap_or(0))
}

/// Where a slot lies in the pool.
fn start_of(index: usize) -> u64 {
    wide(index).saturating_mul(wide(LINE))
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Cache, LINE, LINES};
    use crate::testing::pool;

    fn text(cache: &mut Cache, ino: u64, offset: u64, most: usize) -> Option<Vec<u8>> {
        let found = cache.find(ino, offset, most)?;
        let mut bytes = vec![0; usize::try_from(found.range.len).unwrap()];
        cache.copy(&found, &mut bytes).unwrap();
        Some(bytes)
    }

    #[test]
    fn what_is_kept_is_found_until_it_is_forgotten() {
        let mut cache = Cache::new(pool());
        cache.keep(5, 0, &[1; LINE]).unwrap();
        cache.keep(5, 70_000, b"the end").unwrap();
        assert_eq!(text(&mut cache, 5, 10, 3), Some(vec![1; 3]));
        assert_eq!(text(&mut cache, 5, 65_536 + 4, 100), Some(b"end".to_vec()));
        assert_eq!(text(&mut cache, 5, 65_536 + 40, 100), Some(vec![]));
        assert_eq!(text(&mut cache, 6, 0, 1), None);
        cache.forget(5, 65_536, u64::MAX);
        assert_eq!(text(&mut cache, 5, 65_536, 1), None);
        assert_eq!(text(&mut cache, 5, 0, 1), Some(vec![1]));
    }

    #[test]
    fn what_is_asked_for_stays_and_what_is_lent_is_not_given_away() {
        let mut cache = Cache::new(pool());
        cache.keep(1, 0, b"lent").unwrap();
        let lent = cache.find(1, 0, 4).unwrap();
        cache.lend(&lent);
        for ino in 2..3 * u64::try_from(LINES).unwrap() {
            cache.keep(ino, 0, b"other").unwrap();
            assert!(cache.find(2, 0, 1).is_some(), "the hot one went at {ino}");
        }
        let mut bytes = [0; 4];
        cache.copy(&lent, &mut bytes).unwrap();
        assert_eq!(&bytes, b"lent");
        cache.settle();
        assert!(cache.places.len() <= LINES);
    }
}
