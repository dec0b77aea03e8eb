//! A port's registers: link, start and stop, what is issued and what has ended.

use core::time::Duration;

use anode_device::Registers;

use crate::failure::Failure;
use crate::hba::Hba;

// Offsets of its registers.
const LIST: usize = 0x00;
const RECEIVED: usize = 0x08;
const INTERRUPTS: usize = 0x10;
const INTERRUPTS_ON: usize = 0x14;
const COMMAND: usize = 0x18;
const TASK_FILE: usize = 0x20;
const SIGNATURE: usize = 0x24;
const LINK_STATUS: usize = 0x28;
const LINK_CONTROL: usize = 0x2C;
const LINK_ERRORS: usize = 0x30;
const ACTIVE: usize = 0x34;
const ISSUE: usize = 0x38;

// Bits of the command register.
const START: u32 = 1;
const SPIN_UP: u32 = 1 << 1;
const POWER: u32 = 1 << 2;
const RECEIVE: u32 = 1 << 4;
const RECEIVING: u32 = 1 << 14;
const RUNNING: u32 = 1 << 15;

// Bits of the task file: status, and error above it.
const FAILED: u32 = 1;
const DATA_REQUEST: u32 = 1 << 3;
const FAULT: u32 = 1 << 5;
const BUSY: u32 = 1 << 7;
/// The error register's bit for a transfer that was damaged on its way.
const DAMAGED: u32 = 1 << 15;

// Interrupts: ends of commands, changes of the link, errors.
const ENDS: u32 = 0b0010_1111;
const LINK_CHANGES: u32 = 1 << 6 | 1 << 22;
const LINK_FAILURES: u32 = 1 << 24 | 1 << 27 | 1 << 28 | 1 << 29;
const TASK_FAILURE: u32 = 1 << 30;

/// Device detected, and the link is up.
const LINKED: u32 = 3;
const DETECTION: u32 = 0xF;
const RESET_LINK: u32 = 1;

/// How long a port may take to stop, a link to come up, and a disk to be ready after a reset:
/// it may have to spin up.
pub(crate) const STOP_TIME: Duration = Duration::from_millis(500);
pub(crate) const LINK_TIME: Duration = Duration::from_secs(1);
pub(crate) const READY_TIME: Duration = Duration::from_secs(30);
/// The reset of a link lasts a millisecond at least.
const RESET_TIME: Duration = Duration::from_millis(2);

/// What a port has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing but, perhaps, that commands ended.
    Good,
    /// The link went up or down.
    Link,
    /// A command failed.
    Failed(Failure),
}

/// What a port does for itself, and is stopped in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// It runs commands.
    Commands,
    /// It puts what the disk says into memory.
    Receiving,
}

/// A port.
#[derive(Debug)]
pub(crate) struct Port<R> {
    hba: Hba<R>,
    number: u32,
}

impl<R: Registers> Port<R> {
    /// A port of a host adapter.
    pub(crate) const fn new(hba: Hba<R>, number: u32) -> Self {
        Self { hba, number }
    }

    pub(crate) const fn number(&self) -> u32 {
        self.number
    }

    fn read(&self, at: usize) -> u32 {
        self.hba.read(self.number, at)
    }

    fn write(&mut self, at: usize, value: u32) {
        self.hba.write(self.number, at, value);
    }

    /// Lets a disk spin up, where the adapter waits for that word.
    pub(crate) fn power_up(&mut self) {
        let command = self.read(COMMAND);
        self.write(COMMAND, command | SPIN_UP | POWER);
    }

    /// Whether something is there, if not yet linked.
    pub(crate) fn senses(&self) -> bool {
        let status = self.read(LINK_STATUS);
        status != u32::MAX && status & DETECTION != 0
    }

    /// Whether there is a link to a disk.
    pub(crate) fn is_linked(&self) -> bool {
        let status = self.read(LINK_STATUS);
        status != u32::MAX && status & DETECTION == LINKED
    }

    /// What kind of device it is, once it is ready.
    pub(crate) fn signature(&self) -> u32 {
        self.read(SIGNATURE)
    }

    /// Stops the port. When this returns `Ok` the adapter has let go of its memory.
    ///
    /// # Errors
    ///
    /// [`Failure::Gone`], or [`Failure::Late`]: the link must be reset, or the memory lost.
    pub(crate) fn stop(&mut self) -> Result<(), Failure> {
        for part in [Part::Commands, Part::Receiving] {
            self.quit(part);
            wait(STOP_TIME, "stop", || self.has_quit(part))?;
        }
        Ok(())
    }

    /// Tells the port to do this no more.
    pub(crate) fn quit(&mut self, part: Part) {
        let bit = if part == Part::Commands { START } else { RECEIVE };
        let command = self.read(COMMAND);
        self.write(COMMAND, command & !bit);
    }

    /// Whether the port does this no more. When it does neither it has let go of its memory.
    ///
    /// # Errors
    ///
    /// [`Failure::Gone`].
    pub(crate) fn has_quit(&self, part: Part) -> Result<bool, Failure> {
        self.is_clear(COMMAND, if part == Part::Commands { RUNNING } else { RECEIVING })
    }

    /// Resets the link, and with it the disk; the link then comes up again.
    pub(crate) fn reset_link(&mut self) {
        let control = self.read(LINK_CONTROL) & !DETECTION;
        self.write(LINK_CONTROL, control | RESET_LINK);
        std::thread::sleep(RESET_TIME);
        self.write(LINK_CONTROL, control);
    }

