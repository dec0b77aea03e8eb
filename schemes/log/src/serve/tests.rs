//! The log as services and programs use it.

use std::{
    fs::File,
    io::{Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use anode_scheme::testing::Fake;
use redox::flag::{O_RDONLY, O_RDWR, O_WRONLY};

use super::Log;

/// What a service writes to, and what init passes.
fn pipe() -> (UnixStream, OwnedFd) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    (ours, OwnedFd::from(theirs))
}

fn attached(log: &mut Fake<Log>, name: &str) -> UnixStream {
    let (ours, theirs) = pipe();
    let attach = log.open(&format!("attach/{name}"), O_WRONLY).unwrap();
    log.pass(attach, theirs, 0).unwrap();
    log.close(attach);
    ours
}

fn text(log: &mut Fake<Log>) -> String {
    let open = log.open("", O_RDONLY).unwrap();
    let bytes = log.read(open, 4096, 0).unwrap();
    log.close(open);
    let text = String::from_utf8(bytes).unwrap();
    let mut lines = String::new();
    for line in text.lines() {
        lines.push_str(line.split_once("] ").map_or(line, |(_time, rest)| rest));
        lines.push('\n');
    }
    lines
}

#[test]
fn what_services_and_programs_say_is_kept_in_order_and_shown() {
    let (console, shown) = pipe();
    let mut log = Fake::new(Log::new(Some(File::from(OwnedFd::from(console)))));
    let mut disk = attached(&mut log, "disk");
    disk.write_all(b"found a disk\nand ano").unwrap();
    log.event(0, 1);
    let program = log.open("", O_RDWR).unwrap();
    log.write(program, b"hello\n", 0).unwrap();
    disk.write_all(b"ther\n").unwrap();
    log.event(0, 1);

    let kept = "disk: found a disk\npid 1: hello\ndisk: and another\n";
    assert_eq!(text(&mut log), kept);
    let mut seen = vec![0; 4096];
    let len = File::from(shown).read(&mut seen).unwrap();
    assert_eq!(String::from_utf8_lossy(&seen[..len]).matches("disk: ").count(), 2);
}

#[test]
fn the_last_words_of_a_service_are_a_line_too() {
    let mut log = Fake::new(Log::new(None));
    let mut disk = attached(&mut log, "disk");
    disk.write_all(b"panicked").unwrap();
    drop(disk);
    log.event(0, 1);
    log.event(0, 1);
    assert_eq!(text(&mut log), "disk: panicked\n");
}

#[test]
fn one_loud_service_does_not_keep_the_others_waiting() {
    let mut log = Fake::new(Log::new(None));
    let mut loud = attached(&mut log, "loud");
    let mut quiet = attached(&mut log, "quiet");
    loud.write_all(&[b'x'; 60_000]).unwrap();
    quiet.write_all(b"me too\n").unwrap();
    log.event(0, 1);
    log.event(1, 1);
    for _turn in 0..8 {
        log.turn();
    }
    let lines = log.scheme().store.text("");
    assert!(lines.contains("quiet: me too"));
    assert!(lines.matches("loud: ").count() >= 58, "{}", lines.matches("loud: ").count());
}

#[test]
fn a_reader_keeps_the_text_that_it_began_to_read() {
    let mut log = Fake::new(Log::new(None));
    let writer = log.open("", O_WRONLY).unwrap();
    log.write(writer, b"one\n", 0).unwrap();
    let reader = log.open("", O_RDONLY).unwrap();
    let start = log.read(reader, 8, 0).unwrap();
    log.write(writer, b"two\n", 0).unwrap();
    let rest = log.read(reader, 4096, 8).unwrap();
    assert_eq!(String::from_utf8([start, rest].concat()).unwrap().lines().count(), 1);
    assert_eq!(log.read(writer, 10, 0).unwrap_err().errno, 9);
    assert_eq!(log.write(reader, b"x", 0).unwrap_err().errno, 9);
}

#[test]
fn only_root_attaches_and_only_what_exists_opens() {
    let mut log = Fake::new(Log::new(None));
    assert_eq!(log.open("nothing", 0).unwrap_err().errno, 2);
    log.caller = (7, 1000, 1000);
    assert_eq!(log.open("attach/x", O_WRONLY).unwrap_err().errno, 13);
}
