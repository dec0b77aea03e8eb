//! Signals: pending bits here, actions and masks in the page that libc shares.

use core::sync::atomic::Ordering::Relaxed;

use anode_abi::signal::{MASK_WORD, SignalFrame};

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

/// Signals whose default action is to do nothing: CHLD, CONT, URG, WINCH, and until there is
/// job control STOP, TSTP, TTIN, TTOU.
const HARMLESS: u64 = bit(17) | bit(18) | bit(19) | bit(20) | bit(21) | bit(22) | bit(23) | bit(28);
/// Flags that a program may set for itself.
const USER_FLAGS: u64 = 0xCD5 | 1 << 18 | 1 << 21;
/// Bytes below the stack pointer that a function may use.
const RED_ZONE: u64 = 128;

const fn bit(signal: u32) -> u64 {
    1u64.wrapping_shl(signal.wrapping_sub(1))
}

/// What a process does about a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Nothing,
    End,
    Handler,
}

impl<M: Machine> Kernel<M> {
    /// A word of a process's signal page; what there is none of is 0.
    fn signal_word(&self, process: ProcessId, at: usize) -> u64 {
        let page = self.processes.get(process).and_then(|process| process.signals.page.as_ref());
        page.and_then(|(page, _)| page.get(at)).map_or(0, |word| word.load(Relaxed))
    }

    fn action(&self, process: ProcessId, signal: u32) -> Action {
        let [ignored, caught] = [0, 1].map(|word| self.signal_word(process, word) & bit(signal));
        match signal {
            SIGKILL => Action::End,
            _ if ignored != 0 => Action::Nothing,
            _ if caught != 0 => Action::Handler,
            _ if HARMLESS & bit(signal) != 0 => Action::Nothing,
            _ => Action::End,
        }
    }

    /// The signals that a thread blocks.
    fn mask(&self, thread: &Thread) -> u64 {
        self.signal_word(thread.process, MASK_WORD.wrapping_add(thread.signal_slot.into()))
    }

    fn set_mask(&self, thread: &Thread, mask: u64) {
        let process = self.processes.get(thread.process);
        let page = process.and_then(|process| process.signals.page.as_ref());
        let at = MASK_WORD.wrapping_add(thread.signal_slot.into());
        if let Some(word) = page.and_then(|(page, _)| page.get(at)) {
            word.store(mask, Relaxed);
        }
    }

    /// Sends a signal to a process: one that ends it acts at once.
    pub(crate) fn post_signal(&mut self, id: ProcessId, signal: u32) {
        if self.processes.get(id).is_none_or(|process| process.life != Life::Alive) {
            return;
        }
        let receiver = self.receiver(id, signal);
        match self.action(id, signal) {
            Action::Nothing => {}
            Action::End if signal == SIGKILL || receiver.is_some() => self.end_process(id, signal),
            Action::End | Action::Handler => {
                self.processes.update(id, |process| process.signals.pending |= bit(signal));
                if let Some(thread) = receiver {
                    self.interrupt_sleep(thread);
                }
            }
        }
    }

    /// A thread that does not block the signal.
    fn receiver(&self, id: ProcessId, signal: u32) -> Option<ThreadId> {
        let open = |t: &Thread| t.process == id && self.mask(t) & bit(signal) == 0;
        self.threads.next(None, open)
    }

    /// Sends a signal that a thread caused by what it did; blocked or ignored, it ends it.
    pub(crate) fn force_signal(&mut self, me: ThreadId, signal: u32, address: u64) -> Next {
        let Some(thread) = self.threads.get(me) else { return Next::Pick };
        let (id, context) = (thread.process, thread.context);
        let blocked = self.mask(thread) & bit(signal) != 0;
        if !blocked && self.action(id, signal) == Action::Handler {
            self.threads.update(me, |thread| {
                thread.pending |= bit(signal);
                thread.fault_address = address;
            });
            return Next::To(me);
        }
        if let Some(Process { name, pid, .. }) = self.processes.get(id) {
            let rip = self.memory.machine.regs(context).rip;
            log::warn!(
                "{name} (pid {pid}) ended by signal {signal} at {rip:#x}, address {address:#x}"
            );
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
            let borrows = |p: &Process<M>| p.borrowing && p.life == Life::Alive;
            self.processes.next(None, |p| p.parent == parent.pid && borrows(p))
        });
        let victim = borrower.unwrap_or(id);
        let pid = self.pid_of(victim);
        log::warn!("pid {pid} ended: no memory is left for a page that was not promised");
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

