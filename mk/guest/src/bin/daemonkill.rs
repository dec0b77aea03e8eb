//! `daemonkill SERVICE SCHEME TIMES`: kills a service's daemon as often, while a thread reads its
//! scheme without a pause.
//!
//! The reader may see success or `EIO`, after which it opens again; nothing else, and no hang.
#![forbid(unsafe_code)]
#![expect(clippy::large_stack_frames, reason = "a program has megabytes of stack")]

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use guest::{
    argument, finish,
    service::{kill, running},
};

/// What a read and an open give when the daemon died under them.
const EIO: i32 = 5;

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
