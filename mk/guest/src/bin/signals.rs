//! `signals`: what no wrapper offers of signals: `sigsuspend` that loses none, `nanosleep` that
//! tells what was left, children that are signalled before they run, handlers that open files.
//!
//! It starts itself as the partner that it exchanges signals with.

use std::{
    env,
    ffi::c_int,
    io::{self, Read, Write},
    process::{self, Command, ExitCode, Stdio},
    ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use guest::{argument, finish};
use rustix::process::{Pid, Signal, getpid, kill_process};
use signal_hook::{consts, flag};

const ROUNDS: usize = 1000;
/// A hang is a lost signal: no exchange takes this long.
const PATIENCE: Duration = Duration::from_mins(2);

unsafe extern "C" {
    safe fn sigsuspend(mask: &libc::sigset_t) -> c_int;
}

fn main() -> ExitCode {
    if env::args().len() > 1 {
        return finish(argument(1).and_then(answer));
    }
    finish(run())
}

fn run() -> Result<String, String> {
    let rounds = Arc::new(AtomicUsize::new(0));
    // Blocked before there is a second thread, which inherits that.
    mask(libc::SIG_BLOCK, consts::SIGUSR1)?;
    mask(libc::SIG_BLOCK, consts::SIGUSR2)?;
    watch(&rounds);
    what_is_pending_ends_a_suspension()?;
    two_processes_exchange_signals(&rounds)?;
    a_sleep_tells_what_was_left()?;
    a_signal_reaches_a_child_that_has_not_run_yet()?;
    handlers_open_files_beside_who_changes_the_directory()?;
    Ok(format!("signals: {ROUNDS} exchanged, none lost"))
}

/// A set of nothing, or of one signal.
fn set(signal: Option<c_int>) -> libc::sigset_t {
    // SAFETY: both calls fill or change the set that they are given, which is plain bits.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        if let Some(signal) = signal {
            libc::sigaddset(&raw mut set, signal);
        }
        set
    }
}

/// Blocks a signal in this thread, or lets it through.
fn mask(how: c_int, signal: c_int) -> Result<(), String> {
    let set = set(Some(signal));
    // SAFETY: the set lives to the end of the call.
    match unsafe { libc::pthread_sigmask(how, &raw const set, ptr::null_mut()) } {
        0 => Ok(()),
        errno => Err(format!("pthread_sigmask: {}", io::Error::from_raw_os_error(errno))),
    }
}

/// A flag that the signal sets, which is blocked from now on but for `sigsuspend`.
fn blocked(signal: c_int) -> Result<Arc<AtomicBool>, String> {
    let came = Arc::new(AtomicBool::new(false));
    mask(libc::SIG_BLOCK, signal)?;
    flag::register(signal, Arc::clone(&came)).map_err(|error| format!("register: {error}"))?;
    Ok(came)
}

/// Sleeps until the signal has come.
fn wait_for(came: &AtomicBool) {
    while !came.swap(false, Ordering::SeqCst) {
        sigsuspend(&set(None));
    }
}

fn send(to: Pid, signal: Signal) -> Result<(), String> {
    kill_process(to, signal).map_err(|error| format!("kill: {error}"))
}

/// Ends the program with a sentence if it does not end by itself.
fn watch(rounds: &Arc<AtomicUsize>) {
    let rounds = Arc::clone(rounds);
    thread::spawn(move || {
        thread::sleep(PATIENCE);
        println!("a signal was lost after {} rounds", rounds.load(Ordering::SeqCst));
        process::exit(1);
    });
}

fn what_is_pending_ends_a_suspension() -> Result<(), String> {
    let came = blocked(consts::SIGUSR1)?;
    for _time in 0..10 {
        send(getpid(), Signal::USR1)?;
        if came.load(Ordering::SeqCst) {
            return Err("a blocked signal was delivered".into());
        }
        // It hangs here if the signal is overlooked.
        sigsuspend(&set(None));
        if !came.swap(false, Ordering::SeqCst) {
            return Err("sigsuspend came back without a signal".into());
        }
    }
    Ok(())
}

fn two_processes_exchange_signals(rounds: &AtomicUsize) -> Result<(), String> {
    let came = blocked(consts::SIGUSR1)?;
    let own = env::current_exe().map_err(|error| format!("current_exe: {error}"))?;
    let mut partner = Command::new(own)
        .arg(process::id().to_string())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("spawn: {error}"))?;
    let mut ready = [0];
    let output = partner.stdout.as_mut().ok_or("the partner has no output")?;
    output.read_exact(&mut ready).map_err(|error| format!("the partner: {error}"))?;
    let pid = Pid::from_child(&partner);
    for round in 1..=ROUNDS {
        send(pid, Signal::USR1)?;
        wait_for(&came);
        rounds.store(round, Ordering::SeqCst);
    }
    let ended = partner.wait().map_err(|error| format!("wait: {error}"))?;
    if ended.success() { Ok(()) } else { Err(format!("the partner ended with {ended}")) }
}

