//! Keys in, lines and echo out.

use super::{Line, MOST_INPUT, Signal};
use crate::termios::{ECHO, ICANON, Termios, character};

/// Types `keys`; gives the echo and the last signal.
fn types(line: &mut Line, keys: &[u8]) -> (String, Option<Signal>) {
    let (mut out, mut signal) = (Vec::new(), None);
    for byte in keys {
        signal = line.input(*byte, &mut out).or(signal);
    }
    (String::from_utf8_lossy(&out).into_owned(), signal)
}

fn reads(line: &mut Line, len: usize) -> Option<String> {
    let mut buf = vec![0; len];
    let got = line.read(&mut buf)?;
    buf.truncate(got);
    Some(String::from_utf8(buf).unwrap())
}

fn raw(min: u8, time: u8) -> Line {
    let mut bytes = Termios::default().to_bytes();
    bytes[17 + character::MIN] = min;
    bytes[17 + character::TIME] = time;
    let mut settings = Termios::from_bytes(&bytes).unwrap();
    settings.local &= !(ICANON | ECHO);
    let mut line = Line::default();
    line.set(settings);
    line
}

#[test]
fn a_line_is_readable_when_it_ends_and_not_before() {
    let mut line = Line::default();
    assert_eq!(types(&mut line, b"ls").0, "ls");
    assert_eq!(reads(&mut line, 10), None);
    assert_eq!(types(&mut line, b" -x\x7fl\r").0, " -x\x08 \x08l\r\n");
    assert_eq!(reads(&mut line, 10), Some("ls -l\n".into()));
    assert_eq!(reads(&mut line, 10), None);
}

#[test]
fn a_read_gives_one_line_and_a_small_one_a_part_of_it() {
    let mut line = Line::default();
    types(&mut line, b"one\ntwo\n");
    assert_eq!(reads(&mut line, 2), Some("on".into()));
    assert_eq!(reads(&mut line, 100), Some("e\n".into()));
    assert_eq!(reads(&mut line, 100), Some("two\n".into()));
}

#[test]
fn end_of_file_is_an_empty_read_once() {
    let mut line = Line::default();
    types(&mut line, b"\x04");
    assert_eq!(reads(&mut line, 10), Some(String::new()));
    assert_eq!(reads(&mut line, 10), None);
    types(&mut line, b"half\x04");
    assert_eq!(reads(&mut line, 10), Some("half".into()));
    assert_eq!(reads(&mut line, 10), None);
}

#[test]
fn an_interrupt_throws_the_line_away() {
    let mut line = Line::default();
    let (echo, signal) = types(&mut line, b"old\nrm -rf\x03");
    assert_eq!(signal, Some(Signal::Interrupt));
    assert!(echo.ends_with("^C\r\n"), "{echo:?}");
    assert_eq!(reads(&mut line, 10), None);
    types(&mut line, b"new\n");
    assert_eq!(reads(&mut line, 10), Some("new\n".into()));
    assert_eq!(types(&mut line, b"\x1c").1, Some(Signal::Quit));
    assert_eq!(types(&mut line, b"\x1a"), ("\x07".into(), None));
}

#[test]
fn a_quoted_key_is_only_a_character() {
    let mut line = Line::default();
    let (echo, signal) = types(&mut line, b"\x16\x03\n");
    assert_eq!((echo.as_str(), signal), ("^C\r\n", None));
    assert_eq!(reads(&mut line, 10), Some("\x03\n".into()));
}

#[test]
fn a_password_is_neither_shown_nor_remembered() {
    let mut line = Line::default();
    let mut settings = line.settings();
    settings.local &= !ECHO;
    line.set(settings);
    assert_eq!(types(&mut line, b"secret\x1b[D\x7f!\n").0, "");
    assert_eq!(reads(&mut line, 10), Some("secr!t\n".into()));
    line.set(Termios::default());
    assert_eq!(types(&mut line, b"\x1b[A").0, "\x07");
}

#[test]
fn raw_mode_gives_every_key_at_once() {
    let mut line = raw(1, 0);
    assert_eq!(types(&mut line, b"\x1b[A\x04\x7f").0, "");
    assert_eq!(reads(&mut line, 3), Some("\x1b[A".into()));
    assert_eq!(reads(&mut line, 10), Some("\x04\x7f".into()));
    assert_eq!(reads(&mut line, 10), None);
    assert_eq!(types(&mut line, b"\x03").1, Some(Signal::Interrupt));
}

#[test]
fn min_and_time_say_when_a_raw_read_is_answered() {
    let mut three = raw(3, 0);
    types(&mut three, b"ab");
    assert_eq!(reads(&mut three, 10), None);
    assert_eq!(reads(&mut three, 2), Some("ab".into()));
    types(&mut three, b"abc");
    assert_eq!(reads(&mut three, 10), Some("abc".into()));

    assert_eq!(reads(&mut raw(0, 0), 10), Some(String::new()));
    let mut timed = raw(0, 5);
    assert_eq!(reads(&mut timed, 10), None);
    assert_eq!(timed.patience(), Some(5));
    assert_eq!(raw(1, 5).patience(), None);
    assert_eq!(Line::default().patience(), None);
}

#[test]
fn what_was_typed_before_raw_mode_is_not_lost() {
    let mut line = Line::default();
    types(&mut line, b"one\n\x04tw");
    let mut settings = line.settings();
    settings.local &= !ICANON;
    line.set(settings);
    assert_eq!(reads(&mut line, 10), Some("one\ntw".into()));
    types(&mut line, b"x");
    line.set(Termios::default());
    assert_eq!(reads(&mut line, 10), Some("x".into()));
}

#[test]
fn a_mebibyte_of_pasted_input_is_bounded() {
    let mut line = Line::default();
    let (echo, _) = types(&mut line, &b"0123456789abcde\n".repeat(65_536));
    assert!(echo.contains('\x07'));
    assert!(line.cost <= MOST_INPUT, "{}", line.cost);
    while reads(&mut line, 4096).is_some() {}
    assert_eq!(line.cost, 0);
    types(&mut line, &[4; 1 << 20]);
    assert!(line.ready.len() <= MOST_INPUT / 32);
    let mut line = raw(1, 0);
    types(&mut line, &[b'x'; 1 << 20]);
    assert!(line.readable() <= MOST_INPUT);
}

#[test]
fn output_gets_its_carriage_returns_unless_it_is_raw() {
    let mut line = Line::default();
    let mut out = Vec::new();
    line.output(b"a\nb", &mut out);
    assert_eq!(out, b"a\r\nb");
    let mut settings = line.settings();
    settings.output = 0;
    line.set(settings);
    line.output(b"\n", &mut out);
    assert_eq!(out, b"a\r\nb\n");
}
