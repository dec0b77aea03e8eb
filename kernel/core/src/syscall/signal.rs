//! Signals: who may send one, and what it leads to. Actions, masks and what is pending are in the
//! page that libc shares.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::SeqCst;

use anode_abi::signal::{CAUGHT, IGNORED, PENDING, RED_ZONE, SignalFrame};

use crate::prelude::*;

/// Kills, always.
pub(crate) const SIGKILL: u32 = 9;
/// A write to a pipe that nobody reads.
pub(crate) const SIGPIPE: u32 = 13;
/// A child ended.
pub(crate) const SIGCHLD: u32 = 17;
const SIGILL: u32 = 4;
const SIGTRAP: u32 = 5;
const SIGBUS: u32 = 7;
const SIGFPE: u32 = 8;
const SIGSEGV: u32 = 11;

/// All signals that there are.
const ALL: u64 = 0x7FFF_FFFF;
/// Where in a thread's word begins what waits for it alone.
const OWN: u32 = 32;

const fn bit(signal: u32) -> u64 {
    1u64.wrapping_shl(signal.wrapping_sub(1))
}

/// A signal's number as a call gives it; 0 only asks whether it could be sent.
fn checked(signal: u64) -> Result<u32> {
    u32::try_from(signal).ok().filter(|signal| *signal < 32).ok_or(EINVAL)
}

/// A word of a signal page.
fn word(page: &[AtomicU64; 512], at: usize) -> &AtomicU64 {
    let [first, ..] = page;
    page.get(at).unwrap_or(first)
}

/// Whether a set of a signal page, or the signals that a thread blocks, hold a signal.
fn has(page: &[AtomicU64; 512], at: usize, signal: u32) -> bool {
    word(page, at).load(SeqCst) & bit(signal) != 0
}

/// The signals that wait for a thread, and those of them that it is to take now.
fn waiting(page: &[AtomicU64; 512], at: usize) -> (u64, u64) {
    let [all, own, ignored] = [PENDING, at, IGNORED].map(|at| word(page, at).load(SeqCst));
    let waiting = (all | own >> OWN) & ALL;
    (waiting, waiting & !(own | ignored))
}

impl<M: Machine> Kernel<M> {
    /// The signal page of a process, once it has one; what waited for it is pending there.
    fn page(&mut self, id: ProcessId) -> Option<M::Shared> {
        let Self { processes, memory, .. } = self;
        let process = processes.get_mut(id)?;
        let (address, _) = process.signals?;
        let frame = process.space.as_mut()?.frame_at(memory, address, MapFlags::WRITE).ok()?;
        let page = memory.machine.share(frame)?;
        word(&page, PENDING).fetch_or(core::mem::take(&mut process.pending), SeqCst);
        Some(page)
    }

    /// A process becomes another program: what is pending waits for its next page.
    pub(crate) fn leave_page(&mut self, id: ProcessId) {
        let pending = self.page(id).map_or(0, |page| word(&page, PENDING).load(SeqCst));
        self.processes.update(id, |process| {
            process.signals = None;
            process.pending |= pending;
        });
    }

    /// Sends a signal to a process.
    pub(crate) fn post_signal(&mut self, id: ProcessId, signal: u32) {
        self.send(id, PENDING, signal);
    }

    /// Sends a signal to whoever `at` is the word of: a process, or one thread of it. One that
    /// ends the process acts at once, if a thread does not block it.
    fn send(&mut self, id: ProcessId, at: usize, signal: u32) {
        match signal {
            0 => return,
            SIGKILL => return self.end_process(id, signal),
            _ => {}
        }
        let Some(page) = self.page(id) else {
            return self.processes.update(id, |process| process.pending |= bit(signal));
        };
        if has(&page, IGNORED, signal) {
            return;
        }
        let shift = if at == PENDING { 0 } else { OWN };
        word(&page, at).fetch_or(bit(signal) << shift, SeqCst);
        let (mut receiver, mut last) = (None, None);
        let meant = |t: &Thread| t.process == id && (at == PENDING || at == t.signal_word);
        while let Some(id) = self.threads.next(last, meant)
            && let Some(thread) = self.threads.get_mut(id)
        {
            thread.signalled = true;
            last = Some(id);
            receiver = receiver.or(last.filter(|_| !has(&page, thread.signal_word, signal)));
        }
        match receiver {
            Some(thread) if has(&page, CAUGHT, signal) => self.interrupt_sleep(thread),
            Some(_) => self.end_process(id, signal),
            None => {}
        }
    }

