//! Frames of RAM: which are free, how often each is used, and what is promised.
//!
//! A *promise* is a frame that a private writable mapping may still ask for. Free frames never
//! fall below promises, so a fault on committed memory cannot fail.

use crate::kernel::FrameRange;
use crate::prelude::*;

/// A frame that is not the allocator's: devices, firmware, what the loader filled.
const FOREIGN: u16 = u16::MAX;

/// The frames of this machine.
#[derive(Debug)]
pub struct Frames {
    /// Numbers of those that nobody uses, the low ones first: they are given last, so that they
    /// are there for DMA. It has room for all, so it never grows.
    free: Vec<u32>,
    /// References to each frame; [`FOREIGN`] where it is not ours.
    references: Vec<u16>,
    promised: u32,
}

impl Frames {
    /// Takes over the free ranges.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: the heap cannot hold 6 bytes a frame.
    pub fn new(ranges: &[FrameRange]) -> Result<Self> {
        let end = |range: &FrameRange| range.first.saturating_add(range.count);
        let all = || ranges.iter().flat_map(|range| range.first.max(1)..end(range));
        let count = index(ranges.iter().map(end).max().unwrap_or(0));
        let mut free = reserved(all().count())?;
        let mut references = reserved(count)?;
        references.resize(count, FOREIGN);
        for number in all() {
            free.push(number);
            if let Some(references) = references.get_mut(index(number)) {
                *references = 0;
            }
        }
        Ok(Self { free, references, promised: 0 })
    }

    /// How many nobody uses.
    pub fn free(&self) -> u32 {
        narrow(self.free.len())
    }

    /// How many are in the allocator's care.
    pub fn total(&self) -> u32 {
        narrow(self.free.capacity())
    }

    /// How many are promised but not taken.
    pub fn promised(&self) -> u32 {
        self.promised
    }

    /// How many are free and not promised.
    fn available(&self) -> u32 {
        self.free().saturating_sub(self.promised)
    }

    /// Promises `count` frames.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: so many are not free.
    pub fn promise(&mut self, count: u64) -> Result<()> {
        let fits = |count: &u32| *count <= self.available();
        let count = u32::try_from(count).ok().filter(fits).ok_or(ENOMEM)?;
        self.promised = self.promised.saturating_add(count);
        Ok(())
    }

    /// Takes a promise of `count` frames back.
    pub fn unpromise(&mut self, count: u64) {
        self.promised = self.promised.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// A frame with one reference, content undefined.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: only promised ones are left.
    pub fn take(&mut self) -> Result<Frame> {
        if self.available() == 0 { Err(ENOMEM) } else { self.take_any().ok_or(ENOMEM) }
    }

    /// A frame that was promised; the promise is used up.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is none, so none was promised.
    pub fn take_promised(&mut self) -> Result<Frame> {
        self.promised = self.promised.saturating_sub(1);
        self.take_any().ok_or(ENOMEM)
    }

    fn take_any(&mut self) -> Option<Frame> {
        let number = self.free.pop()?;
        *self.references.get_mut(index(number))? = 1;
        Frame::new(number)
    }

    /// `count` adjacent frames below 4 GiB, each with one reference; the first of them.
    pub fn take_run(&mut self, count: u32) -> Option<Frame> {
        if self.available() < count {
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
        self.free.retain(|number| !(first..=last).contains(number));
        self.references.get_mut(index(first)..=index(last))?.fill(1);
        Frame::new(first)
    }

    /// One more reference.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: it cannot be counted.
    pub fn retain(&mut self, frame: Frame) -> Result<()> {
        match self.references.get_mut(index(frame.number())) {
            None | Some(&mut FOREIGN) => Ok(()),
            Some(references) if *references < FOREIGN.wrapping_sub(1) => {
                *references = references.wrapping_add(1);
                Ok(())
            }
            Some(_) => Err(ENOMEM),
        }
    }

    /// One reference less; the last one frees the frame.
    pub fn release(&mut self, frame: Frame) {
        match self.references.get_mut(index(frame.number())) {
            None | Some(&mut (FOREIGN | 0)) => {}
            Some(references) => {
                *references = references.wrapping_sub(1);
                if *references == 0 {
                    self.free.push(frame.number());
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
impl Frames {
    /// Compares the references of each frame with what somebody else counted, and the free list
    /// with those that have none.
    pub(crate) fn check(&self, counted: impl Fn(u32) -> u32) {
        let all = || (0u32..).zip(&self.references).filter(|(_, n)| **n != FOREIGN);
        for (number, references) in all() {
            assert_eq!(u32::from(*references), counted(number), "I1: references of frame {number}");
        }
        let unused: Vec<u32> = all().filter(|(_, n)| **n == 0).map(|(number, _)| number).collect();
        let mut free = self.free.clone();
        free.sort_unstable();
        assert_eq!(free, unused, "I1: the free list is not what nobody uses");
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
        while let Ok(frame) = frames.take() {
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
        assert!(frames.take().is_ok());
        assert!(frames.take().is_err());
        for _ in 0..5 {
            assert!(frames.take_promised().is_ok());
        }
        assert_eq!((frames.free(), frames.promised()), (0, 0));
    }

    #[test]
    fn a_frame_comes_back_with_its_last_reference() {
        let mut frames = frames();
        let frame = frames.take().unwrap();
        frames.retain(frame).unwrap();
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
