//! `posix`: what programs use of the C library beyond `std`: signals, poll, terminals, masks.
//!
//! As `stdtest` it runs on the host and in the system, and prints a line for each test.
#![forbid(unsafe_code)]

use std::{
    error::Error,
    fs::{self, File},
    hint::black_box,
    io::{IsTerminal, Read, Write, pipe, stdin},
    os::unix::fs::MetadataExt,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::Mode,
    process::{Signal, getpgid, getpid, kill_process, umask},
    termios,
};
use signal_hook::{consts, flag, low_level};

type Outcome = Result<(), Box<dyn Error>>;
type Test = (&'static str, fn() -> Outcome);

const TESTS: &[Test] = &[
    ("a_raised_signal_is_caught", a_raised_signal_is_caught),
    ("a_read_goes_on_after_a_signal", a_read_goes_on_after_a_signal),
    ("signals_leave_the_registers_alone", signals_leave_the_registers_alone),
    ("poll_tells_what_is_ready", poll_tells_what_is_ready),
    ("a_file_is_always_ready", a_file_is_always_ready),
    ("the_mask_takes_bits_from_new_files", the_mask_takes_bits_from_new_files),
    ("a_terminal_keeps_its_settings", a_terminal_keeps_its_settings),
    ("ids_can_be_asked_for", ids_can_be_asked_for),
];

fn main() -> ExitCode {
    let mut failed = 0_usize;
    for (name, test) in TESTS {
        match test() {
            Ok(()) => println!("ok {name}"),
            Err(why) => {
                println!("FAILED {name}: {why}");
                failed = failed.saturating_add(1);
            }
        }
    }
    println!("posix: {} of {} passed", TESTS.len().saturating_sub(failed), TESTS.len());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Fails the test with a sentence unless `condition` holds.
#[expect(clippy::fn_params_excessive_bools, reason = "what is claimed is true or false")]
fn check(condition: bool, sentence: &str) -> Outcome {
    if condition { Ok(()) } else { Err(sentence.into()) }
}

/// Whether `condition` becomes true within ten seconds.
fn soon(condition: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !condition() && start.elapsed() < Duration::from_secs(10) {
        thread::sleep(Duration::from_millis(1));
    }
    condition()
}

fn a_raised_signal_is_caught() -> Outcome {
    let caught = Arc::new(AtomicBool::new(false));
    let id = flag::register(consts::SIGUSR1, Arc::clone(&caught))?;
    low_level::raise(consts::SIGUSR1)?;
    check(caught.load(Ordering::SeqCst), "raise returned before the handler ran")?;
    caught.store(false, Ordering::SeqCst);
    kill_process(getpid(), Signal::USR1)?;
    check(soon(|| caught.load(Ordering::SeqCst)), "kill did not reach the process itself")?;
    low_level::unregister(id);
    Ok(())
}

fn a_read_goes_on_after_a_signal() -> Outcome {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let id = flag::register_usize(consts::SIGUSR2, seen, 1)?;
    let (mut reader, mut writer) = pipe()?;
    let sender = thread::spawn(move || {
        for _ in 0..5 {
            thread::sleep(Duration::from_millis(5));
            kill_process(getpid(), Signal::USR2)?;
        }
        thread::sleep(Duration::from_millis(5));
        writer.write_all(b"data")?;
        Ok::<(), std::io::Error>(())
    });
    let mut text = String::new();
    reader.read_to_string(&mut text)?;
    sender.join().map_err(|_| "the sender panicked")??;
    check(text == "data", "the data was lost")?;
    check(count.load(Ordering::SeqCst) == 1, "the signals were lost")?;
    low_level::unregister(id);
    Ok(())
}

/// A sum whose terms stay in vector registers all the time.
fn sum() -> f64 {
    let mut sums = [0.0_f64; 4];
    for number in 1..20_000_u32 {
        for (lane, sum) in (1_u32..).zip(sums.iter_mut()) {
            *sum += 1.0 / f64::from(number.wrapping_mul(lane));
        }
    }
    black_box(sums).iter().sum()
}

fn signals_leave_the_registers_alone() -> Outcome {
    let caught = Arc::new(AtomicBool::new(false));
    let id = flag::register(consts::SIGUSR1, Arc::clone(&caught))?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let sender = thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            kill_process(getpid(), Signal::USR1)?;
            thread::sleep(Duration::from_micros(100));
        }
        Ok::<(), rustix::io::Errno>(())
    });
    let expected = sum();
    let all_same = (0..300).all(|_| sum().to_bits() == expected.to_bits());
    stop.store(true, Ordering::Relaxed);
    sender.join().map_err(|_| "the sender panicked")??;
    low_level::unregister(id);
    check(caught.load(Ordering::SeqCst), "no signal arrived")?;
    check(all_same, "a signal changed a sum")
}

