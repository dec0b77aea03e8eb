//! The first process: starts and watches the services.
//!
//! ```text
//!  /etc/init/*.toml ─▶ unit ─▶ graph ─▶ supervise ◀── events ── control (svc:), children,
//!                      parse   order    decides                 errands (pci:, tty:, log:)
//!                                          │
//!                                          ▼
//!                                        world: schemes, namespaces, pipes, processes
//! ```
//!
//! The upper row is pure and tested on the host. Threads wait where waiting must be: for
//! children, for commands, for daemons. The main loop waits for nothing but their events, so
//! no daemon can hold up the restart of another.

#![forbid(unsafe_code)]
#![expect(clippy::large_stack_frames, reason = "the limit is for the kernel's one stack per CPU")]

mod control;
mod errand;
mod graph;
mod pack;
mod report;
mod supervise;
mod unit;
mod world;

use std::{
    process::ExitCode,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel},
    thread,
    time::Instant,
};

use anode_abi::info::SchemePolicy;
use anode_initfs::Image;
use anode_scheme::sys;
use redox::error::{ECHILD, Error};

use crate::{
    control::Question,
    errand::{Errands, Fetched},
    supervise::{Failure, Pid, Supervisor, World},
    unit::Unit,
    world::Real,
};

/// The handle on the initfs object that the kernel gives to init.
const IMAGE: i32 = 3;
/// The machine handle.
const MACHINE: i32 = 4;
/// Where service files lie in the image.
const SERVICES: &str = "etc/init";

/// What the main loop waits for.
#[derive(Debug)]
enum Event {
    /// A child ended.
    Ended(Pid, u32),
    /// What a service's start needs was fetched, or not.
    Fetched { name: String, outcome: Result<Fetched, Failure> },
    /// A thread has something for the log.
    Said(String),
    /// `svc:` wants to know.
    Asked(Question, SyncSender<String>),
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("init: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let taken = |what: &str, number| {
        sys::dup_number(number).map_err(|error| format!("the kernel gave no {what}: {error}"))
    };
    let (object, machine) = (taken("initfs", IMAGE)?, taken("machine handle", MACHINE)?);
    let bytes = sys::map_image(&object).map_err(|error| format!("initfs: {error}"))?;
    let image = Image::parse(bytes).map_err(|error| format!("initfs is damaged: {error}"))?;
    let (events, inbox) = channel();
    let (born, children) = channel();
    let mut world = Real::new(object, image, machine, Errands::new(events.clone()), born);
    let (units, refused) = read_services(&image);
    let plan = graph::plan(units);
    for sentence in refused.iter().chain(&plan.refused) {
        world.say(sentence);
    }
    world.make_schemes(&plan.order);
    start_control(&mut world, &events);
    thread::spawn(move || wait_for_children(&children, &events));
    watch(world, Supervisor::new(plan.order), &inbox)
}