    /// Waits for the link to come up.
    ///
    /// # Errors
    ///
    /// [`Failure::Gone`].
    pub(crate) fn wait_for_link(&self) -> Result<(), Failure> {
        let mut more = anode_block::patience_of(LINK_TIME);
        while !self.is_linked() {
            if !more() {
                return Err(Failure::Gone);
            }
        }
        Ok(())
    }

    /// Starts a port that is stopped and linked: commands at `list`, answers to `received`.
    ///
    /// # Errors
    ///
    /// [`Failure::Gone`] or [`Failure::Late`].
    pub(crate) fn start(&mut self, list: u64, received: u64) -> Result<(), Failure> {
        self.listen(list, received);
        wait(READY_TIME, "get ready", || self.is_ready())?;
        self.run();
        Ok(())
    }

    /// Lets a port that is stopped receive what the disk says.
    pub(crate) fn listen(&mut self, list: u64, received: u64) {
        self.write64(LIST, list);
        self.write64(RECEIVED, received);
        self.forget_news();
        let command = self.read(COMMAND);
        self.write(COMMAND, command | RECEIVE);
    }

    /// Whether the disk takes commands.
    ///
    /// # Errors
    ///
    /// [`Failure::Gone`].
    pub(crate) fn is_ready(&self) -> Result<bool, Failure> {
        self.is_clear(TASK_FILE, BUSY | DATA_REQUEST)
    }

    /// Lets the port run commands.
    pub(crate) fn run(&mut self) {
        let command = self.read(COMMAND);
        self.write(COMMAND, command | START);
    }

    /// Asks for interrupts.
    pub(crate) fn enable_interrupts(&mut self) {
        self.write(INTERRUPTS_ON, ENDS | LINK_CHANGES | LINK_FAILURES | TASK_FAILURE);
    }

    /// Issues the commands of these slots; `queued` are those that the disk queues.
    pub(crate) fn issue(&mut self, slots: u32, queued: u32) {
        if queued != 0 {
            self.write(ACTIVE, queued);
        }
        self.write(ISSUE, slots);
    }

    /// The slots whose commands have not ended.
    pub(crate) fn unfinished(&self) -> u32 {
        self.read(ACTIVE) | self.read(ISSUE)
    }

    /// What there is to tell since this was asked last.
    ///
    /// # Errors
    ///
    /// [`Failure::Gone`].
    pub(crate) fn news(&mut self) -> Result<News, Failure> {
        let interrupts = self.read(INTERRUPTS);
        if interrupts == u32::MAX {
            return Err(Failure::Gone);
        }
        if interrupts == 0 {
            return Ok(News::Good);
        }
        let errors = self.read(LINK_ERRORS);
        if interrupts & LINK_CHANGES != 0 {
            // Only so these two can be cleared.
            self.write(LINK_ERRORS, errors);
        }
        self.write(INTERRUPTS, interrupts);
        self.hba.acknowledge(self.number);
        Ok(if interrupts & LINK_FAILURES != 0 {
            News::Failed(Failure::Link(errors))
        } else if interrupts & TASK_FAILURE != 0 {
            News::Failed(self.failure().unwrap_or(Failure::Refused(0)))
        } else if interrupts & LINK_CHANGES != 0 {
            News::Link
        } else {
            News::Good
        })
    }

    /// Whether a command failed since [`Self::news`] was asked, which will tell.
    pub(crate) fn has_failed(&self) -> bool {
        self.read(INTERRUPTS) & (LINK_FAILURES | TASK_FAILURE) != 0
    }

    /// Why the last command failed, if it did.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let state = self.read(TASK_FILE);
        let [status, error, ..] = state.to_le_bytes();
        let failed = state & (FAILED | FAULT) != 0;
        failed.then(|| match state & DAMAGED {
            0 => Failure::Refused(u16::from_le_bytes([status, error])),
            _ => Failure::Link(self.read(LINK_ERRORS)),
        })
    }

    /// Whether the adapter and the link are there.
    pub(crate) fn is_there(&self) -> bool {
        self.read(COMMAND) != u32::MAX && self.is_linked()
    }

    /// Whether the disk is busy, or wants to move data.
    pub(crate) fn is_busy(&self) -> bool {
        self.read(TASK_FILE) & (BUSY | DATA_REQUEST) != 0
    }

    /// Has nothing more to do with it, and takes it from its memory if it lets go.
    pub(crate) fn abandon(&mut self) {
        self.write(INTERRUPTS_ON, 0);
        // One that does not stop keeps memory that nobody else uses.
        self.stop().unwrap_or_default();
    }

    /// Forgets all interrupts and errors.
    fn forget_news(&mut self) {
        self.write(LINK_ERRORS, u32::MAX);
        self.write(INTERRUPTS, u32::MAX);
        self.hba.acknowledge(self.number);
    }

    /// Whether all of these bits are clear.
    fn is_clear(&self, at: usize, bits: u32) -> Result<bool, Failure> {
        match self.read(at) {
            u32::MAX => Err(Failure::Gone),
            value => Ok(value & bits == 0),
        }
    }

    fn write64(&mut self, at: usize, value: u64) {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        self.write(at, u32::from_le_bytes([a, b, c, d]));
        self.write(at.saturating_add(4), u32::from_le_bytes([e, f, g, h]));
    }
}

/// Waits until it is done: only before there is anything to serve.
fn wait(
    limit: Duration,
    what: &'static str,
    done: impl Fn() -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let mut more = anode_block::patience_of(limit);
    while !done()? {
        if !more() {
            return Err(Failure::Late(what));
        }
    }
    Ok(())
}
