//! Many futures at once: each is polled when it was woken, in an order of a seed.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;

use super::random::Random;

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A future, and whether it was woken.
type Task<'f> = (Pin<Box<dyn Future<Output = ()> + 'f>>, Arc<Woken>);

/// Runs all of these to their end. That no one is woken and not all have ended is a panic.
pub(crate) fn together(seed: u64, futures: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>) {
    let mut random = Random::new(seed);
    let task = |future| (future, Arc::new(Woken(AtomicBool::new(true))));
    let mut tasks: Vec<Task<'_>> = futures.into_iter().map(task).collect();
    while !tasks.is_empty() {
        let woken = tasks.iter().enumerate().filter(|(_, task)| task.1.0.load(Ordering::Relaxed));
        let woken: Vec<usize> = woken.map(|(at, _)| at).collect();
        assert!(!woken.is_empty(), "{} wait for each other", tasks.len());
        let at = *random.pick(&woken);
        let (future, flag) = &mut tasks[at];
        flag.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(flag));
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            drop(tasks.remove(at));
        }
    }
}

/// Lets the others work.
pub(crate) async fn pause() {
    let mut paused = false;
    core::future::poll_fn(|context| {
        context.waker().wake_by_ref();
        if core::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
