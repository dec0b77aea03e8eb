//! Every state that a power cut may leave on a disk, from the trace of its requests.

use alloc::vec::Vec;
use std::sync::Arc;

use super::disk::{Event, Image};
use super::random::Random;
use crate::BLOCK;

/// A disk after a power cut.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    /// What is on the medium.
    pub(crate) image: Image,
    /// How many operations had been started, and how many of them must have lasted.
    pub(crate) done: usize,
    pub(crate) lasting: usize,
}

/// Below so many unflushed blocks, all subsets are tried.
const EXHAUSTIVE: usize = 8;

/// Where a block is torn: so many bytes of it are new, the rest is old; and the other way round.
const TEARS: [usize; 3] = [512, 2048, BLOCK - 512];

type Write = (u64, Arc<[u8]>);

/// The power cuts of one trace; `visit` is given each.
///
/// Cuts are made just before everything that makes writes durable (a flush, a forced write) and
/// at the end. Of the writes that are not durable then, any subset may have reached the medium,
/// and any one of them may be torn. `samples` random subsets are tried where all are too many.
pub(crate) fn enumerate(
    base: &Image,
    events: &[Event],
    samples: u64,
    mut visit: impl FnMut(&Cut),
) -> usize {
    let mut now = Cut { image: base.clone(), done: 0, lasting: 0 };
    let mut pending: Vec<Write> = Vec::new();
    let mut count = 0;
    let mut random = Random::new(u64::try_from(events.len()).unwrap());
    for event in events.iter().chain([&Event::Flush]) {
        match event {
            Event::Write { block, bytes, fua } => {
                pending.push((*block, Arc::clone(bytes)));
                if *fua {
                    count += cuts(&now, &pending, samples, &mut random, &mut visit);
                    pending.pop();
                    pending.retain(|(other, _)| other != block);
                    now.image.put(*block, Arc::clone(bytes));
                }
            }
            Event::Flush => {
                count += cuts(&now, &pending, samples, &mut random, &mut visit);
                for (block, bytes) in pending.drain(..) {
                    now.image.put(block, bytes);
                }
            }
            Event::Mark { done, lasting } => (now.done, now.lasting) = (*done, *lasting),
        }
    }
    count
}

/// All cuts at one moment.
fn cuts(
    now: &Cut,
    pending: &[Write],
    samples: u64,
    random: &mut Random,
    visit: &mut impl FnMut(&Cut),
) -> usize {
    let kept = subsets(pending.len(), samples, random);
    let mut images: Vec<Image> = kept.iter().map(|kept| apply(now, pending, kept)).collect();
    for torn in 0..pending.len() {
        images.extend(TEARS.iter().flat_map(|at| tears(now, pending, torn, *at)));
    }
    let count = images.len();
    for image in images {
        visit(&Cut { image, ..*now });
    }
    count
}

/// Which of so many writes reached the medium: all possibilities, or a choice of them.
fn subsets(count: usize, samples: u64, random: &mut Random) -> Vec<Vec<bool>> {
    let choose = |chosen: &dyn Fn(usize) -> bool| (0..count).map(chosen).collect();
    if count <= EXHAUSTIVE {
        return (0..1_u32 << count).map(|set| choose(&|at| set >> at & 1 == 1)).collect();
    }
    let mut kept = alloc::vec![choose(&|_| false), choose(&|_| true)];
    kept.extend((0..count).map(|one| choose(&|at| at == one)));
    kept.extend((0..count).map(|one| choose(&|at| at != one)));
    kept.extend((0..samples).map(|_| (0..count).map(|_| random.below(2) == 1).collect()));
    kept
}

/// One write torn, its beginning new and no other write there; its end new and all others there.
fn tears(now: &Cut, pending: &[Write], torn: usize, at: usize) -> [Image; 2] {
    let (block, new) = &pending[torn];
    [false, true].map(|others| {
        let kept: Vec<bool> = (0..pending.len()).map(|write| others && write != torn).collect();
        let mut image = apply(now, pending, &kept);
        let old = image.block(*block);
        let (front, back) = if others { (&old, new) } else { (new, &old) };
        image.put(*block, [&front[..at], &back[at..]].concat().into());
        image
    })
}

fn apply(now: &Cut, pending: &[Write], kept: &[bool]) -> Image {
    let mut image = now.image.clone();
    for ((block, bytes), kept) in pending.iter().zip(kept) {
        if *kept {
            image.put(*block, Arc::clone(bytes));
        }
    }
    image
}