/// The partner: answers each signal by one.
fn answer(to: i32) -> Result<String, String> {
    let to = Pid::from_raw(to).ok_or("0 is no process")?;
    let came = blocked(consts::SIGUSR1)?;
    let mut output = io::stdout().lock();
    output.write_all(b"!").and_then(|()| output.flush()).map_err(|error| error.to_string())?;
    for _round in 0..ROUNDS {
        wait_for(&came);
        send(to, Signal::USR1)?;
    }
    Ok(String::new())
}

fn a_sleep_tells_what_was_left() -> Result<(), String> {
    let came = blocked(consts::SIGUSR2)?;
    // It inherits the mask, so the signal is for this thread.
    let sender = thread::spawn(|| {
        thread::sleep(Duration::from_millis(50));
        send(getpid(), Signal::USR2)
    });
    mask(libc::SIG_UNBLOCK, consts::SIGUSR2)?;
    let long = libc::timespec { tv_sec: 1000, tv_nsec: 0 };
    let mut left = libc::timespec { tv_sec: -1, tv_nsec: -1 };
    let start = Instant::now();
    // SAFETY: two times of ours.
    let result = unsafe { libc::nanosleep(&raw const long, &raw mut left) };
    let error = io::Error::last_os_error();
    let slept = start.elapsed();
    sender.join().map_err(|_panic| "the sender panicked")??;
    if result != -1 || error.kind() != io::ErrorKind::Interrupted {
        return Err(format!("nanosleep gave {result} ({error}) after a signal"));
    }
    if !came.load(Ordering::SeqCst) {
        return Err("nanosleep ended before the handler ran".into());
    }
    let seconds = u64::try_from(left.tv_sec).map_err(|_negative| "nothing was left")?;
    let nanos = u32::try_from(left.tv_nsec).map_err(|_negative| "no nanoseconds were left")?;
    let left = Duration::new(seconds, nanos);
    let all = Duration::from_secs(1000);
    // The clock was asked around the call, so what was slept is that at most.
    if left >= all || left.saturating_add(slept) < all {
        return Err(format!("after {slept:?} of {all:?}, {left:?} were left"));
    }
    Ok(())
}

fn a_signal_reaches_a_child_that_has_not_run_yet() -> Result<(), String> {
    for _time in 0..50 {
        // SAFETY: the child only sleeps.
        let child = unsafe { libc::fork() };
        if child == 0 {
            loop {
                sigsuspend(&set(None));
            }
        }
        let pid = Pid::from_raw(child).filter(|_| child > 0);
        send(pid.ok_or_else(|| format!("fork: {}", io::Error::last_os_error()))?, Signal::TERM)?;
        let mut status = 0;
        // SAFETY: one int to fill. It hangs here if the signal is lost.
        if unsafe { libc::waitpid(child, &raw mut status, 0) } != child {
            return Err(format!("waitpid: {}", io::Error::last_os_error()));
        }
        if status != libc::SIGTERM {
            return Err(format!("the child ended with {status:#x}, not by its signal"));
        }
    }
    Ok(())
}

/// How often the handler is to open the current directory.
const HANDLED: usize = 4;
/// How often it has.
static OPENED: AtomicUsize = AtomicUsize::new(0);

/// POSIX lets a handler call both.
extern "C" fn open_here(_signal: c_int) {
    // SAFETY: the name is a string, and the handle is ours.
    unsafe {
        let here = libc::open(c".".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        if here >= 0 && libc::close(here) == 0 {
            OPENED.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn handlers_open_files_beside_who_changes_the_directory() -> Result<(), String> {
    let handler: extern "C" fn(c_int) = open_here;
    // SAFETY: the handler does what a handler may.
    unsafe { libc::signal(consts::SIGUSR1, handler as libc::sighandler_t) };
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // It inherits the mask, so the signals are for this thread.
        let sender = scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                send(getpid(), Signal::USR1)?;
                thread::yield_now();
            }
            Ok(())
        });
        mask(libc::SIG_UNBLOCK, consts::SIGUSR1)?;
        let mut changed = Ok(());
        // It hangs here if the handlers and this thread wait for each other.
        while changed.is_ok() && OPENED.load(Ordering::SeqCst) < HANDLED {
            let place = if OPENED.load(Ordering::SeqCst) & 1 == 0 { "/tmp" } else { "/" };
            changed = env::set_current_dir(place).map_err(|error| format!("chdir: {error}"));
        }
        stop.store(true, Ordering::SeqCst);
        mask(libc::SIG_BLOCK, consts::SIGUSR1)?;
        sender.join().map_err(|_panic| "the sender panicked")?.and(changed)
    })
}
