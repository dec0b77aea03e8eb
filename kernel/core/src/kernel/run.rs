//! A trap: what it asks for is done, then the CPU is given to whoever runs next.

use crate::prelude::*;
use crate::trap::{Resume, Trap};

/// Frames that one trap gives back for the dead.
const REAP_BUDGET: u32 = 64;

impl<M: Machine> Kernel<M> {
    /// Does what a trap asks for and says what this CPU does next.
    pub fn handle(&mut self, cpu: Cpu, trap: Trap) -> Resume {
        count(&mut self.counters.traps);
        let state = self.cpu(cpu);
        let mut me = state.current;
        if let Some(context) = state.stale.take() {
            self.contexts.push(context);
        }
        if !self.is_settled() {
            self.reap(REAP_BUDGET);
        }
        let mut next = match (trap, me) {
            (Trap::Call(call), Some(me)) => {
                count(&mut self.counters.calls);
                let outcome = self.call(me, call);
                self.settle(me, outcome)
            }
            (trap, me) => self.event(cpu, trap, me),
        };
        loop {
            let Some(id) = self.choose(next) else { return self.rest(cpu, me, next) };
            match self.enter(cpu, me, id) {
                Ok(resume) => return resume,
                Err(then) => (next, me) = (self.go_on(id, then), Some(id)),
            }
        }
    }

    /// A trap that is not a call.
    fn event(&mut self, cpu: Cpu, trap: Trap, me: Option<ThreadId>) -> Next {
        match (trap, me) {
            (Trap::Fault { address, access }, Some(me)) => {
                count(&mut self.counters.faults);
                return self.user_fault(me, address, access);
            }
            (Trap::Exception { vector }, Some(me)) => return self.exception(me, vector),
            (Trap::Irq { line }, _) => {
                count(&mut self.counters.interrupts);
                self.interrupt(line);
            }
            (Trap::Tick, _) => {
                self.cpu(cpu).armed = None;
                return self.tick(me);
            }
            (_, _) => {}
        }
        me.map_or(Next::Pick, Next::To)
    }

    #[inline]
    pub(crate) fn cpu(&mut self, cpu: Cpu) -> &mut CpuState {
        let at = usize::from(cpu.0) % crate::kernel::MAX_CPUS;
        let [first, rest @ ..] = &mut self.cpus;
        at.checked_sub(1).and_then(|at| rest.get_mut(at)).unwrap_or(first)
    }

    /// Who runs next after a call; a refusal becomes the caller's result.
    #[inline]
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

    /// The thread that `next` means, unless one of higher priority is ready.
    #[inline]
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

    /// Gives the CPU, which ran `me`, to a thread, or says what that has to do before.
    #[inline]
    fn enter(&mut self, cpu: Cpu, me: Option<ThreadId>, id: ThreadId) -> Result<Resume, Then> {
        self.cpu(cpu).current = Some(id);
        let signalled = |thread: &Thread| {
            thread.signalled && matches!(thread.then, Then::Return(_) | Then::Retry)
        };
        if self.threads.get(id).is_some_and(signalled) {
            self.serve(id);
            self.deliver(id);
        }
        let leaves = me != Some(id);
        let now = if leaves { self.charge(me) } else { 0 };
        let Self { threads, processes, memory, schedule, timers, counters, .. } = self;
        // It may have ended, by a signal or by what was done for it: then another one runs.
        let gone = Then::default();
        let thread = threads.get_mut(id).ok_or(gone)?;
        let process = processes.get(thread.process).ok_or(gone)?;
        thread.state = State::Running;
        // What is done from now on is done for this one: only root may have the last frames.
        memory.frames.serve(process.who.uid);
        if leaves {
            count(&mut counters.switches);
            thread.since = now;
            thread.refill();
        }
        let value = match core::mem::take(&mut thread.then) {
            Then::Return(value) => value,
            then => return Err(then),
        };
        let root = process.space.as_ref().ok_or(gone)?.tree.root;
        let slice = if schedule.highest().is_some() {
            thread.since.saturating_add(thread.left)
        } else {
            u64::MAX
        };
        let (context, wanted) = (thread.context, timers.first().unwrap_or(u64::MAX).min(slice));
        self.arm(cpu, wanted);
        Ok(Resume::Run { context, root, value })
    }

    /// What is done from now on is done for that thread: only root may have the last frames.
    #[inline]
    fn serve(&mut self, id: ThreadId) {
        if let Ok(Process { who, .. }) = self.process(id) {
            let uid = who.uid;
            self.memory.frames.serve(uid);
        }
    }

    /// A thread that is on its CPU goes on with its call.
    fn go_on(&mut self, id: ThreadId, then: Then) -> Next {
        let Some(thread) = self.threads.get(id) else { return Next::Pick };
        let call = self.memory.machine.saved(thread.context).call();
        let outcome = match then {
            Then::Return(_) => Ok(Next::Pick),
            Then::Retry => self.call(id, call),
            Then::Resume(from) => self.call(id, Call { from, ..call }),
            Then::Transfer(description, done) => {
                let rest = self.go_on_with(id, &call, Some((description, done)));
                rest.or_else(|_errno| self.give(id, wide(done)))
            }
            Then::Fork(child, page) => self.go_on_forking(id, child, page),
        };
        self.settle(id, outcome)
    }

    /// No thread is to run: long work lets go of the lock, something is owed to the dead, or
    /// there is nothing to do.
    fn rest(&mut self, cpu: Cpu, me: Option<ThreadId>, next: Next) -> Resume {
        self.cpu(cpu).current = None;
        self.charge(me);
        if next == Next::Pause || !self.is_settled() {
            return Resume::Again;
        }
        self.arm(cpu, self.timers.first().unwrap_or(u64::MAX));
        Resume::Idle
    }

    /// Charges a running thread for the time since the last charge; gives the time.
    pub(crate) fn charge(&mut self, thread: Option<ThreadId>) -> u64 {
        let now = self.memory.machine.now();
        if let Some(thread) = thread.and_then(|id| self.threads.get_mut(id)) {
            // Time never goes back, and is 584 years of ns long.
            let used = now.wrapping_sub(thread.since);
            (thread.left, thread.since) = (thread.left.saturating_sub(used), now);
            thread.cpu_ns = thread.cpu_ns.wrapping_add(used);
        }
        now
    }

    /// Has the timer go off at that time or before.
    #[inline]
    fn arm(&mut self, cpu: Cpu, wanted: u64) {
        if wanted == u64::MAX {
            return;
        }
        let state = self.cpu(cpu);
        if state.armed.is_none_or(|armed| wanted < armed) {
            state.armed = Some(wanted);
            self.memory.machine.arm(cpu, wanted);
        }
    }
}
