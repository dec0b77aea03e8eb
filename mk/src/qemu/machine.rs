//! A running machine, driven from outside as a person would: by its serial line.

use std::{
    fs::File,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Config, LIMIT, PROGRAM,
    qmp::Qmp,
    serial::{Serial, Wait},
};
use crate::{
    failure::{Code, Failure, Result},
    files,
    progress::cannot_start,
    workspace,
};

/// QEMU with its serial line in hand. Dropping it cuts the power.
#[derive(Debug)]
pub(crate) struct Machine {
    child: Child,
    serial: Serial,
    /// Holds the sockets. It is short, as a socket's path may have 108 bytes.
    folder: PathBuf,
    log: PathBuf,
    commands: u32,
}

/// What a shell command in the guest printed, and its exit status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) text: String,
    pub(crate) status: i32,
}

/// How the prompt of root's shell ends.
const PROMPT: &str = "# ";

/// Registers of [`Board::Pc`](super::Board::Pc) by which a guest ejects devices.
const EJECT_SLOT: u16 = 0xae08;
const EJECT_BUS: u16 = 0xae10;

/// What the kernel says when it will say no more.
const FATAL: [&str; 2] = ["The machine is halted.", "Anode cannot start"];

static MACHINES: AtomicU32 = AtomicU32::new(0);

