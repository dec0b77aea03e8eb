//! `forks NUMBER`: forks as often while eight threads allocate, print and read.
//!
//! Each child must find its memory and its locks whole, whatever the threads were at.

use std::{
    env, fs,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use guest::{argument, finish};

const THREADS: usize = 8;
/// What a thread does nothing for after each round.
const PAUSE: Duration = Duration::from_millis(5);
/// Each round of this number prints a line.
const LOUD: usize = 1_000;

fn main() -> ExitCode {
    finish(run())
}

fn run() -> Result<String, String> {
    let forks: usize = argument(1)?;
    let path = env::temp_dir().join(format!("forks-{}", std::process::id()));
    fs::write(&path, vec![7; 10_000]).map_err(|error| format!("write: {error}"))?;
    let outcome = forks_beside_threads(forks, &path);
    fs::remove_file(&path).map_err(|error| format!("remove_file: {error}"))?;
    outcome.map(|rounds| format!("{forks} forks beside {rounds} rounds of the threads"))
}

fn forks_beside_threads(forks: usize, path: &Path) -> Result<usize, String> {
    let (stop, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let busy = || {
            while !stop.load(Ordering::Relaxed) {
                let round = rounds.fetch_add(1, Ordering::Relaxed);
                work(round, path)?;
                // Eight threads that never sleep would leave the forks a tenth of one CPU.
                thread::sleep(PAUSE);
            }
            Ok::<(), String>(())
        };
        let threads: Vec<_> = (0..THREADS).map(|_thread| scope.spawn(busy)).collect();
        let outcome = (0..forks).try_for_each(one);
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().map_err(|_panic| "a thread panicked")??;
        }
        outcome.map(|()| rounds.load(Ordering::Relaxed))
    })
}

/// What a thread does all the time: memory of many sizes, output, and a file.
fn work(round: usize, path: &Path) -> Result<(), String> {
    let sizes = (1..50_usize).map(|number| number.saturating_mul(97));
    let blocks: Vec<Vec<u8>> = sizes.map(|size| vec![1; size]).collect();
    let whole = blocks.iter().all(|block| block.iter().all(|&byte| byte == 1));
    let mut output = io::stdout().lock();
    // Mostly it shows nothing, but goes through the lock that all output shares.
    let printed =
        if round.is_multiple_of(LOUD) { writeln!(output, "round {round}") } else { output.flush() };
    drop(output);
    printed.map_err(|error| format!("print: {error}"))?;
    let data = fs::read(path).map_err(|error| format!("read: {error}"))?;
    if whole && data == vec![7; 10_000] { Ok(()) } else { Err("memory or file changed".into()) }
}

/// One fork: the child uses the heap and ends with a status that the parent knows.
fn one(number: usize) -> Result<(), String> {
    let wanted = i32::try_from(number & 0x7f).unwrap_or(0);
    // SAFETY: the child only allocates and ends: the C library gives its locks back after a
    // fork, and no lock of `std` is taken.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let whole = vec![number; 1000].iter().all(|&copy| copy == number);
        // SAFETY: ends the child.
        unsafe { libc::_exit(if whole { wanted } else { 255 }) };
    }
    if child < 0 {
        return Err(format!("fork: {}", io::Error::last_os_error()));
    }
    let mut status = 0;
    // SAFETY: one int to fill.
    if unsafe { libc::waitpid(child, &raw mut status, 0) } != child {
        return Err(format!("waitpid: {}", io::Error::last_os_error()));
    }
    if status == wanted << 8 {
        return Ok(());
    }
    Err(format!("child {number} ended with {status:#x}, not {wanted} << 8"))
}
