//! `login` on this host, as far as its users let it: no session is started here.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::{Command, Stdio};

/// What login says and its status when `input` is typed and then the line is hung up.
fn login(input: &str) -> (String, Option<i32>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_login"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("login starts");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

#[test]
fn the_end_of_the_input_ends_it() {
    assert_eq!(login(""), ("login: ".to_owned(), Some(0)));
    assert_eq!(login("\n \n"), ("login: login: login: ".to_owned(), Some(0)));
}

#[test]
fn a_stranger_is_asked_for_a_password_and_turned_away() {
    let (said, status) = login("no such user\r\nsecret\n");
    assert_eq!(said, "login: password: login: wrong name or password\nlogin: ");
    assert_eq!(status, Some(0));
}