    /// Sends a signal that a thread caused by what it did; blocked or ignored, it ends it.
    fn force_signal(&mut self, me: ThreadId, signal: u32, address: u64) -> Next {
        let Some(&Thread { process: id, context, signal_word: at, .. }) = self.threads.get(me)
        else {
            return Next::Pick;
        };
        let page = self.page(id).filter(|page| has(page, CAUGHT, signal) && !has(page, at, signal));
        if page.is_some_and(|page| self.enter_handler(me, &page, signal, address).is_ok()) {
            return Next::To(me);
        }
        if let Some(Process { who: Who { name, pid, .. }, .. }) = self.processes.get(id) {
            let rip = self.memory.machine.regs(context).rip;
            self.memory.machine.warn(format_args!(
                "{name:?} (pid {pid}) ended by signal {signal} at {rip:#x}, address {address:#x}"
            ));
        }
        self.end_process(id, signal);
        Next::Pick
    }

    /// A page fault of the running thread.
    pub(crate) fn user_fault(&mut self, me: ThreadId, address: u64, access: MapFlags) -> Next {
        let Ok((space, memory)) = self.space(me) else { return Next::Pick };
        match space.fault(memory, address, access) {
            Ok(_) => Next::To(me),
            Err(ENOMEM) => self.out_of_memory(me),
            Err(_) => {
                // What is mapped so, but has no page, is beyond the end of its object.
                let region = space.find(address >> 12);
                let mapped = region.is_some_and(|region| region.flags.contains(access));
                self.force_signal(me, if mapped { SIGBUS } else { SIGSEGV }, address)
            }
        }
    }

    /// A fault found no frame: a child that lives on this process's promises goes first, else
    /// the process itself, which had asked for memory without a promise.
    fn out_of_memory(&mut self, me: ThreadId) -> Next {
        let Ok(id) = self.owner(me) else { return Next::Pick };
        let borrower = self.processes.get(id).and_then(|parent| {
            let borrows = |p: &Process| p.borrowing && p.life == Life::Alive;
            self.processes.next(None, |p| p.who.parent == parent.who.pid && borrows(p))
        });
        let victim = borrower.unwrap_or(id);
        let pid = self.pid_of(victim);
        self.memory.machine.warn(format_args!(
            "pid {pid} ended: no memory is left for a page that was not promised"
        ));
        self.end_process(victim, SIGKILL);
        if victim == id { Next::Pick } else { Next::To(me) }
    }

    /// A CPU exception of the running thread.
    pub(crate) fn exception(&mut self, me: ThreadId, vector: u8) -> Next {
        let signal = match vector {
            0 | 16 | 19 => SIGFPE,
            1 | 3 => SIGTRAP,
            6 => SIGILL,
            17 => SIGBUS,
            _ => SIGSEGV,
        };
        self.force_signal(me, signal, 0)
    }

    /// Before a thread goes back to its program: enters the handler of a signal that is due, or
    /// ends the process by it.
    pub(crate) fn deliver(&mut self, me: ThreadId) {
        let Some(&Thread { process: id, signal_word: at, .. }) = self.threads.get(me) else {
            return;
        };
        let Some(page) = self.page(id) else { return };
        let (waiting, due) = waiting(&page, at);
        if due == 0 {
            return self.threads.update(me, |thread| thread.signalled = waiting != 0);
        }
        let signal = due.trailing_zeros().wrapping_add(1);
        word(&page, PENDING).fetch_and(!bit(signal), SeqCst);
        word(&page, at).fetch_and(!(bit(signal) << OWN), SeqCst);
        if !has(&page, CAUGHT, signal) {
            self.end_process(id, signal);
        } else if self.enter_handler(me, &page, signal, 0).is_err() {
            self.end_process(id, SIGSEGV);
        }
    }

