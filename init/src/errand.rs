//! What init must ask daemons for, done by threads: init itself never waits for a daemon.

use std::{
    collections::BTreeMap,
    os::fd::OwnedFd,
    sync::{Arc, mpsc::Sender},
    thread,
    time::Duration,
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

/// What was fetched for one start of a service.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    /// Its PCI functions. Only the driver keeps them, so that `pci:` quiets a device as soon
    /// as its driver is dead.
    pub(crate) devices: Vec<OwnedFd>,
    /// The terminal.
    pub(crate) tty: Option<OwnedFd>,
}

/// How often a function that is still taken is asked for: its last driver may just have died.
const TRIES: u32 = 20;
/// Between two of those.
const PAUSE: Duration = Duration::from_millis(100);

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

    /// Fetches what the service's start needs.
    pub(crate) fn fetch(&self, unit: &Unit) {
        let (name, pci) = (unit.name.clone(), unit.pci.clone());
        let stdio = unit.stdio;
        self.run(move || {
            let outcome = fetch(pci.as_ref(), stdio);
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

fn fetch(pci: Option<&Matches>, stdio: Stdio) -> Result<Fetched, Failure> {
    let mut fetched = Fetched::default();
    if let Some(matches) = pci {
        fetched.devices = devices(matches)?;
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

/// The PCI functions that match, in the order of their addresses.
fn devices(matches: &Matches) -> Result<Vec<OwnedFd>, Failure> {
    let mut found = BTreeMap::new();
    for _try in 0..TRIES {
        if !take_devices(matches, &mut found)? {
            break;
        }
        thread::sleep(PAUSE);
    }
    if found.is_empty() {
        return Err(Failure::Absent("this machine has no free device for it".to_owned()));
    }
    Ok(found.into_values().collect())
}

/// Opens what matches and is free; says whether something that matches is taken.
fn take_devices(matches: &Matches, found: &mut BTreeMap<String, OwnedFd>) -> Result<bool, Failure> {
    let pci = std::fs::read_dir("/scheme/pci");
    let pci = pci.map_err(|error| Failure::Failed(format!("pci: cannot be listed: {error}")))?;
    let names = pci.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut busy = false;
    for name in names {
        // Bridges have no facts to read, and nobody drives them.
        let facts = std::fs::read_to_string(format!("/scheme/pci/{name}/info"));
        if found.contains_key(&name) || !facts.is_ok_and(|facts| matches.covers(&facts)) {
            continue;
        }
        match sys::open(&format!("pci:{name}"), O_RDONLY | O_DIRECTORY) {
            Ok(device) => drop(found.insert(name, device)),
            Err(Error { errno: EBUSY }) => busy = true,
            Err(error) => return Err(failed(&format!("pci:{name} cannot be opened"), error)),
        }
    }
    Ok(busy)
}
