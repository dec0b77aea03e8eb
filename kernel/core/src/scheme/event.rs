//! `event:`: subscribing, and reading what is ready.

use anode_abi::info::ready;

use crate::num::wide;
use crate::scheme::submit::op;
use crate::{
    Call, Channel, EAGAIN, EBADF, EINVAL, EPERM, End, Errno, Finish, Id, Kernel, Machine, Outcome,
    QueueId, Request, Rights, Sink, Sleep, Source, Subscription, Target, ThreadId, Transfer,
    UserSlice,
};

/// Bytes of an event record: handle, flags, data.
const RECORD: usize = 24;

impl<M: Machine> Kernel<M> {
    /// A write of one event record: subscribes, changes or ends a subscription.
    pub(crate) fn subscribe(&mut self, me: ThreadId, sink: Sink, transfer: &Transfer) -> Outcome {
        if transfer.range.len() < RECORD {
            return Err(EINVAL);
        }
        let start = transfer.range.start();
        let [number, flags, data] = self.with_space(me, |s, memory| s.read_words(memory, start))?;
        let (handle, target) = self.named_handle(me, number, Rights::empty())?;
        let source = match target {
            Target::Scheme(scheme, id, _) => {
                self.check_epoch(scheme, handle.description)?;
                Source::Scheme(scheme, id)
            }
            Target::Pipe(pipe, end) => Source::Pipe(pipe, end),
            Target::Irq(irq) => Source::Irq(irq),
            Target::Clock(..) => Source::Clock(handle.description),
            Target::Queue(queue) if sink != Sink::Queue(queue) => Source::Queue(queue),
            Target::Debug => Source::Console,
            _ => return Err(EPERM),
        };
        self.unsubscribe(|s| s.sink == sink && s.source == source && s.handle == number);
        if flags == 0 {
            return self.give(me, wide(RECORD));
        }
        let subscription = Subscription { source, handle: number, flags, data, sink, ready: 0 };
        let id = self.subscriptions.insert(subscription)?;
        if let Source::Scheme(scheme, open) = source {
            let request = Request {
                opcode: op::FEVENT,
                args: [open, flags, 0, 0, 0],
                finish: Finish::Subscribe(id),
                ..Request::new(transfer.call)
            };
            let asked = self.submit(me, scheme, &request);
            if asked.is_err() {
                self.subscriptions.remove(id);
            }
            return asked;
        }
        let now = self.readiness(source, target) & (flags | ready::ERROR | ready::HANGUP);
        if now != 0 {
            self.tell(id, now);
        }
        self.give(me, wide(RECORD))
    }

    /// What a source of the kernel's own is ready for just now.
    fn readiness(&self, source: Source, target: Target) -> u64 {
        match (source, target) {
            (Source::Pipe(id, end), _) => self.pipes.get(id).map_or(0, |pipe| match end {
                End::Read => {
                    let hangup = if pipe.writers == 0 { ready::HANGUP | ready::READ } else { 0 };
                    hangup | if pipe.used() > 0 { ready::READ } else { 0 }
                }
                End::Write if pipe.readers == 0 => ready::ERROR | ready::WRITE,
                End::Write if pipe.room() > 0 => ready::WRITE,
                End::Write => 0,
            }),
            (Source::Irq(id), _) => {
                let pending = self.irqs.get(id).is_some_and(|irq| irq.count > 0);
                if pending { ready::READ } else { 0 }
            }
            (Source::Queue(id), _) => {
                let pending = self.queues.get(id).is_some_and(|queue| queue.ready > 0);
                if pending { ready::READ } else { 0 }
            }
            (Source::Clock(_), Target::Clock(_, alarm)) => {
                let due = alarm != 0 && alarm <= self.memory.machine.now();
                if due { ready::READ } else { 0 }
            }
            (Source::Console, _) => ready::WRITE,
            _ => 0,
        }
    }

    pub(crate) fn read_events(
        &mut self,
        me: ThreadId,
        queue: QueueId,
        transfer: &Transfer,
    ) -> Outcome {
        if transfer.range.len() < RECORD {
            return Err(EINVAL);
        }
        match self.take_events(me, queue, transfer.range)? {
            0 if transfer.nonblocking => Err(EAGAIN),
            0 => self.sleep(me, Channel::Queue(queue), Sleep::retry(transfer.call)),
            bytes => self.give(me, bytes),
        }
    }

    pub(crate) fn event_wait(&mut self, me: ThreadId, call: Call) -> Outcome {
        let (_, target) = self.named_handle(me, call.a, Rights::READ)?;
        let Target::Queue(queue) = target else { return Err(EBADF) };
        let range = UserSlice::new(call.b, call.c)?;
        if range.len() < RECORD {
            return Err(EINVAL);
        }
        let bytes = self.take_events(me, queue, range)?;
        let expired = self.threads.get(me).is_some_and(|thread| thread.expired);
        if bytes != 0 || expired || call.d == 0 {
            return self.give(me, bytes);
        }
        self.sleep(me, Channel::Queue(queue), Sleep::retry_until(call, call.d))
    }

    /// Writes ready events as records; gives the bytes.
    fn take_events(
        &mut self,
        me: ThreadId,
        queue: QueueId,
        range: UserSlice,
    ) -> Result<u64, Errno> {
        let mut done = 0usize;
        while range.len().saturating_sub(done) >= RECORD
            && self.queues.get(queue).is_some_and(|queue| queue.ready > 0)
        {
            let sink = Sink::Queue(queue);
            let found = self.subscriptions.iter().find(|(_, s)| s.sink == sink && s.ready != 0);
            let Some((id, subscription)) = found else { break };
            let record = [subscription.handle, subscription.ready, subscription.data];
            let start = range.skip(done).start();
            self.with_space(me, |space, memory| space.write_words(memory, start, &record))?;
            self.told(id, queue);
            done = done.saturating_add(RECORD);
        }
        Ok(wide(done))
    }

    fn told(&mut self, id: Id<Subscription>, queue: QueueId) {
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            subscription.ready = 0;
        }
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.ready = queue.ready.saturating_sub(1);
        }
    }
}
