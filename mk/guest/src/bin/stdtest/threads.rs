//! Threads, what they share, and what each has for itself.

use std::{
    cell::RefCell,
    panic,
    sync::{
        Arc, Barrier, Condvar, Mutex, Once, OnceLock, RwLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use super::{Outcome, Test, check};

pub(super) const TESTS: &[Test] = &[
    ("threads_run_and_are_joined", threads_run_and_are_joined),
    ("a_mutex_excludes", a_mutex_excludes),
    ("a_condition_wakes_and_times_out", a_condition_wakes_and_times_out),
    ("a_channel_keeps_order", a_channel_keeps_order),
    ("a_rwlock_lets_readers_in_together", a_rwlock_lets_readers_in_together),
    ("once_is_once", once_is_once),
    ("a_barrier_lets_all_go", a_barrier_lets_all_go),
    ("thread_locals_are_destroyed", thread_locals_are_destroyed),
    ("a_thread_that_panics_is_reported", a_thread_that_panics_is_reported),
    ("a_parked_thread_is_unparked", a_parked_thread_is_unparked),
    ("memory_moves_between_threads", memory_moves_between_threads),
    ("many_threads_come_and_go", many_threads_come_and_go),
];

fn threads_run_and_are_joined() -> Outcome {
    let threads: Vec<_> = (0..8_u64).map(|n| thread::spawn(move || n.wrapping_mul(n))).collect();
    let mut sum = 0_u64;
    for thread in threads {
        sum = sum.wrapping_add(thread.join().map_err(|_| "a thread panicked")?);
    }
    check(sum == 140, "a result was lost")?;
    let named = thread::Builder::new().name("tea".into()).stack_size(64 << 10);
    let name = named.spawn(|| thread::current().name().map(String::from))?.join();
    check(name.is_ok_and(|name| name.as_deref() == Some("tea")), "a thread lost its name")
}

/// Runs `act` so many times in each of so many threads.
fn in_threads(threads: usize, times: usize, act: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..times).for_each(|_| act()));
        }
    });
}

fn a_mutex_excludes() -> Outcome {
    let count = Mutex::new(0_u64);
    in_threads(8, 5_000, || {
        if let Ok(mut count) = count.lock() {
            *count = count.wrapping_add(1);
        }
    });
    check(count.into_inner()? == 40_000, "an increment was lost")
}

fn a_condition_wakes_and_times_out() -> Outcome {
    let pair = Arc::new((Mutex::new(false), Condvar::new()));
    let other = Arc::clone(&pair);
    let waker = thread::spawn(move || {
        if let Ok(mut ready) = other.0.lock() {
            *ready = true;
        }
        other.1.notify_all();
    });
    let mut ready = pair.0.lock().map_err(|_| "a poisoned lock")?;
    while !*ready {
        ready = pair.1.wait(ready).map_err(|_| "a poisoned lock")?;
    }
    waker.join().map_err(|_| "the waker panicked")?;
    let start = Instant::now();
    let limit = Duration::from_millis(30);
    let (_ready, late) =
        pair.1.wait_timeout_while(ready, limit, |ready| *ready).map_err(|_| "a poisoned lock")?;
    check(late.timed_out() && start.elapsed() >= limit, "a wait did not time out")
}

fn a_channel_keeps_order() -> Outcome {
    let (sender, receiver) = mpsc::sync_channel(4);
    let producer = thread::spawn(move || (0..10_000_u32).try_for_each(|n| sender.send(n)));
    let got: Vec<u32> = receiver.iter().collect();
    check(got.iter().copied().eq(0..10_000), "messages were lost or swapped")?;
    check(producer.join().is_ok_and(|sent| sent.is_ok()), "the sender failed")?;
    let (_sender, receiver) = mpsc::channel::<u32>();
    let late = receiver.recv_timeout(Duration::from_millis(10));
    check(late == Err(mpsc::RecvTimeoutError::Timeout), "a receive did not time out")
}

fn a_rwlock_lets_readers_in_together() -> Outcome {
    let lock = RwLock::new(0_u32);
    let inside = Barrier::new(4);
    in_threads(4, 1, || {
        let _reader = lock.read();
        // All four must be inside at once, or this never returns.
        inside.wait();
    });
    in_threads(4, 1_000, || {
        if let Ok(mut value) = lock.write() {
            *value = value.wrapping_add(1);
        }
    });
    check(lock.into_inner()? == 4_000, "a writer was not alone")
}

