//! A folder to run small programs in.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A folder for one test, gone at its end; programs run in it.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("base-run-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), text).expect("a file for the test");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.0.join(name)).expect("the file")).into_owned()
    }

    /// Output, errors and status of a command line.
    pub(crate) fn run(&self, line: &str) -> (String, String, i32) {
        self.feed(line, b"")
    }

    /// As `run`, with standard input.
    pub(crate) fn feed(&self, line: &str, input: &[u8]) -> (String, String, i32) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_base"))
            .args(line.split(' '))
            .current_dir(&self.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("its input");
        // A program may end before it has read all.
        drop(stdin.write_all(input));
        drop(stdin);
        let output = child.wait_with_output().expect("the program ends");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (text(output.stdout), text(output.stderr), output.status.code().unwrap_or(-1))
    }

    /// The output of a command line that must succeed without complaint.
    pub(crate) fn out(&self, line: &str) -> String {
        let (out, err, status) = self.run(line);
        assert_eq!((err.as_str(), status), ("", 0), "{line}: {out}");
        out
    }

    /// The errors of a command line that must fail with `status`.
    pub(crate) fn fails(&self, line: &str, status: i32) -> String {
        let (_, err, found) = self.run(line);
        assert_eq!(found, status, "{line}: {err}");
        err
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