fn poll_tells_what_is_ready() -> Outcome {
    let (reader, writer) = pipe()?;
    let (mut reader, mut writer) = (reader, Some(writer));
    let short = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    let readiness = |reader: &std::io::PipeReader| -> Result<PollFlags, rustix::io::Errno> {
        let mut fds = [PollFd::new(reader, PollFlags::IN)];
        let count = poll(&mut fds, Some(&short))?;
        let [fd] = fds;
        Ok(if count == 0 { PollFlags::empty() } else { fd.revents() })
    };
    let start = Instant::now();
    check(readiness(&reader)?.is_empty(), "an empty pipe can be read")?;
    check(start.elapsed() >= Duration::from_millis(20), "poll did not wait")?;
    if let Some(writer) = &mut writer {
        let mut fds = [PollFd::new(writer, PollFlags::OUT), PollFd::new(&reader, PollFlags::IN)];
        let count = poll(&mut fds, Some(&short))?;
        let [out, input] = &fds;
        let is_right = count == 1 && out.revents() == PollFlags::OUT && input.revents().is_empty();
        check(is_right, "poll confuses two handles")?;
        writer.write_all(b"x")?;
    }
    check(readiness(&reader)?.contains(PollFlags::IN), "a full pipe cannot be read")?;
    reader.read_exact(&mut [0])?;
    drop(writer.take());
    check(readiness(&reader)?.contains(PollFlags::HUP), "the end of a pipe is not told")
}

fn a_file_is_always_ready() -> Outcome {
    let short = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    let file = File::open(std::env::current_exe()?)?;
    let mut fds = [PollFd::new(&file, PollFlags::IN)];
    check(poll(&mut fds, Some(&short))? == 1, "a file cannot be read")
}

fn the_mask_takes_bits_from_new_files() -> Outcome {
    let path = std::env::temp_dir().join(format!("posix-{}", std::process::id()));
    let before = umask(Mode::from_bits_truncate(0o077));
    let made = File::create(&path);
    umask(before);
    made?;
    let mode = fs::metadata(&path)?.mode() & 0o777;
    fs::remove_file(&path)?;
    check(mode == 0o600, &format!("the mode is {mode:o}"))
}

fn a_terminal_keeps_its_settings() -> Outcome {
    let input = stdin();
    let Ok(mut settings) = termios::tcgetattr(&input) else {
        return check(!input.is_terminal(), "a terminal has no settings");
    };
    let before = settings.clone();
    settings.local_modes.remove(termios::LocalModes::ECHO);
    termios::tcsetattr(&input, termios::OptionalActions::Now, &settings)?;
    let silent = termios::tcgetattr(&input)?;
    termios::tcsetattr(&input, termios::OptionalActions::Now, &before)?;
    let size = termios::tcgetwinsize(&input)?;
    check(input.is_terminal() && size.ws_col > 0, "the terminal has no size")?;
    check(!silent.local_modes.contains(termios::LocalModes::ECHO), "the echo is still on")?;
    let after = termios::tcgetattr(&input)?;
    check(after.local_modes == before.local_modes, "the echo did not come back")
}

fn ids_can_be_asked_for() -> Outcome {
    let own = getpid();
    check(own.as_raw_nonzero().get().cast_unsigned() == std::process::id(), "two ids")?;
    getpgid(None)?;
    let parent = rustix::process::getppid().ok_or("there is no parent")?;
    check(parent != own, "it is its own parent")
}
