//! The kernel's halves against a daemon that changes its pages between any two looks.
//!
//! Every load is preceded by a move of the other side, from a seeded script: garbage in the
//! indices, in entries, or nothing. What must hold: no index leaves its area, no word of an
//! entry or index is read twice, the kernel never writes where the daemon writes, and each
//! look either is a violation or yields at most as many entries as the queue has.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "an index that leaves its area is what these tests look for, and should stop them"
)]

use std::cell::{Cell, RefCell};
use std::sync::atomic::AtomicU64;

use anode_ring::{CqConsumer, Size, SqProducer, Violation, Words};

/// A small generator of numbers that a seed fixes (splitmix64).
#[derive(Clone)]
struct Script(u64);

impl Script {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// An index as a liar picks it: near to what is true, at a border, or anything.
    fn lie(&mut self, truth: u64) -> u64 {
        match self.next() % 8 {
            0 => truth,
            1 | 2 => truth.wrapping_add(self.next() % 40),
            3 => truth.wrapping_sub(self.next() % 40),
            4 => u64::from(u32::MAX) - self.next() % 4,
            5 => 1 << 32,
            6 => u64::MAX,
            _ => self.next(),
        }
    }
}

/// Memory that the other side writes, and only it.
struct HostilePages {
    words: RefCell<Vec<u64>>,
    script: RefCell<Script>,
    loads: RefCell<Vec<u32>>,
    truth: Cell<u64>,
}

impl HostilePages {
    fn new(words: usize, seed: u64) -> Self {
        Self {
            words: RefCell::new(vec![0; words]),
            script: RefCell::new(Script(seed)),
            loads: RefCell::new(vec![0; words]),
            truth: Cell::new(0),
        }
    }

    fn load(&self, index: usize) -> u64 {
        let mut script = self.script.borrow_mut();
        let mut words = self.words.borrow_mut();
        let value = script.lie(self.truth.get());
        words[index] = value;
        let other = usize::try_from(script.next() % 512).map_or(0, |other| other % words.len());
        words[other] = script.next();
        self.loads.borrow_mut()[index] += 1;
        words[index]
    }

    /// How often the word that was read most was read since the last call.
    fn most_loads(&self) -> u32 {
        self.loads.borrow_mut().iter_mut().map(std::mem::take).max().unwrap_or(0)
    }
}

impl Words for HostilePages {
    fn words(&self, index: usize) -> &[AtomicU64] {
        unreachable!("the kernel looked at word {index} without this script");
    }

    fn load_acquire(&self, index: usize) -> u64 {
        self.load(index)
    }

    fn store_release(&self, index: usize, _value: u64) {
        unreachable!("the kernel wrote word {index} of the daemon's pages");
    }

    fn load_entry<const N: usize>(&self, index: usize) -> [u64; N] {
        std::array::from_fn(|offset| self.load(index + offset))
    }

    fn store_entry<const N: usize>(&self, index: usize, _entry: [u64; N]) {
        unreachable!("the kernel wrote word {index} of the daemon's pages");
    }
}

/// Memory that only the kernel writes, and never needs to read back.
struct OwnPages(RefCell<Vec<u64>>);

impl Words for OwnPages {
    fn words(&self, index: usize) -> &[AtomicU64] {
        unreachable!("the kernel looked at word {index} without this script");
    }

    fn load_acquire(&self, index: usize) -> u64 {
        unreachable!("the kernel read word {index} back from shared memory");
    }

    fn store_release(&self, index: usize, value: u64) {
        self.0.borrow_mut()[index] = value;
    }

    fn load_entry<const N: usize>(&self, index: usize) -> [u64; N] {
        unreachable!("the kernel read word {index} back from shared memory");
    }

    fn store_entry<const N: usize>(&self, index: usize, entry: [u64; N]) {
        self.0.borrow_mut()[index..index + N].copy_from_slice(&entry);
    }
}

const SEEDS: u64 = 5_000;
const STEPS: u64 = 40;

#[test]
fn a_lying_head_lets_the_kernel_put_at_most_a_queueful() {
    let size = Size::new(8).unwrap();
    let (mut refused, mut put) = (0, 0);
    for seed in 0..SEEDS {
        let daemon = HostilePages::new(512, seed);
        let entries = OwnPages(RefCell::new(vec![0; 64]));
        let control = OwnPages(RefCell::new(vec![0; 512]));
        let mut puts = SqProducer::new(size);
        for _ in 0..STEPS {
            let before = puts.tail();
            let room = puts.refresh(&daemon);
            assert!(daemon.most_loads() <= 1, "seed {seed}");
            match room {
                Ok(room) => assert!(room <= 8, "seed {seed}"),
                Err(Violation) => refused += 1,
            }
            while puts.put(&entries, [seed; 8]) {}
            puts.publish(&control);
            put += puts.tail().wrapping_sub(before);
            assert!(puts.tail().wrapping_sub(before) <= 8, "seed {seed}");
            assert_eq!(control.0.borrow()[8], u64::from(puts.tail()));
            daemon.truth.set(u64::from(puts.tail()));
        }
    }
    assert!(refused > 1000 && put > 1000, "the script is too tame: {refused}, {put}");
}

#[test]
fn a_lying_tail_gives_the_kernel_at_most_a_queueful() {
    let size = Size::new(8).unwrap().doubled();
    let (mut refused, mut taken) = (0, 0);
    for seed in 0..SEEDS {
        let daemon = HostilePages::new(512, seed);
        let entries = HostilePages::new(32, !seed);
        let control = OwnPages(RefCell::new(vec![0; 512]));
        let mut takes = CqConsumer::new(size);
        for _ in 0..STEPS {
            let before = control.0.borrow()[16];
            let waiting = takes.refresh(&daemon);
            assert!(daemon.most_loads() <= 1, "seed {seed}");
            refused += u32::from(waiting.is_err());
            let mut now = 0;
            while takes.take(&entries).is_some() {
                assert!(entries.most_loads() <= 1, "seed {seed}");
                now += 1;
            }
            assert_eq!(now, waiting.unwrap_or(0), "seed {seed}");
            assert!(now <= 16, "seed {seed}");
            taken += now;
            takes.publish(&control);
            assert_eq!(control.0.borrow()[16], before + u64::from(now));
            daemon.truth.set(control.0.borrow()[16]);
        }
    }
    assert!(refused > 1000 && taken > 1000, "the script is too tame: {refused}, {taken}");
}
