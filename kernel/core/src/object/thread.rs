//! Threads: a context of the machine, and what the kernel knows of it.

use crate::prelude::*;

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// On a CPU, or about to be: in no queue.
    Running,
    /// In the run queue of that priority.
    Ready(u8),
    /// Waiting, as state: there is no stack to park.
    Blocked(Blocked),
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// Something on a channel: one of [`crate::sched`]'s queues.
    On(Channel),
    /// A daemon's answer to the request in that slot.
    Reply(RingId, u16),
    /// Packets for its ring.
    Ring(RingId),
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
    /// An interrupt.
    Irq(IrqId),
    /// Nothing but a time, or a signal.
    Time,
}

/// What a thread does when it runs next: what its call came to, so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Goes on in its program, with that in rax if it is the result of a call.
    Return(Option<u64>),
    /// Makes the call again, unless a signal comes before.
    Retry(Call),
    /// Goes on with long work by making the call again; no signal comes between.
    Resume(Call),
    /// Goes on with a long read or write, of which so many bytes are done; no signal comes
    /// between.
    Transfer(Call, usize),
    /// Goes on with a fork: the child, and the page to go on at; no signal comes between.
    Fork(ProcessId, u64),
}

impl Default for Then {
    fn default() -> Self {
        Self::Return(None)
    }
}

/// How a thread sleeps.
#[derive(Clone, Copy, Debug)]
pub struct Sleep {
    /// What it does when it is woken.
    pub then: Then,
    /// When its wait is over (ns; `u64::MAX`: never).
    pub deadline: u64,
    /// What its call gives then; none: as when it is woken.
    pub late: Option<u64>,
}

impl Sleep {
    /// Not at all: its call gives this value.
    pub fn over(value: u64) -> Self {
        Self { then: Then::Return(Some(value)), deadline: u64::MAX, late: None }
    }

    /// Until woken; then the call is made again.
    pub fn retry(call: Call) -> Self {
        Self::retry_until(call, u64::MAX)
    }

    /// The same, with a deadline that the call will see.
    pub fn retry_until(call: Call, deadline: u64) -> Self {
        Self { then: Then::Retry(call), deadline, late: None }
    }

    /// Until woken, or a deadline that gives this value.
    pub fn until(deadline: u64, value: u64) -> Self {
        Self { deadline, late: Some(value), ..Self::over(0) }
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
    pub sleep: Sleep,
    /// Its word in the signal page.
    pub signal_word: usize,
    /// Whether that page may hold a signal for it.
    pub signalled: bool,
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
            sleep: Sleep { then: Then::Return(None), ..Sleep::over(0) },
            signal_word,
            signalled: true,
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
