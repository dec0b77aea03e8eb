//! Threads: a context of the machine, and what the kernel knows of it.

use crate::prelude::*;

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// On a CPU, or about to be: in no queue.
    Running,
    /// In the run queue of that priority.
    Ready(u8),
    /// Waiting on a channel, in one of [`crate::sched`]'s queues; there is no stack to park.
    On(Channel),
    /// Waiting for a daemon's answer to the request in that slot.
    Reply(RingId, u16),
    /// Waiting for packets of its ring.
    Ring(RingId),
}

impl State {
    /// Whether it waits.
    pub fn waits(self) -> bool {
        !matches!(self, Self::Running | Self::Ready(_))
    }
}

/// What can be waited for together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A free slot of a scheme, or its daemon.
    Scheme(SchemeId),
    /// A pipe's other end.
    Pipe(PipeId),
    /// Events of a queue.
    Queue(QueueId),
    /// The end of a child of that process.
    Child(ProcessId),
    /// A word of memory that a process has for itself, by its address: its frame may change, as
    /// a fork shares it and the next store copies it.
    Word(ProcessId, u64),
    /// A word of memory that processes share: frame and offset.
    Futex(Frame, u16),
    /// Nothing but a time, or a signal.
    Time,
}

/// What a thread does when it runs next: what its call came to, so far.
///
/// While it waits, this is what it does once its deadline has passed. A call that goes on finds
/// its arguments where the trap saved them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Goes on in its program, with that in rax if it is the result of a call.
    Return(Option<u64>),
    /// Makes the call again, unless a signal comes before.
    Retry,
    /// Goes on with long work by making the call again, from that page on; no signal comes
    /// between.
    Resume(u64),
    /// Goes on with a long read or write of that description, of which so many bytes are done;
    /// no signal comes between.
    Transfer(DescriptionId, usize),
    /// Goes on with a fork: the child, and the page to go on at; no signal comes between.
    Fork(ProcessId, u64),
}

impl Default for Then {
    fn default() -> Self {
        Self::Return(None)
    }
}

impl Then {
    /// The call gives a value.
    pub fn give(value: u64) -> Self {
        Self::Return(Some(value))
    }
}

/// A thread's place in the one queue it is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// The one behind it.
    pub next: Option<ThreadId>,
    /// The one before it.
    pub previous: Option<ThreadId>,
}

/// A thread.
#[derive(Debug)]
pub struct Thread {
    /// Whose it is.
    pub process: ProcessId,
    /// Where its registers are.
    pub context: Context,
    /// What it is doing.
    pub state: State,
    /// How its call goes on.
    pub then: Then,
    /// When its wait is over (ns; `u64::MAX`: never).
    pub deadline: u64,
    /// Its word in the signal page.
    pub signal_word: usize,
    /// Whether that page may hold a signal for it.
    pub signalled: bool,
    /// How long it has run, in ns.
    pub cpu_ns: u64,
    /// Until when it was charged, while it runs.
    pub since: u64,
    /// What is left of its slice, in ns: it is kept while the thread waits.
    pub left: u64,
    /// The thread that gave it a part of its own slice, and gets back what is left.
    pub maker: Option<ThreadId>,
    /// Its place in a queue.
    pub link: Link,
}

impl Thread {
    /// A thread that has not run yet.
    pub fn new(process: ProcessId, context: Context, signal_word: usize) -> Self {
        Self {
            process,
            context,
            state: State::Running,
            then: Then::default(),
            deadline: u64::MAX,
            signal_word,
            signalled: true,
            cpu_ns: 0,
            since: 0,
            left: SLICE,
            maker: None,
            link: Link::default(),
        }
    }

    /// Gives it a new slice if it has had its own.
    pub fn refill(&mut self) {
        if self.left == 0 {
            self.left = SLICE;
        }
    }
}
