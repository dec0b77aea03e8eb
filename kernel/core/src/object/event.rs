//! Readiness: event queues, subscriptions, and interrupt lines as a source of them.

use crate::prelude::*;

/// Names an event queue.
pub type QueueId = Id<Queue>;
/// Names an interrupt.
pub type IrqId = Id<Irq>;

/// An event queue: its events are the bits of the subscriptions that name it.
#[derive(Debug)]
pub struct Queue;

/// "Tell `sink` when `source` is ready."
#[derive(Clone, Copy, Debug)]
pub struct Subscription {
    /// What is watched; none: it is gone, which is told, and then the subscription ends.
    pub source: Option<Target>,
    /// The handle that was named, as the teller sees it.
    pub handle: u64,
    /// Readiness bits of interest.
    pub flags: u64,
    /// The subscriber's own word.
    pub data: u64,
    /// Who is told: readers of an event queue, or the daemon of a ring by a note.
    pub sink: Target,
    /// Bits not told yet.
    pub ready: u64,
}

/// An interrupt that a handle stands for.
#[derive(Debug, Default)]
pub struct Irq {
    /// The machine's number of it.
    pub line: u32,
    /// Whether it came and is not acknowledged yet.
    pub pending: bool,
    /// Interrupts ever.
    pub total: u64,
}
