//! The real machine: schemes, namespaces, pipes and processes, by system calls.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Arc, mpsc::Sender},
};

use anode_abi::info::{SchemePolicy, policy};
use anode_initfs::{Image, Kind};
use anode_scheme::sys;
use redox::{
    error::Error,
    flag::{O_NONBLOCK, O_RDONLY, O_RDWR},
};

use crate::{
    errand::{Errands, Fetched},
    pack::pack,
    supervise::{Failure, Pid, World},
    unit::{KERNEL, Part, Stdio, Unit},
};

/// A service's output: what it writes, and what `log:` reads.
#[derive(Debug)]
struct LogPipe {
    read: Arc<OwnedFd>,
    write: Arc<OwnedFd>,
}

/// What init holds of the machine, for its services and for their successors.
#[derive(Debug)]
pub(crate) struct Real {
    /// The object of the initfs image.
    image_object: OwnedFd,
    image: Image<'static>,
    machine: OwnedFd,
    /// Owner handles by scheme.
    owners: BTreeMap<String, OwnedFd>,
    /// Output pipes by service.
    pipes: BTreeMap<String, LogPipe>,
    /// Handles on parts of the machine, by service and name.
    parts: BTreeMap<(String, String), OwnedFd>,
    /// What errands brought, by service.
    fetched: BTreeMap<String, Fetched>,
    /// Names in init's own namespace.
    names: Vec<String>,
    errands: Errands,
    /// Tells the thread that waits for children that there is one more.
    born: Sender<()>,
    /// The `log` service was started.
    has_log: bool,
}

/// The service of that name takes the output of all others.
const LOG: &str = "log";
/// Entries of a ring that never serves.
const RING_OF_NONE: u32 = 8;
/// Under this name init's own sentences are logged.
const OWN: &str = "init";

impl Real {
    /// Holds the objects that init was started with.
    pub(crate) fn new(
        image_object: OwnedFd,
        image: Image<'static>,
        machine: OwnedFd,
        errands: Errands,
        born: Sender<()>,
    ) -> Self {
        Self {
            image_object,
            image,
            machine,
            owners: BTreeMap::new(),
            pipes: BTreeMap::new(),
            parts: BTreeMap::new(),
            fetched: BTreeMap::new(),
            names: Vec::new(),
            errands,
            born,
            has_log: false,
        }
    }

    /// Makes the schemes of all services, so that opens wait for daemons that are not up yet.
    pub(crate) fn make_schemes(&mut self, units: &[Unit]) {
        for unit in units {
            if let Err(sentence) = self.own_schemes(unit) {
                self.say(&sentence);
            }
        }
        let kernel = KERNEL.iter().chain([&"svc"]).map(|&name| name.to_owned());
        self.names = kernel.chain(self.owners.keys().cloned()).collect();
    }

    /// Makes those schemes of a service that are not there.
    fn own_schemes(&mut self, unit: &Unit) -> Result<(), String> {
        for name in &unit.schemes {
            if !self.owners.contains_key(name) {
                let owner = sys::scheme_new(None, name, &kernel_policy(unit));
                let owner = owner.map_err(|error| format!("{name}: cannot be made: {error}"))?;
                self.owners.insert(name.clone(), owner);
            }
        }
        Ok(())
    }

    /// Takes what an errand for that service brought.
    pub(crate) fn store(&mut self, name: &str, fetched: Fetched) {
        self.fetched.insert(name.to_owned(), fetched);
    }

    fn start(&mut self, unit: &Unit) -> Result<Pid, String> {
        let program = self.program(&unit.program)?;
        self.own_schemes(unit)?;
        self.open_parts(unit)?;
        let (input, output) = self.stdio(unit)?;
        let mut table = Table::default();
        for handle in [input.as_fd(), output.as_fd(), output.as_fd()] {
            table.add(handle);
        }
        let env = self.environment(unit, &mut table)?;
        let argv: Vec<String> = [&unit.program].into_iter().chain(&unit.args).cloned().collect();
        let args = args_object(&argv, &env)?;
        let namespace = self.namespace(unit)?;
        let spawn = sys::Spawn {
            object: program.as_fd(),
            args: args.as_fd(),
            name: &unit.program,
            handles: &table.handles,
            namespace: namespace.as_ref().map(AsFd::as_fd),
            new_group: true,
            priority: Some(unit.priority),
            user: Some((unit.uid, unit.uid)),
        };
        let pid = sys::spawn(&spawn).map_err(|error| format!("{}: {error}", unit.program))?;
        Pid::try_from(pid).map_err(|_wide| format!("the kernel gave the pid {pid}"))
    }

