//! Services and their processes, as init has them.

use std::{
    fs::{self, OpenOptions},
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// A successor that takes longer is no successor.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at the table of services.
const STEP: Duration = Duration::from_millis(2);

/// Kills a service's daemon, and has init start its successor at once, not after a wait.
///
/// # Errors
///
/// A sentence, also if no successor comes.
pub fn kill(service: &str) -> Result<(), String> {
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

/// A service's process, by init's table.
///
/// # Errors
///
/// A sentence.
pub fn running(service: &str) -> Result<Option<u32>, String> {
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
        Some(("error", reason))
            if reason.contains("runs already") || reason.contains("is being started") =>
        {
            Ok(())
        }
        other => Err(format!("`{line}` was answered by {other:?}")),
    }
}
