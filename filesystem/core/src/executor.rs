//! The smallest executor: one future, on this thread, to its end.

use core::pin::pin;
use core::task::{Context, Poll, Waker};

/// Polls `future` until it is ready; `idle` runs each time it is not: let the device work there.
pub fn block_on<F: Future>(future: F, mut idle: impl FnMut()) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        idle();
    }
}
