//! Reaching a process's memory: what it says are claims, until each page was resolved.

use alloc::vec::Vec;

use crate::num::{size, wide};
use crate::{Access, EFAULT, ENOMEM, Errno, Frame, Machine, Memory, PAGE_SIZE, Space, USER_END};

/// A range of user addresses that a process *claims* to own; proves nothing yet.
///
/// Known: it does not wrap and ends at or below the user half's limit. To reach the bytes, give
/// it to a [`Space`], which resolves each page and may fault it in.
/// NOTE: the checks of `new` are what every other use rests on; they may not be loosened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserSlice {
    start: u64,
    len: usize,
}

impl UserSlice {
    /// The claim to `len` bytes at `start`.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the range leaves the user half.
    pub fn new(start: u64, len: u64) -> Result<Self, Errno> {
        match start.checked_add(len) {
            Some(end) if end <= USER_END => Ok(Self { start, len: size(len) }),
            _ => Err(EFAULT),
        }
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its first address.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Its first `len` bytes at most.
    pub fn cut(self, len: usize) -> Self {
        Self { len: self.len.min(len), ..self }
    }

    /// What follows its first `skip` bytes.
    pub fn skip(self, skip: usize) -> Self {
        let skip = skip.min(self.len);
        Self { start: self.start.saturating_add(wide(skip)), len: self.len.saturating_sub(skip) }
    }

    /// The part in the first page: address and length.
    fn first_piece(self) -> Option<(u64, usize, usize)> {
        if self.len == 0 {
            return None;
        }
        let offset = size(self.start & 0xFFF);
        Some((self.start, offset, self.len.min(PAGE_SIZE.saturating_sub(offset))))
    }
}

/// Frames that a request will touch, each with a reference; the bytes begin `offset` into the
/// first. Capacity is reserved when the ring is made, so filling one never allocates.
#[derive(Debug, Default)]
pub struct Pins {
    frames: Vec<Frame>,
    offset: usize,
    len: usize,
}

impl Pins {
    /// An empty list with room for `pages` frames.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn with_room(pages: usize) -> Result<Self, Errno> {
        let mut frames = Vec::new();
        frames.try_reserve_exact(pages).map_err(|_full| ENOMEM)?;
        Ok(Self { frames, offset: 0, len: 0 })
    }

    /// Length in bytes of what is pinned.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is pinned.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Gives the references back.
    pub fn clear<M: Machine>(&mut self, memory: &mut Memory<M>) {
        for frame in self.frames.drain(..) {
            memory.frames.release(frame);
        }
        self.len = 0;
    }

    /// Calls `each(frame, offset in frame, offset in buffer, length)` for the pieces of
    /// `at..at + len`, cut to what is pinned; gives the bytes covered.
    pub fn pieces(
        &self,
        at: usize,
        len: usize,
        mut each: impl FnMut(Frame, usize, usize, usize),
    ) -> usize {
        let len = len.min(self.len.saturating_sub(at));
        let mut done = 0usize;
        while done < len {
            let place = self.offset.saturating_add(at).saturating_add(done);
            let (page, offset) = (place >> 12, place & 0xFFF);
            let piece = PAGE_SIZE.saturating_sub(offset).min(len.saturating_sub(done));
            let Some(frame) = self.frames.get(page) else { break };
            each(*frame, offset, done, piece);
            done = done.saturating_add(piece);
        }
        done
    }
}

impl Space {
    /// Resolves and pins a range for accesses of that kind.
    ///
    /// # Errors
    ///
    /// `EFAULT` or `ENOMEM`: nothing stays pinned. More pages than `pins` has room for are `ENOMEM`.
    pub fn pin<M: Machine>(
        &mut self,
        memory: &mut Memory<M>,
        range: UserSlice,
        access: Access,
        pins: &mut Pins,
    ) -> Result<(), Errno> {
        pins.offset = size(range.start & 0xFFF);
        let mut rest = range;
        while let Some((address, _, piece)) = rest.first_piece() {
            let frame = self.frame_at(memory, address, access).map_err(Errno::from);
            let room = pins.frames.len() < pins.frames.capacity();
            match frame {
                Ok(frame) if room && memory.frames.retain(frame) => pins.frames.push(frame),
                other => {
                    pins.clear(memory);
                    return Err(other.err().unwrap_or(ENOMEM));
                }
            }
            rest = rest.skip(piece);
        }
        pins.len = range.len;
        Ok(())
    }

    /// Copies bytes out of the space.
    ///
    /// # Errors
    ///
    /// `EFAULT`, `ENOMEM`; some bytes may have been copied.
    pub fn read<M: Machine>(
        &mut self,
        memory: &mut Memory<M>,
        range: UserSlice,
        to: &mut [u8],
    ) -> Result<(), Errno> {
        let mut rest = range.cut(to.len());
        let mut to = to;
        while let Some((address, offset, piece)) = rest.first_piece() {
            let frame = self.frame_at(memory, address, Access::Read)?;
            let (now, later) = to.split_at_mut_checked(piece).ok_or(EFAULT)?;
            memory.machine.read(frame, offset, now);
            to = later;
            rest = rest.skip(piece);
        }
        Ok(())
    }

    /// Copies bytes into the space.
    ///
    /// # Errors
    ///
    /// `EFAULT`, `ENOMEM`; some bytes may have been copied.
    pub fn write<M: Machine>(
        &mut self,
        memory: &mut Memory<M>,
        range: UserSlice,
        from: &[u8],
    ) -> Result<(), Errno> {
        let mut rest = range.cut(from.len());
        let mut from = from;
        while let Some((address, offset, piece)) = rest.first_piece() {
            let frame = self.frame_at(memory, address, Access::Write)?;
            let (now, later) = from.split_at_checked(piece).ok_or(EFAULT)?;
            memory.machine.write(frame, offset, now);
            from = later;
            rest = rest.skip(piece);
        }
        Ok(())
    }

    /// Reads `N` words.
    ///
    /// # Errors
    ///
    /// `EFAULT`, `ENOMEM`.
    pub fn read_words<M: Machine, const N: usize>(
        &mut self,
        memory: &mut Memory<M>,
        address: u64,
    ) -> Result<[u64; N], Errno> {
        let mut words = [0u64; N];
        let mut at = address;
        for word in &mut words {
            let mut bytes = [0u8; 8];
            self.read(memory, UserSlice::new(at, 8)?, &mut bytes)?;
            *word = u64::from_le_bytes(bytes);
            at = at.checked_add(8).ok_or(EFAULT)?;
        }
        Ok(words)
    }

    /// Writes words.
    ///
    /// # Errors
    ///
    /// `EFAULT`, `ENOMEM`; some may have been written.
    pub fn write_words<M: Machine>(
        &mut self,
        memory: &mut Memory<M>,
        address: u64,
        words: &[u64],
    ) -> Result<(), Errno> {
        let mut at = address;
        for word in words {
            self.write(memory, UserSlice::new(at, 8)?, &word.to_le_bytes())?;
            at = at.checked_add(8).ok_or(EFAULT)?;
        }
        Ok(())
    }
}
