//! QEMU's monitor protocol: one JSON object a line.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use serde_json::{Value, json};

use crate::failure::{Code, Failure, Result};

/// A connection to the monitor.
#[derive(Debug)]
pub(super) struct Qmp {
    lines: BufReader<UnixStream>,
}

impl Qmp {
    /// Connects and leaves the negotiation behind.
    pub(super) fn connect(path: &Path) -> Result<Self> {
        let stream = UnixStream::connect(path).map_err(|error| broken(&error))?;
        let mut qmp = Self { lines: BufReader::new(stream) };
        qmp.receive()?;
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Runs a command of the monitor and gives what it returns.
    pub(super) fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let line = json!({ "execute": command, "arguments": arguments }).to_string();
        let stream = self.lines.get_mut();
        writeln!(stream, "{line}").map_err(|error| broken(&error))?;
        loop {
            let mut answer = self.receive()?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                let why = error.get("desc").and_then(Value::as_str).unwrap_or("no reason given");
                return Err(Failure::new(Code::Test, format!("QEMU refused {command}: {why}")));
            }
            // Anything else is an event, which no one asked for.
        }
    }

    fn receive(&mut self) -> Result<Value> {
        let mut line = String::new();
        let len = self.lines.read_line(&mut line).map_err(|error| broken(&error))?;
        match serde_json::from_str(&line) {
            Ok(value) if len > 0 => Ok(value),
            _ => Err(broken(&"it ended")),
        }
    }
}

fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Code::Crash, format!("the connection to QEMU's monitor broke: {error}"))
}
