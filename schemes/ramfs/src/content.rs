//! What is in a file: a range of the image below, or pages in memory.

use std::collections::{BTreeMap, btree_map::Entry};

use anode_abi::error::{EFBIG, ENOSPC, Error, Result};

/// Bytes in a page of a file.
pub(crate) const PAGE: u64 = 4096;
const PAGE_LEN: usize = 4096;
/// No file is longer than this, holes included.
const LONGEST: u64 = 1 << 40;

/// How many pages may still be taken, by all files together.
#[derive(Debug)]
pub(crate) struct Quota {
    total: u64,
    free: u64,
}

impl Quota {
    /// All of `pages` are free.
    pub(crate) const fn new(pages: u64) -> Self {
        Self { total: pages, free: pages }
    }

    /// All pages, and those that are free.
    pub(crate) const fn figures(&self) -> (u64, u64) {
        (self.total, self.free)
    }

    fn take(&mut self) -> Result<()> {
        self.free = self.free.checked_sub(1).ok_or(Error::new(ENOSPC))?;
        Ok(())
    }

    fn give_back(&mut self, pages: usize) {
        let pages = u64::try_from(pages).unwrap_or(u64::MAX);
        self.free = self.free.saturating_add(pages).min(self.total);
    }
}

/// The bytes of a file.
#[derive(Debug)]
pub(crate) enum Content {
    /// Still as in the image: this range of it.
    Lower { offset: u64, size: u64 },
    /// In memory; a page that is not there is a hole and reads as zeroes.
    Memory { pages: BTreeMap<u64, Box<[u8]>>, size: u64 },
}

impl Content {
    /// A new, empty file.
    pub(crate) const fn empty() -> Self {
        Self::Memory { pages: BTreeMap::new(), size: 0 }
    }

    /// Its length in bytes.
    pub(crate) const fn size(&self) -> u64 {
        match self {
            Self::Lower { size, .. } | Self::Memory { size, .. } => *size,
        }
    }

    /// Pages of memory that it takes.
    pub(crate) fn pages(&self) -> usize {
        match self {
            Self::Lower { .. } => 0,
            Self::Memory { pages, .. } => pages.len(),
        }
    }

