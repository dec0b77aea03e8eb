//! The controller: commands under way, and what happens when it fails.

use std::collections::VecDeque;

use anode_device::{Mmio, Registers, SharedMemory};
use redox::error::{EIO, EOPNOTSUPP, Error, Result as MemoryResult};

use crate::bank::{Bank, Capabilities};
use crate::command::{Command, Interrupts, Subject};
use crate::facts::{BYTES, Facts};
use crate::failure::Failure;
use crate::queue::{Completion, Queue};
use crate::reset::Phase;

/// Commands that are under way at once are one less than this, or than the device's queues have.
const MAX_ENTRIES: u16 = 128;
const ADMIN_ENTRIES: u16 = 16;
const ADMIN: u16 = 0;
const IO: u16 = 1;
pub(crate) const PAGE: usize = 4096;
/// The id of the admin command that is waited for; aborts have those above it.
pub(crate) const AWAITED: u16 = 0;
/// Aborts that are under way at once, at most; a bit each in [`Controller::aborts`].
const MAX_ABORTS: u32 = 8;
/// How long the device may take for an admin command.
pub(crate) const PATIENCE: core::time::Duration = core::time::Duration::from_secs(10);

/// How often a start is looked after.
const LOOK_EVERY: core::time::Duration = core::time::Duration::from_millis(1);

// Status of a command: code, type, and that it is of no use to try again.
const SUCCESS: u16 = 0;
const INVALID_OPCODE: u16 = 1;
const CODE_AND_TYPE: u16 = 0x7FF;
const DO_NOT_RETRY: u16 = 1 << 14;

/// A command under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) command: Command,
    /// By its place in the list of namespaces.
    pub(crate) namespace: usize,
    pub(crate) tag: usize,
    /// It has been sent again.
    pub(crate) again: bool,
}

/// An operation that ended, by its tag.
pub(crate) type Ended = (usize, MemoryResult<()>);

/// A controller, and what is asked of it; how it is reset is in `reset`.
#[derive(Debug)]
pub(crate) struct Controller<M, R = Mmio> {
    pub(crate) bank: Bank<R>,
    pub(crate) admin: Queue<M>,
    pub(crate) io: Queue<M>,
    /// A page for answers to admin commands.
    answer: M,
    /// A page for each slot: its list of pages, or the range of a discard.
    pub(crate) pages: M,
    pub(crate) requests: Vec<Option<Request>>,
    pub(crate) ended: Vec<VecDeque<Ended>>,
    pub(crate) facts: Facts,
    pub(crate) interrupts: Interrupts,
    pub(crate) rings: bool,
    /// Ids of aborts under way.
    pub(crate) aborts: u32,
    pub(crate) resets: u32,
    pub(crate) phase: Phase,
}

impl<M: SharedMemory, R: Registers> Controller<M, R> {
    /// Resets the controller, whatever an earlier driver left in it, and starts it.
    ///
    /// `memory` makes shared memory of at least so many bytes, page aligned.
    ///
    /// # Errors
    ///
    /// Why it cannot be used.
    pub(crate) fn start(
        registers: R,
        interrupts: Interrupts,
        memory: &mut dyn FnMut(usize) -> MemoryResult<M>,
    ) -> Result<Self, Failure> {
        let bank = Bank::new(registers)?;
        let entries = entries(&bank.capabilities);
        let slots = usize::from(entries.saturating_sub(1));
        let page_bytes = slots.saturating_mul(PAGE);
        let mut make = |bytes: usize| memory(bytes).map_err(|error| Failure::Memory(error.errno));
        let (answer, pages) = (make(BYTES)?, make(page_bytes)?);
        if answer.size() < BYTES || pages.size() < page_bytes {
            return Err(Failure::Memory(redox::error::ENOMEM));
        }
        let mut controller = Self {
            bank,
            admin: Queue::new(ADMIN, ADMIN_ENTRIES.min(entries), memory)?,
            io: Queue::new(IO, entries, memory)?,
            answer,
            pages,
            requests: vec![None; slots],
            ended: Vec::new(),
            facts: Facts::parse(&[]),
            interrupts,
            rings: false,
            aborts: 0,
            resets: 0,
            phase: Phase::Running,
        };
        controller.begin_reset();
        controller.wait_for_reset()?;
        controller.facts = Facts::parse(&controller.identify(Subject::Controller)?);
        Ok(controller)
    }

    /// Makes room for the results of one more namespace; gives its place.
    pub(crate) fn add_namespace(&mut self) -> usize {
        self.ended.push(VecDeque::new());
        self.ended.len().saturating_sub(1)
    }

    /// What the device says of something.
    ///
    /// # Errors
    ///
    /// [`Failure::Refused`], or whatever else may be wrong with the device.
    pub(crate) fn identify(&mut self, subject: Subject) -> Result<Vec<u8>, Failure> {
        let address = self.answer.physical();
        self.command("identify itself", &Command::identify(subject, address))?;
        let mut bytes = vec![0; BYTES];
        let copied = self.answer.with(0..BYTES, &mut |from| {
            bytes.copy_from_slice(from);
            Ok(BYTES)
        });
        copied.map_err(|error| Failure::Memory(error.errno))?;
        Ok(bytes)
    }

    /// Waits for the end of a reset: only before there is anything to serve.
    fn wait_for_reset(&mut self) -> Result<(), Failure> {
        loop {
            self.go_on();
            match self.phase {
                Phase::Running => return Ok(()),
                Phase::Dead(failure) => return Err(failure),
                // Each step has its own limit.
                Phase::Resetting(..) => std::thread::sleep(LOOK_EVERY),
            }
        }
    }

