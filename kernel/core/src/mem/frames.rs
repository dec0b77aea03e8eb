//! Frames of RAM: which are free, how often each is used, and what is promised.
//!
//! A *promise* is a frame that a private writable mapping may still ask for. Free frames never
//! fall below promises, so a fault on committed memory cannot fail. Some more are kept for root,
//! so that it can act when users took the rest; and a range is only for DMA, so that a driver
//! finds adjacent frames after a year as on the first day.

use anode_abi::boot_info::{Extent, FrameRange};

use crate::prelude::*;

/// A frame that is not the allocator's: devices, firmware, what the loader filled.
const FOREIGN: u16 = u16::MAX;
/// Of all frames, one in so many is kept for root.
const KEPT_SHARE: u32 = 32;
/// Of all frames, one in so many is for DMA; most of them, and the end of what devices reach.
const DMA_SHARE: u32 = 16;
const MAX_DMA: u32 = 16384;
const DMA_END: u32 = 1 << 20;

/// The frames of this machine.
#[derive(Debug)]
pub struct Frames {
    /// Numbers of those that nobody uses. It has room for all, so it never grows.
    free: Vec<u32>,
    /// References to each frame; [`FOREIGN`] where it is not ours.
    references: Vec<u16>,
    /// Those for DMA, which are in use or not, but never among the free ones.
    dma: Range<u32>,
    promised: u64,
    /// How many whoever is served now may not have: some, but for root.
    kept: u32,
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
            references.get_mut(index(number)).into_iter().for_each(|count| *count = 0);
        }
        let pool = (narrow(free.capacity()) / DMA_SHARE).min(MAX_DMA);
        let holds = |range: &&FrameRange| range.count > pool && end(range) <= DMA_END;
        let dma =
            ranges.iter().find(holds).map(end).map_or(0..0, |end| end.wrapping_sub(pool)..end);
        free.extend(all().filter(|number| !dma.contains(number)));
        Ok(Self { free, references, dma, promised: 0, kept: 0 })
    }

    /// How many nobody uses.
    pub fn free(&self) -> u64 {
        wide(self.free.len())
    }

    /// How many are in the allocator's care.
    pub fn total(&self) -> u32 {
        narrow(self.free.capacity())
    }

    /// How many are promised but not taken.
    pub fn promised(&self) -> u64 {
        self.promised
    }

    /// From now on, somebody may have what is not kept for root; root may have all.
    pub fn serve(&mut self, uid: u32) {
        self.kept = if uid == 0 { 0 } else { self.total() / KEPT_SHARE };
    }

    /// Whether `count` frames are there that are neither promised nor kept.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: they are not.
    pub fn afford(&self, count: u64) -> Result<()> {
        let spoken_for = self.promised.saturating_add(self.kept.into());
        let available = self.free().saturating_sub(spoken_for);
        if count <= available { Ok(()) } else { Err(ENOMEM) }
    }

    /// Promises `count` frames, which [`Frames::afford`] found.
    pub fn promise(&mut self, count: u64) {
        self.promised = self.promised.saturating_add(count);
    }

    /// Takes a promise of `count` frames back.
    pub fn unpromise(&mut self, count: u64) {
        self.promised = self.promised.saturating_sub(count);
    }

    /// A frame with one reference, content undefined.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: only promised or kept ones are left.
    pub fn take(&mut self) -> Result<Frame> {
        self.afford(1)?;
        self.draw()
    }

    /// As [`Frames::take`], but a frame that was promised.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is none, so none was promised.
    pub fn draw(&mut self) -> Result<Frame> {
        let frame = self.free.pop().and_then(Frame::new).ok_or(ENOMEM)?;
        self.retain(frame)?;
        Ok(frame)
    }

    /// `count` adjacent frames below 4 GiB, each with one reference; the first of them.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there are none.
    pub fn take_run(&mut self, count: u32) -> Result<Frame> {
        let mut first = self.dma.start;
        let pool = self.references.get_mut(index(self.dma.start)..index(self.dma.end));
        for run in pool.unwrap_or_default().split_mut(|references| *references > 0) {
            if let Some(run) = run.get_mut(..index(count)) {
                run.fill(1);
                return Frame::new(first).ok_or(ENOMEM);
            }
            first = first.saturating_add(narrow(run.len())).saturating_add(1);
        }
        Err(ENOMEM)
    }

    /// Whether any of the frames that hold a range of physical memory is ours.
    pub fn has_any(&self, Extent { phys, len }: Extent) -> bool {
        let pages = self.references.iter().skip(size(phys >> 12)).take(size(len.div_ceil(PAGE)));
        pages.into_iter().any(|count| *count != FOREIGN)
    }

    /// The count of a frame that is ours.
    fn count(&mut self, frame: Frame) -> Option<&mut u16> {
        self.references.get_mut(index(frame.number())).filter(|count| **count != FOREIGN)
    }

    /// One more reference.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: it cannot be counted.
    pub fn retain(&mut self, frame: Frame) -> Result<()> {
        let Some(count) = self.count(frame) else { return Ok(()) };
        *count = count.checked_add(1).filter(|count| *count < FOREIGN).ok_or(ENOMEM)?;
        Ok(())
    }

    /// One reference less; the last one frees the frame.
    pub fn release(&mut self, frame: Frame) {
        let Some(count) = self.count(frame).filter(|count| **count > 0) else { return };
        *count = count.wrapping_sub(1);
        if *count == 0 && !self.dma.contains(&frame.number()) {
            self.free.push(frame.number());
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
        let unused = all().filter(|(number, n)| **n == 0 && !self.dma.contains(number));
        let unused: Vec<u32> = unused.map(|(number, _)| number).collect();
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
        frames.promise(5);
        assert_eq!(frames.afford(2), Err(ENOMEM));
        assert!(frames.take().is_ok());
        assert!(frames.take().is_err());
        for _ in 0..5 {
            assert!(frames.draw().is_ok());
        }
        assert_eq!(frames.free(), 0);
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
    fn frames_for_dma_are_adjacent_and_nobody_elses() {
        let ranges = [FrameRange { first: 1, count: 3 }, FrameRange { first: 100, count: 317 }];
        let mut frames = Frames::new(&ranges).unwrap();
        let mut ordinary = 0;
        while frames.take().is_ok() {
            ordinary += 1;
        }
        assert_eq!(ordinary, 300);
        let first = frames.take_run(4).unwrap();
        assert_eq!(first.number(), 397);
        assert_eq!(frames.take_run(17), Err(ENOMEM));
        assert!(frames.take_run(16).is_ok());
        for number in 0..4 {
            frames.release(first.after(number).unwrap());
        }
        assert_eq!(frames.free(), 0);
        assert_eq!(frames.take_run(4), Ok(first));
    }

    #[test]
    fn a_foreign_frame_is_never_given_back() {
        let mut frames = frames();
        frames.release(Frame::new(50).unwrap());
        assert_eq!(frames.free(), 6);
    }

    #[test]
    fn the_last_frames_are_for_root() {
        let mut frames = Frames::new(&[FrameRange { first: 1, count: 320 }]).unwrap();
        frames.serve(1000);
        while frames.take().is_ok() {}
        assert_eq!(frames.afford(1), Err(ENOMEM));
        frames.serve(0);
        assert_eq!(frames.afford(10), Ok(()));
    }
}