    /// Before a thread goes back to its program: enters the handler of a pending signal.
    /// `false`: the thread is no more.
    #[inline]
    pub(crate) fn deliver(&mut self, me: ThreadId) -> bool {
        let Some(thread) = self.threads.get(me) else { return false };
        let process = self.processes.get(thread.process);
        let pending = thread.pending | process.map_or(0, |process| process.signals.pending);
        pending == 0
            || matches!(thread.sleep.then, Then::Resume(_) | Then::Transfer(..) | Then::Fork(..))
            || self.deliver_first(me, pending & !self.mask(thread))
    }

    fn deliver_first(&mut self, me: ThreadId, pending: u64) -> bool {
        let Some(thread) = self.threads.get_mut(me).filter(|_| pending != 0) else { return true };
        let signal = pending.trailing_zeros().wrapping_add(1);
        thread.pending &= !bit(signal);
        let id = thread.process;
        self.processes.update(id, |process| process.signals.pending &= !bit(signal));
        let fatal = match self.action(id, signal) {
            Action::Nothing => return self.deliver(me),
            Action::End => signal,
            Action::Handler if self.enter_handler(me, signal).is_ok() => {
                count(&mut self.counters.signals);
                return true;
            }
            Action::Handler => SIGSEGV,
        };
        self.end_process(id, fatal);
        false
    }

    /// Pushes a [`SignalFrame`] and points the thread at the trampoline.
    fn enter_handler(&mut self, me: ThreadId, signal: u32) -> Result<()> {
        let thread = self.threads.get_mut(me).ok_or(ESRCH)?;
        let result = match core::mem::take(&mut thread.sleep.then) {
            Then::Return(value) => value,
            _ => Some(encode(EINTR)),
        };
        let (id, context) = (thread.process, thread.context);
        let address = core::mem::take(&mut thread.fault_address);
        let mask = self.threads.get(me).map_or(0, |thread| self.mask(thread));
        let regs = self.memory.machine.regs(context);
        if let Some(value) = result {
            regs.general[reg::RAX] = value;
        }
        let regs = *regs;
        let size = wide(size_of::<SignalFrame>());
        let frame = regs.rsp.checked_sub(RED_ZONE.saturating_add(size)).ok_or(EFAULT)? & !0xF;
        let tail = [regs.rsp, regs.rip, regs.rflags, signal.into(), address, mask, 0];
        let general = size_of_val(&regs.general);
        self.put_words(me, frame, regs.general)?;
        self.put_words(me, frame.saturating_add(wide(general)), tail)?;
        let stack = frame.checked_sub(8).ok_or(EFAULT)?;
        self.put_words(me, stack, [0])?;
        let trampoline = self.processes.get(id).map_or(0, |process| process.signals.trampoline);
        let regs = self.memory.machine.regs(context);
        (regs.rsp, regs.rip, regs.rflags) = (stack, trampoline, FLAGS);
        regs.general[reg::RDI] = signal.into();
        regs.general[reg::RSI] = frame;
        if let Some(thread) = self.threads.get(me) {
            self.set_mask(thread, mask | bit(signal));
        }
        Ok(())
    }

