//! `daemonkill SERVICE SCHEME TIMES`: kills a service's daemon as often, while a thread reads its
//! scheme without a pause.
//!
//! The reader may see success or `EIO`, after which it opens again; nothing else, and no hang.
#![forbid(unsafe_code)]
#![expect(clippy::large_stack_frames, reason = "a program has megabytes of stack")]

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use guest::{argument, finish};
use rustix::process::{Pid, Signal, kill_process};

/// What a read and an open give when the daemon died under them.
const EIO: i32 = 5;
/// A successor that takes longer is no successor.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at the table of services.
const STEP: Duration = Duration::from_millis(2);

fn main() -> ExitCode {
    finish(run())
}

/// What the reader saw.
#[derive(Default)]
struct Seen {
    reads: u64,
    failed: u64,
    opens: u64,
}

fn run() -> Result<String, String> {
    let (service, scheme, times): (String, String, u32) =
        (argument(1)?, argument(2)?, argument(3)?);
    let stop = AtomicBool::new(false);
    let (killed, seen) = thread::scope(|scope| {
        let reader = scope.spawn(|| read_on(&scheme, &stop));
        let killed = (0..times).try_for_each(|_time| {
            kill(&service)?;
            if reader.is_finished() { Err("the reader gave up".to_owned()) } else { Ok(()) }
        });
        stop.store(true, Ordering::Relaxed);
        (killed, reader.join())
    });
    let seen = seen.map_err(|_panic| "the reader panicked")??;
    killed?;
    if seen.reads < u64::from(times) || seen.failed == 0 {
        return Err(format!("{} reads, {} failed: nothing was tested", seen.reads, seen.failed));
    }
    read(&mut open(&scheme).map_err(|error| format!("at the end, {scheme}: {error}"))?)
        .map_err(|error| format!("at the end, {scheme}: {error}"))?;
    running(&service)?.ok_or_else(|| format!("at the end, {service} does not run"))?;
    let Seen { reads, failed, opens } = seen;
    Ok(format!("{times} kills: {reads} reads, {failed} failed with EIO, {opens} opens"))
}

fn open(scheme: &str) -> io::Result<File> {
    OpenOptions::new().read(true).open(scheme)
}

fn read(file: &mut File) -> io::Result<usize> {
    file.read(&mut [0; 16])
}

/// Reads until it is told to stop.
fn read_on(scheme: &str, stop: &AtomicBool) -> Result<Seen, String> {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let outcome = open(scheme).and_then(|mut file| {
            seen.opens = seen.opens.saturating_add(1);
            while !stop.load(Ordering::Relaxed) {
                read(&mut file)?;
                seen.reads = seen.reads.saturating_add(1);
            }
            Ok(())
        });
        match outcome {
            Err(error) if error.raw_os_error() == Some(EIO) => {
                seen.failed = seen.failed.saturating_add(1);
            }
            Err(error) => return Err(format!("{scheme}: {error}, which no daemon's death gives")),
            Ok(()) => {}
        }
    }
    Ok(seen)
}

/// Kills the daemon, and has init start its successor at once, not after a wait.
fn kill(service: &str) -> Result<(), String> {
    let old = wait_for(|| running(service))?;
    let pid = i32::try_from(old).ok().and_then(Pid::from_raw).ok_or("a pid that is none")?;
    kill_process(pid, Signal::KILL).map_err(|error| format!("kill {old}: {error}"))?;
    wait_for(|| Ok(running(service)?.is_none_or(|new| new != old).then_some(())))?;
    // init may have started it by itself meanwhile, and says so.
    order(&format!("start {service}"))
}

/// Asks again and again for what must come.
fn wait_for<T>(mut look: impl FnMut() -> Result<Option<T>, String>) -> Result<T, String> {
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if start.elapsed() > PATIENCE {
            return Err(format!("no successor within {} s", PATIENCE.as_secs()));
        }
        thread::sleep(STEP);
    }
}

/// The service's process, by init's table.
fn running(service: &str) -> Result<Option<u32>, String> {
    let path = "/scheme/svc/list";
    let table = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let mut rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.first() == Some(&service));
    match row.ok_or_else(|| format!("there is no service {service}"))?.as_slice() {
        [_, "running", pid, ..] => Ok(pid.parse().ok()),
        _ => Ok(None),
    }
}

fn order(line: &str) -> Result<(), String> {
    let path = "/scheme/svc/control";
    let file = OpenOptions::new().read(true).write(true).open(path);
    let answer = file.and_then(|mut file| {
        file.write_all(line.as_bytes())?;
        let mut answer = String::new();
        file.read_to_string(&mut answer).map(|_len| answer)
    });
    match answer.map_err(|error| format!("{path}: {error}"))?.split_once(' ') {
        Some(("ok", _)) => Ok(()),
        Some(("error", reason)) if reason.contains("runs already") => Ok(()),
        other => Err(format!("`{line}` was answered by {other:?}")),
    }
}
