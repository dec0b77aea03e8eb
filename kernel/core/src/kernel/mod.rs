//! The kernel as one value: all state hangs off [`Kernel`], and a trap is a method of it.
//!
//! `boot` makes it, `run` takes traps and decides who runs next, `wake` moves threads between
//! waiting and ready, `ready` tells subscribers, `reap` gives back what the dead held.

mod boot;
mod ready;
mod reap;
mod run;
pub(crate) mod wake;

use crate::prelude::*;

pub use boot::Boot;
pub use reap::Grave;

/// Most CPUs that the kernel runs on.
pub const MAX_CPUS: usize = 8;

/// What the kernel knows of a CPU.
#[derive(Debug, Default)]
pub struct CpuState {
    /// The thread that it runs.
    pub current: Option<ThreadId>,
    /// When its timer goes off, if it is known to be armed.
    pub armed: Option<u64>,
    /// A context whose thread ended in the last trap: the machine may still save into it.
    pub stale: Option<Context>,
}

/// The whole kernel.
#[derive(Debug)]
pub struct Kernel<M: Machine> {
    /// The hardware and its memory.
    pub memory: Memory<M>,
    pub(crate) threads: Threads,
    pub(crate) processes: Slab<Process, mark::Process>,
    pub(crate) descriptions: Slab<Description>,
    pub(crate) namespaces: Slab<Namespace>,
    pub(crate) schemes: Slab<Scheme>,
    pub(crate) rings: Slab<Ring<M>, mark::Ring>,
    pub(crate) pipes: Slab<Pipe>,
    pub(crate) queues: Slab<Queue>,
    pub(crate) subscriptions: Slab<Subscription>,
    pub(crate) irqs: Slab<Irq>,
    pub(crate) cpus: [CpuState; MAX_CPUS],
    pub(crate) schedule: Schedule,
    pub(crate) timers: Timers,
    pub(crate) random: Random,
    pub(crate) grave: Grave,
    /// Contexts that no thread has.
    pub(crate) contexts: Vec<Context>,
    /// Room for one path or one text, used within a trap.
    pub(crate) scratch: Vec<u8>,
    pub(crate) facts: &'static str,
    /// Wall time at boot in ns, as set last.
    pub(crate) wall: u64,
    /// What was counted.
    pub counters: Counters,
}

/// Bytes of [`Kernel::scratch`].
pub(crate) const SCRATCH: usize = 4096;

impl<M: Machine> Kernel<M> {
    /// The process of a thread.
    pub(crate) fn owner(&self, thread: ThreadId) -> Result<ProcessId> {
        self.threads.get(thread).map(|thread| thread.process).ok_or(ESRCH)
    }

    /// A thread's process itself.
    pub(crate) fn process(&mut self, thread: ThreadId) -> Result<&mut Process> {
        let id = self.owner(thread)?;
        self.processes.get_mut(id).ok_or(ESRCH)
    }

    /// The memory of a thread's process.
    pub(crate) fn space(&mut self, me: ThreadId) -> Result<(&mut Space, &mut Memory<M>)> {
        let id = self.owner(me)?;
        let process = self.processes.get_mut(id).ok_or(ESRCH)?;
        Ok((process.space.as_mut().ok_or(ESRCH)?, &mut self.memory))
    }

    /// Copies bytes of the caller's.
    pub(crate) fn load(&mut self, me: ThreadId, range: UserSlice, to: &mut [u8]) -> Result<()> {
        let (space, memory) = self.space(me)?;
        memory.load((space, range), to)
    }

    /// Copies bytes to the caller.
    pub(crate) fn store(&mut self, me: ThreadId, from: &[u8], at: u64) -> Result<()> {
        let range = UserSlice::new(at, wide(from.len()))?;
        let (space, memory) = self.space(me)?;
        memory.store(from, (space, range))
    }

    /// Reads words of the caller's.
    pub(crate) fn words<const N: usize>(&mut self, me: ThreadId, at: u64) -> Result<[u64; N]> {
        let mut bytes = [[0; 8]; N];
        let range = UserSlice::new(at, wide(N.saturating_mul(8)))?;
        self.load(me, range, bytes.as_flattened_mut())?;
        Ok(bytes.map(u64::from_le_bytes))
    }

    /// Writes words to the caller.
    pub(crate) fn put_words<const N: usize>(
        &mut self,
        me: ThreadId,
        at: u64,
        words: [u64; N],
    ) -> Result<()> {
        self.store(me, words.map(u64::to_le_bytes).as_flattened(), at)
    }

    /// Works with the scratch buffer and everything else at once.
    pub(crate) fn with_scratch<R>(&mut self, work: impl FnOnce(&mut Self, &mut [u8]) -> R) -> R {
        let mut scratch = core::mem::take(&mut self.scratch);
        let result = work(self, &mut scratch);
        self.scratch = scratch;
        result
    }

    /// Copies bytes of the caller's to the start of the scratch buffer.
    pub(crate) fn load_scratch(&mut self, me: ThreadId, range: UserSlice) -> Result<()> {
        self.with_scratch(|kernel, scratch| {
            kernel.load(me, range, scratch.get_mut(..range.len()).ok_or(EINVAL)?)
        })
    }

    /// Copies the start of the scratch buffer to the caller.
    pub(crate) fn store_scratch(&mut self, me: ThreadId, range: UserSlice) -> Result<()> {
        self.with_scratch(|kernel, scratch| {
            kernel.store(me, scratch.get(..range.len()).ok_or(EINVAL)?, range.start())
        })
    }
}