    /// The program's ELF as an object: its window of the image.
    fn program(&self, path: &str) -> Result<OwnedFd, String> {
        let entry = self.image.resolve(path);
        let entry = entry.map_err(|_damage| format!("{path} is not in initfs"))?;
        let Kind::File { offset, .. } = entry.kind else {
            return Err(format!("{path} is no program"));
        };
        let len = entry.size().next_multiple_of(4096);
        sys::part(&self.image_object, [offset, len, 0], 0)
            .map_err(|error| format!("{path} cannot be taken out of initfs: {error}"))
    }

    /// Opens those parts of the machine that the service has not got yet.
    fn open_parts(&mut self, unit: &Unit) -> Result<(), String> {
        for part in &unit.machine {
            let name = match part {
                Part::Machine => "machine",
                Part::Image => "initfs",
                Part::Words { name, .. } => name,
            };
            let Entry::Vacant(place) = self.parts.entry((unit.name.clone(), name.to_owned()))
            else {
                continue;
            };
            let opened = match part {
                Part::Machine => sys::dup(&self.machine, ""),
                Part::Image => sys::dup(&self.image_object, ""),
                Part::Words { words, .. } => sys::part(&self.machine, *words, O_NONBLOCK),
            };
            place.insert(opened.map_err(|error| format!("no {name} for it: {error}"))?);
        }
        Ok(())
    }

    /// Input and output of a service.
    fn stdio(&mut self, unit: &Unit) -> Result<(OwnedFd, Arc<OwnedFd>), String> {
        let input = || {
            // A pipe that nobody writes is at its end.
            let pipe = sys::pipe().map_err(|error| format!("no pipe for its input: {error}"))?;
            Ok::<_, String>(pipe.0)
        };
        match unit.stdio {
            Stdio::Log => Ok((input()?, self.pipe(&unit.name)?)),
            Stdio::Debug => {
                let debug = sys::open("debug:", O_RDWR);
                let debug = debug.map_err(|error| format!("debug: cannot be opened: {error}"))?;
                Ok((input()?, Arc::new(debug)))
            }
            Stdio::Tty => {
                let tty = self.fetched.get_mut(&unit.name).and_then(|fetched| fetched.tty.take());
                let tty = tty.ok_or("tty: was not opened")?;
                let input = sys::dup(&tty, "").map_err(|error| format!("tty: {error}"))?;
                Ok((input, Arc::new(tty)))
            }
        }
    }

    /// The write end of a service's log pipe, which is made once and kept for its successors.
    fn pipe(&mut self, name: &str) -> Result<Arc<OwnedFd>, String> {
        if let Some(pipe) = self.pipes.get(name) {
            return Ok(Arc::clone(&pipe.write));
        }
        let pipe = LogPipe::new().map_err(|error| format!("no pipe for its log: {error}"))?;
        if self.has_log {
            self.errands.attach(name, &pipe.read);
        }
        let write = Arc::clone(&pipe.write);
        self.pipes.insert(name.to_owned(), pipe);
        Ok(write)
    }

    /// The environment of a service; the handles that it names are put into `table`.
    fn environment<'a>(
        &'a self,
        unit: &Unit,
        table: &mut Table<'a>,
    ) -> Result<Vec<String>, String> {
        let own = std::env::vars_os()
            .filter_map(|(key, value)| Some(format!("{}={}", key.to_str()?, value.to_str()?)));
        let mut env: Vec<String> = own.collect();
        let mut schemes = Vec::new();
        for name in &unit.schemes {
            let owner = self.owners.get(name).ok_or_else(|| format!("{name}: is not its own"))?;
            schemes.push(format!("{name}={}", table.add(owner.as_fd())));
        }
        let devices = self.fetched.get(&unit.name).map_or([].as_slice(), |f| &f.devices);
        let devices: Vec<String> =
            devices.iter().map(|device| table.add(device.as_fd()).to_string()).collect();
        let own = self.parts.iter().filter(|((service, _), _)| *service == unit.name);
        let parts: Vec<String> =
            own.map(|((_, name), part)| format!("{name}={}", table.add(part.as_fd()))).collect();
        let lists = [
            ("ANODE_SCHEMES", schemes),
            ("ANODE_DEVICE", devices),
            ("ANODE_MACHINE", parts),
            ("ANODE_SCHEME_NAMES", self.names.clone()),
        ];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        env.extend(lists.map(|(key, list)| format!("{key}={}", list.join(" "))));
        env.extend(unit.env.iter().cloned());
        Ok(env)
    }

    /// A namespace with what the service sees, or none if it shares init's.
    fn namespace(&self, unit: &Unit) -> Result<Option<OwnedFd>, String> {
        let Some(view) = unit.view(&self.names) else { return Ok(None) };
        let failed = |error: Error| format!("it gets no namespace: {error}");
        let namespace = sys::ns_new().map_err(failed)?;
        for (new, old) in view {
            let binding = if new == old { new.clone() } else { format!("{new}={old}") };
            sys::ns_bind(Some(namespace.as_fd()), &binding, None)
                .map_err(|error| format!("it cannot see {old}: {error}"))?;
        }
        Ok(Some(namespace))
    }

    /// Gives the read ends of all log pipes to a `log:` that has just been started.
    fn attach_all(&mut self) {
        self.has_log = true;
        for (name, pipe) in &self.pipes {
            self.errands.attach(name, &pipe.read);
        }
    }
}

