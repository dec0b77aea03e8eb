//! Sentences and tables about services.

use std::{fmt::Write as _, time::Duration};

/// How a process ended, as a sentence without its stop: `log (pid 7) was killed by SIGKILL …`.
///
/// `status` is encoded as POSIX does: a signal in the low 7 bits, else the exit status above.
pub(crate) fn death(name: &str, pid: u32, status: u32, life: Duration) -> String {
    let how = match (status & 0x7F, (status >> 8) & 0xFF) {
        (0, 0) => "ended well".to_owned(),
        (0, code) => format!("ended with status {code}"),
        (signal, _) => format!("was killed by {}", signal_name(signal)),
    };
    format!("{name} (pid {pid}) {how} after {}", span(life))
}

/// The name of a signal, with what it means where that helps.
fn signal_name(signal: u32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL (a bad instruction)",
        5 => "SIGTRAP",
        6 => "SIGABRT (it gave up, or panicked while panicking)",
        7 => "SIGBUS (an access past the end of an object, or no memory)",
        8 => "SIGFPE (a division by zero)",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV (an access to memory that it does not have)",
        12 => "SIGUSR2",
        13 => "SIGPIPE (a write to a pipe that nobody reads)",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

/// A length of time with the one or two units that matter.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes, seconds) {
        (0, 0, 0, 0) if time.subsec_millis() > 0 => format!("{}ms", time.subsec_millis()),
        (0, 0, 0, _) => format!("{seconds}s"),
        (0, 0, _, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, _, _, _) => format!("{hours}h{minutes:02}m"),
        _ => format!("{days}d{hours:02}h"),
    }
}

/// One line of the table of services.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    /// The service.
    pub(crate) name: &'a str,
    /// Its state in a word.
    pub(crate) state: &'a str,
    /// Its process, if it has one.
    pub(crate) pid: Option<u32>,
    /// How often it was started again.
    pub(crate) restarts: u32,
    /// How long it has been running.
    pub(crate) uptime: Option<Duration>,
}

/// The table that `svc` prints.
pub(crate) fn table<'a>(rows: impl Iterator<Item = Row<'a>>) -> String {
    let mut text = format!("{:<15} {:<9} {:>5} {:>8} UPTIME\n", "NAME", "STATE", "PID", "RESTARTS");
    for row in rows {
        let pid = row.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let uptime = row.uptime.map_or_else(|| "-".to_owned(), span);
        let (name, state, restarts) = (row.name, row.state, row.restarts);
        let line = writeln!(text, "{name:<15} {state:<9} {pid:>5} {restarts:>8} {uptime}");
        debug_assert!(line.is_ok(), "a String takes all");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Row, death, span, table};

    #[test]
    fn a_death_is_told_in_words() {
        let told = |status| death("log", 7, status, Duration::from_millis(2500));
        assert_eq!(told(9), "log (pid 7) was killed by SIGKILL after 2s");
        assert_eq!(told(0), "log (pid 7) ended well after 2s");
        assert_eq!(told(101 << 8), "log (pid 7) ended with status 101 after 2s");
        assert_eq!(told(77), "log (pid 7) was killed by signal 77 after 2s");
    }

    #[test]
    fn times_are_short_to_read() {
        let told = |ms| span(Duration::from_millis(ms));
        assert_eq!(told(0), "0s");
        assert_eq!(told(999), "999ms");
        assert_eq!(told(61_000), "1m01s");
        assert_eq!(told(3_660_000), "1h01m");
        assert_eq!(told(90_000_000), "1d01h");
    }

    #[test]
    fn the_table_has_a_line_for_each_service() {
        let row =
            Row { name: "virtio-blk", state: "running", pid: Some(7), restarts: 2, uptime: None };
        assert_eq!(
            table([row].into_iter()),
            "NAME            STATE       PID RESTARTS UPTIME\n\
             virtio-blk      running       7        2 -\n"
        );
    }
}
