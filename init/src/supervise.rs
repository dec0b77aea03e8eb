//! What happens to services over time: started, watched, restarted with back-off, given up.
//!
//! All of it is a state machine over events and a clock that the caller reads; what it does to
//! the machine goes through [`World`], so it runs on the host under tests.

use std::time::Duration;

use crate::{
    report,
    unit::{Restart, Unit},
};

/// Wait before the first restart; each further one waits twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Longest wait before a restart.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A service that lived this long has its failures forgotten.
const GOOD_LIFE: Duration = Duration::from_secs(60);
/// Failures in a row after which a service is given up.
const LIMIT: u32 = 10;
/// Between asking a service to end and killing it.
const PATIENCE: Duration = Duration::from_secs(2);

const SIGKILL: u8 = 9;
const SIGTERM: u8 = 15;

/// Process id.
pub(crate) type Pid = u32;

/// What the supervisor does to the machine.
pub(crate) trait World {
    /// Gets what a start needs; false: [`Supervisor::prepared`] will be told when it is there.
    fn prepare(&mut self, unit: &Unit) -> bool;
    /// Starts the service's program, after [`World::prepare`].
    fn spawn(&mut self, unit: &Unit) -> Result<Pid, Failure>;
    /// The service's device is not there: nobody shall wait for its schemes.
    fn absent(&mut self, unit: &Unit);
    /// Sends a signal.
    fn kill(&mut self, pid: Pid, signal: u8);
    /// Puts a sentence into the log.
    fn say(&mut self, sentence: &str);
}

/// Why a service could not be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Something went wrong that may go right the next time.
    Failed(String),
    /// The device that it is for is not in this machine.
    Absent(String),
}

/// Where a service stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// What its start needs is being fetched.
    Preparing,
    Running {
        pid: Pid,
        since: Duration,
    },
    /// It was asked to end; killed at `kill_at`.
    Stopping {
        pid: Pid,
        since: Duration,
        kill_at: Option<Duration>,
        then: Then,
    },
    /// It will be started at this time.
    Waiting {
        at: Duration,
    },
    /// Stopped by command, or not started yet.
    Stopped,
    /// It ended, and its file says to leave it.
    Ended,
    Absent,
    Failed,
}

/// What follows when a service that was told to end has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It stays stopped.
    Rest,
    /// It is started again.
    Start,
}

#[derive(Debug)]
struct Service {
    unit: Unit,
    state: State,
    /// Failures since it last lived well.
    failures: u32,
    /// How often it was started again.
    restarts: u32,
}

/// All services, in the order of their start.
#[derive(Debug)]
pub(crate) struct Supervisor {
    services: Vec<Service>,
}

impl Supervisor {
    /// Nothing is started yet.
    pub(crate) fn new(units: Vec<Unit>) -> Self {
        let service = |unit| Service { unit, state: State::Stopped, failures: 0, restarts: 0 };
        Self { services: units.into_iter().map(service).collect() }
    }

    /// Starts all services in their order.
    pub(crate) fn start_all(&mut self, world: &mut impl World, now: Duration) {
        for service in &mut self.services {
            service.begin(world, now);
        }
    }

    /// The preparations for `name`'s start came to an end.
    pub(crate) fn prepared(
        &mut self,
        world: &mut impl World,
        now: Duration,
        name: &str,
        outcome: Result<(), Failure>,
    ) {
        let preparing =
            |service: &&mut Service| service.unit.name == name && service.state == State::Preparing;
        let Some(service) = self.services.iter_mut().find(preparing) else { return };
        match outcome {
            Ok(()) => service.spawn(world, now),
            Err(failure) => service.start_failed(world, now, failure),
        }
    }

    /// The process `pid` ended with this status; an orphan's end is nobody's news.
    pub(crate) fn ended(&mut self, world: &mut impl World, now: Duration, pid: Pid, status: u32) {
        if let Some(service) = self.services.iter_mut().find(|service| service.pid() == Some(pid)) {
            service.ended(world, now, pid, status);
        }
    }

