//! Requests in flight, handles, events: what a driver does.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;

use redox::error::{EAGAIN, EBADF, ECANCELED, EINPROGRESS, EINVAL, EIO, EOPNOTSUPP, Error, Result};

use super::{Bare, error};
use crate::testing::{Answer, Fake};
use crate::{AnswerRange, Content, Context, Control, Opened, Request, Scheme, Stopped, Tag, op};

/// Keeps every read until it is told to answer.
#[derive(Default)]
struct Late {
    kept: Vec<Request>,
    cancelled: Vec<Tag>,
    events: Vec<(u64, u64)>,
    turns: usize,
    control: Option<Control>,
    passed: Vec<OwnedFd>,
}

impl Scheme for Late {
    type Open = ();
    const IN_FLIGHT: bool = true;

    fn start(&mut self, control: Control) -> Result<()> {
        self.control = Some(control);
        Ok(())
    }

    fn open(&mut self, path: &str, _context: &Context) -> Result<Opened<()>> {
        if path == "elsewhere" {
            return Ok(Opened::Elsewhere(file(b"else").into()));
        }
        let range = AnswerRange { offset: 16, len: 5 };
        let opened = Opened::file(());
        Ok(if path == "object" {
            opened.with_content(Content { object: 3, range })
        } else {
            opened
        })
    }

    fn defer(&mut self, (): &mut (), request: Request) -> Option<Request> {
        if request.opcode() != op::READ && request.opcode() != op::WRITE {
            return Some(request);
        }
        if request.context().nonblocking() {
            request.answer(error(EAGAIN));
            return None;
        }
        self.kept.push(request);
        None
    }

    fn pass(
        &mut self,
        (): &mut (),
        handle: OwnedFd,
        argument: u64,
        _context: &Context,
    ) -> Result<u64> {
        self.passed.push(handle);
        Ok(argument.wrapping_add(1))
    }

    fn cancel(&mut self, tag: Tag) {
        self.cancelled.push(tag);
        let at = self.kept.iter().position(|request| request.tag() == tag);
        if let Some(at) = at {
            self.kept.remove(at).answer(error(ECANCELED));
        }
    }

    fn event(&mut self, key: u64, ready: u64) {
        self.events.push((key, ready));
    }

    fn turn(&mut self) {
        self.turns = self.turns.wrapping_add(1);
    }
}

