//! What init must ask daemons for, done by threads: init itself never waits for a daemon.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, mpsc::Sender},
    thread,
};

use anode_scheme::sys;
use redox::{
    error::{EBUSY, Error},
    flag::{O_DIRECTORY, O_RDONLY, O_RDWR, O_WRONLY},
};

use crate::{
    Event,
    supervise::Failure,
    unit::{Matches, Stdio, Unit},
};

/// What was fetched for a service.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    /// Its PCI functions, kept for its successors, as each can be opened once only.
    pub(crate) devices: Vec<OwnedFd>,
    /// The terminal, opened for this start.
    pub(crate) tty: Option<OwnedFd>,
}

/// Sends threads on their way; what they bring comes as an [`Event`].
#[derive(Clone, Debug)]
pub(crate) struct Errands {
    events: Sender<Event>,
}

impl Errands {
    /// Errands that report to the main loop.
    pub(crate) const fn new(events: Sender<Event>) -> Self {
        Self { events }
    }

    /// Fetches what the service's start needs; `had` is what an earlier start had.
    pub(crate) fn fetch(&self, unit: &Unit, had: Fetched) {
        let (name, pci) = (unit.name.clone(), unit.pci.clone());
        let stdio = unit.stdio;
        self.run(move || {
            let outcome = fetch(pci.as_ref(), stdio, had);
            Some(Event::Fetched { name, outcome })
        });
    }

    /// Passes the read end of a service's log pipe to `log:`.
    pub(crate) fn attach(&self, name: &str, read: &Arc<OwnedFd>) {
        let (name, read) = (name.to_owned(), Arc::clone(read));
        self.run(move || {
            let attached = sys::open(&format!("log:attach/{name}"), O_WRONLY)
                .and_then(|log| sys::sendfd(&log, read.as_ref(), 0));
            let error = attached.err()?;
            Some(Event::Said(format!("the output of {name} does not reach log: {error}")))
        });
    }

    fn run(&self, errand: impl FnOnce() -> Option<Event> + Send + 'static) {
        let events = self.events.clone();
        let spawned = thread::Builder::new().name("errand".to_owned()).spawn(move || {
            // A main loop that is gone took the process along.
            errand().is_none_or(|event| events.send(event).is_ok())
        });
        if let Err(error) = spawned {
            eprintln!("init: no thread for an errand: {error}");
        }
    }
}

fn fetch(pci: Option<&Matches>, stdio: Stdio, had: Fetched) -> Result<Fetched, Failure> {
    let mut fetched = Fetched::default();
    if let Some(matches) = pci {
        fetched.devices = devices(matches, had.devices)?;
    }
    if stdio == Stdio::Tty {
        let opened = sys::open("tty:", O_RDWR);
        let opened = opened.map_err(|error| failed("tty: cannot be opened", error))?;
        fetched.tty = Some(opened);
    }
    Ok(fetched)
}

fn failed(what: &str, error: Error) -> Failure {
    Failure::Failed(format!("{what}: {error}"))
}

/// The PCI functions that match; those that a driver had before if `pci:` still knows them.
fn devices(matches: &Matches, had: Vec<OwnedFd>) -> Result<Vec<OwnedFd>, Failure> {
    if !had.is_empty() && had.iter().all(|device| info(device).is_ok()) {
        return Ok(had);
    }
    drop(had);
    let pci = std::fs::read_dir("/scheme/pci");
    let pci = pci.map_err(|error| Failure::Failed(format!("pci: cannot be listed: {error}")))?;
    let mut found = Vec::new();
    for name in pci.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
        match sys::open(&format!("pci:{name}"), O_RDONLY | O_DIRECTORY) {
            Ok(device) => {
                let info = info(&device).map_err(|error| failed("pci: does not answer", error))?;
                if matches.covers(&info) {
                    found.push(device);
                }
            }
            // Another driver has it.
            Err(Error { errno: EBUSY }) => {}
            Err(error) => return Err(failed(&format!("pci:{name} cannot be opened"), error)),
        }
    }
    if found.is_empty() {
        return Err(Failure::Absent("this machine has no device for it".to_owned()));
    }
    Ok(found)
}

/// What `pci:` says of a function.
fn info(device: &OwnedFd) -> Result<String, Error> {
    let info = sys::openat(device, "info", O_RDONLY)?;
    let mut text = vec![0; 4096];
    let len = sys::read_at(&info, &mut text, 0)?;
    Ok(String::from_utf8_lossy(text.get(..len).unwrap_or_default()).into_owned())
}
