//! The queues under every interleaving and every reordering that the memory model allows.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p anode-ring --test loom --release`.
//! Here the shared words are loom's atomics, so it is the crate's own code that is explored.
//! Each rule is shown to matter: with one ordering or one fence left out its test fails.
//!
//! The wake-up rule is that of a ring without the kernel (a direct ring): who is about to
//! sleep says so, fences, and looks once more; who published fences, and looks whether the
//! other sleeps. With both fences at least one sees the other. In the main ring the kernel
//! checks the tail under the lock that it publishes under, so it needs no such rule.
#![cfg(loom)]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test of two items: what goes wrong in it should stop it"
)]

use anode_ring::{Consumer, Producer, Size, Words};
use loom::model::Builder;
use loom::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    fence,
};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

/// Words of an entry: two, so that half an entry could be seen.
const WORDS: usize = 2;
/// Words of the control page; in the first the consumer says that it wants to be woken.
const WANT: usize = 0;
const TAIL: usize = 1;
const HEAD: usize = 2;
const ITEMS: u64 = 2;

type Puts = Producer<WORDS, TAIL, HEAD>;
type Takes = Consumer<WORDS, TAIL, HEAD>;

/// What a party leaves out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Without {
    Nothing,
    Release,
    Acquire,
    Fence,
}

/// Shared words as one party uses them.
struct View(Arc<Vec<AtomicU64>>, Without);

impl View {
    fn word(&self, index: usize) -> &AtomicU64 {
        &self.0[index]
    }

    /// Orders all stores before it ahead of all loads after it.
    fn fence(&self) {
        if self.1 != Without::Fence {
            fence(SeqCst);
        }
    }
}

impl Words for View {
    fn words(&self, index: usize) -> &[std::sync::atomic::AtomicU64] {
        unreachable!("word {index} is loom's");
    }

    fn load_acquire(&self, index: usize) -> u64 {
        self.word(index).load(if self.1 == Without::Acquire { Relaxed } else { Acquire })
    }

    fn store_release(&self, index: usize, value: u64) {
        let order = if self.1 == Without::Release { Relaxed } else { Release };
        self.word(index).store(value, order);
    }

    fn load_entry<const N: usize>(&self, index: usize) -> [u64; N] {
        std::array::from_fn(|offset| self.word(index + offset).load(Relaxed))
    }

    fn store_entry<const N: usize>(&self, index: usize, entry: [u64; N]) {
        for (offset, value) in entry.into_iter().enumerate() {
            self.word(index + offset).store(value, Relaxed);
        }
    }
}

/// The memory between two parties.
struct Shared {
    entries: Arc<Vec<AtomicU64>>,
    control: Arc<Vec<AtomicU64>>,
}

impl Shared {
    fn new(size: Size) -> Self {
        let zeros = |count: u32| Arc::new((0..count).map(|_| AtomicU64::new(0)).collect());
        Self { entries: zeros(size.get() * 2), control: zeros(3) }
    }

    /// The entries and the control words, as one party sees them.
    fn views(&self, without: Without) -> (View, View) {
        (View(self.entries.clone(), without), View(self.control.clone(), without))
    }
}

fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// Sends all items, waiting for room.
fn send_all(size: Size, entries: &View, control: &View) {
    let mut puts = Puts::new(size);
    for item in 1..=ITEMS {
        while !puts.put(entries, [item, item]) {
            thread::yield_now();
            puts.refresh(control).unwrap();
        }
        puts.publish(control);
    }
}

/// A producer sends two entries through a queue that holds one.
fn transfer(producer: Without, consumer: Without) {
    explore(move || {
        let size = Size::new(1).unwrap();
        let shared = Shared::new(size);
        let (entries, control) = shared.views(producer);
        let sender = thread::spawn(move || send_all(size, &entries, &control));

        let (entries, control) = shared.views(consumer);
        let mut takes = Takes::new(size);
        for item in 1..=ITEMS {
            while takes.refresh(&control).unwrap() == 0 {
                thread::yield_now();
            }
            assert_eq!(takes.take(&entries), Some([item, item]));
            takes.publish(&control);
        }
        sender.join().unwrap();
    });
}

#[test]
fn entries_arrive_whole_and_in_order() {
    transfer(Without::Nothing, Without::Nothing);
}

#[test]
#[should_panic(expected = "assertion `left == right` failed")]
fn a_tail_that_is_not_released_shows_unwritten_entries() {
    transfer(Without::Release, Without::Nothing);
}

#[test]
#[should_panic(expected = "assertion `left == right` failed")]
fn a_tail_that_is_not_acquired_shows_unwritten_entries() {
    transfer(Without::Nothing, Without::Acquire);
}

/// What wakes a sleeper: the doorbell that the kernel keeps under its lock.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.changed.notify_one();
    }

    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.changed.wait(rung).unwrap();
        }
        *rung = false;
    }
}

/// Sends all items, and rings after each if the consumer wants it.
fn send_and_wake(size: Size, entries: &View, control: &View, bell: &Bell) {
    let mut puts = Puts::new(size);
    for item in 1..=ITEMS {
        assert!(puts.put(entries, [item, item]));
        puts.publish(control);
        control.fence();
        if control.word(WANT).load(Relaxed) != 0 {
            bell.ring();
        }
    }
}

/// A consumer that sleeps when nothing is there, and a producer that wakes it if it wants.
fn sleep_and_wake(producer: Without, consumer: Without) {
    explore(move || {
        let size = Size::new(2).unwrap();
        let shared = Shared::new(size);
        let bell = Arc::new(Bell::default());
        let (entries, control) = shared.views(producer);
        let waker = bell.clone();
        let sender = thread::spawn(move || send_and_wake(size, &entries, &control, &waker));

        let (entries, control) = shared.views(consumer);
        let mut takes = Takes::new(size);
        let mut next = 1;
        while next <= ITEMS {
            control.word(WANT).store(1, Relaxed);
            control.fence();
            if takes.refresh(&control).unwrap() == 0 {
                bell.wait();
            }
            control.word(WANT).store(0, Relaxed);
            takes.refresh(&control).unwrap();
            while let Some(entry) = takes.take(&entries) {
                assert_eq!(entry, [next, next]);
                next += 1;
            }
        }
        sender.join().unwrap();
    });
}

#[test]
fn a_sleeper_is_woken_for_every_entry() {
    sleep_and_wake(Without::Nothing, Without::Nothing);
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_producers_fence_a_sleeper_is_forgotten() {
    sleep_and_wake(Without::Fence, Without::Nothing);
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_consumers_fence_a_sleeper_is_forgotten() {
    sleep_and_wake(Without::Nothing, Without::Fence);
}
