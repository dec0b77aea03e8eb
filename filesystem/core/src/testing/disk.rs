//! The simulated disk: a volatile cache, a trace of all requests, and faults on demand.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::task::{Context, Poll};
use std::sync::Arc;

use super::random::Random;
use crate::BLOCK;
use crate::device::{Access, BlockDevice, Cache, Facts, Request, Ticket};
use crate::error::Failure;

/// Content of a disk; a block that is not there is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Image(BTreeMap<u64, Arc<[u8]>>);

impl Image {
    /// One block.
    pub(crate) fn block(&self, block: u64) -> Arc<[u8]> {
        self.0.get(&block).cloned().unwrap_or_else(|| [0; BLOCK].into())
    }

    /// Sets one block.
    pub(crate) fn put(&mut self, block: u64, bytes: Arc<[u8]>) {
        assert_eq!(bytes.len(), BLOCK);
        if bytes.iter().all(|byte| *byte == 0) {
            self.0.remove(&block);
        } else {
            self.0.insert(block, bytes);
        }
    }

    /// The blocks that are not zero.
    pub(crate) fn written(&self) -> Vec<u64> {
        self.0.keys().copied().collect()
    }
}

/// What a disk did, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// One block was written.
    Write { block: u64, bytes: Arc<[u8]>, fua: bool },
    /// Everything before was flushed.
    Flush,
    /// What the test noted: so much was done, so much of it must last.
    Mark { done: usize, lasting: usize },
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The request fails.
    Fail,
    /// This request and all after it fail.
    Die,
    /// A write is reported, and never done.
    Lose,
    /// A write lands so many blocks beside.
    Misdirect(u64),
}

/// Which blocks a write may not touch, given the content of the disk.
pub(crate) type Guard = fn(u64, &Image) -> BTreeSet<u64>;

#[derive(Debug, Default)]
struct State {
    image: Image,
    events: Vec<Event>,
    tickets: u64,
    waiting: Vec<(Ticket, Request)>,
    ended: BTreeMap<Ticket, Result<Vec<u8>, Failure>>,
    /// Requests that were carried out.
    count: u64,
    reads: u64,
    discards: BTreeSet<u64>,
    /// Blocks that cannot be read until they are written.
    bad: BTreeSet<u64>,
    trouble: Option<(u64, Trouble)>,
    shuffle: Option<Random>,
    guard: Option<Guard>,
    guarded: BTreeSet<u64>,
}

/// The disk.
#[derive(Debug)]
pub(crate) struct SimDisk {
    facts: Facts,
    state: RefCell<State>,
}

impl SimDisk {
    /// A disk of so many blocks that are all zero.
    pub(crate) fn new(blocks: u64) -> Self {
        Self::of(blocks, Image::default())
    }

    /// A disk with this content.
    pub(crate) fn of(blocks: u64, image: Image) -> Self {
        let facts = Facts {
            blocks,
            logical_block: 512,
            max_transfer: 64,
            queue_depth: 8,
            max_discard: 1 << 16,
            max_zero: 1 << 16,
            cache: Cache::VolatileFua,
            access: Access::ReadWrite,
        };
        Self { facts, state: RefCell::new(State { image, ..State::default() }) }
    }

    /// The same disk with other facts.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        change(&mut self.facts);
        self
    }

    /// From now on, requests end late and in an order of this seed.
    pub(crate) fn shuffle(&self, seed: u64) {
        self.state.borrow_mut().shuffle = Some(Random::new(seed));
    }

    /// The request number `at`, counted from now, meets trouble.
    pub(crate) fn trouble(&self, at: u64, trouble: Trouble) {
        let mut state = self.state.borrow_mut();
        let at = state.count + at;
        state.trouble = Some((at, trouble));
    }

    /// From now on, a write to a block that this function names is a panic.
    pub(crate) fn guard(&self, guard: Guard) {
        let mut state = self.state.borrow_mut();
        state.guarded = guard(self.facts.blocks, &state.image);
        state.guard = Some(guard);
    }

    /// The content as a reader sees it.
    pub(crate) fn image(&self) -> Image {
        self.state.borrow().image.clone()
    }

    /// Changes the content behind the back of whoever uses the disk.
    pub(crate) fn tamper(&self, change: impl FnOnce(&mut Image)) {
        change(&mut self.state.borrow_mut().image);
    }

    /// This block cannot be read until it is written.
    pub(crate) fn spoil(&self, block: u64) {
        self.state.borrow_mut().bad.insert(block);
    }

    /// What was done since the last call.
    pub(crate) fn take_events(&self) -> Vec<Event> {
        core::mem::take(&mut self.state.borrow_mut().events)
    }

    /// Notes how far a test is.
    pub(crate) fn mark(&self, done: usize, lasting: usize) {
        self.state.borrow_mut().events.push(Event::Mark { done, lasting });
    }

    /// How many requests were carried out, and how many of them were reads.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let state = self.state.borrow();
        (state.count, state.reads)
    }

    /// The blocks that were discarded and not written since.
    pub(crate) fn discarded(&self) -> BTreeSet<u64> {
        self.state.borrow().discards.clone()
    }
}