    /// Copies what stands at `offset` into `buf`; gives the number of bytes, 0 at the end.
    pub(crate) fn read(&self, lower: &[u8], offset: u64, buf: &mut [u8]) -> usize {
        let left = usize::try_from(self.size().saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = left.min(buf.len());
        let Some(buf) = buf.get_mut(..len) else { return 0 };
        match self {
            Self::Lower { offset: base, .. } => {
                let source = base
                    .checked_add(offset)
                    .and_then(|at| usize::try_from(at).ok())
                    .and_then(|at| lower.get(at..)?.get(..len));
                let Some(source) = source else { return 0 };
                buf.copy_from_slice(source);
            }
            Self::Memory { pages, .. } => {
                for (page, from, part) in pieces(offset, buf) {
                    let source =
                        pages.get(&page).and_then(|data| data.get(from..)?.get(..part.len()));
                    match source {
                        Some(source) => part.copy_from_slice(source),
                        None => part.fill(0),
                    }
                }
            }
        }
        len
    }

    /// Puts `data` at `offset`; gives how many bytes found room.
    ///
    /// # Errors
    ///
    /// `EFBIG` beyond the longest file, `ENOSPC` if not even one byte found room.
    pub(crate) fn write(
        &mut self,
        lower: &[u8],
        quota: &mut Quota,
        offset: u64,
        data: &[u8],
    ) -> Result<usize> {
        let room = usize::try_from(LONGEST.saturating_sub(offset)).unwrap_or(usize::MAX);
        if room == 0 && !data.is_empty() {
            return Err(Error::new(EFBIG));
        }
        let mut data = data.get(..room.min(data.len())).unwrap_or_default();
        self.copy_up(lower, quota)?;
        let Self::Memory { pages, size } = self else { return Ok(0) };
        let (mut at, mut done) = (offset, 0_usize);
        while !data.is_empty() {
            let from = usize::try_from(at % PAGE).unwrap_or(0);
            let (part, rest) = data.split_at(data.len().min(PAGE_LEN.saturating_sub(from)));
            let target = match page_of(pages, quota, at / PAGE) {
                Ok(page) => page.get_mut(from..).and_then(|page| page.get_mut(..part.len())),
                Err(_full) if done > 0 => break,
                Err(full) => return Err(full),
            };
            let Some(target) = target else { break };
            target.copy_from_slice(part);
            done = done.saturating_add(part.len());
            at = at.saturating_add(u64::try_from(part.len()).unwrap_or(0));
            *size = (*size).max(at);
            data = rest;
        }
        Ok(done)
    }

    /// Makes it exactly `new` bytes long; what is added reads as zeroes.
    ///
    /// # Errors
    ///
    /// `EFBIG` beyond the longest file, `ENOSPC` if the image's part of it finds no room.
    pub(crate) fn truncate(&mut self, lower: &[u8], quota: &mut Quota, new: u64) -> Result<()> {
        if new > LONGEST {
            return Err(Error::new(EFBIG));
        }
        if new == 0 {
            self.release(quota);
            return Ok(());
        }
        if new == self.size() {
            return Ok(());
        }
        self.copy_up(lower, quota)?;
        let Self::Memory { pages, size } = self else { return Ok(()) };
        let gone = pages.split_off(&new.div_ceil(PAGE));
        quota.give_back(gone.len());
        // The rest of the last page must read as zeroes should the file grow again.
        let keep = usize::try_from(new % PAGE).unwrap_or(0);
        if keep > 0
            && let Some(page) = pages.get_mut(&(new / PAGE))
        {
            page.iter_mut().skip(keep).for_each(|byte| *byte = 0);
        }
        *size = new;
        Ok(())
    }

    /// Gives up all of its memory; it is empty then.
    pub(crate) fn release(&mut self, quota: &mut Quota) {
        quota.give_back(self.pages());
        *self = Self::empty();
    }

    /// Brings a file of the image into memory; nothing is changed if there is no room.
    ///
    /// # Errors
    ///
    /// `ENOSPC`.
    fn copy_up(&mut self, lower: &[u8], quota: &mut Quota) -> Result<()> {
        let Self::Lower { offset, size } = *self else { return Ok(()) };
        let source = usize::try_from(offset).ok().and_then(|at| lower.get(at..));
        let source = source.zip(usize::try_from(size).ok()).and_then(|(rest, len)| rest.get(..len));
        let mut pages = BTreeMap::new();
        for (index, chunk) in (0_u64..).zip(source.unwrap_or_default().chunks(PAGE_LEN)) {
            if let Err(full) = quota.take() {
                quota.give_back(pages.len());
                return Err(full);
            }
            let page = page_with(chunk)
                .inspect_err(|_full| quota.give_back(pages.len().saturating_add(1)))?;
            pages.insert(index, page);
        }
        *self = Self::Memory { pages, size };
        Ok(())
    }
}

/// The page of that number, new if it was a hole.
fn page_of<'a>(
    pages: &'a mut BTreeMap<u64, Box<[u8]>>,
    quota: &mut Quota,
    index: u64,
) -> Result<&'a mut Box<[u8]>> {
    match pages.entry(index) {
        Entry::Occupied(page) => Ok(page.into_mut()),
        Entry::Vacant(hole) => {
            quota.take()?;
            Ok(hole.insert(page_with(&[]).inspect_err(|_full| quota.give_back(1))?))
        }
    }
}

/// A page that begins with `bytes`.
///
/// # Errors
///
/// `ENOSPC` if the machine has no memory for it: files must not end the daemon.
fn page_with(bytes: &[u8]) -> Result<Box<[u8]>> {
    let mut page = Vec::new();
    page.try_reserve_exact(PAGE_LEN).map_err(|_full| Error::new(ENOSPC))?;
    page.extend_from_slice(bytes);
    page.resize(PAGE_LEN, 0);
    Ok(page.into_boxed_slice())
}

