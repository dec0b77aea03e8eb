//! Resetting a controller, step by step: each look at it takes no time, so other disks are served
//! while a device takes seconds to stop and to start.
//!
//! ```text
//!  Settle ─▶ Stop ─▶ Start ─▶ SetUp 0, 1, 2 ─▶ it runs, and gets its commands again
//!              └────────┴──────────┴─ fails ─▶ Halt ─▶ it is dead
//! ```

use core::time::Duration;
use std::time::Instant;

use anode_device::{Registers, SharedMemory};
use redox::error::{EIO, Error};

use crate::command::Command;
use crate::controller::{AWAITED, Controller, PATIENCE, id};
use crate::failure::Failure;
use crate::queue::Completion;

/// After so many resets the device is given up.
const MAX_RESETS: u32 = 16;

/// Whether a controller does what it is told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    /// It does.
    Running,
    /// It is being reset: what it must do next, and until when.
    Resetting(Step, Instant),
    /// It was given up.
    Dead(Failure),
}

/// What a controller must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Finish its start: before it may not be stopped.
    Settle,
    /// Stop, by which it lets go of all memory.
    Stop,
    /// Start.
    Start,
    /// Answer a command that makes its queue for operations, by its place among those.
    SetUp(usize),
    /// Stop for good, because of this.
    Halt(Failure),
}

/// What follows from a look at it.
enum Next {
    /// It is not that far.
    Wait,
    Go(Step),
    Up,
    Down(Failure),
}

impl<M: SharedMemory, R: Registers> Controller<M, R> {
    /// Begins a reset, whatever the controller does.
    pub(crate) fn begin_reset(&mut self) {
        self.enter(Step::Settle);
    }

    /// Resets the device because of this and sends it again what it held, once; what was sent
    /// again before ends with `EIO`. If that fails the device is dead, and all ends so.
    pub(crate) fn recover(&mut self, why: Failure) {
        self.resets = self.resets.saturating_add(1);
        eprintln!("nvme: {}: {why}; resetting it", self.facts.model);
        self.begin_reset();
        self.pursue();
    }

    /// Goes on with a reset, and says how it ended if that was badly.
    pub(crate) fn pursue(&mut self) {
        self.go_on();
        if let Phase::Dead(failure) = self.phase {
            eprintln!("nvme: {}: given up: {failure}", self.facts.model);
        }
    }

    /// Goes on with a reset as far as the controller is.
    pub(crate) fn go_on(&mut self) {
        while let Phase::Resetting(step, until) = self.phase {
            let next = self.look_at(step, until);
            match next.unwrap_or_else(|failure| after(step, failure)) {
                Next::Wait => return,
                Next::Go(step) => self.enter(step),
                Next::Up => {
                    self.phase = Phase::Running;
                    self.send_again();
                }
                Next::Down(failure) => {
                    self.phase = Phase::Dead(failure);
                    self.end_all();
                }
            }
        }
    }

    /// Tells the controller to do this.
    fn enter(&mut self, step: Step) {
        let mut patience = self.bank.capabilities.patience;
        match step {
            Step::Settle => {}
            Step::Stop | Step::Halt(_) => self.bank.stop(),
            Step::Start => {
                self.admin.clear();
                self.io.clear();
                self.aborts = 0;
                let [submission, completion] = self.admin.addresses();
                self.bank.start(self.admin.entries(), submission, completion);
            }
            Step::SetUp(number) => {
                if let Some((_, command)) = self.setup(number) {
                    self.admin.push(AWAITED, &command);
                    self.admin.ring(&mut self.bank);
                }
                patience = PATIENCE;
            }
        }
        self.phase = Phase::Resetting(step, later(patience));
    }

    /// Whether the controller has done it, as it should until then.
    fn look_at(&mut self, step: Step, until: Instant) -> Result<Next, Failure> {
        let late = Instant::now() >= until;
        let wait = |what| if late { Err(Failure::Late(what)) } else { Ok(Next::Wait) };
        match step {
            // One that never starts is stopped all the same.
            Step::Settle if self.bank.has_settled()? || late => Ok(Next::Go(Step::Stop)),
            Step::Settle => Ok(Next::Wait),
            Step::Stop if self.bank.is_ready()? => wait("stop"),
            Step::Stop if self.resets > MAX_RESETS => {
                Ok(Next::Down(Failure::Violation("fails again and again")))
            }
            Step::Stop => Ok(Next::Go(Step::Start)),
            Step::Start => {
                self.bank.health()?;
                if self.bank.is_ready()? { Ok(Next::Go(Step::SetUp(0))) } else { wait("start") }
            }
            Step::SetUp(number) => {
                let Some((what, _)) = self.setup(number) else { return Ok(Next::Up) };
                match self.admin.pop(&mut self.bank)? {
                    Some(Completion { id: AWAITED, status: 0, .. }) => {
                        Ok(Next::Go(Step::SetUp(number.saturating_add(1))))
                    }
                    Some(Completion { id: AWAITED, status, .. }) => {
                        Err(Failure::Refused(what, status))
                    }
                    Some(_) => Err(Failure::Violation("completes an admin command never sent")),
                    None => self.bank.health().and_then(|()| wait(what)),
                }
            }
            Step::Halt(failure) if late || !self.bank.is_ready()? => Ok(Next::Down(failure)),
            Step::Halt(_) => Ok(Next::Wait),
        }
    }

    /// The commands that make the queue for operations, and what they are for.
    fn setup(&self, number: usize) -> Option<(&'static str, Command)> {
        let shape = (self.io.id(), self.io.entries());
        let [submission, completion] = self.io.addresses();
        let completions = Command::create_completion(shape, completion, self.interrupts);
        let commands = [
            ("count queues", Command::one_queue()),
            ("make a completion queue", completions),
            ("make a submission queue", Command::create_submission(shape, submission)),
        ];
        commands.get(number).copied()
    }

    /// Sends again what the controller held; what it held before ends.
    fn send_again(&mut self) {
        for (slot, place) in self.requests.iter_mut().enumerate() {
            let Some(request) = place.as_mut() else { continue };
            if !core::mem::replace(&mut request.again, true) {
                self.io.push(id(slot), &request.command);
                self.rings = true;
            } else if let Some(list) = self.ended.get_mut(request.namespace) {
                list.push_back((request.tag, Err(Error::new(EIO))));
                *place = None;
            }
        }
        self.kick();
    }

    /// Ends all that the controller held.
    fn end_all(&mut self) {
        for request in self.requests.iter_mut().filter_map(Option::take) {
            if let Some(list) = self.ended.get_mut(request.namespace) {
                list.push_back((request.tag, Err(Error::new(EIO))));
            }
        }
    }
}

/// What follows when a step failed. Half started it shall not reach for memory.
fn after(step: Step, failure: Failure) -> Next {
    match step {
        Step::Start | Step::SetUp(_) => Next::Go(Step::Halt(failure)),
        Step::Settle | Step::Stop => Next::Down(failure),
        Step::Halt(first) => Next::Down(first),
    }
}

fn later(patience: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(patience).unwrap_or(now)
}
