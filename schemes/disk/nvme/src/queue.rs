//! A pair of queues: commands to the device, completions from it.

use anode_device::{Registers, SharedMemory};
use redox::error::Result as MemoryResult;

use crate::bank::{Bank, Bell};
use crate::command::Command;
use crate::failure::Failure;

const COMMAND_BYTES: usize = 64;
const COMPLETION_BYTES: usize = 16;
const PAGE: usize = 4096;

// Offsets in a completion.
const RESULT: usize = 0;
const QUEUE: usize = 8;
const ID: usize = 12;
const STATUS: usize = 14;

/// A command that the device has done. The id is its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    pub(crate) id: u16,
    /// 0 if it succeeded; else code, type and flags, without the phase.
    pub(crate) status: u16,
    pub(crate) result: u32,
}

/// Both queues, in one piece of memory. The user sees to it that fewer commands than entries
/// are under way; so neither can overflow, whatever the device says.
#[derive(Debug)]
pub(crate) struct Queue<M> {
    id: u16,
    entries: u16,
    memory: M,
    /// Where the next command goes.
    tail: u16,
    /// Where the next completion will be, and the phase by which it is new.
    head: u16,
    phase: u16,
    /// Completions were taken that the device does not know of.
    taken: bool,
}

impl<M: SharedMemory> Queue<M> {
    /// Queue `id` with so many entries each.
    ///
    /// # Errors
    ///
    /// [`Failure::Memory`].
    pub(crate) fn new(
        id: u16,
        entries: u16,
        memory: &mut dyn FnMut(usize) -> MemoryResult<M>,
    ) -> Result<Self, Failure> {
        let bytes = completions(entries)
            .saturating_add(usize::from(entries).saturating_mul(COMPLETION_BYTES));
        let memory = memory(bytes).map_err(|error| Failure::Memory(error.errno))?;
        if memory.size() < bytes {
            return Err(Failure::Memory(redox::error::ENOMEM));
        }
        Ok(Self { id, entries, memory, tail: 0, head: 0, phase: 1, taken: false })
    }

    pub(crate) const fn id(&self) -> u16 {
        self.id
    }

    pub(crate) const fn entries(&self) -> u16 {
        self.entries
    }

    /// Where commands and completions lie, as the device sees them.
    pub(crate) fn addresses(&self) -> [u64; 2] {
        let start = self.memory.physical();
        let offset = u64::try_from(completions(self.entries)).unwrap_or(u64::MAX);
        [start, start.saturating_add(offset)]
    }

    /// Begins anew, for a device that was reset.
    pub(crate) fn clear(&mut self) {
        let start = completions(self.entries);
        let end = start.saturating_add(usize::from(self.entries).saturating_mul(COMPLETION_BYTES));
        for at in (start..end).step_by(4) {
            self.memory.write32(at, 0);
        }
        (self.tail, self.head, self.phase, self.taken) = (0, 0, 1, false);
    }

    /// Adds a command; [`Self::ring`] tells the device.
    pub(crate) fn push(&mut self, id: u16, command: &Command) {
        let base = usize::from(self.tail).saturating_mul(COMMAND_BYTES);
        for (word, value) in command.with_id(id).into_iter().enumerate() {
            self.memory.write32(base.saturating_add(word.saturating_mul(4)), value);
        }
        self.tail = self.after(self.tail);
    }

    /// Tells the device of new commands.
    pub(crate) fn ring<R: Registers>(&self, bank: &mut Bank<R>) {
        bank.ring(self.id, Bell::Tail, self.tail);
    }

    /// The next completion; when there is none, the device learns what was taken.
    ///
    /// # Errors
    ///
    /// [`Failure::Violation`]: it is not one of this queue.
    pub(crate) fn pop<R: Registers>(
        &mut self,
        bank: &mut Bank<R>,
    ) -> Result<Option<Completion>, Failure> {
        let base = completions(self.entries)
            .saturating_add(usize::from(self.head).saturating_mul(COMPLETION_BYTES));
        let status = self.memory.load16(base.saturating_add(STATUS));
        if status & 1 != self.phase {
            if core::mem::take(&mut self.taken) {
                bank.ring(self.id, Bell::Head, self.head);
            }
            return Ok(None);
        }
        let queue = self.memory.read32(base.saturating_add(QUEUE)) >> 16;
        if queue != u32::from(self.id) {
            return Err(Failure::Violation("completes commands of another queue"));
        }
        let id = self.memory.load16(base.saturating_add(ID));
        let result = self.memory.read32(base.saturating_add(RESULT));
        self.head = self.after(self.head);
        if self.head == 0 {
            self.phase ^= 1;
        }
        self.taken = true;
        Ok(Some(Completion { id, status: status >> 1, result }))
    }

    const fn after(&self, index: u16) -> u16 {
        let next = index.saturating_add(1);
        if next < self.entries { next } else { 0 }
    }
}

/// Where the completions begin: at a page.
fn completions(entries: u16) -> usize {
    usize::from(entries).saturating_mul(COMMAND_BYTES).next_multiple_of(PAGE)
}
