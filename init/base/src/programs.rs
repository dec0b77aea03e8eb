//! The small programs: one binary, which looks at the name that it is called by.
//!
//! Each program is a function over a `call::Call`: its words, its output, and a way to
//! complain and go on. Errors are `NAME: PATH: reason` and status 1, a wrong command line
//! is status 2 with the usage; a closed output ends any program quietly.

mod call;
mod chmod;
mod cmp;
mod copy;
mod date;
mod ends;
mod grep;
mod hexdump;
mod identity;
pub(crate) mod kill;
mod lines;
mod ls;
mod make;
mod names;
mod power;
mod process;
mod regex;
mod remove;
mod sort;
mod streams;
mod sum;
mod system;
mod values;
mod walk;
mod wc;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

use crate::failure::{BROKEN_PIPE, Failure};
use call::Call;

/// What a program's function gives: its status, or why it ended early.
type Outcome = Result<u8, Failure>;

/// A program.
struct Program {
    name: &'static str,
    usage: &'static str,
    run: fn(&mut Call<'_>) -> Outcome,
}

const fn program(
    name: &'static str,
    usage: &'static str,
    run: fn(&mut Call<'_>) -> Outcome,
) -> Program {
    Program { name, usage, run }
}

/// All programs by name; `programs.txt` beside this crate lists the same names.
const PROGRAMS: &[Program] = &[
    program("basename", "basename PATH [SUFFIX]", names::basename),
    program("cat", "cat [FILE…]", streams::cat),
    program("chmod", "chmod [-R] MODE FILE…", chmod::chmod),
    program("clear", "clear", values::clear),
    program("cmp", "cmp [-s] FILE FILE", cmp::cmp),
    program("cp", "cp [-rf] FROM… TO", copy::cp),
    program("cut", "cut -b LIST | -c LIST | -f LIST [-s] [-d CHARACTER] [FILE…]", lines::cut),
    program("date", "date [-u] [+FORMAT]", date::date),
    program("df", "df [-ahk] [PATH…]", system::df),
    program("dirname", "dirname PATH…", names::dirname),
    program("dmesg", "dmesg", system::dmesg),
    program("du", "du [-ahks] [PATH…]", walk::du),
    program("echo", "echo [-n] [WORD…]", values::echo),
    program("env", "env [-i] [NAME=VALUE…] [PROGRAM [ARGUMENT…]]", values::env),
    program("false", "false", |_| Ok(1)),
    program("find", "find [PATH…] [-name PATTERN] [-type f|d|l]", walk::find),
    program("free", "free", system::free),
    program("grep", "grep [-ivnclqFE] PATTERN [FILE…]", grep::grep),
    program("head", "head [-n LINES | -c BYTES] [FILE…]", ends::head),
    program("hexdump", "hexdump [-Cv] [-n LENGTH] [-s SKIP] [FILE…]", hexdump::hexdump),
    program("id", "id [-u | -g | -un]", identity::id),
    program("kill", kill::USAGE, kill::kill),
    program("ln", "ln [-sf] TARGET [LINK]", make::ln),
    program("ls", "ls [-1adl] [PATH…]", ls::ls),
    program("mkdir", "mkdir [-p] FOLDER…", make::mkdir),
    program("mount", "mount", system::mount),
    program("mv", "mv [-f] FROM… TO", copy::mv),
    program("poweroff", "poweroff", power::poweroff),
    program("ps", "ps", process::ps),
    program("pwd", "pwd", names::pwd),
    program("reboot", "reboot", power::reboot),
    program("rm", "rm [-rf] PATH…", remove::rm),
    program("rmdir", "rmdir FOLDER…", remove::rmdir),
    program("seq", "seq [FIRST [STEP]] LAST", values::seq),
    program("sha256sum", "sha256sum [-c] [FILE…]", sum::sha256sum),
    program("sleep", "sleep SECONDS…", values::sleep),
    program("sort", "sort [-nru] [FILE…]", sort::sort),
    program("sync", "sync [FILE…]", power::sync),
    program("tail", "tail [-n [+]LINES | -c [+]BYTES] [FILE…]", ends::tail),
    program("tee", "tee [-a] [FILE…]", streams::tee),
    program("top", "top [-n ROUNDS]", process::top),
    program("touch", "touch [-c] FILE…", make::touch),
    program("tr", "tr [-cs] SET SET | -d [-c] SET | -s [-c] SET", lines::tr),
    program("true", "true", |_| Ok(0)),
    program("uname", "uname [-asnrvm]", system::uname),
    program("uniq", "uniq [-cdu] [FILE…]", lines::uniq),
    program("wc", "wc [-clw] [FILE…]", wc::wc),
    program("which", "which NAME…", names::which),
    program("whoami", "whoami", identity::whoami),
];

/// Runs the program that this process is called by.
#[must_use]
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let mut name = file_name(arguments.next());
    if name == "base" {
        name = file_name(arguments.next());
    }
    let Some(program) = PROGRAMS.iter().find(|program| program.name == name) else {
        let names: Vec<&str> = PROGRAMS.iter().map(|program| program.name).collect();
        eprintln!("base: {name:?} is none of my programs: {}", names.join(" "));
        return ExitCode::from(2);
    };
    ExitCode::from(run(program, arguments.collect()))
}

fn file_name(path: Option<OsString>) -> String {
    let path = path.unwrap_or_default();
    Path::new(&path).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn run(program: &Program, arguments: Vec<OsString>) -> u8 {
    // Not std's own stdout, which would cut blocks at their last line end.
    let mut output: Box<dyn Write> = match io::stdout().as_fd().try_clone_to_owned() {
        Ok(own) => Box::new(BufWriter::with_capacity(16 << 10, File::from(own))),
        Err(_) => Box::new(io::stdout()),
    };
    let mut call = Call::new(program.name, arguments, &mut output);
    let outcome = (program.run)(&mut call).and_then(|status| {
        call.out.flush()?;
        Ok(status)
    });
    match outcome {
        Ok(status) => status.max(u8::from(call.failed)),
        Err(Failure::BrokenPipe) => {
            // What is still buffered has no reader: it must not be tried again on drop.
            std::process::exit(BROKEN_PIPE.into())
        }
        Err(failure @ Failure::Usage(_)) => {
            call.say(&format!("{failure}\nusage: {}", program.usage));
            2
        }
        Err(failure @ Failure::Message(_)) => {
            call.say(&failure.to_string());
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_txt_names_exactly_the_programs() {
        let names: Vec<&str> = PROGRAMS.iter().map(|program| program.name).collect();
        let listed: Vec<&str> = include_str!("../programs.txt").lines().collect();
        assert_eq!(names, listed);
        assert!(names.is_sorted());
    }
}
