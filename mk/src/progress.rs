//! One line per stage of work, and tools whose output shows only when they fail.

use std::{
    fs::File,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    failure::{Failure, Result},
    files, needs, workspace,
};

/// A stage of work that is under way.
#[derive(Debug)]
pub(crate) struct Stage {
    name: String,
    started: Instant,
    shown: u64,
    /// Whether a line without an end stands on the terminal.
    live: bool,
    failed: bool,
}

/// Does `work` under a line that says how long it takes: `kernel       ✓ 24.8 s`.
pub(crate) fn stage<T>(name: &str, work: impl FnOnce(&mut Stage) -> Result<T>) -> Result<T> {
    let live = io::stderr().is_terminal() && std::env::var_os("CI").is_none();
    let mut stage =
        Stage { name: name.to_owned(), started: Instant::now(), shown: 0, live, failed: false };
    stage.show("…");
    let result = work(&mut stage);
    let mark = if result.is_ok() && !stage.failed { '✓' } else { '✗' };
    let start = if live { "\r\x1b[K" } else { "" };
    eprintln!("{start}{name:<12} {mark} {:.1} s", stage.started.elapsed().as_secs_f32());
    result
}

impl Stage {
    /// Runs a tool to its end and keeps its output to itself unless it fails.
    pub(crate) fn run(&mut self, command: &mut Command) -> Result<()> {
        let log = self.log_path();
        let status = self.capture(command, &log)?;
        if status.success() {
            return Ok(());
        }
        let output = String::from_utf8_lossy(&files::read(&log)?).into_owned();
        let line = if self.live { "\r\x1b[K" } else { "" };
        eprint!("{line}{output}");
        let program = files::name(command.get_program().as_ref());
        // A tool may not even have been able to say so.
        let why =
            if needs::is_full() { "the disk is full; free some space and try again; " } else { "" };
        Err(Failure::build(format!(
            "{} failed: {why}{program} ended with {status} (its output is above, and in {})",
            self.name,
            workspace::relative(&log).display(),
        )))
    }

    /// Runs a tool and gives what it printed, whether it failed or not.
    pub(crate) fn output(&mut self, command: &mut Command) -> Result<(ExitStatus, String)> {
        let log = self.log_path();
        let status = self.capture(command, &log)?;
        Ok((status, String::from_utf8_lossy(&files::read(&log)?).into_owned()))
    }

    /// Prints a line that stays.
    pub(crate) fn say(&self, text: &str) {
        if self.live {
            eprint!("\r\x1b[K");
        }
        println!("{text}");
    }

    /// Marks the stage as failed, although it goes on.
    pub(crate) const fn fail(&mut self) {
        self.failed = true;
    }

    fn log_path(&self) -> PathBuf {
        workspace::target().join("log").join(format!("{}.log", self.name.replace(' ', "-")))
    }

    fn capture(&mut self, command: &mut Command, log: &PathBuf) -> Result<ExitStatus> {
        files::make_dir(&workspace::target().join("log"))?;
        let open = || -> io::Result<(File, File)> {
            let file = File::create(log)?;
            Ok((file.try_clone()?, file))
        };
        let (out, err) = open().map_err(|error| Failure::file("write", log, &error))?;
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn().map_err(|error| cannot_start(command, &error))?;
        self.wait(child)
    }

    fn wait(&mut self, mut child: Child) -> Result<ExitStatus> {
        let mut pause = Duration::from_millis(2);
        loop {
            let status = child.try_wait();
            match status.map_err(|error| Failure::build(format!("cannot wait: {error}")))? {
                Some(status) => return Ok(status),
                None => thread::sleep(pause),
            }
            pause = pause.saturating_mul(2).min(Duration::from_millis(100));
            let seconds = self.started.elapsed().as_secs();
            if seconds > self.shown {
                self.shown = seconds;
                self.show(&format!("{seconds} s"));
            }
        }
    }

    fn show(&self, what: &str) {
        if self.live {
            eprint!("\r\x1b[K{:<12} {what}", self.name);
            // A lost progress line is no reason to fail.
            drop(io::stderr().flush());
        }
    }
}

/// The sentence for a program that could not be started.
pub(crate) fn cannot_start(command: &Command, error: &io::Error) -> Failure {
    let program = command.get_program().to_string_lossy();
    match error.kind() {
        io::ErrorKind::NotFound => Failure::new(
            crate::failure::Code::Tool,
            format!("{program} is not installed; `cargo mk doctor --fix` installs what is missing"),
        ),
        _ => Failure::build(format!("cannot start {program}: {error}")),
    }
}

/// Runs a short command and gives its standard output, or `None` if it fails.
pub(crate) fn query(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}