    /// Pushes a [`SignalFrame`] and points the thread at the trampoline. A call that would have
    /// been made again ends with `EINTR`.
    fn enter_handler(
        &mut self,
        me: ThreadId,
        page: &[AtomicU64; 512],
        signal: u32,
        address: u64,
    ) -> Result<()> {
        let thread = self.threads.get_mut(me).ok_or(ESRCH)?;
        if matches!(thread.then, Then::Retry) {
            thread.then = Then::give(encode(EINTR));
        }
        let (context, at) = (thread.context, thread.signal_word);
        let Regs { rip, rsp, rflags, .. } = *self.memory.machine.regs(context);
        let below = wide(RED_ZONE.saturating_add(size_of::<SignalFrame>()));
        let frame = rsp.checked_sub(below).ok_or(EFAULT)?;
        self.put_words(me, frame, [signal.into(), address, rflags, rip])?;
        word(page, at).fetch_or(bit(signal), SeqCst);
        let (_, trampoline) = self.process(me)?.signals.ok_or(ESRCH)?;
        let regs = self.memory.machine.regs(context);
        (regs.rsp, regs.rip, regs.rflags) = (frame, trampoline, FLAGS);
        Ok(())
    }

    pub(crate) fn signal_page(&mut self, me: ThreadId, call: Call) -> Outcome {
        if call.a & 0xFFF != 0 || call.b >= USER_END {
            return Err(EINVAL);
        }
        let (space, memory) = self.space(me)?;
        space.frame_at(memory, call.a, MapFlags::WRITE)?;
        self.process(me)?.signals = Some((call.a, call.b));
        self.threads.update(me, |thread| thread.signalled = true);
        self.give(me, 0)
    }

    pub(crate) fn kill(&mut self, me: ThreadId, call: Call) -> Outcome {
        let (target, signal) = (call.a.cast_signed(), checked(call.b)?);
        let caller = self.process(me)?.who;
        let everybody = target == -1;
        let meant = |process: &Process| {
            let pid = process.who.pid;
            process.who.is_meant(target, &caller) && !(everybody && (pid == 1 || pid == caller.pid))
        };
        let (mut outcome, mut last) = (Err(ESRCH), None);
        while let Some(id) = self.processes.next(last, meant) {
            last = Some(id);
            if self.processes.get(id).is_some_and(|other| caller.may_act(&other.who)) {
                self.post_signal(id, signal);
                outcome = self.give(me, 0);
            } else {
                outcome = outcome.or(Err(EPERM));
            }
        }
        outcome
    }

    pub(crate) fn thread_kill(&mut self, me: ThreadId, call: Call) -> Outcome {
        let thread = self.thread_by_number(me, call.a).ok_or(ESRCH)?;
        let signal = checked(call.b)?;
        let at = self.threads.get(thread).ok_or(ESRCH)?.signal_word;
        self.send(self.owner(me)?, at, signal);
        self.give(me, 0)
    }

    /// Sleeps until a time or a signal. What it blocks meanwhile is blocked in the same step, so
    /// that a signal that came before ends the sleep too.
    pub(crate) fn sleep_until(&mut self, me: ThreadId, call: Call) -> Outcome {
        let Call { a: deadline, b: mask, .. } = call;
        if mask != wide(NONE) {
            let at = self.threads.get(me).ok_or(ESRCH)?.signal_word;
            let page = self.page(self.owner(me)?).ok_or(EINVAL)?;
            let own = word(&page, at);
            own.store(own.load(SeqCst) & !ALL | mask & ALL, SeqCst);
            if waiting(&page, at).1 != 0 {
                return Err(EINTR);
            }
        }
        if self.is_past(deadline) {
            return self.give(me, 0);
        }
        self.sleep(me, Channel::Time, Then::give(0), deadline)
    }
}
