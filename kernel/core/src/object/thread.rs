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
    /// Bytes on the console.
    Console,
    /// An alarm of a `time:` handle.
    Clock,
    /// A time, or a signal.
    Time,
}

/// What a wait leads to when its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The call gives this value.
    Value(u64),
    /// The call is made again and sees the time.
    Restart,
}

/// How a thread sleeps.
#[derive(Clone, Copy, Debug)]
pub struct Sleep {
    /// The call to make again when it is woken.
    pub restart: Option<Call>,
    /// When its wait is over (ns; `u64::MAX`: never).
    pub deadline: u64,
    /// What its wait leads to then.
    pub expiry: Expiry,
}

impl Sleep {
    /// Not at all.
    pub const NONE: Self = Self { restart: None, deadline: u64::MAX, expiry: Expiry::Restart };

    /// Until woken; then the call is made again.
    pub fn retry(call: Call) -> Self {
        Self { restart: Some(call), ..Self::NONE }
    }

    /// The same, with a deadline that the call will see.
    pub fn retry_until(call: Call, deadline: u64) -> Self {
        Self { deadline, ..Self::retry(call) }
    }

    /// Until woken, or a deadline that gives this value.
    pub fn until(deadline: u64, value: u64) -> Self {
        Self { restart: None, deadline, expiry: Expiry::Value(value) }
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

/// Work that a thread's call does in slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A fork: the child, and the page to go on at.
    Fork(ProcessId, u64),
    /// A call that is made again until all is done; no signal comes between.
    Again,
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
    /// Priority 0 to 7.
    pub priority: u8,
    /// Result of its call, for rax at the next exit.
    pub result: Option<u64>,
    /// How it sleeps, if it does.
    pub sleep: Sleep,
    /// Whether the deadline of the call under way has passed.
    pub expired: bool,
    /// Sliced work under way.
    pub work: Option<Work>,
    /// Signals for this thread alone, bit n-1.
    pub pending: u64,
    /// Its slot in the signal page.
    pub signal_slot: u16,
    /// Address of the fault that its next signal reports.
    pub fault_address: u64,
    /// CPU time until it was last stopped, in ns.
    pub cpu_ns: u64,
    /// When it was last put on a CPU.
    pub since: u64,
    /// What is left of its slice, in ns: it is kept while the thread waits.
    pub left: u64,
    /// Its place in a queue.
    pub link: Link,
}

impl Thread {
    /// A thread that has not run yet.
    pub fn new(process: ProcessId, context: Context, priority: u8) -> Self {
        Self {
            process,
            context,
            state: State::Running,
            priority,
            result: None,
            sleep: Sleep::NONE,
            expired: false,
            work: None,
            pending: 0,
            signal_slot: 0,
            fault_address: 0,
            cpu_ns: 0,
            since: 0,
            left: SLICE,
            link: Link::default(),
        }
    }

    /// CPU time until now, in ns.
    pub fn cpu_time(&self, now: u64) -> u64 {
        let running = self.state == State::Running;
        let since = if running { now.saturating_sub(self.since) } else { 0 };
        self.cpu_ns.saturating_add(since)
    }

    /// Its call is over, with this value.
    pub fn finish(&mut self, value: u64) {
        self.result = Some(value);
        self.sleep = Sleep::NONE;
    }
}