    /// Does what is due at `now`.
    pub(crate) fn tick(&mut self, world: &mut impl World, now: Duration) {
        for service in &mut self.services {
            match &mut service.state {
                State::Waiting { at } if *at <= now => {
                    service.restarts = service.restarts.saturating_add(1);
                    service.begin(world, now);
                }
                State::Stopping { pid, kill_at, .. } if kill_at.is_some_and(|at| at <= now) => {
                    *kill_at = None;
                    let (pid, name) = (*pid, &service.unit.name);
                    world.say(&format!("{name} (pid {pid}) does not end when asked; killing it"));
                    world.kill(pid, SIGKILL);
                }
                State::Preparing
                | State::Running { .. }
                | State::Stopping { .. }
                | State::Waiting { .. }
                | State::Stopped
                | State::Ended
                | State::Absent
                | State::Failed => {}
            }
        }
    }

    /// When [`Supervisor::tick`] has something to do next.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let due = |service: &Service| match service.state {
            State::Waiting { at } => Some(at),
            State::Stopping { kill_at, .. } => kill_at,
            State::Preparing
            | State::Running { .. }
            | State::Stopped
            | State::Ended
            | State::Absent
            | State::Failed => None,
        };
        self.services.iter().filter_map(due).min()
    }

    /// Carries out a line that was written to `svc:control`; the answer is for its writer.
    ///
    /// # Errors
    ///
    /// A sentence that says why nothing was done.
    pub(crate) fn command(
        &mut self,
        world: &mut impl World,
        now: Duration,
        line: &str,
    ) -> Result<String, String> {
        let mut words = line.split_whitespace();
        let (Some(verb), Some(name), None) = (words.next(), words.next(), words.next()) else {
            return Err("write `start NAME`, `stop NAME` or `restart NAME`".to_owned());
        };
        let mut services = self.services.iter_mut();
        let service = services.find(|service| service.unit.name == name);
        let service = service.ok_or_else(|| format!("there is no service called {name}"))?;
        match verb {
            "start" => service.start(world, now),
            "stop" => service.stop(world, now, Then::Rest),
            "restart" if service.pid().is_some() => service.stop(world, now, Then::Start),
            "restart" => service.start(world, now),
            _ => Err(format!("`{verb}` is not start, stop or restart")),
        }
    }

    /// The table that `svc` prints.
    pub(crate) fn table(&self, now: Duration) -> String {
        let rows = self.services.iter().map(|service| {
            let (word, since) = service.describe();
            report::Row {
                name: &service.unit.name,
                state: word,
                pid: service.pid(),
                restarts: service.restarts,
                uptime: since.map(|since| now.saturating_sub(since)),
            }
        });
        report::table(rows)
    }

    /// Names of all services.
    pub(crate) fn names(&self) -> Vec<String> {
        self.services.iter().map(|service| service.unit.name.clone()).collect()
    }
}

impl Service {
    const fn pid(&self) -> Option<Pid> {
        match self.state {
            State::Running { pid, .. } | State::Stopping { pid, .. } => Some(pid),
            State::Preparing
            | State::Waiting { .. }
            | State::Stopped
            | State::Ended
            | State::Absent
            | State::Failed => None,
        }
    }

    /// Its state in a word, and since when it runs.
    const fn describe(&self) -> (&'static str, Option<Duration>) {
        match self.state {
            State::Preparing => ("starting", None),
            State::Running { since, .. } => ("running", Some(since)),
            State::Stopping { since, .. } => ("stopping", Some(since)),
            State::Waiting { .. } => ("waiting", None),
            State::Stopped => ("stopped", None),
            State::Ended => ("ended", None),
            State::Absent => ("no-device", None),
            State::Failed => ("failed", None),
        }
    }

    fn begin(&mut self, world: &mut impl World, now: Duration) {
        if world.prepare(&self.unit) {
            self.spawn(world, now);
        } else {
            self.state = State::Preparing;
        }
    }

