//! The two halves of a queue: one producer, one consumer, neither trusting the other.
//!
//! Indices are `u32` that run free and are masked on use; each lies in a word of its own
//! whose upper half is zero. The masked position times the words of an entry is the word
//! index within the area of entries.

use crate::layout::Size;
use crate::packet::{CQE_WORDS, SQE_WORDS};
use crate::words::Words;

/// Word of the kernel's first page that holds the tail of the requests.
pub const SQ_TAIL: usize = 8;
/// Word of the kernel's first page that holds the head of the answers.
pub const CQ_HEAD: usize = 16;
/// Word of the daemon's first page that holds the head of the requests.
pub const SQ_HEAD: usize = 0;
/// Word of the daemon's first page that holds the tail of the answers.
pub const CQ_TAIL: usize = 8;

/// Puts requests: the kernel's half.
pub type SqProducer = Producer<SQE_WORDS, SQ_TAIL, SQ_HEAD>;
/// Takes requests: the daemon's half.
pub type SqConsumer = Consumer<SQE_WORDS, SQ_TAIL, SQ_HEAD>;
/// Puts answers: the daemon's half.
pub type CqProducer = Producer<CQE_WORDS, CQ_TAIL, CQ_HEAD>;
/// Takes answers: the kernel's half.
pub type CqConsumer = Consumer<CQE_WORDS, CQ_TAIL, CQ_HEAD>;

/// The other side published an index that an honest one cannot reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation;

/// How many entries lie between two indices, either of which is the other side's claim.
///
/// # Errors
///
/// No honest pair of halves can be that far apart.
#[inline]
fn distance(tail: u64, head: u64, size: Size) -> Result<u32, Violation> {
    let tail = u32::try_from(tail).map_err(|_too_wide| Violation)?;
    let head = u32::try_from(head).map_err(|_too_wide| Violation)?;
    Some(tail.wrapping_sub(head)).filter(|used| *used <= size.get()).ok_or(Violation)
}

/// The half that writes entries of `N` words and publishes its tail in word `TAIL`.
#[derive(Debug)]
pub struct Producer<const N: usize, const TAIL: usize, const HEAD: usize> {
    size: Size,
    tail: u32,
    free: u32,
    published: u32,
}

impl<const N: usize, const TAIL: usize, const HEAD: usize> Producer<N, TAIL, HEAD> {
    /// The producer of a new, empty queue.
    pub const fn new(size: Size) -> Self {
        Self { size, tail: 0, free: size.get(), published: 0 }
    }

    /// Looks at the consumer's head, in the consumer's page, and returns the room there is.
    ///
    /// # Errors
    ///
    /// The head is no place that this queue can have been read up to.
    pub fn refresh(&mut self, consumer: &(impl Words + ?Sized)) -> Result<u32, Violation> {
        let used = distance(u64::from(self.tail), consumer.load_acquire(HEAD), self.size)?;
        self.free = self.size.get().wrapping_sub(used);
        Ok(self.free)
    }

    /// Whether there is room that is known of.
    pub const fn has_room(&self) -> bool {
        self.free != 0
    }

    /// Writes an entry behind the last; false if there is no room that is known of.
    ///
    /// The consumer sees it after [`publish`](Self::publish), which one batch needs once.
    #[must_use = "an entry that found no room is not in the queue"]
    pub fn put(&mut self, entries: &(impl Words + ?Sized), entry: [u64; N]) -> bool {
        let Some(free) = self.free.checked_sub(1) else { return false };
        entries.store_entry(self.size.word(self.tail, N), entry);
        self.tail = self.tail.wrapping_add(1);
        self.free = free;
        true
    }

    /// Lets the consumer see all that was put; `own` is the producer's page. Whether that is
    /// more than before.
    pub fn publish(&mut self, own: &(impl Words + ?Sized)) -> bool {
        own.store_release(TAIL, u64::from(self.tail));
        core::mem::replace(&mut self.published, self.tail) != self.tail
    }

    /// The index that the next entry gets.
    pub const fn tail(&self) -> u32 {
        self.tail
    }
}

/// The half that reads entries of `N` words and publishes its head in word `HEAD`.
#[derive(Debug)]
pub struct Consumer<const N: usize, const TAIL: usize, const HEAD: usize> {
    size: Size,
    head: u32,
    tail: u32,
}

impl<const N: usize, const TAIL: usize, const HEAD: usize> Consumer<N, TAIL, HEAD> {
    /// The consumer of a new, empty queue.
    pub const fn new(size: Size) -> Self {
        Self { size, head: 0, tail: 0 }
    }

    /// Looks at the producer's tail, in the producer's page; returns how many entries wait.
    ///
    /// # Errors
    ///
    /// The tail is no place that this queue can have been filled up to.
    pub fn refresh(&mut self, producer: &(impl Words + ?Sized)) -> Result<u32, Violation> {
        let waiting = distance(producer.load_acquire(TAIL), u64::from(self.head), self.size)?;
        self.tail = self.head.wrapping_add(waiting);
        Ok(waiting)
    }

    /// Reads the next entry, each word once, if the last look showed one.
    pub fn take(&mut self, entries: &(impl Words + ?Sized)) -> Option<[u64; N]> {
        if self.head == self.tail {
            return None;
        }
        let entry = entries.load_entry(self.size.word(self.head, N));
        self.head = self.head.wrapping_add(1);
        Some(entry)
    }

    /// Gives the places of all taken entries back; `own` is the consumer's page.
    pub fn publish(&self, own: &(impl Words + ?Sized)) {
        own.store_release(HEAD, u64::from(self.head));
    }

    /// Whether the last look showed more than was taken since.
    pub const fn has_more(&self) -> bool {
        self.head != self.tail
    }

    /// The tail as it was at the last look.
    pub const fn seen(&self) -> u32 {
        self.tail
    }
}
