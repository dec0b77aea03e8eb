//! Threads between waiting and ready.

use crate::error::encode;
use crate::{
    Blocked, Call, Channel, Cpu, Due, EINTR, Expiry, Kernel, Machine, Next, Outcome, Place, State,
    ThreadId,
};

/// How a thread sleeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sleep {
    /// Made again when it wakes.
    pub(crate) restart: Option<Call>,
    /// When it is over at the latest.
    pub(crate) deadline: u64,
    /// What that means.
    pub(crate) expiry: Expiry,
}

impl Sleep {
    /// Until woken; then the call is made again.
    pub(crate) fn retry(call: Call) -> Self {
        Self { restart: Some(call), deadline: u64::MAX, expiry: Expiry::Restart }
    }

    /// The same, with a deadline that the call will see.
    pub(crate) fn retry_until(call: Call, deadline: u64) -> Self {
        Self { deadline, ..Self::retry(call) }
    }
}

impl<M: Machine> Kernel<M> {
    /// Ends a call with a value.
    pub(crate) fn give(&mut self, me: ThreadId, value: u64) -> Outcome {
        if let Some(thread) = self.threads.get_mut(me) {
            thread.result = Some(value);
        }
        Ok(Next::To(me))
    }

    /// Puts the running thread to sleep on a channel.
    pub(crate) fn sleep(&mut self, me: ThreadId, channel: Channel, sleep: Sleep) -> Outcome {
        self.set_sleep(me, sleep);
        self.waits.add(&mut self.threads, me, channel);
        Ok(Next::Pick)
    }

    /// Notes how a thread sleeps, and its deadline.
    pub(crate) fn set_sleep(&mut self, me: ThreadId, sleep: Sleep) {
        if let Some(thread) = self.threads.get_mut(me) {
            thread.restart = sleep.restart;
            thread.deadline = sleep.deadline;
            thread.expiry = sleep.expiry;
        }
        if sleep.deadline != u64::MAX {
            self.add_deadline(sleep.deadline, Due::Thread(me));
        }
    }

    pub(crate) fn add_deadline(&mut self, at: u64, due: Due) {
        let Self { timers, threads, descriptions, .. } = self;
        timers.add(at, due, |at, due| match due {
            Due::Thread(id) => threads.get(id).is_some_and(|thread| thread.deadline == at),
            Due::Alarm(id) => descriptions.get(id).is_some(),
        });
    }

    /// Queues a thread that can run.
    pub(crate) fn enqueue(&mut self, id: ThreadId, place: Place) {
        let Self { cpus: [cpu, ..], threads, .. } = self;
        cpu.ready.add(threads, id, place);
        if cpu.current.is_none() {
            self.memory.machine.kick(Cpu(0));
        }
    }

    /// Ends a thread's wait; it is in no queue afterwards but the run queue.
    pub(crate) fn wake(&mut self, id: ThreadId) {
        self.unblock(id);
        if let Some(thread) = self.threads.get_mut(id) {
            thread.deadline = u64::MAX;
            if thread.restart.is_none() && thread.result.is_none() {
                thread.result = Some(0);
            }
            self.enqueue(id, Place::Last);
        }
    }

    /// Takes a thread off whatever it waits for.
    pub(crate) fn unblock(&mut self, id: ThreadId) {
        let Some(state) = self.threads.get(id).map(|thread| thread.state) else { return };
        match state {
            State::Blocked(Blocked::On(channel)) => {
                self.waits.remove(&mut self.threads, id, channel);
            }
            State::Blocked(Blocked::Ring(ring)) => {
                if let Some(ring) = self.rings.get_mut(ring) {
                    ring.idle = None;
                }
            }
            State::Ready => {
                let Self { cpus: [cpu, ..], threads, .. } = self;
                cpu.ready.remove(threads, id);
            }
            State::Blocked(Blocked::Reply(..)) | State::Running => {}
        }
    }

    /// Wakes up to `most` threads that wait on a channel; gives how many.
    pub(crate) fn wake_all(&mut self, channel: Channel, most: u64) -> u64 {
        let mut woken = 0;
        while woken < most
            && let Some(id) = self.waits.first(&self.threads, channel)
        {
            self.wake(id);
            woken = woken.wrapping_add(1);
        }
        woken
    }

    /// Whatever is due by `now` happens.
    pub(crate) fn expire(&mut self, now: u64) {
        while let Some((at, due)) = self.timers.pop(now) {
            match due {
                Due::Thread(id) => {
                    if self.threads.get(id).is_some_and(|thread| thread.deadline == at) {
                        self.time_out(id);
                    }
                }
                Due::Alarm(id) => self.alarm(id, at),
            }
        }
    }

    fn time_out(&mut self, id: ThreadId) {
        let Some(thread) = self.threads.get_mut(id) else { return };
        thread.deadline = u64::MAX;
        match thread.expiry {
            Expiry::Value(value) => {
                thread.result = Some(value);
                thread.restart = None;
            }
            Expiry::Restart => thread.expired = true,
        }
        if let State::Blocked(Blocked::Reply(ring, slot)) = thread.state {
            self.abandon(ring, slot);
        }
        self.wake(id);
    }

    /// A caught signal came: a sleeping call ends with `EINTR`.
    pub(crate) fn interrupt_sleep(&mut self, id: ThreadId) {
        let Some(thread) = self.threads.get_mut(id) else { return };
        match thread.state {
            State::Blocked(Blocked::Reply(ring, slot)) => self.cancel(ring, slot, id),
            State::Blocked(_) => {
                thread.restart = None;
                thread.result = Some(encode(EINTR));
                self.wake(id);
            }
            State::Running | State::Ready => {}
        }
    }
}
