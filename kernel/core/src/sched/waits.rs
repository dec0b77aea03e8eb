//! Threads that wait on a channel, in hashed queues.

use crate::sched::Queue;
use crate::{Blocked, Channel, State, ThreadId, Threads};

const BUCKETS: usize = 64;

/// All threads that wait on a [`Channel`].
#[derive(Debug)]
pub struct Waits {
    buckets: [Queue; BUCKETS],
}

impl Default for Waits {
    fn default() -> Self {
        Self { buckets: [Queue::default(); BUCKETS] }
    }
}

fn bucket(channel: Channel) -> usize {
    let (kind, number) = match channel {
        Channel::Scheme(id) => (1, id.index()),
        Channel::Pipe(id) => (2, id.index()),
        Channel::Queue(id) => (3, id.index()),
        Channel::Child(id) => (4, id.index()),
        Channel::Word(id, address) => (10, id.index().wrapping_add(crate::num::low(address >> 2))),
        Channel::Futex(frame, offset) => (5, frame.number().wrapping_add(u32::from(offset) >> 2)),
        Channel::Irq(id) => (6, id.index()),
        Channel::Console => (7, 0),
        Channel::Clock => (8, 0),
        Channel::Time => (9, 0),
    };
    crate::num::index(number.wrapping_mul(7).wrapping_add(kind)) % BUCKETS
}

impl Waits {
    fn queue(&mut self, channel: Channel) -> Option<&mut Queue> {
        self.buckets.get_mut(bucket(channel))
    }

    /// Puts a thread that is on no queue to sleep.
    pub fn add(&mut self, threads: &mut Threads, id: ThreadId, channel: Channel) {
        if let Some(thread) = threads.get_mut(id) {
            thread.state = State::Blocked(Blocked::On(channel));
        }
        if let Some(queue) = self.queue(channel) {
            queue.push(threads, id);
        }
    }

    /// Takes a sleeper out.
    pub fn remove(&mut self, threads: &mut Threads, id: ThreadId, channel: Channel) {
        if let Some(queue) = self.queue(channel) {
            queue.remove(threads, id);
        }
    }

    /// The longest sleeper on a channel.
    pub fn first(&self, threads: &Threads, channel: Channel) -> Option<ThreadId> {
        let mut at = self.buckets.get(bucket(channel))?.first();
        while let Some(id) = at {
            let thread = threads.get(id)?;
            if thread.state == State::Blocked(Blocked::On(channel)) {
                return Some(id);
            }
            at = thread.link.next;
        }
        None
    }
}
