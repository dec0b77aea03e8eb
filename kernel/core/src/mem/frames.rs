//! Frames of RAM: which are free, how often each is used, and what is promised.
//!
//! A *promise* is a frame that a private writable mapping may still ask for. Free frames never
//! fall below promises, so a fault on committed memory cannot fail.

use alloc::vec::Vec;

use crate::kernel::FrameRange;
use crate::{ENOMEM, Frame, Result, index, narrow, reserved};

/// A frame that is not the allocator's: devices, firmware, what the loader filled.
const FOREIGN: u16 = u16::MAX;

/// The frames of this machine.
pub struct Frames {
    /// One bit a frame, set = free.
    free_map: Vec<u64>,
    /// References to each frame; [`FOREIGN`] where it is not ours.
    references: Vec<u16>,
    /// Word of `free_map` where the search goes on.
    cursor: usize,
    free: u32,
    promised: u32,
    total: u32,
}

impl core::fmt::Debug for Frames {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Frames({} free, {} promised of {})", self.free, self.promised, self.total)
    }
}

impl Frames {
    /// Takes over the free ranges.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: the heap cannot hold 18 bits a frame.
    pub fn new(ranges: &[FrameRange]) -> Result<Self> {
        let end = ranges.iter().map(|range| range.first.saturating_add(range.count)).max();
        let count = index(end.unwrap_or(0));
        let mut references = reserved(count)?;
        references.resize(count, FOREIGN);
        let mut free_map = reserved(count.div_ceil(64))?;
        free_map.resize(count.div_ceil(64), 0u64);
        let mut frames = Self { free_map, references, cursor: 0, free: 0, promised: 0, total: 0 };
        for range in ranges {
            let end = range.first.saturating_add(range.count);
            for number in range.first.max(1)..end {
                frames.set_free(number);
                frames.total = frames.total.saturating_add(1);
            }
        }
        Ok(frames)
    }

    /// Frames that nobody uses.
    pub fn free(&self) -> u32 {
        self.free
    }

    /// Frames in the allocator's care.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Frames that are promised but not taken.
    pub fn promised(&self) -> u32 {
        self.promised
    }

    fn set_free(&mut self, number: u32) {
        if let Some(references) = self.references.get_mut(index(number)) {
            *references = 0;
        }
        if let Some(word) = self.free_map.get_mut(index(number >> 6)) {
            *word |= 1u64.wrapping_shl(number & 63);
            self.free = self.free.saturating_add(1);
        }
    }

    fn take_at(&mut self, number: u32) -> Option<Frame> {
        let word = self.free_map.get_mut(index(number >> 6))?;
        *word &= !1u64.wrapping_shl(number & 63);
        *self.references.get_mut(index(number))? = 1;
        self.free = self.free.saturating_sub(1);
        Frame::new(number)
    }

    /// Promises `count` frames.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: so many are not free.
    pub fn promise(&mut self, count: u64) -> Result<()> {
        let available = self.free.saturating_sub(self.promised);
        let count = u32::try_from(count).ok().filter(|count| *count <= available).ok_or(ENOMEM)?;
        self.promised = self.promised.saturating_add(count);
        Ok(())
    }

    /// Takes a promise of `count` frames back.
    pub fn unpromise(&mut self, count: u64) {
        self.promised = self.promised.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// A frame with one reference, content undefined; `None` when only promised ones are left.
    pub fn take(&mut self) -> Option<Frame> {
        if self.free <= self.promised { None } else { self.take_any() }
    }

    /// A frame that was promised; the promise is used up.
    pub fn take_promised(&mut self) -> Option<Frame> {
        self.promised = self.promised.saturating_sub(1);
        self.take_any()
    }

    fn take_any(&mut self) -> Option<Frame> {
        let words = self.free_map.len();
        for step in 0..words {
            let at = self.cursor.wrapping_add(step).checked_rem(words)?;
            let word = *self.free_map.get(at)?;
            if word != 0 {
                self.cursor = at;
                return self
                    .take_at(narrow(at).wrapping_mul(64).wrapping_add(word.trailing_zeros()));
            }
        }
        None
    }

    /// `count` adjacent frames below 4 GiB, each with one reference; the first of them.
    pub fn take_run(&mut self, count: u32) -> Option<Frame> {
        if self.free.saturating_sub(self.promised) < count {
            return None;
        }
        let limit = narrow(self.references.len()).min(1 << 20);
        let mut run = 0u32;
        let mut all = 0..limit;
        let last = all.find(|number| {
            let free = self.references.get(index(*number)) == Some(&0);
            run = if free { run.wrapping_add(1) } else { 0 };
            run == count
        })?;
        let first = last.wrapping_add(1).wrapping_sub(count);
        (first..=last).try_for_each(|number| self.take_at(number).map(drop))?;
        Frame::new(first)
    }

    /// One more reference; `false` at the limit (the caller refuses).
    pub fn retain(&mut self, frame: Frame) -> bool {
        match self.references.get_mut(index(frame.number())) {
            None | Some(&mut FOREIGN) => true,
            Some(references) if *references < FOREIGN.wrapping_sub(1) => {
                *references = references.wrapping_add(1);
                true
            }
            Some(_) => false,
        }
    }

    /// One reference less; the last one frees the frame.
    pub fn release(&mut self, frame: Frame) {
        match self.references.get_mut(index(frame.number())) {
            None | Some(&mut (FOREIGN | 0)) => {}
            Some(references) => {
                *references = references.wrapping_sub(1);
                if *references == 0 {
                    self.set_free(frame.number());
                }
            }
        }
    }

    /// Whether the frame has exactly one reference and is ours.
    pub fn is_sole(&self, frame: Frame) -> bool {
        self.references.get(index(frame.number())) == Some(&1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Frames {
        Frames::new(&[FrameRange { first: 0, count: 4 }, FrameRange { first: 70, count: 3 }])
            .unwrap()
    }

    #[test]
    fn every_free_frame_is_given_once_and_frame_zero_never() {
        let mut frames = frames();
        let mut taken = Vec::new();
        while let Some(frame) = frames.take() {
            taken.push(frame.number());
        }
        taken.sort_unstable();
        assert_eq!(taken, [1, 2, 3, 70, 71, 72]);
        assert_eq!(frames.free(), 0);
    }

    #[test]
    fn a_promise_is_kept_from_everybody_else() {
        let mut frames = frames();
        frames.promise(5).unwrap();
        assert_eq!(frames.promise(2), Err(ENOMEM));
        assert!(frames.take().is_some());
        assert!(frames.take().is_none());
        for _ in 0..5 {
            assert!(frames.take_promised().is_some());
        }
        assert_eq!((frames.free(), frames.promised()), (0, 0));
    }

    #[test]
    fn a_frame_comes_back_with_its_last_reference() {
        let mut frames = frames();
        let frame = frames.take().unwrap();
        assert!(frames.retain(frame));
        assert!(!frames.is_sole(frame));
        frames.release(frame);
        assert!(frames.is_sole(frame));
        frames.release(frame);
        frames.release(frame);
        assert_eq!(frames.free(), 6);
    }

    #[test]
    fn a_run_is_adjacent_and_foreign_frames_are_left_alone() {
        let mut frames = frames();
        assert_eq!(frames.take_run(3).map(Frame::number), Some(1));
        assert_eq!(frames.take_run(4), None);
        assert_eq!(frames.take_run(3).map(Frame::number), Some(70));
        frames.release(Frame::new(50).unwrap());
        assert_eq!(frames.free(), 0);
    }
}
