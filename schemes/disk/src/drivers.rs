//! What is asked of the drivers, and of init about them.

use std::os::fd::OwnedFd;
use std::time::Duration;

use anode_scheme::sys;
use redox::error::{EIO, Error, Result};

use crate::FAMILIES;
use crate::waiter::Waiter;

/// The drivers. A family is its place in [`FAMILIES`].
pub(crate) trait Drivers {
    /// The names that a driver serves: `0`, `0p1`, … None if this machine has no device for
    /// it, or it does not run.
    ///
    /// # Errors
    ///
    /// What listing answers.
    fn list(&mut self, family: usize) -> Result<Vec<String>>;

    /// Opens one of its names.
    ///
    /// # Errors
    ///
    /// What the driver answers.
    fn open(&mut self, family: usize, name: &str, flags: usize) -> Result<OwnedFd>;
}

/// States of a service in which nobody serves its scheme, and none will by itself.
const ABSENT: [&str; 4] = ["no-device", "stopped", "ended", "failed"];
/// States in which it is not known yet whether somebody will.
const STARTING: [&str; 2] = ["starting", "waiting"];
/// How often such a service is asked about.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a driver may keep clients waiting: as long as a disk may take to start.
const PATIENCE: Duration = Duration::from_secs(12);

/// What a driver is asked.
#[derive(Debug)]
enum Question {
    /// Its names.
    List,
    /// A name to be opened, with flags.
    Open(String, usize),
}

/// What it answers.
#[derive(Debug)]
enum Answer {
    Names(Result<Vec<String>>),
    Opened(Result<OwnedFd>),
}

/// The real ones, each with a thread: one that never serves must hold up nobody for ever.
#[derive(Debug)]
pub(crate) struct Real(Vec<Waiter<Question, Answer>>);

impl Real {
    /// Threads for all families.
    ///
    /// # Errors
    ///
    /// `EAGAIN`: there can be no more threads.
    pub(crate) fn new() -> Result<Self> {
        let waiter = |name: &'static str| {
            Waiter::new(move |question| match question {
                Question::List => Answer::Names(list(name)),
                Question::Open(disk, flags) => {
                    Answer::Opened(sys::open(&format!("{name}:{disk}"), flags))
                }
            })
        };
        FAMILIES.into_iter().map(waiter).collect::<Result<_>>().map(Self)
    }

    fn ask(&mut self, family: usize, question: Question) -> Result<Answer> {
        self.0.get_mut(family).ok_or(Error::new(EIO))?.ask(question, PATIENCE)
    }
}

impl Drivers for Real {
    fn list(&mut self, family: usize) -> Result<Vec<String>> {
        match self.ask(family, Question::List)? {
            Answer::Names(names) => names,
            Answer::Opened(_) => Err(Error::new(EIO)),
        }
    }

    fn open(&mut self, family: usize, disk: &str, flags: usize) -> Result<OwnedFd> {
        match self.ask(family, Question::Open(disk.to_owned(), flags))? {
            Answer::Opened(handle) => handle,
            Answer::Names(_) => Err(Error::new(EIO)),
        }
    }
}

/// The names that a driver serves. Waits for it as long as it takes.
fn list(name: &str) -> Result<Vec<String>> {
    if !serves(name) {
        return Ok(Vec::new());
    }
    let failed = |error: std::io::Error| Error::new(error.raw_os_error().unwrap_or(EIO));
    let entries = std::fs::read_dir(format!("/scheme/{name}")).map_err(failed)?;
    entries
        .map(|entry| entry.map_err(failed)?.file_name().into_string().map_err(|_| Error::new(EIO)))
        .collect()
}

/// Whether a driver serves, or will. One that fails again and again must not be waited for in
/// the kernel, where nobody would ever answer.
fn serves(name: &str) -> bool {
    loop {
        // Without a word from init, the driver is asked itself.
        let row = std::fs::read_to_string(format!("/scheme/svc/{name}")).unwrap_or_default();
        match row.split_whitespace().nth(1) {
            Some(state) if STARTING.contains(&state) => std::thread::sleep(PAUSE),
            Some(state) => return !ABSENT.contains(&state),
            None => return true,
        }
    }
}