impl World for Real {
    fn prepare(&mut self, unit: &Unit) -> bool {
        let tty = unit.stdio == Stdio::Tty;
        if unit.pci.is_none() && !tty {
            return true;
        }
        self.errands.fetch(unit);
        false
    }

    fn spawn(&mut self, unit: &Unit) -> Result<Pid, Failure> {
        let started = self.start(unit);
        // What was fetched was for this start; the process has it now.
        self.fetched.remove(&unit.name);
        let pid = started.map_err(Failure::Failed)?;
        if self.born.send(()).is_err() {
            self.say("the thread that waits for children is gone");
        }
        if unit.schemes.iter().any(|name| name == LOG) {
            self.attach_all();
        }
        Ok(pid)
    }

    fn absent(&mut self, unit: &Unit) {
        for owner in unit.schemes.iter().filter_map(|name| self.owners.get(name)) {
            // A daemon that came and went: who waits for it gets an error, and others do too.
            drop(sys::ring_new(owner, RING_OF_NONE));
        }
    }

    fn kill(&mut self, pid: Pid, signal: u8) {
        let sent = isize::try_from(pid).map(|pid| sys::kill(pid, usize::from(signal)));
        if let Ok(Err(error)) = sent {
            self.say(&format!("pid {pid} cannot be sent signal {signal}: {error}"));
        }
    }

    fn say(&mut self, sentence: &str) {
        let line = format!("{sentence}\n");
        // What concerns the log itself must be seen even if it never comes back.
        let urgent = !self.has_log || sentence.starts_with("log ");
        let logged =
            self.pipe(OWN).is_ok_and(|pipe| sys::write(pipe.as_ref(), line.as_bytes()).is_ok());
        if urgent || !logged {
            eprint!("init: {line}");
        }
    }
}

impl LogPipe {
    fn new() -> Result<Self, Error> {
        let read = sys::open("pipe:log", O_RDONLY | O_NONBLOCK)?;
        let write = sys::dup(&read, "write")?;
        Ok(Self { read: Arc::new(read), write: Arc::new(write) })
    }
}

/// The handles that a program starts with.
#[derive(Default)]
struct Table<'a> {
    handles: Vec<(BorrowedFd<'a>, u32)>,
}

impl<'a> Table<'a> {
    /// Puts a handle at the next number, and gives that.
    fn add(&mut self, handle: BorrowedFd<'a>) -> u32 {
        let number = u32::try_from(self.handles.len()).unwrap_or(u32::MAX);
        self.handles.push((handle, number));
        number
    }
}

fn kernel_policy(unit: &Unit) -> SchemePolicy {
    let reissue = if unit.policy.reissue { policy::REISSUE } else { 0 };
    let stream = if unit.policy.stream { policy::STREAM } else { 0 };
    SchemePolicy {
        flags: reissue | stream,
        orphan_ns: u64::try_from(unit.policy.orphan().as_nanos()).unwrap_or(u64::MAX),
        ..SchemePolicy::DEFAULT
    }
}

/// A memory object with packed arguments and environment.
fn args_object(argv: &[String], env: &[String]) -> Result<OwnedFd, String> {
    let bytes = pack(argv, env)?;
    let failed = |error: Error| format!("no room for its arguments: {error}");
    let object = sys::memory(u64::try_from(bytes.len()).unwrap_or(u64::MAX)).map_err(failed)?;
    let written = sys::write_at(&object, &bytes, 0).map_err(failed)?;
    if written == bytes.len() { Ok(object) } else { Err("its arguments were cut short".to_owned()) }
}
