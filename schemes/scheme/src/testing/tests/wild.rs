//! Packets that no kernel sends, answered by a scheme that lies.

use std::cell::Cell;
use std::rc::Rc;

use redox::error::Result;

use super::error;
use crate::testing::Fake;
use crate::{Context, Opened, Request, Scheme, op};

/// Takes everything and is asked anything.
struct Anything(Rc<Cell<u64>>);

impl Scheme for Anything {
    type Open = u64;
    const IN_FLIGHT: bool = true;

    fn open(&mut self, path: &str, _context: &Context) -> Result<Opened<u64>> {
        Ok(Opened::file(0).with_cookie(u64::try_from(path.len()).unwrap_or(0)))
    }

    fn read(&mut self, _: &mut u64, buf: &mut [u8], offset: u64, _: &Context) -> Result<usize> {
        // A scheme that lies about its count harms nobody.
        Ok(buf.len().wrapping_add(usize::try_from(offset % 3).unwrap_or(0)))
    }

    fn write(&mut self, _: &mut u64, buf: &[u8], _: u64, _: &Context) -> Result<usize> {
        Ok(buf.len().wrapping_mul(2))
    }

    fn readiness(&mut self, _: &mut u64, _: u64, _: &Context) -> Result<u64> {
        Ok(u64::MAX)
    }

    fn sync(&mut self, _: &mut u64) -> Result<()> {
        error(-1)
    }

    fn defer(&mut self, open: &mut u64, request: Request) -> Option<Request> {
        *open = open.wrapping_add(1);
        self.0.set(self.0.get().wrapping_add(1));
        (!open.is_multiple_of(5)).then_some(request)
    }
}

#[test]
fn whatever_stands_in_a_packet_each_tag_is_answered_once() {
    let seen = Rc::new(Cell::new(0));
    let mut any = Fake::new(Anything(Rc::clone(&seen)));
    for _ in 0..4 {
        any.open("", 0).unwrap();
    }
    let mut state = 1u64;
    let mut next = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for _ in 0..20_000 {
        let opcode = u8::try_from(next(40)).unwrap();
        if matches!(opcode, op::CLOSE | op::CANCEL) {
            continue;
        }
        let wild = [0, 1, 18, 4095, 4096, 4097, 1 << 20, 1 << 32, u64::MAX - 4096, u64::MAX];
        let arguments = [0; 4].map(|_: u64| wild[usize::try_from(next(10)).unwrap()]);
        let input = vec![b'x'; usize::try_from(next(3) * next(5000)).unwrap()];
        let id = if next(10) == 0 { u64::MAX - next(3) } else { next(8) };
        let tag = any.ask(opcode, id, arguments, &input).unwrap();
        assert!(any.answer(tag).is_some(), "opcode {opcode} {arguments:?}");
        assert!(any.answer(tag).is_none());
    }
    assert!(seen.get() > 1000);
}