fn once_is_once() -> Outcome {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    static ONCE: Once = Once::new();
    static CELL: OnceLock<usize> = OnceLock::new();
    let count = || {
        RUNS.fetch_add(1, Ordering::SeqCst);
    };
    in_threads(8, 3, || {
        ONCE.call_once(count);
        CELL.get_or_init(|| 7);
    });
    check(RUNS.load(Ordering::SeqCst) == 1, "it ran more than once")?;
    check(CELL.get() == Some(&7), "the cell is empty")
}

fn a_barrier_lets_all_go() -> Outcome {
    let barrier = Barrier::new(4);
    let leaders = AtomicUsize::new(0);
    in_threads(4, 50, || {
        leaders.fetch_add(usize::from(barrier.wait().is_leader()), Ordering::SeqCst);
    });
    check(leaders.into_inner() == 50, "a round had no leader, or several")
}

/// Counts how many of it were dropped.
struct Counted(&'static AtomicUsize);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn thread_locals_are_destroyed() -> Outcome {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: RefCell<Vec<Counted>> = const { RefCell::new(Vec::new()) };
        static NUMBER: RefCell<u32> = const { RefCell::new(7) };
    }
    let threads: Vec<_> = (0..4)
        .map(|number| {
            thread::spawn(move || {
                OWN.with_borrow_mut(|own| own.push(Counted(&DROPPED)));
                let before = NUMBER.replace(number);
                (before, NUMBER.take())
            })
        })
        .collect();
    for (number, thread) in (0..).zip(threads) {
        let seen = thread.join().map_err(|_| "a thread panicked")?;
        check(seen == (7, number), "a thread saw another's value")?;
    }
    check(DROPPED.load(Ordering::SeqCst) == 4, "a thread-local was not destroyed")?;
    check(NUMBER.take() == 7, "this thread's value changed")
}

fn a_thread_that_panics_is_reported() -> Outcome {
    let thread = thread::spawn(|| panic::resume_unwind(Box::new(42_u32)));
    let Err(cause) = thread.join();
    check(cause.downcast_ref() == Some(&42_u32), "the cause was lost")?;
    let mutex = Arc::new(Mutex::new(()));
    let other = Arc::clone(&mutex);
    let poisoner = thread::spawn(move || {
        let _guard = other.lock();
        panic::resume_unwind(Box::new(()));
    });
    check(poisoner.join().is_err() && mutex.is_poisoned(), "a lock was not poisoned")
}

fn a_parked_thread_is_unparked() -> Outcome {
    let start = Instant::now();
    // Not this thread: `std` unparks who waits for a scope, and if he looks in time he leaves
    // before, so that his next park is over at once.
    let timed = thread::spawn(|| thread::park_timeout(Duration::from_millis(10)));
    timed.join().map_err(|_| "the parked thread panicked")?;
    let parked = thread::spawn(thread::park);
    parked.thread().unpark();
    parked.join().map_err(|_| "the parked thread panicked")?;
    check(start.elapsed() >= Duration::from_millis(10), "parking was too short")
}

fn memory_moves_between_threads() -> Outcome {
    let (sender, receiver) = mpsc::channel::<Vec<u8>>();
    let makers: Vec<_> = (1..=4_u8)
        .map(|mark| {
            let sender = sender.clone();
            let send = move |size| sender.send(vec![mark; size]);
            thread::spawn(move || (0..3_000).try_for_each(send))
        })
        .collect();
    drop(sender);
    let is_whole = |block: &Vec<u8>| block.iter().all(|byte| Some(byte) == block.first());
    let whole = receiver.iter().filter(is_whole).count();
    for maker in makers {
        check(maker.join().is_ok_and(|sent| sent.is_ok()), "a maker failed")?;
    }
    check(whole == 12_000, "a block was overwritten")
}

fn many_threads_come_and_go() -> Outcome {
    let count = Arc::new(AtomicUsize::new(0));
    // Many more than there may be at once.
    for _ in 0..150 {
        let threads: Vec<_> = (0..10)
            .map(|_| {
                let count = Arc::clone(&count);
                thread::spawn(move || count.fetch_add(1, Ordering::Relaxed))
            })
            .collect();
        // Half are joined, half detached.
        for thread in threads.into_iter().step_by(2) {
            thread.join().map_err(|_| "a thread panicked")?;
        }
    }
    let start = Instant::now();
    while count.load(Ordering::Relaxed) < 1500 && start.elapsed() < Duration::from_secs(30) {
        thread::yield_now();
    }
    check(count.load(Ordering::Relaxed) == 1500, "a detached thread never ran")
}
