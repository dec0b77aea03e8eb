//! Signals: pending bits here, actions and masks in the page that libc shares.

use core::sync::atomic::Ordering::Relaxed;

use anode_abi::signal::{MASK_WORD, SignalFrame};

use crate::counters::count;
use crate::error::encode;
use crate::machine::reg;
use crate::mem::fault::Fault;
use crate::num::{index, wide};
use crate::{
    Access, Call, Channel, EFAULT, EINTR, EINVAL, EPERM, ESRCH, Errno, Expiry, FLAGS, Kernel, Life,
    Machine, Next, Outcome, ProcessId, Regs, Sleep, State, ThreadId, USER_END,
};

/// Kills, always.
pub const SIGKILL: u32 = 9;
/// A write to a pipe that nobody reads.
pub const SIGPIPE: u32 = 13;
/// A child ended.
pub const SIGCHLD: u32 = 17;
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
    fn action(&self, process: ProcessId, signal: u32) -> Action {
        let page = self.processes.get(process).and_then(|process| process.signals.page.as_ref());
        let (ignored, caught) = page.map_or((0, 0), |(page, _)| {
            let [ignored, caught, ..]: &[_; 512] = page;
            (ignored.load(Relaxed), caught.load(Relaxed))
        });
        let this = bit(signal);
        match signal {
            SIGKILL => Action::End,
            _ if ignored & this != 0 => Action::Nothing,
            _ if caught & this != 0 => Action::Handler,
            _ if HARMLESS & this != 0 => Action::Nothing,
            _ => Action::End,
        }
    }

    /// A thread's blocked signals.
    fn mask(&self, process: ProcessId, slot: u16) -> u64 {
        let page = self.processes.get(process).and_then(|process| process.signals.page.as_ref());
        page.map_or(0, |(page, _)| {
            let words: &[_; 512] = page;
            words.get(MASK_WORD.wrapping_add(usize::from(slot))).map_or(0, |w| w.load(Relaxed))
        })
    }

    fn set_mask(&mut self, process: ProcessId, slot: u16, mask: u64) {
        let page = self.processes.get(process).and_then(|process| process.signals.page.as_ref());
        if let Some((page, _)) = page {
            let words: &[_; 512] = page;
            if let Some(word) = words.get(MASK_WORD.wrapping_add(usize::from(slot))) {
                word.store(mask, Relaxed);
            }
        }
    }

    /// Sends a signal to a process: one that ends it acts at once.
    pub(crate) fn post_signal(&mut self, id: ProcessId, signal: u32) {
        let Some(process) = self.processes.get_mut(id) else { return };
        if process.life != Life::Alive {
            return;
        }
        match self.action(id, signal) {
            Action::Nothing => {}
            Action::End if signal == SIGKILL || self.receiver(id, signal).is_some() => {
                self.end_process(id, signal);
            }
            Action::End | Action::Handler => {
                if let Some(process) = self.processes.get_mut(id) {
                    process.signals.pending |= bit(signal);
                }
                if let Some(thread) = self.receiver(id, signal) {
                    self.interrupt_sleep(thread);
                }
            }
        }
    }

    /// A thread that does not block the signal, best one that sleeps.
    fn receiver(&self, id: ProcessId, signal: u32) -> Option<ThreadId> {
        let open = |slot: u16| self.mask(id, slot) & bit(signal) == 0;
        let mut all = self.threads.iter().filter(|(_, thread)| thread.process == id);
        all.find(|(_, thread)| open(thread.signal_slot)).map(|(id, _)| id)
    }

    /// Sends a signal that a thread caused by what it did; blocked or ignored, it ends it.
    pub(crate) fn force_signal(&mut self, me: ThreadId, signal: u32, address: u64) -> Next {
        let Ok(process) = self.owner(me) else { return Next::Pick };
        let slot = self.threads.get(me).map_or(0, |thread| thread.signal_slot);
        let blocked = self.mask(process, slot) & bit(signal) != 0;
        if blocked || self.action(process, signal) != Action::Handler {
            let (pid, name) = self.processes.get(process).map(|p| (p.pid, p.name)).unzip();
            let rip = self.threads.get(me).map(|t| t.context);
            let rip = rip.map_or(0, |context| self.memory.machine.regs(context).rip);
            log::warn!(
                "{} (pid {}) ended by signal {signal} at {rip:#x}, address {address:#x}",
                name.as_ref().map_or(&"?" as &dyn core::fmt::Display, |name| name),
                pid.unwrap_or(0),
            );
            self.end_process(process, signal);
            return Next::Pick;
        }
        if let Some(thread) = self.threads.get_mut(me) {
            thread.pending |= bit(signal);
            thread.fault_address = address;
        }
        Next::To(me)
    }

    /// A page fault of the running thread.
    pub(crate) fn user_fault(&mut self, me: ThreadId, address: u64, access: Access) -> Next {
        let served = self.with_space(me, |space, memory| Ok(space.fault(memory, address, access)));
        match served {
            Ok(Ok(_)) => Next::To(me),
            Ok(Err(Fault::Beyond)) => self.force_signal(me, SIGBUS, address),
            Ok(Err(Fault::Unmapped)) => self.force_signal(me, SIGSEGV, address),
            Ok(Err(Fault::NoMemory)) | Err(_) => self.out_of_memory(me),
        }
    }

    /// A fault found no frame: a child that lives on this process's promises goes first, else
    /// the process itself, which had asked for memory without a promise.
    fn out_of_memory(&mut self, me: ThreadId) -> Next {
        let Ok(id) = self.owner(me) else { return Next::Pick };
        let pid = self.processes.get(id).map_or(0, |process| process.pid);
        let borrower = self.processes.iter().find(|(_, process)| {
            process.borrowing && process.parent == pid && process.life == Life::Alive
        });
        let victim = borrower.map_or(id, |(borrower, _)| borrower);
        let pid = self.processes.get(victim).map_or(0, |process| process.pid);
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
        let (id, slot) = (thread.process, thread.signal_slot);
        let process = self.processes.get(id);
        let pending = thread.pending | process.map_or(0, |process| process.signals.pending);
        pending == 0 || self.deliver_pending(me, id, pending & !self.mask(id, slot))
    }

    fn deliver_pending(&mut self, me: ThreadId, id: ProcessId, pending: u64) -> bool {
        if pending == 0 || self.threads.get(me).is_some_and(|thread| thread.work.is_some()) {
            return true;
        }
        let signal = pending.trailing_zeros().wrapping_add(1);
        if let Some(process) = self.processes.get_mut(id) {
            process.signals.pending &= !bit(signal);
        }
        if let Some(thread) = self.threads.get_mut(me) {
            thread.pending &= !bit(signal);
        }
        match self.action(id, signal) {
            Action::Nothing => self.deliver(me),
            Action::End => {
                self.end_process(id, signal);
                false
            }
            Action::Handler => {
                count(&mut self.counters.signals);
                if self.enter_handler(me, id, signal).is_err() {
                    self.end_process(id, SIGSEGV);
                    return false;
                }
                true
            }
        }
    }

    /// Pushes a [`SignalFrame`] and points the thread at the trampoline.
    fn enter_handler(&mut self, me: ThreadId, id: ProcessId, signal: u32) -> Result<(), Errno> {
        let thread = self.threads.get_mut(me).ok_or(ESRCH)?;
        if thread.restart.take().is_some() {
            thread.result = Some(encode(EINTR));
        }
        let (slot, context) = (thread.signal_slot, thread.context);
        let address = core::mem::take(&mut thread.fault_address);
        self.settle_result(me);
        let mask = self.mask(id, slot);
        let regs = *self.memory.machine.regs(context);
        let size = wide(size_of::<SignalFrame>());
        let frame = regs.rsp.checked_sub(RED_ZONE.saturating_add(size)).ok_or(EFAULT)? & !0xF;
        let mut words = [0u64; size_of::<SignalFrame>() / 8];
        let tail = [regs.rsp, regs.rip, regs.rflags, u64::from(signal), address, mask, 0];
        for (word, value) in words.iter_mut().zip(regs.general.into_iter().chain(tail)) {
            *word = value;
        }
        let stack = frame.checked_sub(8).ok_or(EFAULT)?;
        self.with_space(me, |space, memory| {
            space.write_words(memory, frame, &words)?;
            space.write_words(memory, stack, &[0])
        })?;
        let trampoline = self.processes.get(id).map_or(0, |process| process.signals.trampoline);
        let regs = self.memory.machine.regs(context);
        regs.rsp = stack;
        regs.rip = trampoline;
        regs.rflags = FLAGS;
        for (at, value) in [(reg::RDI, u64::from(signal)), (reg::RSI, frame)] {
            if let Some(register) = regs.general.get_mut(at) {
                *register = value;
            }
        }
        self.set_mask(id, slot, mask | bit(signal));
        Ok(())
    }

    pub(crate) fn signal_return(&mut self, me: ThreadId, call: Call) -> Outcome {
        let words: [u64; 22] =
            self.with_space(me, |space, memory| space.read_words(memory, call.a))?;
        let [general @ .., rsp, rip, rflags, _signal, _address, mask, _reserved] = words;
        if rip >= USER_END || rsp >= USER_END {
            return Err(EFAULT);
        }
        let thread = self.threads.get_mut(me).ok_or(ESRCH)?;
        let (slot, process) = (thread.signal_slot, thread.process);
        thread.result = None;
        let regs = self.memory.machine.regs(thread.context);
        let rflags = (rflags & USER_FLAGS) | FLAGS;
        *regs = Regs { general, rsp, rip, rflags, fs_base: regs.fs_base };
        self.set_mask(process, slot, mask);
        Ok(Next::To(me))
    }

    pub(crate) fn signal_page(&mut self, me: ThreadId, call: Call) -> Outcome {
        if call.a & 0xFFF != 0 || call.b >= USER_END {
            return Err(EINVAL);
        }
        let (page, frame) = self.with_space(me, |space, memory| {
            let frame = space.frame_at(memory, call.a, Access::Write)?;
            let page = memory.machine.share(frame).ok_or(EFAULT)?;
            if memory.frames.retain(frame) { Ok((page, frame)) } else { Err(EFAULT) }
        })?;
        let process = self.process(me)?;
        process.signals.address = call.a;
        process.signals.trampoline = call.b;
        if let Some((_, old)) = process.signals.page.replace((page, frame)) {
            self.memory.frames.release(old);
        }
        self.give(me, 0)
    }

    /// A forked child registers its own copy of the signal page.
    pub(crate) fn inherit_signals(&mut self, me: ThreadId, child: ProcessId) {
        let Ok(parent) = self.process(me) else { return };
        let (address, trampoline) = (parent.signals.address, parent.signals.trampoline);
        if parent.signals.page.is_none() {
            return;
        }
        let Self { processes, memory, .. } = self;
        let Some(child) = processes.get_mut(child) else { return };
        let Some(space) = child.space.as_mut() else { return };
        if let Ok(frame) = space.frame_at(memory, address, Access::Write)
            && let Some(page) = memory.machine.share(frame)
            && memory.frames.retain(frame)
        {
            child.signals.page = Some((page, frame));
            child.signals.address = address;
            child.signals.trampoline = trampoline;
        }
    }

    pub(crate) fn kill(&mut self, me: ThreadId, call: Call) -> Outcome {
        let target = call.a.cast_signed();
        let signal = u32::try_from(call.b).ok().filter(|signal| *signal < 32).ok_or(EINVAL)?;
        let group = match target {
            1.. => {
                let pid = u32::try_from(target).map_err(|_wide| ESRCH)?;
                let id = self.process_by_pid(pid)?;
                self.may_act(me, id)?;
                if signal != 0 {
                    self.post_signal(id, signal);
                }
                return self.killed(me);
            }
            0 => self.process(me)?.group,
            -1 => return Err(EPERM),
            _ => u32::try_from(target.wrapping_neg()).map_err(|_wide| ESRCH)?,
        };
        let (mut at, mut found) = (0, false);
        let member = |process: &crate::object::process::Process<M>| {
            process.group == group && process.life == Life::Alive
        };
        while let Some(id) = self.processes.find_from(at, member) {
            at = id.index().wrapping_add(1);
            if self.may_act(me, id).is_ok() {
                found = true;
                if signal != 0 {
                    self.post_signal(id, signal);
                }
            }
        }
        if found { self.killed(me) } else { Err(ESRCH) }
    }

    /// The end of `kill`, whose caller may have been among those who were hit.
    fn killed(&mut self, me: ThreadId) -> Outcome {
        if self.threads.get(me).is_some() { self.give(me, 0) } else { Ok(Next::Pick) }
    }

    pub(crate) fn thread_kill(&mut self, me: ThreadId, call: Call) -> Outcome {
        let thread = self.thread_by_number(me, call.a).ok_or(ESRCH)?;
        let signal = u32::try_from(call.b).ok().filter(|signal| *signal < 32).ok_or(EINVAL)?;
        let process = self.owner(me)?;
        match (signal, self.action(process, signal.max(1))) {
            (0, _) | (_, Action::Nothing) => {}
            (_, Action::End | Action::Handler) => {
                if let Some(thread) = self.threads.get_mut(thread) {
                    thread.pending |= bit(signal);
                }
                let slot = self.threads.get(thread).map_or(0, |thread| thread.signal_slot);
                if self.mask(process, slot) & bit(signal) == 0 {
                    self.interrupt_sleep(thread);
                }
            }
        }
        self.give(me, 0)
    }

    pub(crate) fn signal_wait(&mut self, me: ThreadId) -> Outcome {
        let expiry = Expiry::Value(encode(EINTR));
        self.sleep(me, Channel::Time, Sleep { restart: None, deadline: u64::MAX, expiry })
    }

    /// One letter for what a process does, as `ps` shows it.
    pub(crate) fn state_letter(&self, id: ProcessId) -> char {
        if self.processes.get(id).is_none_or(|process| process.life != Life::Alive) {
            return 'Z';
        }
        let mut threads = self.threads.iter().filter(|(_, thread)| thread.process == id);
        let runs = threads.any(|(_, thread)| !matches!(thread.state, State::Blocked(_)));
        if runs { 'R' } else { 'S' }
    }

    /// How many threads a process has.
    pub(crate) fn thread_count(&self, id: ProcessId) -> usize {
        self.processes.get(id).map_or(0, |process| index(process.threads))
    }
}
