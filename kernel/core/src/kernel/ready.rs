//! Readiness: from interrupts, alarms, pipes and daemons to whoever subscribed.

use anode_abi::info::ready;

use crate::{
    Channel, DescriptionId, Id, IrqOp, Kernel, Machine, RingId, Sink, Source, Subscription, Target,
};

impl<M: Machine> Kernel<M> {
    /// Tells every subscriber of `source` that it is ready.
    pub(crate) fn notify(&mut self, source: Source, bits: u64) {
        if self.subscriptions.is_empty() {
            return;
        }
        let mut from = 0;
        while let Some(id) = self.subscriptions.find_from(from, |s| s.source == source) {
            from = id.index().wrapping_add(1);
            // An error or a hang-up is told even to those who did not ask.
            let wanted = self.subscriptions.get(id).map_or(0, |subscription| subscription.flags);
            let told = bits & (wanted | ready::ERROR | ready::HANGUP);
            if told != 0 {
                self.tell(id, told);
            }
        }
    }

    /// Sets bits of one subscription and wakes its sink.
    pub(crate) fn tell(&mut self, id: Id<Subscription>, bits: u64) {
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        let fresh = subscription.ready == 0;
        subscription.ready |= bits;
        match subscription.sink {
            Sink::Queue(queue) => {
                if let Some(queue) = self.queues.get_mut(queue)
                    && fresh
                {
                    queue.ready = queue.ready.saturating_add(1);
                }
                self.wake_all(Channel::Queue(queue), u64::MAX);
                if fresh {
                    self.notify(Source::Queue(queue), ready::READ);
                }
            }
            Sink::Ring(ring) => {
                if fresh && let Some(ring) = self.rings.get_mut(ring) {
                    ring.events = ring.events.saturating_add(1);
                }
                self.nudge(ring);
            }
        }
    }

    /// Removes all subscriptions that `dead` picks.
    pub(crate) fn unsubscribe(&mut self, dead: impl Fn(&Subscription) -> bool) {
        let found =
            |kernel: &Self| kernel.subscriptions.iter().find(|(_, s)| dead(s)).map(|(id, _)| id);
        while let Some(id) = found(self) {
            let Some(subscription) = self.subscriptions.remove(id) else { return };
            if subscription.ready == 0 {
                continue;
            }
            match subscription.sink {
                Sink::Queue(queue) => {
                    if let Some(queue) = self.queues.get_mut(queue) {
                        queue.ready = queue.ready.saturating_sub(1);
                    }
                }
                Sink::Ring(ring) => {
                    if let Some(ring) = self.rings.get_mut(ring) {
                        ring.events = ring.events.saturating_sub(1);
                    }
                }
            }
        }
    }

    /// An interrupt line fired. It stays masked until its driver acknowledges.
    pub(crate) fn interrupt(&mut self, line: u32) {
        let found = self.irqs.find_from(0, |irq| irq.line == line);
        let Some(id) = found else {
            self.memory.machine.irq(line, IrqOp::Mask);
            return;
        };
        if let Some(irq) = self.irqs.get_mut(id) {
            irq.count = irq.count.wrapping_add(1);
            irq.total = irq.total.wrapping_add(1);
            if irq.message.is_none() {
                self.memory.machine.irq(line, IrqOp::Mask);
            }
        }
        self.wake_all(Channel::Irq(id), u64::MAX);
        self.notify(Source::Irq(id), ready::READ);
    }

    /// The alarm of a `time:` handle is due.
    pub(crate) fn alarm(&mut self, id: DescriptionId, at: u64) {
        let armed = self.descriptions.get(id).map(|description| description.target);
        if matches!(armed, Some(Target::Clock(_, alarm)) if alarm == at) {
            self.notify(Source::Clock(id), ready::READ);
            self.wake_all(Channel::Clock, u64::MAX);
        }
    }

    /// Wakes readers of the console when bytes may have come in.
    pub(crate) fn poll_console(&mut self) {
        self.wake_all(Channel::Console, u64::MAX);
    }

    /// A ring has something for its daemon.
    pub(crate) fn nudge(&mut self, ring: RingId) {
        let next = self.pump(ring);
        self.hand_over(ring, next);
    }
}
