//! Resetting a disk, step by step: each look at it takes no time, so other disks are served while
//! one spins up.
//!
//! ```text
//!  Stop commands ─▶ Stop receiving ─▶ Link ─▶ Ready ─▶ Identify ─▶ it runs
//!        └─ late ──────────┴────────────┘       └─ a port that only stopped: it runs
//! ```

use core::time::Duration;
use std::time::Instant;

use anode_device::{Registers, SharedMemory};
use redox::error::{EIO, Error};

use super::Sata;
use super::start::{ANSWER_TIME, answer, ask};
use crate::failure::Failure;
use crate::port::{LINK_TIME, Part, READY_TIME, STOP_TIME};

/// Whether a disk does what it is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// It does.
    Running,
    /// It is being reset: what it must do next, and until when.
    Resetting(Reset, Instant),
    /// It was given up.
    Dead,
}

/// A reset under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reset {
    step: Step,
    /// How far it must go.
    depth: Depth,
    /// The port did not stop: it must be stopped again behind the link's reset.
    stuck: bool,
}

/// How far a reset must go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// The port stopped after a command failed, and is started again, if that is enough.
    Port,
    /// The link, and with it the disk.
    Link,
    /// The same, because the driver gives up otherwise.
    LastTry,
}

/// What the disk or its port must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Stop(Part),
    Link,
    Ready,
    Identify,
}

/// What follows from a look at it.
enum Next {
    /// It is not that far.
    Wait,
    Go(Reset),
    Up,
}

impl<M: SharedMemory, R: Registers> Sata<M, R> {
    /// Begins a reset.
    pub(super) fn begin_reset(&mut self, depth: Depth) {
        let step = Step::Stop(Part::Commands);
        self.enter(Reset { step, depth, stuck: false });
        self.go_on();
    }

    /// Goes on with a reset as far as the disk is.
    pub(super) fn go_on(&mut self) {
        while let Phase::Resetting(reset, until) = self.phase {
            match self.look_at(reset, until) {
                Ok(Next::Wait) => return,
                Ok(Next::Go(reset)) => self.enter(reset),
                Ok(Next::Up) => self.is_up(reset.depth),
                Err(failure) if reset.depth == Depth::LastTry => self.give_up(failure),
                Err(failure) => self.recover(failure),
            }
        }
    }

    /// The disk is as it was. What it held is started again, or ends.
    fn is_up(&mut self, depth: Depth) {
        self.phase = Phase::Running;
        if depth != Depth::Port {
            self.repeat();
        }
        self.issue();
    }

    /// Ends all that the disk held.
    pub(super) fn give_up(&mut self, failure: Failure) {
        eprintln!("ahci: {}: given up: {failure}", self.name());
        self.phase = Phase::Dead;
        self.port.abandon();
        self.waiting.clear();
        self.end_all(u32::MAX, Err(Error::new(EIO)));
    }

    /// Tells port or disk to do this.
    fn enter(&mut self, reset: Reset) {
        let patience = match reset.step {
            Step::Stop(part) => {
                self.port.quit(part);
                STOP_TIME
            }
            Step::Link => {
                self.port.reset_link();
                LINK_TIME
            }
            Step::Ready => {
                let [list, received] = self.tables.addresses();
                self.port.listen(list, received);
                READY_TIME
            }
            Step::Identify => {
                ask(&mut self.port, &mut self.tables);
                ANSWER_TIME
            }
        };
        self.phase = Phase::Resetting(reset, later(patience));
    }

    /// Whether port or disk have done it, as they should until then.
    fn look_at(&mut self, reset: Reset, until: Instant) -> Result<Next, Failure> {
        let late = Instant::now() >= until;
        let wait = |what| if late { Err(Failure::Late(what)) } else { Ok(Next::Wait) };
        let go = |step| Ok(Next::Go(Reset { step, ..reset }));
        match reset.step {
            Step::Stop(part) => match (self.port.has_quit(part)?, part) {
                (true, Part::Commands) => go(Step::Stop(Part::Receiving)),
                (true, Part::Receiving) if reset.stuck => go(Step::Ready),
                (true, Part::Receiving) if reset.depth == Depth::Port && !self.port.is_busy() => {
                    go(Step::Ready)
                }
                (true, Part::Receiving) => Ok(Next::Go(deep(reset, Step::Link))),
                (false, _) if reset.stuck => wait("stop"),
                // The reset of the link may stop what does not stop by itself.
                (false, _) if late => {
                    Ok(Next::Go(Reset { stuck: true, ..deep(reset, Step::Link) }))
                }
                (false, _) => Ok(Next::Wait),
            },
            Step::Link if self.port.is_linked() && reset.stuck => go(Step::Stop(Part::Commands)),
            Step::Link if self.port.is_linked() => go(Step::Ready),
            Step::Link if late => Err(Failure::Gone),
            Step::Link => Ok(Next::Wait),
            Step::Ready if self.port.is_ready()? => {
                self.port.run();
                if reset.depth == Depth::Port { Ok(Next::Up) } else { go(Step::Identify) }
            }
            Step::Ready => wait("get ready"),
            Step::Identify => match answer(&mut self.port, &mut self.tables)? {
                None => wait("say what it is"),
                Some(mut facts) => {
                    facts.queueing = self.facts.queueing;
                    if facts == self.facts { Ok(Next::Up) } else { Err(Failure::Another) }
                }
            },
        }
    }
}

/// A reset that goes as far as the link.
fn deep(reset: Reset, step: Step) -> Reset {
    let depth = if reset.depth == Depth::Port { Depth::Link } else { reset.depth };
    Reset { step, depth, ..reset }
}

fn later(patience: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(patience).unwrap_or(now)
}
