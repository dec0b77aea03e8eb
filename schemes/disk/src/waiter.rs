//! Asking those who may never answer.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use redox::error::{EAGAIN, EIO, ETIMEDOUT, Error, Result};

/// A thread that asks and waits in our place.
#[derive(Debug)]
pub(crate) struct Waiter<Q, A> {
    questions: Sender<Q>,
    answers: Receiver<A>,
    /// An answer is outstanding that nobody waits for any more.
    owes: bool,
}

impl<Q: Send + 'static, A: Send + 'static> Waiter<Q, A> {
    /// A thread that answers by this function.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if no thread can be made.
    pub(crate) fn new(mut answer: impl FnMut(Q) -> A + Send + 'static) -> Result<Self> {
        let (questions, asked) = channel();
        let (answered, answers) = channel();
        let work = move || {
            while let Ok(question) = asked.recv()
                && answered.send(answer(question)).is_ok()
            {}
        };
        let thread = thread::Builder::new().spawn(work);
        thread.map_err(|error| Error::new(error.raw_os_error().unwrap_or(EAGAIN)))?;
        Ok(Self { questions, answers, owes: false })
    }

    /// Asks, and waits as long as `patience` says. Who was not in time is not waited for again
    /// until that answer came; it is thrown away.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: there is no answer yet.
    pub(crate) fn ask(&mut self, question: Q, patience: Duration) -> Result<A> {
        if self.owes {
            match self.answers.try_recv() {
                Ok(_late) => self.owes = false,
                Err(TryRecvError::Empty) => return Err(Error::new(ETIMEDOUT)),
                Err(TryRecvError::Disconnected) => return Err(Error::new(EIO)),
            }
        }
        self.questions.send(question).map_err(|_ended| Error::new(EIO))?;
        self.answers.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => {
                self.owes = true;
                Error::new(ETIMEDOUT)
            }
            RecvTimeoutError::Disconnected => Error::new(EIO),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Error, Waiter, channel, thread};
    use redox::error::ETIMEDOUT;

    #[test]
    fn who_is_late_is_not_waited_for_again_until_he_has_answered() {
        let (let_go, gate) = channel::<()>();
        let (told, seen) = channel();
        let mut waiter = Waiter::new(move |question: u32| {
            told.send(question).unwrap();
            gate.recv().unwrap();
            question
        })
        .unwrap();
        let late = Err(Error::new(ETIMEDOUT));
        assert_eq!(waiter.ask(1, Duration::ZERO), late);
        assert_eq!(waiter.ask(2, Duration::MAX), late, "waited for, though it is late");
        assert_eq!(seen.recv().unwrap(), 1);
        let_go.send(()).unwrap();
        let_go.send(()).unwrap();
        let answer = loop {
            match waiter.ask(3, Duration::from_secs(60)) {
                Ok(answer) => break answer,
                Err(_late) => thread::yield_now(),
            }
        };
        assert_eq!(answer, 3, "the late answer was taken for another");
        assert_eq!(seen.recv().unwrap(), 3, "the second question was asked all the same");
    }
}
