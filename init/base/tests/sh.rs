//! The shell as its users meet it: whole scripts, their output and their status.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

/// A folder for one test, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("base-sh-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn shell(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sh"));
    command.current_dir(folder).env_clear().env("PATH", "/bin:/usr/bin").env("HOME", "/");
    command
}

fn text(output: &Output) -> (String, String, i32) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code().unwrap_or(-1))
}

/// Output, errors and status of `sh -c SCRIPT`.
fn run_in(folder: &Path, script: &str) -> (String, String, i32) {
    let output = shell(folder).args(["-c", script]).stdin(Stdio::null()).output();
    text(&output.expect("the shell runs"))
}

fn run(script: &str) -> (String, String, i32) {
    run_in(Path::new("/"), script)
}

/// The output of a script that must succeed without a word of complaint.
fn output(script: &str) -> String {
    let (out, err, status) = run(script);
    assert_eq!((err.as_str(), status), ("", 0), "{script}: {out}");
    out
}

/// What the script `input` does when it comes by standard input.
fn piped(arguments: &[&str], input: &str) -> (String, String, i32) {
    let mut child = shell(Path::new("/"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the shell runs");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    text(&child.wait_with_output().expect("it ends"))
}

#[test]
fn statuses_decide_what_runs() {
    assert_eq!(output("false; true && echo yes"), "yes\n");
    assert_eq!(output("false || echo no; ! false && echo not"), "no\nnot\n");
    assert_eq!(output("false; echo $?; true; echo $?"), "1\n0\n");
    assert_eq!(run("exit 7").2, 7);
    assert_eq!(run("(exit 3); echo $?").0, "3\n");
    assert_eq!(run("false").2, 1);
    assert_eq!(run("sh -c 'kill -9 $$' 2>/dev/null; exit 0").2, 0);
}

#[test]
fn pipelines_run_side_by_side() {
    assert_eq!(output("echo hello | cat | cat"), "hello\n");
    assert_eq!(output("seq 1 100000 | head -n 2"), "1\n2\n");
    assert_eq!(output("true | false; echo $?; false | true; echo $?"), "1\n0\n");
    assert_eq!(output("echo a | { read x; echo got $x; }"), "got a\n");
    assert_eq!(output("seq 3 | while read n; do echo $((n * n)); done"), "1\n4\n9\n");
    assert_eq!(output("x=1; echo | x=2; echo $x"), "1\n");
    assert_eq!(output("{ echo a; cat /dev/null; echo b; } | cat | { cat; }"), "a\nb\n");
    // A builtin whose reader is gone ends as a program would, without a word.
    assert_eq!(output("while true; do echo y; done | head -n 1"), "y\n");
}

#[test]
fn redirections_are_done_in_order() {
    let folder = Folder::new("redirect");
    let run = |script: &str| run_in(&folder.0, script);
    assert_eq!(run("echo kept > a && cat a && cat < a").0, "kept\nkept\n");
    assert_eq!(run("echo more >> a; cat a").0, "kept\nmore\n");
    assert_eq!(run("ls /no/such 2>&1 >/dev/null | head -c 2").0, "ls");
    assert_eq!(run("{ echo out; echo err >&2; } >b 2>&1; cat b").0, "out\nerr\n");
    assert_eq!(run("echo x 1>&2"), (String::new(), "x\n".to_owned(), 0));
    assert_eq!(run("exec >c; echo late; ls /no 2>/dev/null; cat c >&2").1, "late\n");
    assert_eq!(run("for i in 1 2; do echo $i; done >d; cat d").0, "1\n2\n");
    let (out, err, status) = run("cat < missing; echo $?");
    assert_eq!((out.as_str(), status), ("1\n", 0));
    assert_eq!(err, "sh: missing: No such file or directory\n");
    assert_eq!(run("echo a > /no/x").2, 1);
    assert_eq!(run("echo a >&7").1, "sh: 7: no such descriptor\n");
    assert_eq!(run("echo a >&-").2, 0);
}

#[test]
fn output_of_commands_becomes_words() {
    assert_eq!(output("echo $(echo a; echo b) `echo c`"), "a b c\n");
    assert_eq!(output("x=$(seq 3); echo \"$x\""), "1\n2\n3\n");
    assert_eq!(output("echo $(echo $(echo $(echo deep)))"), "deep\n");
    assert_eq!(output("echo `echo \\`echo deep\\``"), "deep\n");
    assert_eq!(output("x=$(false); echo $?; x=$(true); echo $?"), "1\n0\n");
    assert_eq!(output("echo $(seq 1 20000) | wc -c"), "108894\n");
    assert_eq!(output("echo $( (echo sub) )"), "sub\n");
}

#[test]
fn compound_commands_do_what_they_say() {
    assert_eq!(output("if false; then echo a; elif true; then echo b; else echo c; fi"), "b\n");
    assert_eq!(output("i=0; while [ $i -lt 3 ]; do echo $i; i=$((i+1)); done"), "0\n1\n2\n");
    assert_eq!(output("i=0; until [ $i = 2 ]; do i=$((i+1)); done; echo $i"), "2\n");
    assert_eq!(output("for x in a 'b c'; do echo $x; done"), "a\nb c\n");
    assert_eq!(
        output("for i in 1 2 3; do for j in 1 2; do continue 2; done; done; echo $i$j"),
        "31\n"
    );
    assert_eq!(output("for i in 1 2 3; do [ $i = 2 ] && break; echo $i; done"), "1\n");
    let case = "case $x in a|b) echo ab;; c*) echo c;; '*') echo star;; *) echo other;; esac";
    for (value, wanted) in [("b", "ab"), ("cat", "c"), ("*", "star"), ("z", "other")] {
        assert_eq!(output(&format!("x='{value}'; {case}")), format!("{wanted}\n"));
    }
    assert_eq!(output("f() { echo $1 $#; return 4; }; f a b; echo $? $#"), "a 2\n4 0\n");
    assert_eq!(output("(x=1; cd /tmp; exit 2); echo $? .$x. $(pwd)"), "2 .. /\n");
    assert_eq!(output("if false; then echo a; fi; echo $?"), "0\n");
}

#[test]
fn variables_reach_programs_only_when_exported() {
    assert_eq!(output("x=1; sh -c 'echo .$x.'; export x; sh -c 'echo .$x.'"), "..\n.1.\n");
    assert_eq!(output("x=2 sh -c 'echo $x'; echo .$x."), "2\n..\n");
    assert_eq!(output("export a=b; unset a; sh -c 'echo .$a.'"), "..\n");
    assert_eq!(output("set -- a b c; shift; echo $1 $#"), "b 2\n");
}

#[test]
fn names_of_files_are_filled_in() {
    let folder = Folder::new("glob");
    let run = |script: &str| run_in(&folder.0, script).0;
    run("mkdir d; echo >a.rs >b.rs; echo >a.rs; echo >b.rs; echo >.hidden; echo >d/c.rs");
    assert_eq!(run("echo *.rs"), "a.rs b.rs\n");
    assert_eq!(run("echo ?.rs [b-c].rs */*.rs"), "a.rs b.rs b.rs d/c.rs\n");
    assert_eq!(run("echo '*.rs' \"*\" \\* *.none"), "*.rs * * *.none\n");
    assert_eq!(run("echo *; echo .h*"), "a.rs b.rs d\n.hidden\n");
    assert_eq!(run("x='*.rs'; echo $x \"$x\""), "a.rs b.rs *.rs\n");
    assert_eq!(run("(cd d && echo *)"), "c.rs\n");
    assert_eq!(run("cd d; echo *; cd - >/dev/null; echo *.rs"), "c.rs\na.rs b.rs\n");
}

#[test]
fn subshells_and_jobs_keep_their_own_folder() {
    let folder = Folder::new("folders");
    let run = |script: &str| run_in(&folder.0, script).0;
    run("mkdir a b; echo in-a >a/f; echo in-b >b/f");
    assert_eq!(run("(cd a && cat f) | (cd b && cat - f); cat a/f"), "in-a\nin-b\nin-a\n");
    assert_eq!(run("(cd a; cat <f; cp f g; [ -f g ] && echo yes)"), "in-a\nyes\n");
    assert_eq!(run("cd a; { sleep 0.2; cat f; } & cd ../b; wait"), "in-a\n");
    assert!(run("cd a; pwd").ends_with("/a\n"));
}

#[test]
fn jobs_run_beside_the_shell_and_are_waited_for() {
    assert_eq!(output("sleep 0.2 & echo first; wait; echo last"), "first\nlast\n");
    assert_eq!(output("sh -c 'exit 5' & wait $!; echo $?"), "5\n");
    assert_eq!(output("{ sleep 0.1; echo job; } & wait; echo done"), "job\ndone\n");
    assert_eq!(output("{ sleep 0.1; echo kept; } &"), "kept\n");
    assert_eq!(run("wait 999999").2, 127);
}

#[test]
fn programs_that_cannot_run_are_told_apart() {
    assert_eq!(
        run("no-such-program"),
        (String::new(), "sh: no-such-program: not found\n".to_owned(), 127)
    );
    assert_eq!(run("/no/such").2, 127);
    assert_eq!(run("/tmp").1, "sh: /tmp: is a folder\n");
    let folder = Folder::new("programs");
    fs::write(folder.0.join("plain"), "echo script $1\n").expect("a file");
    assert_eq!(run_in(&folder.0, "./plain").1, "sh: ./plain: Permission denied\n");
    assert_eq!(run_in(&folder.0, "./plain").2, 126);
    // A script without `#!` is run by this shell.
    assert_eq!(run_in(&folder.0, "chmod +x plain; ./plain a").0, "script a\n");
    // A damaged program is not taken for one.
    for damaged in [b"\x7fELF\x02\x01\0\necho no\n".as_slice(), b"\xff\xfe\necho no\n"] {
        fs::write(folder.0.join("plain"), damaged).expect("a file");
        let (out, error, status) = run_in(&folder.0, "./plain");
        assert_eq!((out.as_str(), status), ("", 126), "{error}");
    }
    assert_eq!(run("sh -c 'kill -9 $$' ").2, 137);
}

#[test]
fn set_e_ends_at_the_first_failure_that_nobody_asked_about() {
    assert_eq!(run("set -e; false; echo no"), (String::new(), String::new(), 1));
    assert_eq!(run("set -e; false || true; ! true; if false; then :; fi; echo yes").0, "yes\n");
    assert_eq!(run("set -e; f() { false; echo in; }; f || true; echo out").0, "in\nout\n");
    assert_eq!(run("set -e; (false; echo no); echo no").2, 1);
    assert_eq!(run("set -x; echo a").1, "+ echo a\n");
}

#[test]
fn builtins_answer() {
    let folder = Folder::new("builtins");
    assert_eq!(output("type cd cat | head -n 1"), "cd is a shell builtin\n");
    assert_eq!(run("type nothing-of-it").2, 1);
    assert_eq!(run("cd /no/such; echo $?").0, "1\n");
    assert_eq!(output("umask 027; umask"), "0027\n");
    assert_eq!(output("eval 'x=1; echo $x'"), "1\n");
    assert_eq!(output("exec echo gone; echo no"), "gone\n");
    assert_eq!(output("(exec echo sub; echo no); echo after"), "sub\nafter\n");
    assert_eq!(output("printf 'a b\\nc\\n' | { read x y; read z; echo $y-$x-$z; }"), "b-a-c\n");
    assert_eq!(output("printf 'a\\\\\\nb c' | { read -r x; echo $x; }"), "a\\\n");
    assert_eq!(output("printf ' a:b ' | { IFS=: read x y; echo \"[$x][$y]\"; }"), "[ a][b ]\n");
    assert_eq!(output("[ 3 -gt 2 -a ! -d /no ] && [ -d / ] && test a != b && echo ok"), "ok\n");
    assert_eq!(run("[ a").1, "sh: [: `]` is missing\n");
    assert_eq!(run("[ x -eq 1 ]").2, 2);
    assert_eq!(output("command -v cd"), "cd\n");
    run_in(&folder.0, "echo 'y=2; return 3; echo no' >lib");
    assert_eq!(run_in(&folder.0, ". ./lib; echo $? $y").0, "3 2\n");
    assert_eq!(run_in(&folder.0, ". ./none").1, "sh: ./none: No such file or directory\n");
}

#[test]
fn scripts_come_from_files_and_from_standard_input() {
    let folder = Folder::new("scripts");
    fs::write(folder.0.join("s"), "echo $0 $1 $#\nexit 4\n").expect("a file");
    let output = shell(&folder.0).args(["s", "a", "b"]).output().expect("it runs");
    assert_eq!(text(&output), ("s a 2\n".to_owned(), String::new(), 4));
    let output = shell(&folder.0).arg("none").output().expect("it runs");
    assert_eq!(text(&output).1, "sh: none: No such file or directory\n");
    assert_eq!(text(&output).2, 127);
    assert_eq!(piped(&[], "echo a\nif true\nthen echo b; fi\n").0, "a\nb\n");
    assert_eq!(piped(&[], "echo a \\\nb\n").0, "a b\n");
    // What follows a command is for the programs that it starts.
    assert_eq!(piped(&[], "read x\nvalue\necho $x\n").0, "value\n");
    assert_eq!(piped(&["-s"], "exit 6\necho no\n").2, 6);
}

#[test]
fn an_interactive_shell_prompts_and_survives_errors() {
    let (out, err, status) = piped(&["-i"], "echo a\necho 'b\nc'\n)\nno-such\n${x:?}\necho end\n");
    let prompt = out.split_inclusive("# ").next().unwrap_or_default();
    let ends = out.contains("# ") || out.contains("$ ");
    assert!(ends && prompt.contains("@anode:/"), "{out}");
    assert!(out.contains("> b\nc\n"), "{out}");
    assert!(out.contains("end\n"), "{out}");
    assert!(
        err.contains("`)` is not expected here") && err.contains("no-such: not found"),
        "{err}"
    );
    assert_eq!(status, 0);
}

/// Runs a shell that says `ready` before it does more; gives it SIGINT then, and the rest of its
/// output and how it ended.
fn interrupted(arguments: &[&str], input: &str) -> (String, ExitStatus) {
    // A test run in the background may have been started with SIGINT ignored.
    let mut child = Command::new("env")
        .args(["--default-signal=INT", env!("CARGO_BIN_EXE_sh")])
        .args(arguments)
        .env_clear()
        .env("PATH", "/bin:/usr/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the shell runs");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(input.as_bytes()).expect("it reads");
    let mut output = BufReader::new(child.stdout.take().expect("its output"));
    let mut text = String::new();
    while !text.ends_with("ready\n") {
        assert_ne!(output.read_line(&mut text).expect("text"), 0, "it ended early: {text}");
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.expect("kill runs").success());
    drop(stdin);
    text.clear();
    output.read_to_string(&mut text).expect("text");
    (text, child.wait().expect("it ends"))
}

#[test]
fn an_interrupt_ends_what_an_interactive_shell_runs_itself() {
    for line in [
        "while true; do :; done",
        "until false; do true; done",
        "f() { for i in 1 2; do while :; do :; done; done; }; f; echo not",
        "(while :; do :; done) || echo not",
        "while :; do :; done | cat; echo not",
        "while :; do x=$(while :; do :; done); done",
        "sleep 5 >/dev/null 2>&1 & wait; echo not",
    ] {
        let (out, ended) = interrupted(&["-i"], &format!("echo ready; {line}\necho after $?\n"));
        assert!(out.contains("after 130\n") && !out.contains("not\n"), "{line}: {out}");
        assert_eq!(ended.code(), Some(0), "{line}");
    }
}

#[test]
fn an_interrupt_ends_a_script() {
    let (_, ended) = interrupted(&["-c", "echo ready; while :; do :; done"], "");
    assert_eq!(ended.signal(), Some(2));
}

#[test]
fn an_interrupted_program_ends_the_script_but_not_an_interactive_shell() {
    // A test run in the background may have been started with SIGINT ignored.
    let interrupted = "env --default-signal=INT sh -c 'kill -2 $$'";
    assert_eq!(
        run(&format!("while true; do {interrupted}; done; echo no")),
        (String::new(), String::new(), 130)
    );
    let (out, _, status) =
        piped(&["-i"], &format!("while true; do {interrupted}; done\necho $?\n"));
    assert!(out.contains("130\n"), "{out}");
    assert_eq!(status, 0);
}

#[test]
fn bad_input_is_a_sentence_and_status_2() {
    for script in [
        "echo 'a",
        "echo \"a",
        "if true",
        "a | | b",
        "(",
        "echo $(",
        "done",
        "echo ${",
        "a && && b",
    ] {
        let (_, err, status) = run(script);
        assert_eq!(status, 2, "{script}: {err}");
        assert!(err.starts_with("sh: syntax error at line 1, column "), "{script}: {err}");
    }
    // What stands before the error is done.
    assert_eq!(run("echo a\n)").0, "a\n");
    assert_eq!(run("f() { f; }; f").2, 1);
    assert_eq!(run("echo $((1/0))").1, "sh: division by zero\n");
    let output = shell(Path::new("/")).arg("-q").output().expect("it runs");
    assert_eq!(text(&output).2, 2);
    assert!(text(&output).1.contains("usage: sh"), "{:?}", text(&output));
}