/// The main loop.
fn watch(
    mut world: Real,
    mut supervisor: Supervisor,
    inbox: &Receiver<Event>,
) -> Result<(), String> {
    let start = Instant::now();
    supervisor.start_all(&mut world, start.elapsed());
    loop {
        let now = start.elapsed();
        supervisor.tick(&mut world, now);
        let event = match supervisor.next_due() {
            Some(due) => inbox.recv_timeout(due.saturating_sub(now)),
            None => inbox.recv().map_err(|_gone| RecvTimeoutError::Disconnected),
        };
        let now = start.elapsed();
        match event {
            Ok(Event::Ended(pid, status)) => supervisor.ended(&mut world, now, pid, status),
            Ok(Event::Fetched { name, outcome }) => {
                let outcome = outcome.map(|fetched| world.store(&name, fetched));
                supervisor.prepared(&mut world, now, &name, outcome);
            }
            Ok(Event::Said(sentence)) => world.say(&sentence),
            Ok(Event::Asked(question, answer)) => {
                let text = reply(&mut supervisor, &mut world, now, &question);
                // One who does not wait any more needs no answer.
                drop(answer.send(text));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err("all threads are gone".to_owned()),
        }
    }
}

fn reply(
    supervisor: &mut Supervisor,
    world: &mut Real,
    now: std::time::Duration,
    question: &Question,
) -> String {
    match question {
        Question::Table => supervisor.table(now),
        Question::Names => supervisor.names().join("\n"),
        Question::Command(line) => match supervisor.command(world, now, line) {
            Ok(done) => format!("ok {done}\n"),
            Err(refused) => format!("error {refused}\n"),
        },
    }
}

/// All service files of the image; a bad one is a sentence and no obstacle for the others.
fn read_services(image: &Image<'_>) -> (Vec<Unit>, Vec<String>) {
    let (mut units, mut refused) = (Vec::new(), Vec::new());
    let directory = image.lookup(SERVICES);
    let files = directory.iter().flat_map(|directory| image.list(directory));
    for file in files.filter(|file| file.path.ends_with(".toml")) {
        let anode_initfs::Kind::File { data, .. } = file.kind else { continue };
        let unit = std::str::from_utf8(data)
            .map_err(|_binary| format!("/{}: this is no text; replace the file", file.path))
            .and_then(|text| Unit::parse(&format!("/{}", file.path), text))
            .and_then(|unit| with_program(image, unit));
        match unit {
            Ok(unit) => units.push(unit),
            Err(sentence) => refused.push(sentence),
        }
    }
    if units.is_empty() {
        refused.push(format!("/{SERVICES} names no service; there is nothing to start"));
    }
    (units, refused)
}

/// A service whose program is there.
fn with_program(image: &Image<'_>, unit: Unit) -> Result<Unit, String> {
    match image.resolve(&unit.program).map(|entry| entry.kind) {
        Ok(anode_initfs::Kind::File { .. }) => Ok(unit),
        _ => Err(format!(
            "{}: there is no program {} in initfs; name one that is there, the service is not \
             started",
            unit.place("program"),
            unit.program
        )),
    }
}

/// Serves `svc:` on a thread of its own.
fn start_control(world: &mut Real, events: &Sender<Event>) {
    match sys::scheme_new(None, "svc", &SchemePolicy::DEFAULT) {
        Ok(owner) => {
            let events = events.clone();
            thread::spawn(move || {
                let reason = control::serve(&owner, events.clone());
                let said = events.send(Event::Said(format!("svc: is gone: {reason}")));
                debug_assert!(said.is_ok(), "the main loop outlives its threads");
            });
        }
        Err(error) => world.say(&format!("svc: cannot be made: {error}")),
    }
}

/// Reports each child that ends; init also inherits those whose parents are gone.
fn wait_for_children(born: &Receiver<()>, events: &Sender<Event>) {
    loop {
        match sys::waitpid(-1, 0) {
            Ok(Some((pid, status))) => {
                if events.send(Event::Ended(pid, status)).is_err() {
                    return;
                }
            }
            Ok(None) => {}
            // Without children there is nothing to wait for until one is born.
            Err(Error { errno: ECHILD }) => {
                if born.recv().is_err() {
                    return;
                }
            }
            Err(_interrupted) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{graph, unit::Unit};

    #[test]
    fn the_services_of_the_image_start_in_an_order() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/services");
        let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
        let units: Vec<Unit> = files
            .map(|path| {
                let text = std::fs::read_to_string(&path).unwrap();
                Unit::parse(&path.display().to_string(), &text).unwrap()
            })
            .collect();
        let count = units.len();

        let plan = graph::plan(units);

        assert!(plan.refused.is_empty(), "{:?}", plan.refused);
        assert_eq!(plan.order.len(), count);
        let at = |name: &str| plan.order.iter().position(|unit| unit.name == name).unwrap();
        assert!(at("sys") < at("console"));
        assert!(at("pci") < at("virtio-blk") && at("log") < at("tty") && at("tty") < at("console"));
    }
}