/// A file without a name that holds some bytes.
fn file(bytes: &[u8]) -> File {
    let number = std::process::id();
    let name = std::env::temp_dir().join(format!("anode-scheme-{number}-{:p}", bytes.as_ptr()));
    let mut file =
        File::options().read(true).write(true).create(true).truncate(true).open(&name).unwrap();
    std::fs::remove_file(&name).unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// A late scheme with one description and three reads of 8 bytes kept.
fn three_reads() -> (Fake<Late>, u64, [Tag; 3]) {
    let mut late = Fake::new(Late::default());
    let id = late.open("", 0).unwrap();
    let tags = [0, 8, 16].map(|at| late.ask(op::READ, id, [0, 8, at, 0], &[]).unwrap());
    assert_eq!(late.scheme().kept.len(), 3);
    (late, id, tags)
}

fn outcome(answer: Option<Result<Answer>>) -> Option<Result<Vec<u8>>> {
    answer.map(|answer| answer.map(|answer| answer.bytes))
}

#[test]
fn kept_requests_are_answered_in_any_order() {
    let (mut late, id, [first, second, third]) = three_reads();
    assert_eq!(late.request(op::EVENT, id, [5, 0, 0, 0], &[]).unwrap().value, 5, "others go on");
    let last = late.scheme().kept.pop().unwrap();
    assert_eq!((last.len(), last.offset(), last.context().id), (8, 16, id));
    last.answer_bytes(b"more than eight");
    let early = late.scheme().kept.remove(0);
    assert_eq!(early.copy_out(2, b"23"), Ok(2));
    assert_eq!(early.copy_out(0, b"01"), Ok(2));
    assert_eq!(early.copy_out(6, b"6789"), Ok(2), "what was not asked for is cut");
    early.answer(Ok(4));
    late.turn();

    assert_eq!(outcome(late.answer(third)), Some(Ok(b"more tha".to_vec())));
    assert_eq!(outcome(late.answer(first)), Some(Ok(b"0123".to_vec())));
    assert_eq!(outcome(late.answer(second)), None);
}

#[test]
fn a_request_that_is_forgotten_is_an_error_to_its_client() {
    let (mut late, _, [first, ..]) = three_reads();
    drop(late.scheme().kept.remove(0));
    late.turn();
    assert_eq!(outcome(late.answer(first)), Some(error(EIO)));
}

#[test]
fn a_cancelled_request_is_still_answered_once() {
    let (mut late, _, [_, second, third]) = three_reads();
    late.cancel(second);
    late.turn();
    assert_eq!(outcome(late.answer(second)), Some(error(ECANCELED)));
    late.cancel(second);
    assert_eq!(late.scheme().cancelled, [second, second]);
    assert_eq!(outcome(late.answer(third)), None);
}

#[test]
fn a_stale_tag_is_not_the_tag_of_the_slots_next_request() {
    let (mut late, id, [first, ..]) = three_reads();
    late.scheme().kept.remove(0).answer(Ok(0));
    late.turn();
    late.answer(first).unwrap().unwrap();
    let again = late.ask(op::READ, id, [0, 8, 0, 0], &[]).unwrap();
    assert_eq!(again.slot(), first.slot());
    assert_ne!(again, first);
}

#[test]
fn a_client_that_will_not_wait_is_told_so() {
    let (mut late, id, _) = three_reads();
    let answer = late.request(op::READ, id, [0, 8, 0, 1], &[]);
    assert_eq!(answer.map(|_| ()), error(EAGAIN));
}

#[test]
fn a_full_ring_takes_requests_again_when_some_are_answered() {
    let mut late = Fake::new(Late::default());
    let id = late.open("", 0).unwrap();
    let tags: Vec<Tag> = std::iter::from_fn(|| late.ask(op::READ, id, [0, 1, 0, 0], &[])).collect();
    assert_eq!(tags.len(), 8);
    let busy = late.request(op::EVENT, id, [5, 0, 0, 0], &[]);
    assert_eq!(busy.map(|_| ()), error(EINPROGRESS));
    late.scheme().kept.clear();
    late.turn();
    assert!(tags.iter().all(|tag| outcome(late.answer(*tag)) == Some(error(EIO))));
    assert_eq!(late.request(op::EVENT, id, [5, 0, 0, 0], &[]).unwrap().value, 5);
}

#[test]
fn an_answer_may_lie_in_a_registered_object() {
    let (mut late, _, [first, second, third]) = three_reads();
    let control = late.scheme().control.clone().unwrap();
    let object = control.register(file(b"0123456789abcdef")).unwrap();
    let mut kept = std::mem::take(&mut late.scheme().kept).into_iter();
    kept.next().unwrap().answer_range(object, AnswerRange { offset: 4, len: 3 });
    kept.next().unwrap().answer_range(object, AnswerRange { offset: 0, len: 16 });
    kept.next().unwrap().answer_range(object + 1, AnswerRange { offset: 0, len: 1 });
    let turns = late.scheme().turns;
    late.turn();

    assert!(late.scheme().turns > turns, "the daemon hears that its ranges are free");
    assert_eq!(outcome(late.answer(first)), Some(Ok(b"456".to_vec())));
    assert_eq!(outcome(late.answer(second)), Some(Ok(b"01234567".to_vec())));
    assert_eq!(outcome(late.answer(third)), Some(error(EINVAL)));
}

#[test]
fn a_kept_write_pulls_its_input_piece_by_piece() {
    let mut late = Fake::new(Late::default());
    let id = late.open("", 0).unwrap();
    for input in [vec![1, 2, 3, 4, 5], vec![9; 5000]] {
        let tag = late.ask(op::WRITE, id, [0; 4], &input).unwrap();
        let request = late.scheme().kept.pop().unwrap();
        let mut bytes = [0; 4];
        let at = input.len() - 3;
        assert_eq!(request.copy_in(at, &mut bytes), Ok(3));
        assert_eq!(bytes[..3], input[at..]);
        request.answer(Ok(input.len()));
        late.turn();
        assert!(late.answer(tag).unwrap().is_ok());
    }
}

#[test]
fn handles_travel_both_ways() {
    let mut late = Fake::new(Late::default());
    let mut text = String::new();
    let handle = late.open_at(0, "elsewhere", 0).unwrap().handle.unwrap();
    File::from(handle).read_to_string(&mut text).unwrap();
    assert_eq!(text, "else");

    let id = late.open("", 0).unwrap();
    assert_eq!(late.pass(id, file(b"passed").into(), 6), Ok(7));
    let passed = late.scheme().passed.pop().unwrap();
    File::from(passed).read_to_string(&mut text).unwrap();
    assert_eq!(text, "elsepassed");

    let nothing = late.request(op::PASS, id, [0; 4], &[]);
    assert_eq!(nothing.map(|_| ()), error(EINVAL));
    let mut bare = Fake::new(Bare);
    let id = bare.open("", 0).unwrap();
    assert_eq!(bare.pass(id, file(b"").into(), 0), error(EOPNOTSUPP));
}

#[test]
fn attached_content_travels_with_the_open() {
    let mut late = Fake::new(Late::default());
    let opened = late.open_at(0, "object", 0).unwrap();
    let range = AnswerRange { offset: 16, len: 5 };
    assert_eq!(opened.content, Some(Content { object: 3, range }));
    assert!(opened.positioned);
}

#[test]
fn events_come_in_and_readiness_goes_out() {
    let mut late = Fake::new(Late::default());
    let control = late.scheme().control.clone().unwrap();
    control.subscribe(file(b""), 5, redox::flag::EventFlags::EVENT_READ).unwrap();
    assert_eq!(late.subscriptions(), [5]);
    late.event(5, 1);
    assert_eq!(late.scheme().events, [(5, 1)]);

    // More than the queue of answers holds: the kernel is made to take them in between.
    for id in 0..100 {
        control.ready(id, 1);
    }
    late.turn();
    assert_eq!(late.ready(), (0..100).map(|id| (id, 1)).collect::<Vec<_>>());
}

#[test]
fn the_loop_says_why_it_ended() {
    let late = Fake::new(Late::default());
    assert!(matches!(late.end(), Stopped::Ring(Error { errno: EBADF })));
}