    pub(crate) fn signal_return(&mut self, me: ThreadId, call: Call) -> Outcome {
        let words: [u64; 22] = self.words(me, call.a)?;
        let [general @ .., rsp, rip, rflags, _signal, _address, mask, _reserved] = words;
        if rip >= USER_END || rsp >= USER_END {
            return Err(EFAULT);
        }
        let thread = self.threads.get_mut(me).ok_or(ESRCH)?;
        let regs = self.memory.machine.regs(thread.context);
        let rflags = (rflags & USER_FLAGS) | FLAGS;
        *regs = Regs { general, rsp, rip, rflags, fs_base: regs.fs_base };
        if let Some(thread) = self.threads.get(me) {
            self.set_mask(thread, mask);
        }
        Ok(Next::To(me))
    }

    pub(crate) fn signal_page(&mut self, me: ThreadId, call: Call) -> Outcome {
        if call.a & 0xFFF != 0 || call.b >= USER_END {
            return Err(EINVAL);
        }
        let process = self.owner(me)?;
        self.use_signal_page(process, call.a, call.b)?;
        self.give(me, 0)
    }

    /// Takes a page of a process as its signal page.
    pub(crate) fn use_signal_page(
        &mut self,
        id: ProcessId,
        address: u64,
        trampoline: u64,
    ) -> Result<()> {
        let Self { processes, memory, .. } = self;
        let process = processes.get_mut(id).ok_or(ESRCH)?;
        let space = process.space.as_mut().ok_or(ESRCH)?;
        let frame = space.frame_at(memory, address, MapFlags::WRITE)?;
        let page = memory.machine.share(frame).ok_or(EFAULT)?;
        memory.frames.retain(frame)?;
        let old = process.signals.page.replace((page, frame));
        (process.signals.address, process.signals.trampoline) = (address, trampoline);
        if let Some((_, old)) = old {
            memory.frames.release(old);
        }
        Ok(())
    }

    pub(crate) fn kill(&mut self, me: ThreadId, call: Call) -> Outcome {
        let target = call.a.cast_signed();
        let signal = u32::try_from(call.b).ok().filter(|signal| *signal < 32).ok_or(EINVAL)?;
        let number = |value: i64| u32::try_from(value).map_err(|_wide| ESRCH);
        let group = match target {
            1.. => {
                let id = self.process_by_pid(number(target)?)?;
                self.may_act(me, id)?;
                self.send(id, signal);
                return self.give(me, 0);
            }
            0 => self.process(me)?.group,
            -1 => return Err(EPERM),
            _ => number(target.wrapping_neg())?,
        };
        let (mut last, mut found, own) = (None, false, self.owner(me)?);
        let member = |process: &Process<M>| process.group == group && process.life == Life::Alive;
        while let Some(id) = self.processes.next(last, member) {
            if id != own && self.may_act(me, id).is_ok() {
                found = true;
                self.send(id, signal);
            }
            last = Some(id);
        }
        // The caller itself comes last, as it may end by it.
        if self.process(me)?.group == group {
            found = true;
            self.send(own, signal);
        }
        if found { self.give(me, 0) } else { Err(ESRCH) }
    }

    /// Sends a signal; 0 only asks.
    pub(crate) fn send(&mut self, id: ProcessId, signal: u32) {
        if signal != 0 {
            self.post_signal(id, signal);
        }
    }

    pub(crate) fn thread_kill(&mut self, me: ThreadId, call: Call) -> Outcome {
        let thread = self.thread_by_number(me, call.a).ok_or(ESRCH)?;
        let signal = u32::try_from(call.b).ok().filter(|signal| *signal < 32).ok_or(EINVAL)?;
        let process = self.owner(me)?;
        if signal != 0 && self.action(process, signal) != Action::Nothing {
            self.threads.update(thread, |thread| thread.pending |= bit(signal));
            let open = |thread| self.mask(thread) & bit(signal) == 0;
            if self.threads.get(thread).is_some_and(open) {
                self.interrupt_sleep(thread);
            }
        }
        self.give(me, 0)
    }

    pub(crate) fn signal_wait(&mut self, me: ThreadId) -> Outcome {
        self.sleep(me, Channel::Time, Sleep::until(u64::MAX, 0))
    }
}
