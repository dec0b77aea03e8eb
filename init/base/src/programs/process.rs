//! `ps` and `top`: what `proc:` tells.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::Outcome;
use super::call::Call;
use crate::failure::Failure;
use crate::system::{self, Memory, Process, User};

/// How often `top` looks again.
const ROUND: Duration = Duration::from_secs(1);
/// How many processes `top` shows: a screen.
const ROWS: usize = 20;
const PAGE_KIB: u64 = 4;

pub(super) fn ps(call: &mut Call<'_>) -> Outcome {
    // The customary letters of other systems are allowed and change nothing: all is shown.
    call.options("aefux")?;
    let users = system::all_users();
    writeln!(call.out, "{}", heading())?;
    for process in processes()? {
        writeln!(call.out, "{}", line(&process, &users))?;
    }
    Ok(0)
}

fn processes() -> Result<Vec<Process>, Failure> {
    let folder = system::scheme("proc");
    system::processes(&folder).map_err(|error| Failure::path(&folder, &error))
}

fn heading() -> String {
    format!("{:>5} {:>5} {:8} {:5} {:>8} {:>9} NAME", "PID", "PPID", "UID", "STATE", "MEM", "TIME")
}

fn line(process: &Process, users: &[User]) -> String {
    format!(
        "{:>5} {:>5} {:8} {:5} {:>8} {:>9} {}",
        process.pid,
        process.parent,
        system::user_name(users, process.uid),
        process.state,
        format!("{}K", process.pages.saturating_mul(PAGE_KIB)),
        time(process.ran),
        process.name,
    )
}

/// Nanoseconds as minutes, seconds and hundredths.
fn time(nanoseconds: u64) -> String {
    let hundredths = nanoseconds / 10_000_000;
    format!("{}:{:02}.{:02}", hundredths / 6000, hundredths / 100 % 60, hundredths % 100)
}

pub(super) fn top(call: &mut Call<'_>) -> Outcome {
    let options = call.options_only("n:")?;
    let rounds = options.number('n')?;
    let (keys, pressed) = mpsc::channel();
    if rounds.is_none() {
        thread::spawn(move || until_quit(&keys));
    }
    let mut before = BTreeMap::new();
    let mut since = Instant::now();
    let mut round = 0_u64;
    loop {
        let processes = processes()?;
        if rounds.is_none() {
            call.out.write_all(b"\x1b[H\x1b[2J")?;
        }
        screen(call, &processes, &before, since.elapsed())?;
        call.out.flush()?;
        since = Instant::now();
        before = processes.iter().map(|process| (process.pid, process.ran)).collect();
        round = round.saturating_add(1);
        if rounds.is_some_and(|rounds| round >= rounds) {
            return Ok(0);
        }
        if rounds.is_some() {
            thread::sleep(ROUND);
        } else if pressed.recv_timeout(ROUND) == Err(RecvTimeoutError::Disconnected) {
            return Ok(0);
        }
    }
}

/// Passes on that a line was typed, until it is `q` or the input ends.
fn until_quit(keys: &Sender<()>) {
    for line in std::io::stdin().lock().lines() {
        let quits = line.is_ok_and(|line| line.trim().starts_with('q'));
        if quits || keys.send(()).is_err() {
            return;
        }
    }
}

fn screen(
    call: &mut Call<'_>,
    processes: &[Process],
    before: &BTreeMap<u32, u64>,
    passed: Duration,
) -> Result<(), Failure> {
    let users = system::all_users();
    let memory = std::fs::read_to_string(system::scheme("sys/memory")).unwrap_or_default();
    if let Some(memory) = Memory::parse(&memory) {
        let used = memory.total.saturating_sub(memory.free);
        writeln!(call.out, "memory {} KiB, used {} KiB", memory.total >> 10, used >> 10)?;
    }
    writeln!(call.out, "processes {}", processes.len())?;
    writeln!(call.out, " %CPU {}", heading())?;
    let mut rows: Vec<(u64, &Process)> =
        processes.iter().map(|process| (share(process, before, passed), process)).collect();
    rows.sort_by_key(|(share, process)| (std::cmp::Reverse(*share), process.pid));
    for (share, process) in rows.into_iter().take(ROWS) {
        writeln!(call.out, "{:>3}.{} {}", share / 10, share % 10, line(process, &users))?;
    }
    Ok(())
}

/// How many thousandths of a CPU a process used since the last look.
fn share(process: &Process, before: &BTreeMap<u32, u64>, passed: Duration) -> u64 {
    let Some(ran) = before.get(&process.pid) else { return 0 };
    let used = u128::from(process.ran.saturating_sub(*ran)).saturating_mul(1000);
    let share = used.checked_div(passed.as_nanos()).unwrap_or(0);
    u64::try_from(share).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_memory_and_time_in_units_that_people_read() {
        let process = Process {
            pid: 7,
            parent: 1,
            pages: 120,
            ran: 61_230_000_000,
            state: "R".to_owned(),
            name: "/bin/sh".to_owned(),
            ..Process::default()
        };
        let line = line(&process, &[]);
        assert_eq!(line, "    7     1 0        R         480K   1:01.23 /bin/sh");
        assert_eq!(heading().find("NAME"), line.find("/bin/sh"));
    }

    #[test]
    fn a_share_is_of_the_time_that_passed() {
        let process = Process { pid: 1, ran: 500_000_000, ..Process::default() };
        let before = BTreeMap::from([(1, 250_000_000)]);
        assert_eq!(share(&process, &before, Duration::from_secs(1)), 250);
        assert_eq!(share(&process, &before, Duration::ZERO), 0);
        assert_eq!(share(&process, &BTreeMap::new(), Duration::from_secs(1)), 0);
    }
}
