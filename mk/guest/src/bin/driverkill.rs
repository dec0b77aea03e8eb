//! `driverkill SERVICE DISK TIMES SEED`: kills a disk's driver as often, while threads read from
//! everywhere on the disk, which holds the words of the generator from `SEED` on.
//!
//! `TIMES` 0 kills nobody and waits for the disk to go away: then all threads must come to an end.
//! A read may fail with `EIO`, after which the disk is opened again; it may not be wrong.
#![forbid(unsafe_code)]

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use guest::{
    Random, argument, finish,
    service::{kill, running},
};

const EIO: i32 = 5;
const READERS: u64 = 4;
/// The bytes of one read.
const PIECE: usize = 32 << 10;

fn main() -> ExitCode {
    finish(run())
}

/// The disk, and what became of reading it.
struct Load {
    disk: String,
    seed: u64,
    /// Whether a failure is the end.
    ends: bool,
    stop: AtomicBool,
    reads: AtomicU64,
    failed: AtomicU64,
}

fn run() -> Result<String, String> {
    let (service, times): (String, u64) = (argument(1)?, argument(3)?);
    let load = Load {
        disk: argument(2)?,
        seed: argument(4)?,
        ends: times == 0,
        stop: AtomicBool::new(false),
        reads: AtomicU64::new(0),
        failed: AtomicU64::new(0),
    };
    thread::scope(|scope| {
        let reader = |number| {
            let load = &load;
            scope.spawn(move || load.read_on(Random(load.seed ^ number)))
        };
        let readers: Vec<_> = (1..=READERS).map(reader).collect();
        if load.ends {
            load.wait_for_reads(1);
            println!("reading");
        }
        let killed = (0..times).try_for_each(|_time| {
            // Each one dies with requests in hand.
            load.wait_for_reads(READERS);
            kill(&service)?;
            let gave_up = readers.iter().any(|reader| reader.is_finished());
            if gave_up { Err("a reader gave up".to_owned()) } else { Ok(()) }
        });
        load.stop.store(!load.ends, Ordering::Relaxed);
        for reader in readers {
            reader.join().map_err(|_panic| "a reader panicked")??;
        }
        killed
    })?;
    let (reads, failed) = (load.reads.into_inner(), load.failed.into_inner());
    let pid = running(&service)?.ok_or_else(|| format!("at the end, {service} does not run"))?;
    Ok(format!("{times} kills: {reads} reads, {failed} failed with EIO; {service} is pid {pid}"))
}

impl Load {
    /// Waits until there were so many more.
    fn wait_for_reads(&self, more: u64) {
        let enough = self.reads.load(Ordering::Relaxed).saturating_add(more);
        while self.reads.load(Ordering::Relaxed) < enough && !self.stop.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    }

    /// Reads until it is told to stop; stops the others if it cannot go on.
    fn read_on(&self, mut random: Random) -> Result<(), String> {
        loop {
            let outcome = File::open(&self.disk).and_then(|file| self.read_all(file, &mut random));
            match outcome.map_err(|error| (error.raw_os_error(), error)) {
                Ok(()) => return Ok(()),
                Err((Some(EIO), _)) => {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                }
                Err((_, error)) => {
                    self.stop.store(true, Ordering::Relaxed);
                    return Err(format!("{}: {error}", self.disk));
                }
            }
            if self.ends {
                return Ok(());
            }
        }
    }

    /// Reads an open disk until it fails or this is told to stop.
    fn read_all(&self, mut file: File, random: &mut Random) -> io::Result<()> {
        let mut buffer = vec![0; PIECE];
        while !self.stop.load(Ordering::Relaxed) {
            self.read(&mut file, random, &mut buffer)?;
            self.reads.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Reads somewhere, and compares.
    fn read(&self, file: &mut File, random: &mut Random, buffer: &mut [u8]) -> io::Result<()> {
        let size = file.seek(SeekFrom::End(0))?;
        let piece = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        let at = random.below(size.saturating_sub(piece)) & !7;
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(buffer)?;
        let mut words = Random(self.seed).after(at >> 3);
        let wrong =
            buffer.as_chunks().0.iter().position(|bytes| *bytes != words.word().to_le_bytes());
        match wrong {
            None => Ok(()),
            Some(word) => Err(io::Error::other(format!("wrong bytes at {at}, word {word}"))),
        }
    }
}
