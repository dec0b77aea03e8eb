//! Threads between waiting and ready.

use crate::prelude::*;

impl<M: Machine> Kernel<M> {
    /// Ends a call with a value. Where it ended its own caller, there is nobody to give it to.
    pub(crate) fn give(&mut self, me: ThreadId, value: u64) -> Outcome {
        self.threads.update(me, |thread| thread.sleep.then = Then::Return(Some(value)));
        Ok(Next::To(me))
    }

    /// Puts the running thread to sleep on a channel.
    pub(crate) fn sleep(&mut self, me: ThreadId, channel: Channel, sleep: Sleep) -> Outcome {
        self.set_sleep(me, sleep);
        let state = State::Blocked(Blocked::On(channel));
        self.schedule.add(&mut self.threads, me, state, Place::Last);
        Ok(Next::Pick)
    }

    /// Notes how a thread sleeps, and its deadline.
    pub(crate) fn set_sleep(&mut self, me: ThreadId, sleep: Sleep) {
        self.threads.update(me, |thread| thread.sleep = sleep);
        if sleep.deadline != u64::MAX {
            self.timers.set(me, sleep.deadline);
        }
    }

    /// Whether a deadline has passed; one that never comes costs no look at the clock.
    pub(crate) fn is_past(&self, deadline: u64) -> bool {
        deadline != u64::MAX && deadline <= self.memory.machine.now()
    }

    /// Lets long work go on later, as `then` says: others get the lock first.
    pub(crate) fn pause(&mut self, me: ThreadId, then: Then) -> Outcome {
        self.threads.update(me, |thread| thread.sleep.then = then);
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
    pub(crate) fn wake(&mut self, id: ThreadId) {
        self.unblock(id);
        self.threads.update(id, |thread| thread.sleep.deadline = u64::MAX);
        self.enqueue(id, Place::Last);
    }

    /// Ends a thread's wait with a value.
    pub(crate) fn wake_with(&mut self, id: ThreadId, value: u64) {
        self.threads.update(id, |thread| thread.sleep = Sleep::over(value));
        self.wake(id);
    }

    /// Takes a thread off whatever it waits for.
    pub(crate) fn unblock(&mut self, id: ThreadId) {
        let state = self.threads.get(id).map(|thread| thread.state);
        if let Some(State::Blocked(Blocked::Ring(ring))) = state {
            self.rings.update(ring, |ring| ring.idle = None);
        }
        self.schedule.remove(&mut self.threads, id);
    }

    /// Wakes up to `most` threads that wait on a channel; gives how many.
    pub(crate) fn wake_all(&mut self, channel: Channel, most: u64) -> u64 {
        let mut woken = 0;
        while woken < most
            && let Some(id) = self.schedule.sleeper(&self.threads, channel)
        {
            self.wake(id);
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
        let thread = self.threads.get(id).filter(|thread| thread.sleep.deadline == at);
        let Some(Thread { sleep, state, .. }) = thread else { return };
        let late = sleep.late;
        if let State::Blocked(Blocked::Reply(ring, slot)) = *state {
            self.abandon(ring, slot);
        }
        match late {
            Some(value) => self.wake_with(id, value),
            None => self.wake(id),
        }
    }

    /// A caught signal came: a sleeping call ends with `EINTR`.
    pub(crate) fn interrupt_sleep(&mut self, id: ThreadId) {
        match self.threads.get(id).map(|thread| thread.state) {
            Some(State::Blocked(Blocked::Reply(ring, slot))) => self.cancel(ring, slot, id),
            Some(State::Blocked(_)) => self.wake_with(id, encode(EINTR)),
            Some(State::Running | State::Ready(_)) | None => {}
        }
    }
}
