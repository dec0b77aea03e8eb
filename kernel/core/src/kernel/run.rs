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
        let stay = me.map_or(Next::Pick, Next::To);
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
                stay
            }
            (Trap::Tick, _) => {
                count(&mut self.counters.ticks);
                self.cpu(cpu).armed = None;
                self.tick(me)
            }
            (_, _) => stay,
        };
        self.resume(cpu, me, next)
    }

    pub(crate) fn cpu(&mut self, cpu: Cpu) -> &mut CpuState {
        let at = usize::from(cpu.0) % crate::kernel::MAX_CPUS;
        let [first, rest @ ..] = &mut self.cpus;
        at.checked_sub(1).and_then(|at| rest.get_mut(at)).unwrap_or(first)
    }

    /// Who runs next after a call; a refusal becomes the caller's result.
    fn settle(&mut self, me: ThreadId, outcome: Outcome) -> Next {
        outcome.or_else(|errno| self.give(me, encode(errno))).unwrap_or(Next::Pick)
    }

    /// A timer tick: deadlines, the end of a slice, answers not yet taken.
    fn tick(&mut self, me: Option<ThreadId>) -> Next {
        let now = self.charge(me);
        self.expire(now);
        let Some(me) = me else { return Next::Pick };
        self.reap_rings_of(me);
        let others = self.schedule.highest();
        let priority = self.priority(me);
        let Some(thread) = self.threads.get_mut(me) else { return Next::Pick };
        if thread.left == 0 && others >= priority {
            self.enqueue(me, Place::Last);
            return Next::Pick;
        }
        // Where nobody takes its place, the timer is not armed for the past.
        thread.refill();
        Next::To(me)
    }

    /// Gives the CPU to whoever runs next.
    fn resume(&mut self, cpu: Cpu, me: Option<ThreadId>, mut next: Next) -> Resume {
        loop {
            let Some(id) = self.choose(next) else { return self.rest(cpu, me, next) };
            self.cpu(cpu).current = Some(id);
            let outcome = match self.begin(id) {
                None => Ok(Next::Pick),
                Some(Then::Return(value)) => return self.run(cpu, me, id, value),
                Some(Then::Retry(call) | Then::Resume(call)) => self.call(id, call),
                Some(Then::Transfer(call, done)) => self.go_on_with(id, call, done),
                Some(Then::Fork(child, page)) => self.go_on_forking(id, child, page),
            };
            next = self.settle(id, outcome);
        }
    }

    /// A thread is on its CPU now: what it is to do, once its signals are seen to. None: it
    /// ended by one.
    fn begin(&mut self, id: ThreadId) -> Option<Then> {
        let Self { threads, processes, memory, .. } = self;
        let thread = threads.get_mut(id)?;
        thread.state = State::Running;
        // What is done from now on is done for this one: only root may have the last frames.
        memory.frames.serve(processes.get(thread.process)?.who.uid);
        if thread.signalled && matches!(thread.sleep.then, Then::Return(_) | Then::Retry(_)) {
            self.deliver(id);
        }
        self.threads.get_mut(id).map(|thread| core::mem::take(&mut thread.sleep.then))
    }

    /// No thread is to run: long work lets go of the lock, something is owed to the dead, or
    /// there is nothing to do.
    fn rest(&mut self, cpu: Cpu, me: Option<ThreadId>, next: Next) -> Resume {
        self.cpu(cpu).current = None;
        self.charge(me);
        if next == Next::Pause || !self.is_settled() {
            return Resume::Again;
        }
        self.arm(cpu, u64::MAX);
        Resume::Idle
    }

    /// The thread that `next` means, unless one of higher priority is ready.
    fn choose(&mut self, next: Next) -> Option<ThreadId> {
        match next {
            Next::Pause => return None,
            Next::To(id) => {
                let others = self.schedule.highest();
                if others.is_none() || others <= self.priority(id) {
                    return Some(id);
                }
                self.enqueue(id, Place::First);
            }
            Next::Pick => {}
        }
        self.schedule.pop(&mut self.threads)
    }

    fn run(&mut self, cpu: Cpu, me: Option<ThreadId>, id: ThreadId, value: Option<u64>) -> Resume {
        let switched = (me != Some(id)).then(|| {
            count(&mut self.counters.switches);
            self.charge(me)
        });
        let Self { threads, processes, .. } = self;
        let Some(thread) = threads.get_mut(id) else { return Resume::Again };
        if let Some(now) = switched {
            thread.since = now;
            thread.refill();
        }
        let (context, slice_end) = (thread.context, thread.since.saturating_add(thread.left));
        let process = processes.get(thread.process);
        let root = process.and_then(|process| process.space.as_ref()).map(|space| space.tree.root);
        let Some(root) = root else { return Resume::Again };
        self.arm(cpu, slice_end);
        Resume::Run { context, root, value }
    }

    /// Charges a running thread and its process for the time since the last charge; gives the time.
    pub(crate) fn charge(&mut self, thread: Option<ThreadId>) -> u64 {
        let now = self.memory.machine.now();
        if let Some(thread) = thread.and_then(|id| self.threads.get_mut(id)) {
            let used = now.saturating_sub(thread.since);
            (thread.left, thread.since) = (thread.left.saturating_sub(used), now);
            self.processes.update(thread.process, |process| {
                process.cpu_ns = process.cpu_ns.saturating_add(used);
            });
        }
        now
    }

    /// Arms the timer for the next deadline, and for the slice's end where somebody else waits.
    fn arm(&mut self, cpu: Cpu, slice_end: u64) {
        let slice = self.schedule.highest().map_or(u64::MAX, |_others| slice_end);
        let wanted = self.timers.first().unwrap_or(u64::MAX).min(slice);
        let state = self.cpu(cpu);
        if wanted != u64::MAX && state.armed.is_none_or(|armed| wanted < armed) {
            state.armed = Some(wanted);
            self.memory.machine.arm(cpu, wanted);
        }
    }
}
