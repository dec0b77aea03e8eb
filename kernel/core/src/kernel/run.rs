//! A trap: what it asks for is done, then the CPU is given to whoever runs next.

use crate::prelude::*;
use crate::trap::{Resume, Trap};

/// Frames that one trap gives back for the dead.
const REAP_BUDGET: u32 = 64;

impl<M: Machine> Kernel<M> {
    /// Does what a trap asks for and says what this CPU does next.
    pub fn handle(&mut self, cpu: Cpu, trap: Trap) -> Resume {
        count(&mut self.counters.traps);
        if let Some(context) = self.cpu(cpu).stale.take() {
            self.contexts.push(context);
        }
        if !self.is_settled() {
            self.reap(REAP_BUDGET);
        }
        let me = self.cpu(cpu).current;
        let next = match (trap, me) {
            (Trap::Call(call), Some(me)) => {
                count(&mut self.counters.calls);
                let outcome = self.call(me, call);
                self.settle(me, outcome)
            }
            (Trap::Fault { address, access }, Some(me)) => {
                count(&mut self.counters.faults);
                self.user_fault(me, address, access)
            }
            (Trap::Exception { vector }, Some(me)) => self.exception(me, vector),
            (Trap::Irq { line }, _) => {
                count(&mut self.counters.interrupts);
                self.interrupt(line);
                self.go_on(me)
            }
            (Trap::Tick, _) => {
                count(&mut self.counters.ticks);
                self.cpu(cpu).armed = 0;
                self.tick(cpu, me)
            }
            (_, _) => self.go_on(me),
        };
        self.resume(cpu, me, next)
    }

    pub(crate) fn cpu(&mut self, cpu: Cpu) -> &mut CpuState {
        let at = usize::from(cpu.0) % crate::kernel::MAX_CPUS;
        let [first, rest @ ..] = &mut self.cpus;
        at.checked_sub(1).and_then(|at| rest.get_mut(at)).unwrap_or(first)
    }

    fn go_on(&self, me: Option<ThreadId>) -> Next {
        me.filter(|me| self.threads.get(*me).is_some()).map_or(Next::Pick, Next::To)
    }

    /// Turns what a call came to into who runs next; a refusal becomes the caller's result.
    pub(crate) fn settle(&mut self, me: ThreadId, outcome: Outcome) -> Next {
        match outcome {
            Ok(next) => next,
            Err(errno) => {
                self.threads.update(me, |thread| thread.result = Some(encode(errno)));
                Next::To(me)
            }
        }
    }

    /// A timer tick: deadlines, console input, the end of a slice, answers not yet taken.
    fn tick(&mut self, cpu: Cpu, me: Option<ThreadId>) -> Next {
        let now = self.memory.machine.now();
        self.expire(now);
        self.wake_all(Channel::Console, u64::MAX);
        let Some(me) = me else { return Next::Pick };
        self.reap_rings_of(me);
        let Some(priority) = self.threads.get(me).map(|thread| thread.priority) else {
            return Next::Pick;
        };
        let state = self.cpu(cpu);
        if now < state.slice_end {
            return Next::To(me);
        }
        // A new slice, even if nobody takes its place: the timer is not armed for the past.
        state.slice_end = now.saturating_add(SLICE);
        if self.schedule.highest() < Some(priority) {
            return Next::To(me);
        }
        self.threads.update(me, |thread| thread.left = 0);
        self.enqueue(me, Place::Last);
        Next::Pick
    }

    /// Gives the CPU to whoever runs next.
    fn resume(&mut self, cpu: Cpu, me: Option<ThreadId>, mut next: Next) -> Resume {
        loop {
            if core::mem::take(&mut self.breathe) {
                return self.breathe_out(cpu, me, next);
            }
            let Some(id) = self.choose(next) else { return self.rest(cpu, me) };
            self.cpu(cpu).current = Some(id);
            self.threads.update(id, |thread| thread.state = State::Running);
            let alive = self.deliver(id);
            let call = self.threads.get_mut(id).map(|thread| {
                thread.work.take_if(|work| *work == Work::Again);
                thread.sleep.restart.take()
            });
            next = match call.filter(|_| alive) {
                None => Next::Pick,
                Some(None) => return self.run(cpu, me, id),
                Some(Some(call)) => {
                    let outcome = self.call(id, call);
                    self.settle(id, outcome)
                }
            };
        }
    }

