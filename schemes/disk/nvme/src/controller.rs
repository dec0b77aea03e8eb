//! The controller: commands under way, and what happens when it fails.

use std::collections::VecDeque;

use anode_device::{Mmio, Registers, SharedMemory};
use redox::error::{EIO, EOPNOTSUPP, Error, Result as MemoryResult};

use crate::bank::{Bank, Capabilities};
use crate::command::{Command, Interrupts, Subject};
use crate::facts::{BYTES, Facts};
use crate::failure::Failure;
use crate::queue::{Completion, Queue};

/// Commands that are under way at once are one less than this, or than the device's queues have.
const MAX_ENTRIES: u16 = 128;
const ADMIN_ENTRIES: u16 = 16;
const ADMIN: u16 = 0;
const IO: u16 = 1;
pub(crate) const PAGE: usize = 4096;
/// The id of the admin command that is waited for; aborts have those above it.
const AWAITED: u16 = 0;
/// Aborts that are under way at once, at most; a bit each in [`Controller::aborts`].
const MAX_ABORTS: u32 = 8;
/// How long the device may take for an admin command.
const PATIENCE: core::time::Duration = core::time::Duration::from_secs(10);
/// After so many resets the device is given up.
const MAX_RESETS: u32 = 16;

// Status of a command: code, type, and that it is of no use to try again.
const SUCCESS: u16 = 0;
const INVALID_OPCODE: u16 = 1;
const CODE_AND_TYPE: u16 = 0x7FF;
const DO_NOT_RETRY: u16 = 1 << 14;

/// A command under way.
#[derive(Clone, Copy, Debug)]
struct Request {
    command: Command,
    /// By its place in the list of namespaces.
    namespace: usize,
    tag: usize,
    /// It has been sent again.
    again: bool,
}

/// An operation that ended, by its tag.
pub(crate) type Ended = (usize, MemoryResult<()>);

/// A controller that runs, or is dead.
#[derive(Debug)]
pub(crate) struct Controller<M, R = Mmio> {
    bank: Bank<R>,
    admin: Queue<M>,
    io: Queue<M>,
    /// A page for answers to admin commands.
    answer: M,
    /// A page for each slot: its list of pages, or the range of a discard.
    pub(crate) pages: M,
    requests: Vec<Option<Request>>,
    ended: Vec<VecDeque<Ended>>,
    pub(crate) facts: Facts,
    interrupts: Interrupts,
    rings: bool,
    /// Ids of aborts under way.
    aborts: u32,
    resets: u32,
    dead: bool,
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
        let mut bank = Bank::new(registers)?;
        bank.disable()?;
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
            dead: false,
        };
        controller.bring_up()?;
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

    /// Starts a controller that was disabled, up to its queue for operations.
    fn bring_up(&mut self) -> Result<(), Failure> {
        self.admin.clear();
        self.io.clear();
        self.aborts = 0;
        let [submission, completion] = self.admin.addresses();
        self.bank.enable(self.admin.entries(), submission, completion)?;
        self.command("count queues", &Command::one_queue())?;
        let shape = (self.io.id(), self.io.entries());
        let [submission, completion] = self.io.addresses();
        let completions = Command::create_completion(shape, completion, self.interrupts);
        self.command("make a completion queue", &completions)?;
        self.command("make a submission queue", &Command::create_submission(shape, submission))
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
        if self.dead {
            return Err(Error::new(EIO));
        }
        Ok(self.requests.iter().position(Option::is_none))
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
        if core::mem::take(&mut self.rings) && !self.dead {
            self.io.ring(&mut self.bank);
        }
    }

    /// An operation of a namespace that ended.
    pub(crate) fn finish(&mut self, namespace: usize) -> Option<Ended> {
        if !self.dead
            && let Err(failure) = self.collect()
        {
            self.recover(failure);
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
            let Some((bit, abort)) = free.filter(|_| mine && !self.dead) else { continue };
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
        if !self.dead
            && let Err(failure) = self.bank.health()
        {
            self.recover(failure);
        }
    }

    /// Resets a device that does not answer.
    pub(crate) fn reset(&mut self) {
        if !self.dead {
            self.recover(Failure::Late("answer"));
        }
    }

    /// Resets the device and sends it again what it held, once; what was sent again before ends
    /// with `EIO`. If that fails the device is dead, and all ends so.
    fn recover(&mut self, why: Failure) {
        self.resets = self.resets.saturating_add(1);
        eprintln!("nvme: {}: {why}; resetting it", self.facts.model);
        let up = self.restart();
        self.dead = up.is_err();
        for (slot, place) in self.requests.iter_mut().enumerate() {
            let Some(request) = place.as_mut() else { continue };
            if !self.dead && !core::mem::replace(&mut request.again, true) {
                self.io.push(id(slot), &request.command);
                self.rings = true;
            } else if let Some(list) = self.ended.get_mut(request.namespace) {
                list.push_back((request.tag, Err(Error::new(EIO))));
                *place = None;
            }
        }
        match up {
            Ok(()) => self.kick(),
            Err(failure) => eprintln!("nvme: {}: given up: {failure}", self.facts.model),
        }
    }

    /// Stops the device, and starts it if that was not done too often.
    fn restart(&mut self) -> Result<(), Failure> {
        self.bank.disable()?;
        if self.resets > MAX_RESETS {
            return Err(Failure::Violation("fails again and again"));
        }
        let up = self.bring_up();
        if up.is_err() {
            // Half started it shall not reach for memory.
            self.bank.disable()?;
        }
        up
    }
}

/// Entries of the queue for operations.
fn entries(capabilities: &Capabilities) -> u16 {
    u16::try_from(capabilities.entries).unwrap_or(u16::MAX).min(MAX_ENTRIES)
}

/// A slot's number as the id of its command.
fn id(slot: usize) -> u16 {
    u16::try_from(slot).unwrap_or(u16::MAX)
}
