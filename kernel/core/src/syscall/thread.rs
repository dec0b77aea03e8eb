//! Threads of a process.

use anode_abi::info::ThreadArgs;
use anode_abi::signal::{THREAD_WORDS, THREADS};

use crate::prelude::*;

/// Interrupts on: the flags a program starts with.
pub(crate) const FLAGS: u64 = 0x202;

/// Pages that one slice of long work handles.
pub(crate) const SLICE_PAGES: u32 = 512;

impl<M: Machine> Kernel<M> {
    /// A ready thread of `process` with those registers, and that word in its signal page.
    pub(crate) fn make_thread(
        &mut self,
        process: ProcessId,
        regs: &Regs,
        signal_word: usize,
    ) -> Result<ThreadId> {
        let owner = self.processes.get_mut(process).ok_or(ENOMEM)?;
        let uid = owner.who.uid;
        if index(owner.threads) >= THREADS || !self.threads.has_room(uid) {
            return Err(EAGAIN);
        }
        // There is a place for each context, so the insertion is not refused.
        let context = self.contexts.pop().ok_or(EAGAIN)?;
        let mut thread = Thread::new(process, context, signal_word);
        // Its maker shares its slice with it, so that no chain of new threads holds the CPU.
        let [cpu, ..] = &self.cpus;
        if let Some(maker) = cpu.current.and_then(|maker| self.threads.get_mut(maker)) {
            maker.left /= 2;
            (thread.left, thread.maker) = (maker.left, cpu.current);
        }
        let thread = self.threads.insert(thread, uid)?;
        owner.threads = owner.threads.saturating_add(1);
        *self.memory.machine.regs(context) = *regs;
        self.memory.machine.reset_vector(context);
        self.enqueue(thread, Place::Last);
        Ok(thread)
    }

    pub(crate) fn thread_create(&mut self, me: ThreadId, call: Call) -> Outcome {
        if size(call.b) != size_of::<ThreadArgs>() {
            return Err(EINVAL);
        }
        let [entry, stack, tls, argument, slot] = self.words(me, call.a)?;
        let beyond = [entry, stack, tls].iter().any(|address| *address >= USER_END);
        if beyond || size(slot) >= THREADS {
            return Err(EINVAL);
        }
        let regs = Regs { fs_base: tls, ..Regs::starting(entry, stack, (argument, 0)) };
        let word = THREAD_WORDS.saturating_add(size(slot));
        let thread = self.make_thread(self.owner(me)?, &regs, word)?;
        self.give(me, thread_number(thread).into())
    }

    pub(crate) fn yield_now(&mut self, me: ThreadId) -> Outcome {
        self.threads.update(me, |thread| thread.left = 0);
        self.enqueue(me, Place::Last);
        self.give(me, 0).and(Ok(Next::Pick))
    }

    pub(crate) fn set_tls(&mut self, me: ThreadId, call: Call) -> Outcome {
        if call.a >= USER_END {
            return Err(EINVAL);
        }
        let context = self.threads.get(me).ok_or(EINVAL)?.context;
        self.memory.machine.regs(context).fs_base = call.a;
        self.give(me, 0)
    }

    pub(crate) fn thread_exit(&mut self, me: ThreadId, call: Call) -> Outcome {
        let Call { a: word, b: address, c: bytes, .. } = call;
        if bytes != 0 {
            let range = pages_of(address, bytes)?;
            if let Ok(from) = self.unmap(me, range, call.from)
                && from < range.1
            {
                return self.pause(me, Then::Resume(from));
            }
        }
        let process = self.owner(me)?;
        if self.processes.get(process).is_some_and(|process| process.threads <= 1) {
            self.end_process(process, 0);
            return Ok(Next::Pick);
        }
        if word != 0 {
            self.clear_word(me, word);
        }
        self.drop_thread(me);
        Ok(Next::Pick)
    }

    /// Ends the threads of a process, but for the one with that context.
    pub(crate) fn drop_threads(&mut self, process: ProcessId, but: Option<Context>) {
        let meant = |thread: &Thread| thread.process == process && Some(thread.context) != but;
        while let Some(id) = self.threads.next(None, meant) {
            self.drop_thread(id);
        }
    }

    /// A thread is no more. Its context is used again only when no CPU can still save into it.
    fn drop_thread(&mut self, id: ThreadId) {
        self.forget_requests(id);
        self.unblock(id);
        self.timers.set(id, u64::MAX);
        if self.threads.get(id).is_some_and(|thread| thread.state == State::Running) {
            self.charge(Some(id));
        }
        let Some(thread) = self.threads.remove(id) else { return };
        // What it had not used goes back to who shared with it.
        if let Some(maker) = thread.maker.and_then(|maker| self.threads.get_mut(maker)) {
            maker.left = maker.left.saturating_add(thread.left).min(SLICE);
        }
        self.processes.update(thread.process, |process| {
            process.cpu_ns = process.cpu_ns.saturating_add(thread.cpu_ns);
            process.threads = process.threads.saturating_sub(1);
        });
        let free = match self.cpus.iter_mut().find(|cpu| cpu.current == Some(id)) {
            Some(cpu) => {
                cpu.current = None;
                cpu.stale.replace(thread.context)
            }
            None => Some(thread.context),
        };
        self.contexts.extend(free);
    }

    /// The thread that a process means by an id.
    pub(crate) fn thread_by_number(&self, me: ThreadId, number: u64) -> Option<ThreadId> {
        let at = u32::try_from(number.checked_sub(1)?).ok()?;
        let id = self.threads.at(at)?;
        let process = self.owner(me).ok()?;
        (self.threads.get(id)?.process == process).then_some(id)
    }
}

/// A thread's number, as its process knows it.
pub(crate) fn thread_number(id: ThreadId) -> u32 {
    id.index().wrapping_add(1)
}

impl Regs {
    /// The registers that a thread starts with.
    pub(crate) fn starting(rip: u64, rsp: u64, (first, second): (u64, u64)) -> Self {
        let mut regs = Self { rip, rsp, rflags: FLAGS, ..Self::default() };
        regs.general[reg::RDI] = first;
        regs.general[reg::RSI] = second;
        regs
    }
}