    /// Whether it does what it is told, now.
    pub(crate) const fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    /// Whether it is being reset.
    pub(crate) const fn is_resetting(&self) -> bool {
        matches!(self.phase, Phase::Resetting(..))
    }

    /// Sends an admin command and waits for its end.
    fn command(&mut self, what: &'static str, command: &Command) -> Result<(), Failure> {
        self.admin.push(AWAITED, command);
        self.admin.ring(&mut self.bank);
        let mut more = anode_block::patience_of(PATIENCE);
        loop {
            match self.admin.pop(&mut self.bank)? {
                Some(Completion { id: AWAITED, status: SUCCESS, .. }) => return Ok(()),
                Some(Completion { id: AWAITED, status, .. }) => {
                    return Err(Failure::Refused(what, status));
                }
                Some(other) => self.aborted(other)?,
                None if more() => self.bank.health()?,
                None => return Err(Failure::Late(what)),
            }
        }
    }

    /// An abort ended. What it was for ends by itself.
    fn aborted(&mut self, completion: Completion) -> Result<(), Failure> {
        let bit = u32::from(completion.id).checked_sub(1).and_then(|bit| 1_u32.checked_shl(bit));
        let bit = bit.filter(|bit| self.aborts & bit != 0);
        self.aborts &= !bit.ok_or(Failure::Violation("completes an admin command never sent"))?;
        Ok(())
    }

    /// A slot without a command; `Err` if the device is dead.
    pub(crate) fn free_slot(&self) -> MemoryResult<Option<usize>> {
        match self.phase {
            Phase::Running => Ok(self.requests.iter().position(Option::is_none)),
            Phase::Resetting(..) => Ok(None),
            Phase::Dead(_) => Err(Error::new(EIO)),
        }
    }

    /// Puts a command into the queue, in a free slot.
    pub(crate) fn send(&mut self, slot: usize, namespace: usize, tag: usize, command: Command) {
        let Some(place) = self.requests.get_mut(slot) else { return };
        *place = Some(Request { command, namespace, tag, again: false });
        self.io.push(id(slot), &command);
        self.rings = true;
    }

    /// Tells the device of what was sent.
    pub(crate) fn kick(&mut self) {
        if self.is_running() && core::mem::take(&mut self.rings) {
            self.io.ring(&mut self.bank);
        }
    }

    /// An operation of a namespace that ended.
    pub(crate) fn finish(&mut self, namespace: usize) -> Option<Ended> {
        match self.phase {
            Phase::Running => {
                if let Err(failure) = self.collect() {
                    self.recover(failure);
                }
            }
            Phase::Resetting(..) => self.pursue(),
            Phase::Dead(_) => {}
        }
        self.ended.get_mut(namespace)?.pop_front()
    }

    /// Takes all completions from the device.
    fn collect(&mut self) -> Result<(), Failure> {
        while self.aborts != 0
            && let Some(completion) = self.admin.pop(&mut self.bank)?
        {
            self.aborted(completion)?;
        }
        while let Some(completion) = self.io.pop(&mut self.bank)? {
            self.complete(completion)?;
        }
        // What is tried again must not wait for the next operation.
        self.kick();
        Ok(())
    }

    /// Ends the command of a completion, or sends it again.
    fn complete(&mut self, completion: Completion) -> Result<(), Failure> {
        let slot = self.requests.get_mut(usize::from(completion.id));
        let slot = slot.filter(|slot| slot.is_some());
        let slot = slot.ok_or(Failure::Violation("completes a command that it was not sent"))?;
        let Some(request) = slot.as_mut() else { return Ok(()) };
        let result = match completion.status & CODE_AND_TYPE {
            SUCCESS => Ok(()),
            INVALID_OPCODE => Err(Error::new(EOPNOTSUPP)),
            _ if completion.status & DO_NOT_RETRY == 0 && !request.again => {
                request.again = true;
                self.io.push(completion.id, &request.command);
                self.rings = true;
                return Ok(());
            }
            _ => Err(Error::new(EIO)),
        };
        let ended = (request.tag, result);
        if let Some(list) = self.ended.get_mut(request.namespace) {
            list.push_back(ended);
        }
        *slot = None;
        Ok(())
    }

    /// Has the device drop the commands of a tag; whether it was told to.
    pub(crate) fn abort(&mut self, namespace: usize, tag: usize) -> bool {
        let limit = self.facts.aborts.min(MAX_ABORTS);
        let mut told = false;
        for (slot, request) in self.requests.iter().enumerate() {
            let mine = request.is_some_and(|it| it.namespace == namespace && it.tag == tag);
            let free = (0..limit).zip(1_u16..).find(|(bit, _)| self.aborts & 1 << bit == 0);
            let Some((bit, abort)) = free.filter(|_| mine && self.is_running()) else { continue };
            self.aborts |= 1 << bit;
            self.admin.push(abort, &Command::abort(self.io.id(), id(slot)));
            told = true;
        }
        if told {
            eprintln!("nvme: {}: a command takes too long; aborting it", self.facts.model);
            self.admin.ring(&mut self.bank);
        }
        told
    }

    /// Sees whether the device is there and well.
    pub(crate) fn look(&mut self) {
        if self.is_running()
            && let Err(failure) = self.bank.health()
        {
            self.recover(failure);
        }
    }

    /// Resets a device that does not answer.
    pub(crate) fn reset(&mut self) {
        if self.is_running() {
            self.recover(Failure::Late("answer"));
        }
    }
}

/// Entries of the queue for operations.
fn entries(capabilities: &Capabilities) -> u16 {
    u16::try_from(capabilities.entries).unwrap_or(u16::MAX).min(MAX_ENTRIES)
}

/// A slot's number as the id of its command.
pub(crate) fn id(slot: usize) -> u16 {
    u16::try_from(slot).unwrap_or(u16::MAX)
}