/// Cuts a buffer for the bytes at `offset` along pages: (page, offset in it, part of the buffer).
fn pieces(offset: u64, buf: &mut [u8]) -> impl Iterator<Item = (u64, usize, &mut [u8])> {
    let from = usize::try_from(offset % PAGE).unwrap_or(0);
    let head = PAGE_LEN.saturating_sub(from).min(buf.len());
    let (first, rest) = buf.split_at_mut(head);
    let page = offset / PAGE;
    let next = (page.saturating_add(1)..).zip(rest.chunks_mut(PAGE_LEN));
    std::iter::once((page, from, first)).chain(next.map(|(page, part)| (page, 0, part)))
}

#[cfg(test)]
mod tests {
    use super::{Content, PAGE_LEN, Quota};

    fn all(content: &Content, lower: &[u8]) -> Vec<u8> {
        let mut buf = vec![0xEE; usize::try_from(content.size().saturating_add(9)).unwrap()];
        let len = content.read(lower, 0, &mut buf);
        buf.truncate(len);
        buf
    }

    #[test]
    fn a_hole_reads_as_zeroes_and_costs_nothing() {
        let (mut quota, mut file) = (Quota::new(2), Content::empty());

        assert_eq!(file.write(&[], &mut quota, 3 * 4096 + 5, b"end").unwrap(), 3);

        assert_eq!(quota.figures(), (2, 1));
        let bytes = all(&file, &[]);
        assert_eq!(bytes.len(), 3 * PAGE_LEN + 8);
        assert!(bytes[..3 * PAGE_LEN + 5].iter().all(|byte| *byte == 0));
        assert_eq!(&bytes[3 * PAGE_LEN + 5..], b"end");
    }

    #[test]
    fn a_full_memory_takes_a_part_and_then_refuses() {
        let (mut quota, mut file) = (Quota::new(1), Content::empty());
        assert_eq!(file.write(&[], &mut quota, 0, &[7; 5000]).unwrap(), 4096);
        assert_eq!(file.write(&[], &mut quota, 4096, b"x").unwrap_err().errno, 28);
        assert_eq!(file.size(), 4096);
        file.truncate(&[], &mut quota, 0).unwrap();
        assert_eq!(quota.figures(), (1, 1));
    }

    #[test]
    fn what_was_cut_off_does_not_come_back() {
        let (mut quota, mut file) = (Quota::new(4), Content::empty());
        file.write(&[], &mut quota, 0, &[7; 5000]).unwrap();
        file.truncate(&[], &mut quota, 10).unwrap();
        file.truncate(&[], &mut quota, 5000).unwrap();
        let bytes = all(&file, &[]);
        assert_eq!(&bytes[..10], [7; 10]);
        assert!(bytes[10..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn the_image_is_copied_up_at_the_first_write_only() {
        let lower: Vec<u8> = (0..9000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let mut quota = Quota::new(3);
        let mut file = Content::Lower { offset: 10, size: 5000 };
        assert_eq!(all(&file, &lower), &lower[10..5010]);

        file.write(&lower, &mut quota, 1, b"XY").unwrap();

        let mut expected = lower[10..5010].to_vec();
        expected[1..3].copy_from_slice(b"XY");
        assert_eq!(all(&file, &lower), expected);
        assert_eq!(quota.figures(), (3, 1));
    }

    #[test]
    fn a_file_of_the_image_that_finds_no_room_stays_as_it_was() {
        let lower = [3_u8; 9000];
        let mut quota = Quota::new(1);
        let mut file = Content::Lower { offset: 0, size: 9000 };
        assert_eq!(file.write(&lower, &mut quota, 0, b"x").unwrap_err().errno, 28);
        assert_eq!(quota.figures(), (1, 1));
        assert_eq!(all(&file, &lower), lower);
    }

    #[test]
    fn a_range_beyond_the_image_reads_as_empty() {
        let file = Content::Lower { offset: u64::MAX, size: u64::MAX };
        assert_eq!(file.read(&[1, 2], 0, &mut [0; 8]), 0);
        assert_eq!(file.read(&[1, 2], u64::MAX, &mut [0; 8]), 0);
    }

    #[test]
    fn no_file_is_longer_than_the_longest() {
        let (mut quota, mut file) = (Quota::new(1), Content::empty());
        assert_eq!(file.write(&[], &mut quota, u64::MAX, b"x").unwrap_err().errno, 27);
        assert_eq!(file.truncate(&[], &mut quota, u64::MAX).unwrap_err().errno, 27);
    }
}
