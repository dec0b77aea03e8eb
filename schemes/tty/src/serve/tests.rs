//! The terminal between a keyboard and programs.

use anode_scheme::{op, testing::Fake};
use redox::error::{EAGAIN, ECANCELED, EINPROGRESS};

use super::{MOST_READ, Tty, request};
use crate::{
    termios::{ECHO, ICANON, Termios},
    uart::{
        Uart,
        fake::{Fake as Port, Manner},
    },
};

const NONBLOCK: u64 = 1;

fn terminal() -> Fake<Tty<Port>> {
    let port = Port { manner: Manner::Instant, ..Port::default() };
    let interrupt = std::fs::File::open("/dev/null").unwrap();
    Fake::new(Tty::new(Uart::new(port).unwrap(), interrupt.into()))
}

/// Types on the keyboard; gives what the screen got since the last time.
fn types(tty: &mut Fake<Tty<Port>>, keys: &str) -> String {
    tty.scheme().uart.registers.input.extend(keys.bytes());
    tty.event(1, 1);
    screen(tty)
}

fn screen(tty: &mut Fake<Tty<Port>>) -> String {
    String::from_utf8(std::mem::take(&mut tty.scheme().uart.registers.sent)).unwrap()
}

#[test]
fn a_read_waits_for_its_line_and_reads_are_answered_in_order() {
    let mut tty = terminal();
    let open = tty.open("", 0).unwrap();
    let first = tty.ask(op::READ, open, [0, 100, 0, 0], &[]).unwrap();
    let second = tty.ask(op::READ, open, [0, 100, 0, 0], &[]).unwrap();
    assert_eq!(types(&mut tty, "ls"), "ls");
    assert!(tty.answer(first).is_none());

    assert_eq!(types(&mut tty, "\rpwd\n"), "\r\npwd\r\n");

    assert_eq!(tty.answer(first).unwrap().unwrap().bytes, b"ls\n");
    assert_eq!(tty.answer(second).unwrap().unwrap().bytes, b"pwd\n");
}

#[test]
fn who_does_not_want_to_wait_does_not() {
    let mut tty = terminal();
    let open = tty.open("", 0).unwrap();
    let read = [0, 100, 0, NONBLOCK];
    assert_eq!(tty.request(op::READ, open, read, &[]).unwrap_err().errno, EAGAIN);
    types(&mut tty, "x\n");
    assert_eq!(tty.request(op::READ, open, read, &[]).unwrap().bytes, b"x\n");
}

#[test]
fn a_cancelled_read_takes_no_line() {
    let mut tty = terminal();
    let open = tty.open("", 0).unwrap();
    let gone = tty.ask(op::READ, open, [0, 100, 0, 0], &[]).unwrap();
    let stays = tty.ask(op::READ, open, [0, 100, 0, 0], &[]).unwrap();
    tty.cancel(gone);
    assert_eq!(tty.answer(gone).unwrap().unwrap_err().errno, ECANCELED);
    types(&mut tty, "x\n");
    assert_eq!(tty.answer(stays).unwrap().unwrap().bytes, b"x\n");
}

#[test]
fn an_interrupted_prompt_gets_an_empty_line() {
    let mut tty = terminal();
    let open = tty.open("", 0).unwrap();
    let prompt = tty.ask(op::READ, open, [0, 100, 0, 0], &[]).unwrap();
    assert_eq!(types(&mut tty, "rm -rf\x03"), "rm -rf^C\r\n");
    assert_eq!(tty.answer(prompt).unwrap().unwrap().bytes, b"\n");
}

#[test]
fn an_interrupted_program_s_line_is_not_given_to_the_shell() {
    let mut tty = terminal();
    let open = tty.open("", 0).unwrap();
    tty.request(op::CALL, open, [0, 0, request::SET_GROUP, 0], &[7, 0, 0, 0]).unwrap();
    let program = tty.ask(op::READ, open, [0, 100, 0, 0], &[]).unwrap();
    types(&mut tty, "half\x03");
    assert!(tty.answer(program).is_none(), "a member of the group dies by its signal");
    tty.cancel(program);
    tty.caller = (7, 0, 0);
    assert_eq!(tty.request(op::READ, open, [0, 100, 0, NONBLOCK], &[]).unwrap_err().errno, EAGAIN);

    let leader = tty.ask(op::READ, open, [0, 100, 0, 0], &[]).unwrap();
    types(&mut tty, "half\x03");
    assert_eq!(tty.answer(leader).unwrap().unwrap().bytes, b"\n");
}

