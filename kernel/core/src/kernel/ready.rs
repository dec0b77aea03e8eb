//! Readiness: from interrupts, pipes and daemons to whoever subscribed.

use crate::prelude::*;

impl<M: Machine> Kernel<M> {
    /// Tells every subscriber of `source` that it is ready.
    pub(crate) fn notify(&mut self, source: Source, bits: u64) {
        let mut last = None;
        while let Some(id) = self.subscriptions.next(last, |s| s.source == source) {
            self.tell(id, bits);
            last = Some(id);
        }
    }

    /// Sets bits of one subscription, as far as it asked for them, and wakes its sink.
    pub(crate) fn tell(&mut self, id: Id<Subscription>, bits: u64) {
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        // An error or a hang-up is told even to those who did not ask.
        let told = bits & (subscription.flags | ready::ERROR | ready::HANGUP);
        if told == 0 {
            return;
        }
        let fresh = subscription.ready == 0;
        subscription.ready |= told;
        match subscription.sink {
            Sink::Queue(queue) => {
                self.wake_all(Channel::Queue(queue));
                if fresh {
                    self.notify(Source::Queue(queue), ready::READ);
                }
            }
            Sink::Ring(ring) => self.nudge(ring),
        }
    }

    /// A subscription of that sink with something to tell.
    pub(crate) fn untold(&self, sink: Sink) -> Option<Id<Subscription>> {
        self.subscriptions.next(None, |s| s.sink == sink && s.ready != 0)
    }

    /// Takes what a subscription of that sink has to tell.
    pub(crate) fn next_event(&mut self, sink: Sink) -> Option<Subscription> {
        let id = self.untold(sink)?;
        let told = *self.subscriptions.get(id)?;
        if told.source == Source::Gone {
            self.subscriptions.remove(id);
        }
        self.subscriptions.update(id, |subscription| subscription.ready = 0);
        Some(told)
    }

    /// A daemon is gone: whoever watches what it opened is told so, and never again.
    pub(crate) fn hang_up(&mut self, scheme: SchemeId) {
        let watched =
            |s: &Subscription| matches!(s.source, Source::Scheme(o) if o.scheme == scheme);
        let mut last = None;
        while let Some(id) = self.subscriptions.next(last, watched) {
            self.subscriptions.update(id, |subscription| subscription.source = Source::Gone);
            self.tell(id, ready::ERROR | ready::HANGUP);
            last = Some(id);
        }
    }

    /// Removes all subscriptions that `dead` picks.
    pub(crate) fn unsubscribe(&mut self, dead: impl Fn(&Subscription) -> bool) {
        let mut last = None;
        while let Some(id) = self.subscriptions.next(last, &dead) {
            self.subscriptions.remove(id);
            last = Some(id);
        }
    }

    /// An interrupt line fired. It stays masked until its driver acknowledges.
    pub(crate) fn interrupt(&mut self, line: u32) {
        let found = self.irqs.next(None, |irq| irq.line == line);
        let Some((id, irq)) = found.and_then(|id| Some((id, self.irqs.get_mut(id)?))) else {
            self.memory.machine.irq(line, IrqOp::Mask);
            return;
        };
        irq.count = irq.count.wrapping_add(1);
        irq.total = irq.total.wrapping_add(1);
        if irq.message.is_none() {
            self.memory.machine.irq(line, IrqOp::Mask);
        }
        self.wake_all(Channel::Irq(id));
        self.notify(Source::Irq(id), ready::READ);
    }
}
