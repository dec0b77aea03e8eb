//! Who runs next: run queues by priority, one set for each CPU.

pub mod timers;
pub mod waits;

use crate::table::mark;
use crate::{Slab, State, Thread, ThreadId};

/// All threads.
pub type Threads = Slab<Thread, mark::Thread>;

/// Priorities: 0 is the lowest, 7 is for drivers.
pub const PRIORITIES: usize = 8;
/// Priority of an ordinary program.
pub const ORDINARY: u8 = 3;
/// How long a thread runs before another of its priority does, in ns.
pub const SLICE: u64 = 10_000_000;

/// What a state change means for the CPU that made it; losing one loses a wake-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a dropped `Next` is a lost wake-up"]
pub enum Next {
    /// Ask the run queue.
    Pick,
    /// Go on with this thread: the caller itself, or one that it hands the CPU to.
    To(ThreadId),
}

/// A queue of threads, linked through them; a thread is on at most one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Queue {
    head: Option<ThreadId>,
    tail: Option<ThreadId>,
}

impl Queue {
    /// The first thread.
    pub fn first(&self) -> Option<ThreadId> {
        self.head
    }

    /// Appends a thread that is on no queue.
    pub fn push(&mut self, threads: &mut Threads, id: ThreadId) {
        let previous = self.tail;
        if let Some(thread) = threads.get_mut(id) {
            thread.link.previous = previous;
            thread.link.next = None;
        }
        match previous.and_then(|previous| threads.get_mut(previous)) {
            Some(previous) => previous.link.next = Some(id),
            None => self.head = Some(id),
        }
        self.tail = Some(id);
    }

    /// Puts a thread that is on no queue before all others.
    pub fn push_first(&mut self, threads: &mut Threads, id: ThreadId) {
        let next = self.head;
        if let Some(thread) = threads.get_mut(id) {
            thread.link.next = next;
            thread.link.previous = None;
        }
        match next.and_then(|next| threads.get_mut(next)) {
            Some(next) => next.link.previous = Some(id),
            None => self.tail = Some(id),
        }
        self.head = Some(id);
    }

    /// Takes a thread out that is on this queue.
    pub fn remove(&mut self, threads: &mut Threads, id: ThreadId) {
        let Some(thread) = threads.get_mut(id) else { return };
        let link = core::mem::take(&mut thread.link);
        match link.previous.and_then(|previous| threads.get_mut(previous)) {
            Some(previous) => previous.link.next = link.next,
            None => self.head = link.next,
        }
        match link.next.and_then(|next| threads.get_mut(next)) {
            Some(next) => next.link.previous = link.previous,
            None => self.tail = link.previous,
        }
    }

    /// Takes the first thread out.
    pub fn pop(&mut self, threads: &mut Threads) -> Option<ThreadId> {
        let id = self.head?;
        self.remove(threads, id);
        Some(id)
    }
}

/// The run queues of one CPU.
#[derive(Debug, Default)]
pub struct Ready {
    queues: [Queue; PRIORITIES],
    /// Bit n: queue n is not empty.
    busy: u8,
}

impl Ready {
    fn queue(&mut self, priority: u8) -> Option<&mut Queue> {
        self.queues.get_mut(usize::from(priority))
    }

    /// Queues a thread that can run, behind or before the others of its priority.
    pub fn add(&mut self, threads: &mut Threads, id: ThreadId, place: Place) {
        let Some(thread) = threads.get_mut(id) else { return };
        thread.state = State::Ready;
        let priority = thread.priority;
        let Some(queue) = self.queue(priority) else { return };
        match place {
            Place::First => queue.push_first(threads, id),
            Place::Last => queue.push(threads, id),
        }
        self.busy |= 1u8.wrapping_shl(u32::from(priority));
    }

    /// Takes a ready thread out.
    pub fn remove(&mut self, threads: &mut Threads, id: ThreadId) {
        let Some(priority) = threads.get(id).map(|thread| thread.priority) else { return };
        if let Some(queue) = self.queue(priority) {
            queue.remove(threads, id);
            if queue.first().is_none() {
                self.busy &= !1u8.wrapping_shl(u32::from(priority));
            }
        }
    }

    /// The highest priority that has a thread.
    pub fn highest(&self) -> Option<u8> {
        let highest = 7u32.checked_sub(self.busy.leading_zeros())?;
        u8::try_from(highest).ok()
    }

    /// Takes out the thread that has waited longest at the highest priority.
    pub fn pop(&mut self, threads: &mut Threads) -> Option<ThreadId> {
        let priority = self.highest()?;
        let id = self.queue(priority)?.first()?;
        self.remove(threads, id);
        Some(id)
    }
}

/// Where a thread enters its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before the others: it was interrupted.
    First,
    /// Behind the others.
    Last,
}