    /// Lets go of the lock for a moment, in the midst of long work.
    fn breathe_out(&mut self, cpu: Cpu, me: Option<ThreadId>, next: Next) -> Resume {
        if let Next::To(id) = next {
            self.enqueue(id, Place::First);
        }
        self.leave(cpu, me);
        Resume::Again
    }

    /// No thread can run: work for the dead, or nothing.
    fn rest(&mut self, cpu: Cpu, me: Option<ThreadId>) -> Resume {
        self.leave(cpu, me);
        if !self.is_settled() {
            return Resume::Again;
        }
        self.arm(cpu);
        Resume::Idle
    }

    /// The thread that `next` means, unless one of higher priority is ready.
    fn choose(&mut self, next: Next) -> Option<ThreadId> {
        if let Next::To(id) = next
            && let Some(thread) = self.threads.get(id)
        {
            let priority = thread.priority;
            if self.schedule.highest() <= Some(priority) {
                return Some(id);
            }
            self.enqueue(id, Place::First);
        }
        self.schedule.pop(&mut self.threads)
    }

    fn run(&mut self, cpu: Cpu, me: Option<ThreadId>, id: ThreadId) -> Resume {
        if me != Some(id) {
            count(&mut self.counters.switches);
            self.charge(me);
            let now = self.memory.machine.now();
            let left = self.threads.get(id).map_or(0, |thread| thread.left);
            let left = if left == 0 { SLICE } else { left };
            self.threads.update(id, |thread| (thread.since, thread.left) = (now, left));
            self.cpu(cpu).slice_end = now.saturating_add(left);
        }
        self.arm(cpu);
        let Self { threads, processes, .. } = self;
        let Some(thread) = threads.get_mut(id) else { return Resume::Again };
        thread.expired = false;
        let space = processes.get(thread.process).and_then(|process| process.space.as_ref());
        let Some(root) = space.map(|space| space.tree.root) else { return Resume::Again };
        Resume::Run { context: thread.context, root, value: thread.result.take() }
    }

    /// The CPU has no thread for now.
    fn leave(&mut self, cpu: Cpu, me: Option<ThreadId>) {
        self.cpu(cpu).current = None;
        self.charge(me);
    }

    /// Charges a thread for the time since it was put on its CPU.
    fn charge(&mut self, thread: Option<ThreadId>) {
        let now = self.memory.machine.now();
        if let Some(thread) = thread.and_then(|id| self.threads.get_mut(id)) {
            let used = now.saturating_sub(thread.since);
            thread.cpu_ns = thread.cpu_ns.saturating_add(used);
            thread.left = thread.left.saturating_sub(used);
            thread.since = now;
        }
    }

    /// Arms the timer for the next deadline, and for the slice where somebody else waits.
    fn arm(&mut self, cpu: Cpu) {
        let first = self.timers.first().unwrap_or(u64::MAX);
        let shared = self.schedule.highest().is_some();
        let state = self.cpu(cpu);
        let shared = shared && state.current.is_some();
        let slice = if shared { state.slice_end } else { u64::MAX };
        let wanted = first.min(slice);
        if wanted != u64::MAX && (state.armed == 0 || wanted < state.armed) {
            state.armed = wanted;
            self.memory.machine.arm(cpu, wanted);
        }
    }

    /// The value in rax that a thread is about to see, for a signal frame.
    pub(crate) fn settle_result(&mut self, id: ThreadId) {
        if let Some(thread) = self.threads.get_mut(id)
            && let Some(value) = thread.result.take()
        {
            self.memory.machine.regs(thread.context).set(reg::RAX, value);
        }
    }
}