#[test]
fn output_gets_carriage_returns_and_programs_wait_for_a_slow_port() {
    let mut tty = terminal();
    let open = tty.open("", 0).unwrap();
    assert_eq!(tty.write(open, b"a\nb", 0).unwrap(), 3);
    assert_eq!(screen(&mut tty), "a\r\nb");

    tty.scheme().uart.registers.manner = Manner::Real;
    let mut taken = 0_usize;
    let error = loop {
        match tty.write(open, &[b'x'; MOST_READ], 0) {
            Ok(len) => taken = taken.saturating_add(usize::try_from(len).unwrap()),
            Err(error) => break error.errno,
        }
    };
    assert_eq!(error, EINPROGRESS);
    let late = tty.request(op::WRITE, open, [0, 0, 0, NONBLOCK], b"x");
    assert_eq!(late.unwrap_err().errno, EAGAIN);
    for _interrupt in 0..2000 {
        tty.scheme().uart.registers.drained();
        tty.event(1, 1);
    }
    assert_eq!(screen(&mut tty).len(), taken.saturating_add(MOST_READ), "the last write came too");
}

#[test]
fn the_settings_are_those_of_c_and_a_password_is_not_shown() {
    let mut tty = terminal();
    let open = tty.open("", 0).unwrap();
    let get = [0, 0, request::GET_SETTINGS, 0];
    let mut settings = tty.request(op::CALL, open, get, &[0; 60]).unwrap().bytes;
    assert_eq!(Termios::from_bytes(&settings), Some(Termios::default()));
    let flags = u32::from_le_bytes(*settings[12..].first_chunk().unwrap());
    assert_ne!(flags & (ICANON | ECHO), 0);
    settings[12..16].copy_from_slice(&(flags & !ECHO).to_le_bytes());
    tty.request(op::CALL, open, [0, 0, request::SET_FLUSHED, 0], &settings).unwrap();
    assert_eq!(types(&mut tty, "secret\n"), "");
    assert_eq!(tty.read(open, 100, 0).unwrap(), b"secret\n");
    assert_eq!(tty.request(op::CALL, open, get, &[0; 59]).unwrap_err().errno, 22);
    assert_eq!(tty.request(op::CALL, open, [0, 0, 0x9999, 0], &[0; 8]).unwrap_err().errno, 25);
}

#[test]
fn size_group_and_count_are_told() {
    let mut tty = terminal();
    let open = tty.open("", 0).unwrap();
    let call = |number| [0, 0, number, 0];
    let size = tty.request(op::CALL, open, call(request::GET_SIZE), &[0; 8]).unwrap().bytes;
    assert_eq!(size, [24, 0, 80, 0, 0, 0, 0, 0]);
    tty.request(op::CALL, open, call(request::SET_SIZE), &[50, 0, 132, 0, 0, 0, 0, 0]).unwrap();
    let size = tty.request(op::CALL, open, call(request::GET_SIZE), &[0; 8]).unwrap().bytes;
    assert_eq!(size[..4], [50, 0, 132, 0]);
    tty.request(op::CALL, open, call(request::SET_GROUP), &[7, 0, 0, 0]).unwrap();
    let group = tty.request(op::CALL, open, call(request::GET_GROUP), &[0; 4]).unwrap().bytes;
    assert_eq!(group, [7, 0, 0, 0]);
    types(&mut tty, "four\n");
    let count = tty.request(op::CALL, open, call(request::READABLE), &[0; 4]).unwrap().bytes;
    assert_eq!(count, [5, 0, 0, 0]);
}

#[test]
fn readiness_is_told_when_it_comes() {
    let mut tty = terminal();
    let open = tty.open("", 0).unwrap();
    let ready = tty.request(op::EVENT, open, [3, 0, 0, 0], &[]).unwrap().value;
    assert_eq!(ready, 2, "it may be written and not yet read");
    types(&mut tty, "x");
    assert!(tty.ready().is_empty());
    types(&mut tty, "\n");
    assert_eq!(tty.ready(), [(open, 1)]);
    tty.close(open);
    tty.open("", 0).unwrap();
    types(&mut tty, "y\n");
    assert!(tty.ready().is_empty(), "a closed description was told");
}

#[test]
fn a_flood_of_pasted_input_is_bounded_and_told_by_a_bell() {
    let mut tty = terminal();
    let mut bells = 0_usize;
    for _paste in 0..64 {
        let echo = types(&mut tty, &"0123456789abcde\n".repeat(1024));
        for _turn in 0..8 {
            tty.turn();
        }
        bells = bells.saturating_add(echo.matches('\x07').count());
        bells = bells.saturating_add(screen(&mut tty).matches('\x07').count());
    }
    assert!(bells > 10_000, "{bells} bells");
    let open = tty.open("", 0).unwrap();
    let mut lines = 0;
    while tty.request(op::READ, open, [0, 4096, 0, NONBLOCK], &[]).is_ok() {
        lines += 1;
    }
    assert!((1000..4096).contains(&lines), "{lines} lines were kept");
}
