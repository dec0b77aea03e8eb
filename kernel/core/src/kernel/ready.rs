//! Readiness: from interrupts, pipes and daemons to whoever subscribed.

use crate::prelude::*;

impl<M: Machine> Kernel<M> {
    /// Tells every subscriber of `source` that it is ready.
    pub(crate) fn notify(&mut self, source: Target, bits: u64) {
        let mut last = None;
        while let Some(id) = self.subscriptions.next(last, |s| s.source == Some(source)) {
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
        subscription.ready |= told;
        match subscription.sink {
            Target::Queue(queue) => self.wake_all(Channel::Queue(queue)),
            Target::Ring(ring) => self.nudge(ring),
            _ => {}
        }
    }

    /// A subscription of that sink with something to tell.
    pub(crate) fn untold(&self, sink: Target) -> Option<(Id<Subscription>, Subscription)> {
        let id = self.subscriptions.next(None, |s| s.sink == sink && s.ready != 0)?;
        Some((id, *self.subscriptions.get(id)?))
    }

    /// What a subscription had to tell was told.
    pub(crate) fn was_told(&mut self, (id, told): (Id<Subscription>, Subscription)) {
        self.subscriptions.update(id, |subscription| subscription.ready = 0);
        if told.source.is_none() {
            self.subscriptions.remove(id);
        }
    }

    /// A daemon is gone: whoever watches what it opened is told so, and never again.
    pub(crate) fn hang_up(&mut self, scheme: SchemeId) {
        let watched =
            |s: &Subscription| matches!(s.source, Some(Target::Scheme(o)) if o.scheme == scheme);
        let mut last = None;
        while let Some(id) = self.subscriptions.next(last, watched) {
            self.subscriptions.update(id, |subscription| subscription.source = None);
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

    /// An interrupt line fired. The machine holds it back until its driver acknowledges.
    pub(crate) fn interrupt(&mut self, line: u32) {
        let Some(id) = self.irqs.next(None, |irq| irq.line == line) else { return };
        self.irqs.update(id, |irq| {
            irq.pending = true;
            irq.total = irq.total.wrapping_add(1);
        });
        self.notify(Target::Irq(id), ready::READ);
    }
}
