//! `svc:` as `svc` and `ls` use it, with a main loop that a test plays.

use std::{sync::mpsc::channel, thread};

use anode_scheme::testing::Fake;
use redox::flag::{O_RDONLY, O_RDWR};

use super::{Question, Services};
use crate::Event;

const TABLE: &str = "NAME STATE PID RESTARTS UPTIME\nlog running 3 0 1s\ndisk failed - 9 -\n";

/// A scheme whose questions are answered by a thread, until it is dropped.
fn services() -> Fake<Services> {
    let (events, inbox) = channel();
    thread::spawn(move || {
        for event in inbox {
            let Event::Asked(question, answer) = event else { unreachable!("{event:?}") };
            let text = match question {
                Question::Table => TABLE.to_owned(),
                Question::Names => "log\ndisk".to_owned(),
                Question::Command(line) if line == "stop log" => {
                    "ok log is told to end\n".to_owned()
                }
                Question::Command(line) => format!("error {line}?\n"),
            };
            answer.send(text).unwrap();
        }
    });
    Fake::new(Services { events })
}

#[test]
fn services_are_listed_by_name_and_as_a_table() {
    let mut services = services();
    let root = services.open("", O_RDONLY).unwrap();
    assert_eq!(services.list(root, 40).unwrap(), ["disk", "log"]);
    let list = services.open("list", O_RDONLY).unwrap();
    assert_eq!(services.read(list, 4096, 0).unwrap(), TABLE.as_bytes());
    let one = services.open("disk", O_RDONLY).unwrap();
    assert_eq!(services.read(one, 4096, 0).unwrap(), b"disk failed - 9 -\n");
    assert_eq!(services.open("NAME", O_RDONLY).unwrap_err().errno, 2);
    assert_eq!(services.open("nothing", O_RDONLY).unwrap_err().errno, 2);
}

#[test]
fn a_command_is_answered_on_the_handle_that_it_was_written_to() {
    let mut services = services();
    let control = services.open("control", O_RDWR).unwrap();
    assert_eq!(services.write(control, b"stop log\n", 0).unwrap(), 9);
    assert_eq!(services.read(control, 5, 0).unwrap(), b"ok lo");
    assert_eq!(services.read(control, 100, 0).unwrap(), b"g is told to end\n");
    assert_eq!(services.read(control, 100, 0).unwrap(), b"");
    services.write(control, b"fly", 0).unwrap();
    assert_eq!(services.read(control, 100, 0).unwrap(), b"error fly?\n");
}

#[test]
fn only_root_commands_and_only_text_of_a_sane_length() {
    let mut services = services();
    let control = services.open("control", O_RDWR).unwrap();
    assert_eq!(services.write(control, b"\xff\xfe", 0).unwrap_err().errno, 22);
    assert_eq!(services.write(control, &[b'x'; 257], 0).unwrap_err().errno, 22);
    let list = services.open("list", O_RDWR).unwrap();
    assert_eq!(services.write(list, b"stop log", 0).unwrap_err().errno, 9);
    services.caller = (9, 1000, 1000);
    assert_eq!(services.open("control", O_RDWR).unwrap_err().errno, 13);
    assert!(services.open("list", O_RDONLY).is_ok());
}
