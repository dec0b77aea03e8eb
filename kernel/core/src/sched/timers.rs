//! Which thread's wait is over when.

use crate::prelude::*;

/// When the waits of threads are over, at most one time each, the latest first.
#[derive(Debug)]
pub struct Timers {
    list: Vec<(u64, ThreadId)>,
}

impl Timers {
    /// Room for `capacity` deadlines: one for each thread.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(capacity: usize) -> Result<Self> {
        Ok(Self { list: reserved(capacity)? })
    }

    /// The earliest deadline. A thread that was woken before has none any more.
    pub fn first(&self) -> Option<u64> {
        self.list.last().map(|(at, _)| *at)
    }

    /// Sets a thread's deadline, in place of what was said before; `u64::MAX`: never.
    pub fn set(&mut self, thread: ThreadId, at: u64) {
        self.list.retain(|(_, other)| *other != thread);
        if at != u64::MAX {
            let place = self.list.partition_point(|(other, _)| *other >= at);
            self.list.insert(place, (at, thread));
        }
    }

    /// Takes out the earliest deadline if it is not after `now`.
    pub fn pop(&mut self, now: u64) -> Option<(u64, ThreadId)> {
        self.list.pop_if(|(at, _)| *at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_out_in_order_and_never_early() {
        let mut slab = Slab::<(), Thread>::new(64).unwrap();
        let mut timers = Timers::new(64).unwrap();
        let mut seed = 7u64;
        for _ in 0..64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            timers.set(slab.insert((), 0).unwrap(), seed >> 40);
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
    fn a_new_deadline_replaces_the_old_one() {
        let mut slab = Slab::<(), Thread>::new(2).unwrap();
        let [one, other] = [(); 2].map(|()| slab.insert((), 0).unwrap());
        let mut timers = Timers::new(2).unwrap();
        for at in [3, 9, 5] {
            timers.set(one, at);
            timers.set(other, at + 1);
        }
        timers.set(other, u64::MAX);
        assert_eq!(timers.pop(1000), Some((5, one)));
        assert_eq!(timers.pop(1000), None);
    }
}
