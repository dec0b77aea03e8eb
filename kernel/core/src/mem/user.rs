//! Reaching a process's memory: what it says are claims, until each page was resolved.

use crate::mem::bytes::{Bytes, Located};
use crate::prelude::*;

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
    pub fn new(start: u64, len: u64) -> Result<Self> {
        match start.checked_add(len) {
            Some(end) if end <= USER_END => Ok(Self { start, len: size(len) }),
            _ => Err(EFAULT),
        }
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
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
}

/// How many frames may be made in a row: with a page and its tables on top there are 8 at most.
const FRESH: u64 = 5;

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
    pub fn with_room(pages: usize) -> Result<Self> {
        Ok(Self { frames: reserved(pages)?, offset: 0, len: 0 })
    }

    /// Length in bytes of what is pinned.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Gives the references back.
    pub fn clear(&mut self, memory: &mut Memory<impl Machine>) {
        self.frames.iter().for_each(|frame| memory.frames.release(*frame));
        self.frames.clear();
        self.len = 0;
    }

    /// Resolves and pins a range for accesses of that kind; `false`: some of its pages had to be
    /// made, the rest is left for the next try, and nothing is pinned.
    ///
    /// # Errors
    ///
    /// `EFAULT` or `ENOMEM`: nothing stays pinned. More pages than there is room for: `ENOMEM`.
    pub fn pin(
        &mut self,
        (space, range): (&mut Space, UserSlice),
        memory: &mut Memory<impl Machine>,
        access: MapFlags,
    ) -> Result<bool> {
        let offset = size(range.start & 0xFFF);
        let end = if range.len == 0 { 0 } else { offset.saturating_add(range.len) };
        let pages = end.div_ceil(PAGE_SIZE);
        if pages > self.frames.capacity() {
            return Err(ENOMEM);
        }
        (self.offset, self.len) = (offset, range.len);
        let mut address = range.start & !0xFFF;
        // Whatever is zeroed or copied takes a frame.
        let before = memory.frames.free();
        for _ in 0..pages {
            if before.saturating_sub(memory.frames.free()) >= FRESH {
                self.clear(memory);
                return Ok(false);
            }
            let pinned = space.frame_at(memory, address, access);
            let retained = pinned.and_then(|frame| memory.frames.retain(frame).and(Ok(frame)));
            let frame = retained.inspect_err(|_| self.clear(memory))?;
            self.frames.push(frame);
            address = address.wrapping_add(PAGE);
        }
        Ok(true)
    }
}

/// What is pinned, from byte number `.1` on.
impl<M: Machine> Bytes<M> for (&Pins, usize) {
    fn locate(&mut self, _: &mut Memory<M>, at: usize, _: MapFlags) -> Located {
        let at = self.1.saturating_add(at);
        let place = self.0.offset.saturating_add(at);
        let frame = self.0.frames.get(place >> 12).filter(|_| at < self.0.len);
        Ok((*frame.ok_or(EFAULT)?, place & 0xFFF))
    }
}

#[cfg(test)]
impl Pins {
    /// The frames.
    pub(crate) fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter()
    }
}