impl Machine {
    /// Switches a machine on. `name` is for its log, `target/run/NAME.log`.
    pub(crate) fn start(name: &str, config: &Config) -> Result<Self> {
        let number = MACHINES.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("anode-{}-{number}", std::process::id()));
        files::make_dir(&folder)?;
        let log = workspace::target().join("run").join(format!("{name}.log"));
        files::write(&log, b"")?;
        let serial = folder.join("serial");
        let mut command = Command::new(PROGRAM);
        command.args(config.arguments()?).args(["-display", "none", "-serial", "chardev:serial"]);
        command.arg("-chardev").arg(socket("socket,id=serial,wait=on,server=on,path=", &serial));
        command.arg("-qmp").arg(socket("unix:", &folder.join("qmp,server=on,wait=off")));
        command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| cannot_start(&command, &error))?;
        let connected = connect(&mut child, &serial).and_then(|stream| {
            let file = File::create(&log).map_err(|error| Failure::file("write", &log, &error))?;
            Serial::new(stream, file).map_err(|error| Failure::build(error.to_string()))
        });
        match connected {
            Ok(serial) => Ok(Self { child, serial, folder, log, commands: 0 }),
            Err(failure) => {
                stop(&mut child, &folder);
                Err(failure)
            }
        }
    }

    /// Waits for `words` on the serial line; gives the text up to and including them.
    pub(crate) fn expect(&mut self, words: &str) -> Result<String> {
        self.expect_any(&[words]).map(|(text, _which)| text)
    }

    /// Waits for any of `words`; gives the text up to and including them, and which it was.
    pub(crate) fn expect_any(&mut self, words: &[&str]) -> Result<(String, usize)> {
        let heard: Vec<&str> = words.iter().copied().chain(FATAL).collect();
        match self.serial.expect(&heard, LIMIT) {
            (Wait::Found, text, which) if which < words.len() => Ok((text, which)),
            (Wait::Found, ..) => Err(Failure::new(Code::Crash, "the kernel gave up")),
            (Wait::TimedOut, ..) => Err(Failure::new(
                Code::Timeout,
                format!("the guest did not say {words:?} within {} s", LIMIT.as_secs()),
            )),
            (Wait::Ended, ..) => Err(Failure::new(
                Code::Crash,
                format!("the machine ended before it said {words:?}"),
            )),
        }
    }

    /// Types `text`.
    pub(crate) fn send(&mut self, text: &str) -> Result<()> {
        self.serial.send(text).map_err(|error| {
            Failure::new(Code::Crash, format!("the machine took no more input: {error}"))
        })
    }

    /// Waits for the login prompt and logs in as root, up to the shell's prompt.
    pub(crate) fn log_in(&mut self) -> Result<()> {
        self.expect("login: ")?;
        self.send("root\n")?;
        self.expect(PROMPT).map(|_text| ())
    }

    /// Runs a line in the guest's shell.
    pub(crate) fn sh(&mut self, line: &str) -> Result<Output> {
        self.commands = self.commands.wrapping_add(1);
        let (left, right) = ("zq", format!("{:04}:", self.commands));
        // Typed in two parts, so that the echo of the line is not taken for its end.
        let typed = format!("{left}''{right}");
        self.send(&format!("{line}; echo {typed}$?\n"))?;
        let (end, mark) = (format!("{left}{right}"), typed.as_str());
        let text = self.expect(&end)?;
        let status = self.expect("\n")?;
        // The next line is typed at a prompt, so that its output does not run into it.
        self.expect(PROMPT)?;
        let text = text.strip_suffix(&end).unwrap_or(&text);
        let kept: Vec<&str> = text.lines().filter(|line| !line.contains(mark)).collect();
        let status = status.trim().parse().map_err(|_no_number| {
            Failure::new(Code::Test, format!("`{line}` gave no exit status but {status:?}"))
        })?;
        Ok(Output { text: kept.join("\n"), status })
    }

    /// Runs a line in the guest's shell, which must succeed, and gives what it printed.
    pub(crate) fn ok(&mut self, line: &str) -> Result<String> {
        let output = self.sh(line)?;
        match output.status {
            0 => Ok(output.text),
            status => Err(Failure::new(
                Code::Test,
                format!("`{line}` ended with status {status}: {}", output.text),
            )),
        }
    }

    /// Runs a command of QEMU's monitor.
    pub(crate) fn qmp(&self, command: &str, arguments: &Value) -> Result<Value> {
        Qmp::connect(&self.folder.join("qmp"))?.execute(command, arguments)
    }

    /// Pulls a device out: of a board that lets it, without a word to the guest's driver.
    pub(crate) fn pull(&self, device: &str) -> Result<()> {
        let buses = json!({ "all": self.qmp("query-pci", &json!({}))? });
        let mut devices =
            workspace::list(&buses, "all").flat_map(|bus| workspace::list(bus, "devices"));
        let slot = devices
            .find(|it| it.get("qdev_id").and_then(Value::as_str) == Some(device))
            .and_then(|it| it.get("slot")?.as_u64());
        let slot = slot.and_then(|slot| 1_u32.checked_shl(u32::try_from(slot).ok()?));
        let slot = slot.ok_or_else(|| Failure::new(Code::Test, format!("QEMU has no {device}")))?;
        // What a guest would do that was asked for it by ACPI: choose the bus, eject the slot.
        for (port, value) in [(EJECT_BUS, 0), (EJECT_SLOT, slot)] {
            let line = format!("o /w {port:#x} {value:#x}");
            self.qmp("human-monitor-command", &json!({ "command-line": line }))?;
        }
        Ok(())
    }

    /// Writes what the screen shows to a PNG file.
    pub(crate) fn screenshot(&self, file: &Path) -> Result<()> {
        let arguments = json!({ "filename": file.to_string_lossy(), "format": "png" });
        self.qmp("screendump", &arguments).map(|_nothing| ())
    }

    /// Waits until the machine has switched itself off.
    pub(crate) fn wait(&mut self) -> Result<()> {
        // Reading on keeps the guest from waiting for a full line; no text can match.
        match self.serial.expect(&[], LIMIT).0 {
            Wait::Ended => self.child.wait().map(|_status| ()).map_err(|error| {
                Failure::new(Code::Crash, format!("cannot wait for QEMU: {error}"))
            }),
            _ => Err(Failure::new(Code::Timeout, "the machine did not switch itself off")),
        }
    }

    /// Cuts the power.
    pub(crate) fn cut_power(&mut self) {
        stop(&mut self.child, &self.folder);
    }

    /// Whether the machine is still on.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The last `count` lines of the serial line.
    pub(crate) fn tail(&self, count: usize) -> String {
        self.serial.tail(count)
    }

    /// Where the whole of the serial line is kept.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        stop(&mut self.child, &self.folder);
    }
}

/// Cuts the power, and cleans up. Nothing here can be helped if it fails.
fn stop(child: &mut Child, folder: &Path) {
    drop(child.kill());
    drop(child.wait());
    drop(std::fs::remove_dir_all(folder));
}

fn socket(how: &str, path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(how);
    argument.push(path);
    argument
}

/// Connects to the serial line as soon as QEMU offers it.
fn connect(child: &mut Child, path: &Path) -> Result<UnixStream> {
    let started = Instant::now();
    loop {
        if let Ok(stream) = UnixStream::connect(path) {
            return Ok(stream);
        }
        if let Ok(Some(status)) = child.try_wait() {
            let mut why = String::new();
            if let Some(mut stderr) = child.stderr.take() {
                // What cannot be read cannot be told.
                drop(std::io::Read::read_to_string(&mut stderr, &mut why));
            }
            let text = format!("QEMU ended at once ({status}): {}", why.trim());
            return Err(Failure::new(Code::Tool, text));
        }
        if started.elapsed() > LIMIT {
            return Err(Failure::new(Code::Timeout, "QEMU did not open its serial line"));
        }
        thread::sleep(Duration::from_millis(20));
    }
}
