//! Who runs next and who waits for what: queues of threads, linked through the threads.

pub mod timers;

use crate::prelude::*;

/// All threads.
pub type Threads = Slab<Thread>;

/// Priorities: 0 is the lowest, 7 is for drivers.
pub const PRIORITIES: usize = 8;
/// Priority of an ordinary program.
pub const ORDINARY: u8 = 3;
/// How long a thread runs before another of its priority does, in ns.
pub const SLICE: u64 = 10_000_000;
/// Queues that the channels share.
const BUCKETS: usize = 64;

/// What a state change means for the CPU that made it; losing one loses a wake-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a dropped `Next` is a lost wake-up"]
pub enum Next {
    /// Ask the run queues.
    Pick,
    /// Go on with this thread: the caller itself, or one that it hands the CPU to. Has it ended
    /// meanwhile, this is `Pick`.
    To(ThreadId),
    /// Let go of the lock for a moment: long work is under way.
    Pause,
}

/// Where a thread enters its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before the others: it was interrupted.
    First,
    /// Behind the others; to run, only once it has had its slice.
    Last,
}

/// The ends of a queue; a thread is on at most one.
#[derive(Clone, Copy, Debug, Default)]
struct Queue {
    first: Option<ThreadId>,
    last: Option<ThreadId>,
}

impl Queue {
    /// Makes two threads neighbours; none stands for the end of the queue.
    fn join(&mut self, threads: &mut Threads, left: Option<ThreadId>, right: Option<ThreadId>) {
        match left.and_then(|left| threads.get_mut(left)) {
            Some(thread) => thread.link.next = right,
            None => self.first = right,
        }
        match right.and_then(|right| threads.get_mut(right)) {
            Some(thread) => thread.link.previous = left,
            None => self.last = left,
        }
    }
}

/// The run queues, one a priority, and the queues of those who wait on channels.
#[derive(Debug)]
pub struct Schedule {
    ready: [Queue; PRIORITIES],
    waiting: [Queue; BUCKETS],
    /// Bit n: somebody is ready at priority n.
    busy: u8,
}

impl Default for Schedule {
    fn default() -> Self {
        let [ready, waiting] = [Queue::default(); 2];
        Self { ready: [ready; PRIORITIES], waiting: [waiting; BUCKETS], busy: 0 }
    }
}

fn bucket(channel: Channel) -> usize {
    let (kind, number) = match channel {
        Channel::Scheme(id) => (1, id.index()),
        Channel::Pipe(id) => (2, id.index()),
        Channel::Queue(id) => (3, id.index()),
        Channel::Child(id) => (4, id.index()),
        Channel::Futex(frame, offset) => (5, frame.number().wrapping_add(u32::from(offset) >> 2)),
        Channel::Time => (7, 0),
        Channel::Word(id, address) => (8, id.index().wrapping_add(low(address >> 2))),
    };
    index(number.wrapping_mul(7).wrapping_add(kind)) % BUCKETS
}

impl Schedule {
    /// The queue of threads in that state, if they are on one.
    fn queue(&mut self, state: State) -> Option<&mut Queue> {
        match state {
            State::Ready(priority) => self.ready.get_mut(usize::from(priority)),
            State::On(channel) => self.waiting.get_mut(bucket(channel)),
            State::Running | State::Reply(..) | State::Ring(_) => None,
        }
    }

    /// Gives a thread that is on no queue a new state, and its place among those in it.
    ///
    /// Who waited keeps the rest of its slice, and is before the others until it has had it: it
    /// need not stand in line behind those that compute, yet nobody gets more than its slice.
    pub fn add(&mut self, threads: &mut Threads, id: ThreadId, state: State, place: Place) {
        threads.update(id, |thread| thread.state = state);
        let unspent = threads.get(id).is_some_and(|thread| thread.left > 0);
        let first = place == Place::First || (unspent && matches!(state, State::Ready(_)));
        let Some(queue) = self.queue(state) else { return };
        let (left, right) = if first { (None, queue.first) } else { (queue.last, None) };
        queue.join(threads, left, Some(id));
        queue.join(threads, Some(id), right);
        if let State::Ready(priority) = state {
            self.busy |= 1u8.wrapping_shl(priority.into());
        }
    }

    /// Takes a thread off the queue that it is on, if any.
    pub fn remove(&mut self, threads: &mut Threads, id: ThreadId) {
        let Some(&Thread { state, link: Link { previous, next }, .. }) = threads.get(id) else {
            return;
        };
        let Some(queue) = self.queue(state) else { return };
        queue.join(threads, previous, next);
        if let (None, State::Ready(priority)) = (queue.first, state) {
            self.busy &= !1u8.wrapping_shl(priority.into());
        }
    }

    /// The longest sleeper on a channel.
    pub fn sleeper(&self, threads: &Threads, channel: Channel) -> Option<ThreadId> {
        let mut at = self.waiting.get(bucket(channel))?.first;
        while let Some(id) = at {
            let thread = threads.get(id)?;
            if thread.state == State::On(channel) {
                return Some(id);
            }
            at = thread.link.next;
        }
        None
    }

    /// The highest priority at which somebody is ready.
    pub fn highest(&self) -> Option<u8> {
        self.busy.checked_ilog2().and_then(|bit| u8::try_from(bit).ok())
    }

    /// Takes out the thread that has waited longest at the highest priority.
    pub fn pop(&mut self, threads: &mut Threads) -> Option<ThreadId> {
        let priority = self.highest()?;
        let id = self.ready.get(usize::from(priority))?.first?;
        self.remove(threads, id);
        Some(id)
    }
}

#[cfg(test)]
impl Schedule {
    /// Each thread is in the one queue that its state means, and no queue has anything else.
    pub(crate) fn check(&self, threads: &Threads) {
        let mut queued = std::collections::BTreeSet::new();
        for queue in self.ready.iter().chain(&self.waiting) {
            let (mut at, mut before) = (queue.first, None);
            while let Some(id) = at {
                let thread = threads.get(id).expect("I5: a dead thread is in a queue");
                assert_eq!(thread.link.previous, before, "I5: a broken queue");
                assert!(queued.insert(id.index()), "I5: {id:?} is in two places");
                (before, at) = (at, thread.link.next);
            }
            assert_eq!(queue.last, before, "I5: a broken end of a queue");
        }
        for (id, thread) in threads.iter() {
            let wanted = matches!(thread.state, State::Ready(_) | State::On(_));
            assert_eq!(queued.contains(&id.index()), wanted, "I5: {id:?} is {:?}", thread.state);
        }
        let busy = self
            .ready
            .iter()
            .rev()
            .fold(0u8, |bits, queue| bits << 1 | u8::from(queue.first.is_some()));
        assert_eq!(self.busy, busy, "I5: the bits of busy priorities");
    }
}
