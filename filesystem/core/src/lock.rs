//! A lock for futures: who waits is served in order, and nothing spins.

use alloc::collections::VecDeque;
use core::cell::{Cell, RefCell, RefMut};
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

/// A value that one future at a time may change, across its waits.
#[derive(Debug, Default)]
pub(crate) struct Lock<T> {
    value: RefCell<T>,
    /// Who waits, the next one first.
    waiting: RefCell<VecDeque<(u64, Waker)>>,
    last: Cell<u64>,
}

/// The value, until this is dropped.
#[derive(Debug)]
pub(crate) struct Held<'l, T> {
    value: RefMut<'l, T>,
    lock: &'l Lock<T>,
}

/// A place in the queue.
#[derive(Debug)]
struct Wait<'l, T> {
    lock: &'l Lock<T>,
    number: u64,
}

impl<T> Lock<T> {
    /// A lock that no one has.
    pub(crate) const fn new(value: T) -> Self {
        let waiting = RefCell::new(VecDeque::new());
        Self { value: RefCell::new(value), waiting, last: Cell::new(0) }
    }

    /// Waits until the value is free.
    pub(crate) async fn lock(&self) -> Held<'_, T> {
        let number = self.last.get().wrapping_add(1);
        self.last.set(number);
        Wait { lock: self, number }.await
    }

    fn wake(&self) {
        if let Some((_, waker)) = self.waiting.borrow().front() {
            waker.wake_by_ref();
        }
    }
}

impl<'l, T> Future for Wait<'l, T> {
    type Output = Held<'l, T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut waiting = self.lock.waiting.borrow_mut();
        let place = waiting.iter().position(|(number, _)| *number == self.number);
        // Before it is in the queue, everyone in it is before it.
        let first = place.unwrap_or(waiting.len()) == 0;
        if first && let Ok(value) = self.lock.value.try_borrow_mut() {
            return Poll::Ready(Held { value, lock: self.lock });
        }
        let waker = context.waker().clone();
        match place.and_then(|place| waiting.get_mut(place)) {
            Some(place) => place.1 = waker,
            None => waiting.push_back((self.number, waker)),
        }
        Poll::Pending
    }
}

impl<T> Drop for Wait<'_, T> {
    fn drop(&mut self) {
        self.lock.waiting.borrow_mut().retain(|(number, _)| *number != self.number);
        // Who gave up waiting may have been the one that was told.
        self.lock.wake();
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        self.lock.wake();
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
