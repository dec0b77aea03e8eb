//! What the kernel tells about itself, and the machine's end. `sysd` makes texts of it.

use anode_abi::info::fact;

use crate::prelude::*;

impl<M: Machine> Kernel<M> {
    /// Facts of a kind; for root alone, which shows others what they may see.
    pub(crate) fn info(&mut self, me: ThreadId, call: Call) -> Outcome {
        self.only_root(me)?;
        let range = UserSlice::new(call.c, call.d)?.cut(SCRATCH);
        let len = self.with_scratch(|kernel, scratch| {
            let to = scratch.get_mut(..range.len()).ok_or(EINVAL)?;
            kernel.tell_facts(size(call.a), call.b, to)
        })?;
        self.store_scratch(me, range.cut(len))?;
        self.give(me, wide(len))
    }

    fn tell_facts(&self, kind: usize, argument: u64, to: &mut [u8]) -> Result<usize> {
        let Memory { machine, frames, objects, .. } = &self.memory;
        let from = size(argument);
        Ok(match kind {
            fact::PROCESSES => {
                let alive = self.processes.iter().filter(|(_, p)| p.life == Life::Alive);
                put_words(to, alive.skip(from).map(|(_, process)| process.who.pid.into()))
            }
            fact::PROCESS => put_words(to, self.process_facts(narrow(from))?),
            fact::NAME => {
                let process = self.processes.get(self.process_by_pid(narrow(from))?);
                put(to, process.ok_or(ESRCH)?.who.name.as_bytes().iter().copied())
            }
            fact::COUNTERS => put_words(to, self.counters.words()),
            fact::MEMORY => {
                let (total, free) = (frames.total().into(), frames.free());
                put_words(to, [total, free, frames.promised(), wide(objects.len())])
            }
            fact::IRQS => {
                let pair = |irq: &Irq| [irq.line.into(), irq.total];
                put_words(to, self.irqs.iter().flat_map(|(_, irq)| pair(irq)))
            }
            fact::BOOT => put(to, self.facts.bytes().skip(from)),
            fact::LOG => machine.log_read(argument, to),
            _ => return Err(EINVAL),
        })
    }

    fn process_facts(&self, pid: u32) -> Result<[u64; 11]> {
        let id = self.process_by_pid(pid)?;
        let process = self.processes.get(id).ok_or(ESRCH)?;
        let mut threads = self.threads.iter().filter(|(_, thread)| thread.process == id);
        let state = match process.life {
            Life::Ended(_) => b'Z',
            Life::Alive if threads.all(|(_, t)| t.state.waits()) => b'S',
            Life::Alive => b'R',
        };
        Ok([
            process.who.pid.into(),
            process.who.parent.into(),
            process.who.group.into(),
            process.who.uid.into(),
            process.who.gid.into(),
            state.into(),
            process.threads.into(),
            process.space.as_ref().map_or(0, |space| space.resident),
            self.cpu_time(id)?,
            process.who.priority.into(),
            wide(process.handles.iter().count()),
        ])
    }

    pub(crate) fn reboot(&mut self, me: ThreadId) -> Outcome {
        self.only_root(me)?;
        self.memory.machine.reboot();
        Err(EIO)
    }

    pub(crate) fn only_root(&mut self, me: ThreadId) -> Result<()> {
        if self.process(me)?.who.uid == 0 { Ok(()) } else { Err(EPERM) }
    }
}

/// Fills the start of a buffer; gives how many bytes it took.
fn put(to: &mut [u8], from: impl Iterator<Item = u8>) -> usize {
    to.iter_mut().zip(from).map(|(to, from)| *to = from).count()
}

/// Fills a buffer with words.
fn put_words(to: &mut [u8], words: impl IntoIterator<Item = u64>) -> usize {
    put(to, words.into_iter().flat_map(u64::to_le_bytes))
}