impl BlockDevice for SimDisk {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn submit(&self, request: Request) -> Ticket {
        let mut state = self.state.borrow_mut();
        state.tickets += 1;
        let ticket = Ticket(state.tickets);
        state.waiting.push((ticket, request));
        ticket
    }

    fn poll(&self, ticket: Ticket, context: &mut Context<'_>) -> Poll<Result<Vec<u8>, Failure>> {
        let mut state = self.state.borrow_mut();
        let late = state.shuffle.as_mut().is_some_and(|random| random.below(2) == 0);
        if !state.ended.contains_key(&ticket) && !late {
            state.step(ticket, &self.facts);
        }
        if let Some(result) = state.ended.remove(&ticket) {
            return Poll::Ready(result);
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn abandon(&self, ticket: Ticket) {
        let mut state = self.state.borrow_mut();
        state.waiting.retain(|(other, _)| *other != ticket);
        state.ended.remove(&ticket);
    }
}

impl State {
    /// Carries out one waiting request: this one, or any if the order is shuffled.
    fn step(&mut self, ticket: Ticket, facts: &Facts) {
        let mut at = self.waiting.iter().position(|(other, _)| *other == ticket).unwrap();
        if let Some(random) = &mut self.shuffle {
            at = random.index(self.waiting.len());
        }
        let (ticket, request) = self.waiting.remove(at);
        let trouble = match self.trouble {
            Some((when, trouble @ Trouble::Die)) if when <= self.count => Some(trouble),
            Some((when, trouble)) if when == self.count => Some(trouble),
            _ => None,
        };
        self.count += 1;
        let result = match trouble {
            Some(Trouble::Fail) => Err(Failure::Io),
            Some(Trouble::Die) => Err(Failure::Gone),
            Some(Trouble::Lose | Trouble::Misdirect(_)) | None => {
                self.carry_out(request, trouble, facts)
            }
        };
        self.ended.insert(ticket, result);
    }

    fn carry_out(
        &mut self,
        request: Request,
        trouble: Option<Trouble>,
        facts: &Facts,
    ) -> Result<Vec<u8>, Failure> {
        let fits = |block: u64, length: u64| {
            block.checked_add(length).is_some_and(|end| end <= facts.blocks)
        };
        let blocks = |bytes: &[u8]| {
            assert_eq!(bytes.len() % BLOCK, 0, "transfers are whole blocks");
            u64::try_from(bytes.len() / BLOCK).unwrap()
        };
        match request {
            Request::Read { block, mut bytes } if fits(block, blocks(&bytes)) => {
                self.reads += 1;
                if self.bad.range(block..block + blocks(&bytes)).next().is_some() {
                    return Err(Failure::Io);
                }
                for (at, into) in (block..).zip(bytes.chunks_mut(BLOCK)) {
                    into.copy_from_slice(&self.image.block(at));
                }
                Ok(bytes)
            }
            Request::Write { block, bytes, fua } if fits(block, blocks(&bytes)) => {
                assert!(blocks(&bytes) <= u64::from(facts.max_transfer), "an overlong write");
                self.write(block, &bytes, fua, trouble);
                if fua {
                    self.watch(facts.blocks);
                }
                Ok(bytes)
            }
            Request::Flush => {
                self.events.push(Event::Flush);
                self.watch(facts.blocks);
                Ok(Vec::new())
            }
            Request::Discard { block, blocks } if fits(block, u64::from(blocks)) => {
                for block in block..block + u64::from(blocks) {
                    assert!(!self.guarded.contains(&block), "block {block} is in use: discarded");
                    self.discards.insert(block);
                }
                Ok(Vec::new())
            }
            Request::WriteZeroes { block, blocks } if fits(block, u64::from(blocks)) => {
                let zeroes = alloc::vec![0; usize::try_from(blocks).unwrap() * BLOCK];
                self.write(block, &zeroes, false, trouble);
                Ok(Vec::new())
            }
            Request::Read { .. }
            | Request::Write { .. }
            | Request::Discard { .. }
            | Request::WriteZeroes { .. } => Err(Failure::Refused),
        }
    }

    #[expect(clippy::fn_params_excessive_bools, reason = "the field of the request")]
    fn write(&mut self, block: u64, bytes: &[u8], fua: bool, trouble: Option<Trouble>) {
        let aside = match trouble {
            Some(Trouble::Lose) => return,
            Some(Trouble::Misdirect(aside)) => aside,
            _ => 0,
        };
        for (block, bytes) in (block + aside..).zip(bytes.chunks(BLOCK)) {
            let used = self.guarded.contains(&block) && aside == 0;
            assert!(!used, "block {block} is reachable from one of the last three supers");
            self.discards.remove(&block);
            self.bad.remove(&block);
            let bytes: Arc<[u8]> = bytes.into();
            self.image.put(block, Arc::clone(&bytes));
            self.events.push(Event::Write { block, bytes, fua });
        }
    }

    fn watch(&mut self, blocks: u64) {
        if let Some(guard) = self.guard {
            self.guarded = guard(blocks, &self.image);
        }
    }
}
