//! What is due when: a binary heap of deadlines, with stale ones dropped as they come up.

use alloc::vec::Vec;

use crate::{DescriptionId, Result, ThreadId, reserved};

/// What a deadline belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The end of a thread's wait.
    Thread(ThreadId),
    /// The alarm of a `time:` handle.
    Alarm(DescriptionId),
}

/// Deadlines of all threads and alarms.
#[derive(Debug)]
pub struct Timers {
    heap: Vec<(u64, Due)>,
}

impl Timers {
    /// Room for `capacity` deadlines: one for each thread and description, and as many stale.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(capacity: usize) -> Result<Self> {
        Ok(Self { heap: reserved(capacity)? })
    }

    /// The earliest deadline, maybe a stale one.
    pub fn first(&self) -> Option<u64> {
        self.heap.first().map(|(at, _)| *at)
    }

    /// Adds a deadline. When the heap is full, entries that `live` denies are dropped first.
    pub fn add(&mut self, at: u64, due: Due, live: impl Fn(u64, Due) -> bool) {
        if self.heap.len() == self.heap.capacity() {
            self.heap.retain(|(at, due)| live(*at, *due));
            self.heap.sort_unstable_by_key(|(at, _)| *at);
        }
        if self.heap.len() == self.heap.capacity() {
            return;
        }
        let mut child = self.heap.len();
        self.heap.push((at, due));
        while child > 0 {
            let parent = child.wrapping_sub(1) / 2;
            if self.at(parent) <= self.at(child) {
                break;
            }
            self.heap.swap(parent, child);
            child = parent;
        }
    }

    /// Takes out the earliest deadline if it is not after `now`.
    pub fn pop(&mut self, now: u64) -> Option<(u64, Due)> {
        self.heap.first().filter(|(at, _)| *at <= now)?;
        let first = self.heap.swap_remove(0);
        let mut parent = 0usize;
        loop {
            let left = parent.wrapping_mul(2).wrapping_add(1);
            let right = left.wrapping_add(1);
            let child = if self.at(right) < self.at(left) { right } else { left };
            if self.at(parent) <= self.at(child) {
                return Some(first);
            }
            self.heap.swap(parent, child);
            parent = child;
        }
    }

    fn at(&self, index: usize) -> u64 {
        self.heap.get(index).map_or(u64::MAX, |(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Slab;

    #[test]
    fn deadlines_come_out_in_order_and_never_early() {
        let mut slab = Slab::<(), crate::table::mark::Thread>::new(1).unwrap();
        let thread = Due::Thread(slab.insert(()).unwrap());
        let mut timers = Timers::new(64).unwrap();
        let mut seed = 7u64;
        for _ in 0..64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            timers.add(seed >> 40, thread, |_, _| true);
        }
        let first = timers.first().unwrap();
        assert_eq!(timers.pop(first.wrapping_sub(1)), None);
        let mut last = 0;
        while let Some((at, _)) = timers.pop(u64::MAX - 1) {
            assert!(at >= last);
            last = at;
        }
        assert_eq!(timers.first(), None);
    }

    #[test]
    fn a_full_heap_makes_room_by_dropping_stale_entries() {
        let mut slab = Slab::<(), crate::table::mark::Thread>::new(1).unwrap();
        let thread = Due::Thread(slab.insert(()).unwrap());
        let mut timers = Timers::new(4).unwrap();
        for at in 0..10 {
            timers.add(100 - at, thread, |at, _| at <= 92);
        }
        assert_eq!(timers.pop(1000).map(|(at, _)| at), Some(91));
    }
}