    fn spawn(&mut self, world: &mut impl World, now: Duration) {
        match world.spawn(&self.unit) {
            Ok(pid) => self.state = State::Running { pid, since: now },
            Err(failure) => self.start_failed(world, now, failure),
        }
    }

    fn start_failed(&mut self, world: &mut impl World, now: Duration, failure: Failure) {
        match failure {
            Failure::Absent(reason) => {
                self.state = State::Absent;
                world.absent(&self.unit);
                world.say(&format!("{} is not needed: {reason}", self.unit.name));
            }
            Failure::Failed(reason) => {
                let begin = format!("{} could not be started: {reason}", self.unit.name);
                self.failed(world, now, &begin);
            }
        }
    }

    fn ended(&mut self, world: &mut impl World, now: Duration, pid: Pid, status: u32) {
        let (State::Running { since, .. } | State::Stopping { since, .. }) = self.state else {
            return;
        };
        let life = now.saturating_sub(since);
        let end = report::death(&self.unit.name, pid, status, life);
        if let State::Stopping { then, .. } = self.state {
            world.say(&format!("{end}, as it was told to"));
            self.failures = 0;
            self.state = State::Stopped;
            if then == Then::Start {
                self.restarts = self.restarts.saturating_add(1);
                self.begin(world, now);
            }
            return;
        }
        if life >= GOOD_LIFE {
            self.failures = 0;
        }
        let well = status == 0;
        match self.unit.restart {
            Restart::Never => self.leave(world, &end),
            Restart::OnFailure if well => self.leave(world, &end),
            Restart::Always if well => {
                self.state = State::Waiting { at: now.saturating_add(FIRST_WAIT) };
                world.say(&format!("{end}; starting it again"));
            }
            Restart::Always | Restart::OnFailure => self.failed(world, now, &end),
        }
    }

    fn leave(&mut self, world: &mut impl World, end: &str) {
        self.state = State::Ended;
        world.say(&format!("{end}, and stays so"));
    }

    /// Counts a failure, then waits for the next try or gives up.
    fn failed(&mut self, world: &mut impl World, now: Duration, begin: &str) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= LIMIT {
            self.state = State::Failed;
            let failures = self.failures;
            world.say(&format!("{begin}; given up after {failures} failures in a row"));
            return;
        }
        let doublings = self.failures.saturating_sub(1).min(16);
        let wait = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
        self.state = State::Waiting { at: now.saturating_add(wait) };
        world.say(&format!("{begin}; trying again in {} ms", wait.as_millis()));
    }

    fn start(&mut self, world: &mut impl World, now: Duration) -> Result<String, String> {
        let name = self.unit.name.clone();
        match self.state {
            State::Running { pid, .. } => return Err(format!("{name} runs already, as pid {pid}")),
            State::Stopping { .. } => return Err(format!("{name} is being stopped")),
            State::Preparing => return Err(format!("{name} is being started")),
            State::Waiting { .. }
            | State::Stopped
            | State::Ended
            | State::Absent
            | State::Failed => {}
        }
        self.failures = 0;
        self.begin(world, now);
        Ok(format!("{name} is started"))
    }

    fn stop(
        &mut self,
        world: &mut impl World,
        now: Duration,
        then: Then,
    ) -> Result<String, String> {
        let name = &self.unit.name;
        match self.state {
            State::Running { pid, since } => {
                let kill_at = Some(now.saturating_add(PATIENCE));
                self.state = State::Stopping { pid, since, kill_at, then };
                world.kill(pid, SIGTERM);
                Ok(format!("{name} (pid {pid}) is told to end"))
            }
            State::Stopping { pid, since, kill_at, .. } => {
                self.state = State::Stopping { pid, since, kill_at, then };
                Ok(format!("{name} (pid {pid}) has been told to end"))
            }
            State::Preparing | State::Waiting { .. } => {
                self.state = State::Stopped;
                Ok(format!("{name} is not started again"))
            }
            State::Stopped | State::Ended | State::Absent | State::Failed => {
                Err(format!("{name} does not run"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
