//! `event:`: subscribing, and reading what is ready.

use crate::prelude::*;

/// Bytes of an event record: handle, flags, data.
pub(crate) const RECORD: u64 = 24;

impl<M: Machine> Kernel<M> {
    /// A write of one event record: subscribes, changes or ends a subscription.
    pub(crate) fn subscribe(&mut self, sink: Sink, transfer: &Transfer) -> Outcome {
        let me = transfer.me;
        if wide(transfer.range.len()) < RECORD {
            return Err(EINVAL);
        }
        let [number, flags, data] = self.words(me, transfer.range.start())?;
        let (_, target) = self.named_handle(me, number, Rights::empty())?;
        let source = match target {
            Target::Scheme(open) => Source::Scheme(open),
            Target::Pipe(pipe, end) => Source::Pipe(pipe, end),
            Target::Irq(irq) => Source::Irq(irq),
            Target::Queue(queue) if !self.nests(queue, sink) => Source::Queue(queue),
            _ => return Err(EPERM),
        };
        self.unsubscribe(|s| s.sink == sink && s.source == source && s.handle == number);
        if flags == 0 {
            return self.give(me, RECORD);
        }
        let subscription = Subscription { source, handle: number, flags, data, sink, ready: 0 };
        let uid = self.process(me)?.who.uid;
        let id = self.subscriptions.insert(subscription, uid)?;
        if let Source::Scheme(open) = source {
            let asked = Request::new(open, op::FEVENT, [flags, 0, 0, 0]);
            let asked = self.submit(me, &Request { finish: Finish::Subscribe(id), ..asked });
            if asked.is_err() {
                self.subscriptions.remove(id);
            }
            return asked;
        }
        self.tell(id, self.readiness(source));
        self.give(me, RECORD)
    }

    /// Whether `sink` watching a queue would be more than one queue in another: telling goes up
    /// such a chain on the kernel's stack, so there is none.
    fn nests(&self, queue: QueueId, sink: Sink) -> bool {
        let inner = Sink::Queue(queue);
        sink == inner
            || self.subscriptions.iter().any(|(_, s)| {
                matches!(s.source, Source::Queue(it) if s.sink == inner || Sink::Queue(it) == sink)
            })
    }

    /// What a source of the kernel's own is ready for just now.
    fn readiness(&self, source: Source) -> u64 {
        let readable = match source {
            Source::Pipe(id, end) => return self.pipes.get(id).map_or(0, |p| p.ready(end)),
            Source::Irq(id) => self.irqs.get(id).is_some_and(|irq| irq.count > 0),
            Source::Queue(id) => self.untold(Sink::Queue(id)).is_some(),
            Source::Scheme(_) | Source::Gone => false,
        };
        if readable { ready::READ } else { 0 }
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
        for _ in 0..room {
            let Some(told) = self.next_event(Sink::Queue(queue)) else { break };
            self.put_words(me, at, [told.handle, told.ready, told.data])?;
            at = at.saturating_add(RECORD);
        }
        Ok(at.saturating_sub(range.start()))
    }
}
