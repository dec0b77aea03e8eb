//! Threads between waiting and ready.

use crate::prelude::*;

impl<M: Machine> Kernel<M> {
    /// Ends a call with a value. Where it ended its own caller, there is nobody to give it to.
    #[inline]
    pub(crate) fn give(&mut self, me: ThreadId, value: u64) -> Outcome {
        self.threads.update(me, |thread| thread.then = Then::give(value));
        Ok(Next::To(me))
    }

    /// Puts the running thread to sleep on a channel; `then`: what it does at the deadline.
    pub(crate) fn sleep(
        &mut self,
        me: ThreadId,
        channel: Channel,
        then: Then,
        deadline: u64,
    ) -> Outcome {
        self.set_deadline(me, State::Running, then, deadline);
        self.schedule.add(&mut self.threads, me, State::On(channel), Place::Last);
        Ok(Next::Pick)
    }

    /// A thread's state, and what it does once a deadline has passed (`u64::MAX`: never).
    #[inline]
    pub(crate) fn set_deadline(&mut self, me: ThreadId, state: State, then: Then, deadline: u64) {
        let Some(thread) = self.threads.get_mut(me) else { return };
        (thread.state, thread.then, thread.deadline) = (state, then, deadline);
        if deadline != u64::MAX {
            self.timers.set(me, deadline);
        }
    }

    /// Whether a deadline has passed; one that never comes costs no look at the clock.
    pub(crate) fn is_past(&self, deadline: u64) -> bool {
        deadline != u64::MAX && deadline <= self.memory.machine.now()
    }

    /// Lets long work go on later, as `then` says: others get the lock first.
    pub(crate) fn pause(&mut self, me: ThreadId, then: Then) -> Outcome {
        self.threads.update(me, |thread| thread.then = then);
        self.enqueue(me, Place::First);
        Ok(Next::Pause)
    }

    /// The priority of a thread, if there is such a thread: that of its process.
    pub(crate) fn priority(&self, id: ThreadId) -> Option<u8> {
        let thread = self.threads.get(id)?;
        self.processes.get(thread.process).map(|process| process.who.priority)
    }

    /// Queues a thread that can run.
    pub(crate) fn enqueue(&mut self, id: ThreadId, place: Place) {
        let Some(priority) = self.priority(id) else { return };
        self.schedule.add(&mut self.threads, id, State::Ready(priority), place);
        if self.cpu(Cpu(0)).current.is_none() {
            self.memory.machine.kick(Cpu(0));
        }
    }

    /// Ends a thread's wait; it is in no queue afterwards but the run queue.
    pub(crate) fn wake(&mut self, id: ThreadId, then: Then) {
        self.unblock(id);
        self.threads.update(id, |thread| (thread.then, thread.deadline) = (then, u64::MAX));
        self.enqueue(id, Place::Last);
    }

    /// Takes a thread off whatever it waits for.
    pub(crate) fn unblock(&mut self, id: ThreadId) {
        if let Some(State::Ring(ring)) = self.threads.get(id).map(|thread| thread.state) {
            self.rings.update(ring, |ring| ring.idle = None);
        }
        self.schedule.remove(&mut self.threads, id);
    }

    /// Has all who wait on a channel make their calls again.
    pub(crate) fn wake_all(&mut self, channel: Channel) {
        self.wake_some(channel, u64::MAX, Then::Retry);
    }

    /// Wakes up to `most` threads that wait on a channel; gives how many.
    pub(crate) fn wake_some(&mut self, channel: Channel, most: u64, then: Then) -> u64 {
        let mut woken = 0;
        while woken < most
            && let Some(id) = self.schedule.sleeper(&self.threads, channel)
        {
            self.wake(id, then);
            woken = woken.wrapping_add(1);
        }
        woken
    }

    /// The waits that are over by `now` end.
    pub(crate) fn expire(&mut self, now: u64) {
        while let Some((at, id)) = self.timers.pop(now) {
            self.time_out(id, at);
        }
    }

    fn time_out(&mut self, id: ThreadId, at: u64) {
        let thread = self.threads.get(id).filter(|thread| thread.deadline == at);
        let Some(&Thread { then, state, .. }) = thread else { return };
        if let State::Reply(ring, slot) = state {
            self.abandon(ring, slot, id);
        }
        self.wake(id, then);
    }

    /// A caught signal came: a sleeping call ends with `EINTR`.
    pub(crate) fn interrupt_sleep(&mut self, id: ThreadId) {
        match self.threads.get(id).map(|thread| thread.state) {
            Some(State::Reply(ring, slot)) => self.cancel(ring, slot, id),
            Some(State::On(_) | State::Ring(_)) => self.wake(id, Then::give(encode(EINTR))),
            Some(State::Running | State::Ready(_)) | None => {}
        }
    }
}
