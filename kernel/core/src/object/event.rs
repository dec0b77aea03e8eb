//! Readiness: event queues, subscriptions, and interrupt lines as a source of them.

use crate::prelude::*;

/// Names an event queue.
pub type QueueId = Id<Queue>;
/// Names an interrupt.
pub type IrqId = Id<Irq>;

/// An event queue: its events are the bits of the subscriptions that name it.
#[derive(Debug)]
pub struct Queue;

/// What can become ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Something of a daemon's.
    Scheme(Open),
    /// Nothing any more: this is told, and then the subscription ends.
    Gone,
    /// An end of a pipe.
    Pipe(PipeId, End),
    /// An interrupt line.
    Irq(IrqId),
    /// Another event queue.
    Queue(QueueId),
}

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// Readers of an event queue.
    Queue(QueueId),
    /// The daemon of a ring, by a note.
    Ring(RingId),
}

/// "Tell `sink` when `source` is ready."
#[derive(Clone, Copy, Debug)]
pub struct Subscription {
    /// What is watched.
    pub source: Source,
    /// The handle that was named, as the teller sees it.
    pub handle: u64,
    /// Readiness bits of interest.
    pub flags: u64,
    /// The subscriber's own word.
    pub data: u64,
    /// Who is told.
    pub sink: Sink,
    /// Bits not told yet.
    pub ready: u64,
}

/// An interrupt that a handle stands for.
#[derive(Debug, Default)]
pub struct Irq {
    /// The machine's number of it.
    pub line: u32,
    /// Message address and data, if it is message-signalled.
    pub message: Option<(u64, u32)>,
    /// Interrupts since the last read.
    pub count: u64,
    /// Interrupts ever.
    pub total: u64,
}
