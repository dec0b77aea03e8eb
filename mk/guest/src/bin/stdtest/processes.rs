//! Other processes: this program again, as a child.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use super::{Outcome, Test, check};

pub(super) const TESTS: &[Test] = &[
    ("a_child_gives_its_output_and_status", a_child_gives_its_output_and_status),
    ("a_child_is_spoken_with_through_pipes", a_child_is_spoken_with_through_pipes),
    ("a_child_inherits_what_it_is_given", a_child_inherits_what_it_is_given),
    ("a_missing_program_is_an_error", a_missing_program_is_an_error),
    ("a_child_is_killed", a_child_is_killed),
    ("a_broken_pipe_is_an_error", a_broken_pipe_is_an_error),
    ("a_script_is_run_by_its_interpreter", a_script_is_run_by_its_interpreter),
    ("many_children_run_at_once", many_children_run_at_once),
];

/// The other side of the tests.
pub(super) fn child(arguments: &[String]) -> ExitCode {
    match play(arguments) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn play(arguments: &[String]) -> io::Result<u8> {
    let role = arguments.first().map_or("", String::as_str);
    let rest = arguments.get(1..).unwrap_or_default();
    match role {
        "status" => {
            println!("out");
            eprintln!("err");
            return Ok(7);
        }
        "upper" => {
            for line in io::stdin().lock().lines() {
                println!("{}", line?.to_uppercase());
            }
        }
        "show" => {
            println!("{}", env::current_dir()?.display());
            println!("{}", env::var("STDTEST_CHILD").unwrap_or_default());
            println!("{}", rest.join("|"));
        }
        "sleep" => std::thread::sleep(Duration::from_secs(600)),
        _ => return Ok(99),
    }
    Ok(0)
}

fn this(role: &str) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["child", role]);
    Ok(command)
}

fn a_child_gives_its_output_and_status() -> Outcome {
    let output = this("status")?.output()?;
    check(output.status.code() == Some(7), "the status is not 7")?;
    check(output.stdout == b"out\n", "the output is wrong")?;
    check(output.stderr == b"err\n", "the error output is wrong")
}

/// A child whose input and output are pipes.
fn speaking(role: &str) -> io::Result<Child> {
    this(role)?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
}

fn a_child_is_spoken_with_through_pipes() -> Outcome {
    let mut child = speaking("upper")?;
    let mut input = child.stdin.take().ok_or("no input")?;
    let mut output = BufReader::new(child.stdout.take().ok_or("no output")?);
    let mut line = String::new();
    for word in ["one", "two", "three"] {
        writeln!(input, "{word}")?;
        line.clear();
        output.read_line(&mut line)?;
        check(line.trim_end() == word.to_uppercase(), "an answer is wrong")?;
    }
    // More than a pipe holds, so both sides must take turns.
    let writer = std::thread::spawn(move || (0..20_000).try_for_each(|n| writeln!(input, "{n}")));
    let count = output.lines().map_while(Result::ok).count();
    check(writer.join().is_ok_and(|written| written.is_ok()), "writing failed")?;
    check(count == 20_000, "a line was lost in a pipe")?;
    check(child.wait()?.success(), "the child failed")
}

fn a_child_inherits_what_it_is_given() -> Outcome {
    let directory = fs::canonicalize(env::temp_dir())?;
    let mut command = this("show")?;
    command.args(["a b", "", "c"]).env("STDTEST_CHILD", "yes").current_dir(&directory);
    let output = String::from_utf8(command.output()?.stdout)?;
    let expected = format!("{}\nyes\na b||c\n", directory.display());
    check(output == expected, &format!("it saw {output:?}, not {expected:?}"))?;
    let bare = this("show")?.env_clear().output()?;
    check(bare.status.success(), "a child without an environment failed")
}

fn a_missing_program_is_an_error() -> Outcome {
    let missing = Command::new("/no/such/program").spawn().map(drop);
    let kind = missing.map_err(|error| error.kind());
    check(kind == Err(io::ErrorKind::NotFound), "the kind is not NotFound")?;
    let unknown = Command::new("stdtest-no-such-command").spawn().map(drop);
    check(unknown.is_err(), "an unknown command was found")
}

fn a_child_is_killed() -> Outcome {
    let mut child = this("sleep")?.spawn()?;
    check(child.try_wait()?.is_none(), "the child ended by itself")?;
    child.kill()?;
    let status = child.wait()?;
    check(status.signal() == Some(9) && status.code().is_none(), "it was not SIGKILL")
}

fn a_broken_pipe_is_an_error() -> Outcome {
    let mut child = this("status")?
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut input = child.stdin.take().ok_or("no input")?;
    child.wait()?;
    let start = Instant::now();
    let outcome = loop {
        // The reader is gone: at the latest when the pipe would be full this fails.
        if let Err(error) = input.write_all(&[b'x'; 4096]) {
            break error.kind();
        }
        check(start.elapsed() < Duration::from_secs(30), "a pipe without reader takes all")?;
    };
    check(outcome == io::ErrorKind::BrokenPipe, "the kind is not BrokenPipe")
}

fn a_script_is_run_by_its_interpreter() -> Outcome {
    let exe = env::current_exe()?;
    let path = env::temp_dir().join(format!("stdtest-script-{}", std::process::id()));
    fs::write(&path, format!("#!{} child\n", exe.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    let output = Command::new(&path).arg("x").output();
    fs::remove_file(&path)?;
    // The interpreter is given `child`, the script's path, `x`: a role that it does not know.
    check(output?.status.code() == Some(99), "the interpreter was not run")
}

fn many_children_run_at_once() -> Outcome {
    let spawn = |_| speaking("upper");
    let children: io::Result<Vec<Child>> = (0..12).map(spawn).collect();
    for (number, mut child) in (0..).zip(children?) {
        let mut input = child.stdin.take().ok_or("no input")?;
        writeln!(input, "child {number}")?;
        drop(input);
        let mut text = String::new();
        child.stdout.take().ok_or("no output")?.read_to_string(&mut text)?;
        check(text == format!("CHILD {number}\n"), "children were mixed up")?;
        check(child.wait()?.success(), "a child failed")?;
    }
    Ok(())
}
