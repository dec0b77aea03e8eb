//! `event:`: subscribing, and reading what is ready.

use crate::prelude::*;

/// Bytes of an event record: handle, flags, data.
pub(crate) const RECORD: u64 = 24;

impl<M: Machine> Kernel<M> {
    /// A write of one event record: subscribes, changes or ends a subscription.
    pub(crate) fn subscribe(&mut self, sink: Target, transfer: &Transfer) -> Outcome {
        let me = transfer.me;
        if wide(transfer.range.len()) < RECORD {
            return Err(EINVAL);
        }
        let [number, flags, data] = self.words(me, transfer.range.start())?;
        let (_, target) = self.named_handle(me, number, Rights::empty())?;
        let readiness = match target {
            Target::Scheme(_) => 0,
            Target::Pipe(id, end) => self.pipes.get(id).map_or(0, |pipe| pipe.ready(end)),
            Target::Irq(id) if self.irqs.get(id).is_some_and(|irq| irq.pending) => ready::READ,
            Target::Irq(_) => 0,
            _ => return Err(EPERM),
        };
        let source = Some(target);
        self.unsubscribe(|s| s.sink == sink && s.source == source && s.handle == number);
        if flags == 0 {
            return self.give(me, RECORD);
        }
        let subscription = Subscription { source, handle: number, flags, data, sink, ready: 0 };
        let uid = self.process(me)?.who.uid;
        let id = self.subscriptions.insert(subscription, uid)?;
        if let Target::Scheme(open) = target {
            let asked = Request::new(open, op::FEVENT, [flags, 0, 0, 0]);
            let asked = self.submit(me, &Request { finish: Finish::Subscribe(id), ..asked });
            if asked.is_err() {
                self.subscriptions.remove(id);
            }
            return asked;
        }
        self.tell(id, readiness);
        self.give(me, RECORD)
    }

    pub(crate) fn read_events(&mut self, queue: QueueId, transfer: &Transfer) -> Outcome {
        match self.take_events(transfer.me, queue, transfer.range)? {
            0 => self.wait(Channel::Queue(queue), transfer),
            bytes => self.give(transfer.me, bytes),
        }
    }

    pub(crate) fn event_wait(&mut self, me: ThreadId, call: Call) -> Outcome {
        let (_, target) = self.named_handle(me, call.a, Rights::READ)?;
        let Target::Queue(queue) = target else { return Err(EBADF) };
        let bytes = self.take_events(me, queue, UserSlice::new(call.b, call.c)?)?;
        if bytes != 0 || self.is_past(call.d) {
            return self.give(me, bytes);
        }
        self.sleep(me, Channel::Queue(queue), Then::Retry, call.d)
    }

    /// Writes ready events as records; gives the bytes.
    fn take_events(&mut self, me: ThreadId, queue: QueueId, range: UserSlice) -> Result<u64> {
        let room = wide(range.len()) / RECORD;
        if room == 0 {
            return Err(EINVAL);
        }
        let mut at = range.start();
        for number in 0..room {
            let Some(event) = self.untold(Target::Queue(queue)) else { break };
            let words = [event.1.handle, event.1.ready, event.1.data];
            match self.put_words(me, at, words) {
                Ok(()) => self.was_told(event),
                // It is told another time, and those before it are told now.
                Err(errno) if number == 0 => return Err(errno),
                Err(_) => break,
            }
            at = at.saturating_add(RECORD);
        }
        Ok(at.saturating_sub(range.start()))
    }
}
