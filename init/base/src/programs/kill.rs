//! `kill`: signals go to processes by `proc:PID/signal`. The shell's builtin is this too.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use super::Outcome;
use super::call::Call;
use crate::failure::{Failure, reason};
use crate::system;

pub(crate) const USAGE: &str = "kill [-SIGNAL] PID… | kill -l";

/// The names of the signals from 1 on, as on Linux.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
const TERMINATE: usize = 15;

pub(super) fn kill(call: &mut Call<'_>) -> Outcome {
    act(&call.arguments, call.out)?;
    Ok(0)
}

/// Does what the words say; `out` takes the list of `-l`.
///
/// # Errors
///
/// The words are wrong, or a process could not be signalled; the others have been.
pub(crate) fn act(words: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let (signal, pids) = match words.as_slice() {
        [flag] if flag == "-l" => {
            writeln!(out, "{}", NAMES.join(" "))?;
            return Ok(());
        }
        [flag, name, pids @ ..] if flag == "-s" => (signal(name)?, pids),
        [flag, pids @ ..] if flag == "--" => (TERMINATE, pids),
        [flag, pids @ ..] if flag.starts_with('-') => (signal(flag.trim_start_matches('-'))?, pids),
        pids => (TERMINATE, pids),
    };
    if pids.is_empty() {
        return Err(Failure::Usage("no process is named".to_owned()));
    }
    let mut failures = Vec::new();
    for pid in pids {
        let pid: u32 =
            pid.parse().map_err(|_| Failure::Usage(format!("{pid}: not a process's number")))?;
        if let Err(error) = send(&system::scheme("proc"), pid, signal) {
            let gone = error.kind() == io::ErrorKind::NotFound;
            let reason = if gone { "no such process".to_owned() } else { reason(&error) };
            failures.push(format!("{pid}: {reason}"));
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::Message(failures.join("; "))) }
}

fn signal(name: &str) -> Result<usize, Failure> {
    let upper = name.to_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    let known = NAMES.iter().position(|known| *known == short).map(|at| at.saturating_add(1));
    let number = name.parse().ok().filter(|number| *number <= 64);
    known.or(number).ok_or_else(|| Failure::Usage(format!("{name}: no such signal")))
}

fn send(processes: &Path, pid: u32, signal: usize) -> io::Result<()> {
    let path = processes.join(pid.to_string()).join("signal");
    OpenOptions::new().write(true).open(path)?.write_all(signal.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_go_by_number_and_by_name() {
        assert_eq!(signal("9").unwrap(), 9);
        assert_eq!(signal("KILL").unwrap(), 9);
        assert_eq!(signal("sigterm").unwrap(), 15);
        assert_eq!(signal("SYS").unwrap(), 31);
        assert!(signal("65").is_err());
        assert!(signal("NO").is_err());
    }

    #[test]
    fn a_signal_is_its_number_in_the_process_s_file() {
        let folder = std::env::temp_dir().join(format!("base-kill-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("7")).unwrap();
        std::fs::write(folder.join("7/signal"), "").unwrap();

        send(&folder, 7, 9).unwrap();

        assert_eq!(std::fs::read_to_string(folder.join("7/signal")).unwrap(), "9");
        assert_eq!(send(&folder, 8, 9).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn wrong_words_are_usage_errors() {
        let act = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            act(&words, &mut Vec::new())
        };
        for words in [&[][..], &["-9"], &["x"], &["-NO", "1"], &["-s"]] {
            assert!(matches!(act(words), Err(Failure::Usage(_))), "{words:?}");
        }
    }
}
