//! The kernel's half of a ring, as far as a daemon can tell it from the real one.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use anode_abi::packet::{ANSWER_OBJECT, ANSWER_OPENED, BIG, OPENED_POSITIONED, Opened};
use anode_ring::{CqConsumer, Layout, PAGE_WORDS, SqProducer, Words, pack, unpack};
use redox::data::Stat;
use redox::error::{EBADF, EINVAL, EIO, ENOSPC, Error, Result};
use redox::flag::EventFlags;
use redox::schemev2::{Cqe, CqeOpcode, Sqe, SqeFlags};

use super::Answer;
use crate::link::{Host, SLOT_BYTES};
use crate::map::{self, Area};
use crate::op;
use crate::scheme::{AnswerRange, Content};
use crate::tag::Tag;

/// Entries of the fake's ring: few, so that it fills.
const ENTRIES: u32 = 8;

/// A request as a test makes it.
pub(super) struct Ask<'a> {
    pub(super) opcode: u8,
    pub(super) id: u64,
    pub(super) arguments: [u64; 4],
    pub(super) input: &'a [u8],
    pub(super) caller: (u64, u32, u32),
}

/// A request that was sent and not answered yet.
#[derive(Debug)]
struct Pending {
    opcode: u8,
    wanted: usize,
    input: Vec<u8>,
    /// What `ring_copy` put there.
    output: Vec<u8>,
    handle: Option<OwnedFd>,
}

/// The kernel's state of one ring.
#[derive(Debug)]
pub(super) struct FakeKernel {
    layout: Layout,
    memory: Area,
    requests: SqProducer,
    answers: CqConsumer,
    generations: Vec<u16>,
    pending: HashMap<u32, Pending>,
    answered: HashMap<u32, Result<Answer>>,
    objects: Vec<OwnedFd>,
    /// Handles that the daemon let go of, by number.
    given: Vec<Option<OwnedFd>>,
    /// The daemon's calls are refused.
    pub(super) ended: bool,
    /// What the next request passes.
    pub(super) passed: Option<OwnedFd>,
    pub(super) ready: Vec<(u64, u32)>,
    pub(super) subscriptions: Vec<usize>,
}

/// Its calls, as the daemon's link makes them.
pub(super) struct FakeHost(pub(super) Rc<RefCell<FakeKernel>>);

impl FakeKernel {
    pub(super) fn new() -> Self {
        let Some(layout) = Layout::new(ENTRIES) else { unreachable!("a ring may have 8 entries") };
        let memory = map::heap(wide(layout.pages));
        Self {
            layout,
            memory,
            requests: SqProducer::new(layout.entries),
            answers: CqConsumer::new(layout.entries.doubled()),
            generations: vec![0; wide(ENTRIES)],
            pending: HashMap::new(),
            answered: HashMap::new(),
            objects: Vec::new(),
            given: Vec::new(),
            ended: false,
            passed: None,
            ready: Vec::new(),
            subscriptions: Vec::new(),
        }
    }

    pub(super) const fn memory(&self) -> (Layout, Area) {
        (self.layout, self.memory)
    }

    /// The words from a page on.
    fn page(&self, page: u32) -> Area {
        self.memory.get(wide(page).saturating_mul(PAGE_WORDS)..).unwrap_or_default()
    }

    fn slot(&self, first: u32, tag: Tag) -> Area {
        let page = self.page(first.saturating_add(u32::from(tag.slot())));
        page.get(..PAGE_WORDS).unwrap_or_default()
    }

    /// Puts a request into the queue; `None`: no slot is free.
    pub(super) fn post(&mut self, ask: &Ask<'_>) -> Option<Tag> {
        let mut tags = (0..).zip(&self.generations).filter_map(|(slot, generation)| {
            Tag::checked(u32::from(*generation) << 16 | slot, self.layout.entries)
        });
        let tag = tags.find(|tag| !self.pending.contains_key(&tag.raw()))?;
        let [mut buffer, mut len, third, fourth] = ask.arguments;
        let mut flags = SqeFlags::empty();
        if !ask.input.is_empty() || matches!(ask.opcode, op::OPEN_AT | op::UNLINK_AT | op::DUP) {
            len = u64::try_from(ask.input.len()).ok()?;
            if ask.input.len() > SLOT_BYTES {
                flags = SqeFlags::from_bits_retain(BIG);
            } else {
                buffer = 1;
                map::write_slot(self.slot(self.layout.ins, tag), 0, ask.input);
            }
        }
        let (pid, uid, gid) = ask.caller;
        let user = u64::from(uid) | u64::from(gid) << 32;
        let args = [ask.id, buffer, len, third, fourth, user];
        let sqe = Sqe {
            opcode: ask.opcode,
            sqe_flags: flags,
            _rsvd: 0,
            tag: tag.raw(),
            args,
            caller: pid,
        };
        self.send(&sqe);
        let pending = Pending {
            opcode: ask.opcode,
            wanted: usize::try_from(len).unwrap_or(usize::MAX),
            input: ask.input.to_vec(),
            output: Vec::new(),
            handle: self.passed.take(),
        };
        self.pending.insert(tag.raw(), pending);
        Some(tag)
    }

    /// Puts a one-way note into the queue.
    pub(super) fn note(&mut self, opcode: u8, [first, second]: [u64; 2]) {
        let args = [first, second, 0, 0, 0, 0];
        self.send(&Sqe { opcode, sqe_flags: SqeFlags::ONEWAY, args, ..Sqe::default() });
    }

    fn send(&mut self, sqe: &Sqe) {
        let room = self.requests.refresh(self.page(self.layout.control));
        let sent = self.requests.put(self.page(self.layout.sqes), pack(sqe));
        if room.is_err() || !sent {
            unreachable!("the daemon left requests lying: {room:?}");
        }
        self.requests.publish(self.memory);
    }

    pub(super) fn answer(&mut self, tag: Tag) -> Option<Result<Answer>> {
        self.answered.remove(&tag.raw())
    }

    pub(super) fn object(&self, index: u16) -> Option<OwnedFd> {
        self.objects.get(usize::from(index))?.try_clone().ok()
    }

    /// Takes all answers, as the kernel does in `ring_wait`.
    fn reap(&mut self) {
        let waiting = self.answers.refresh(self.page(self.layout.control));
        if waiting.is_err() {
            unreachable!("the daemon's queue of answers is broken");
        }
        while let Some(entry) = self.answers.take(self.page(self.layout.cqes)) {
            self.complete(&unpack(entry));
        }
        self.answers.publish(self.memory);
    }

    fn complete(&mut self, cqe: &Cqe) {
        if cqe.flags == CqeOpcode::SendFevent as u8 {
            self.ready.push((cqe.result, cqe.tag));
            return;
        }
        let tag = Tag::checked(cqe.tag, self.layout.entries);
        let (Some(tag), Some(pending)) = (tag, self.pending.remove(&cqe.tag)) else {
            unreachable!("an answer to {:#x}, which nobody asked, or a second one", cqe.tag);
        };
        if let Some(generation) = self.generations.get_mut(usize::from(tag.slot())) {
            *generation = generation.wrapping_add(1);
        }
        let answer = self.understand(cqe, tag, &pending);
        self.answered.insert(tag.raw(), answer);
    }

    fn understand(&mut self, cqe: &Cqe, tag: Tag, pending: &Pending) -> Result<Answer> {
        let out = self.slot(self.layout.outs, tag);
        if cqe.flags == ANSWER_OBJECT {
            let [low, high, _] = cqe.extra_raw;
            let [offset] = out.load_entry(0);
            let range = AnswerRange { offset, len: cqe.result };
            return self.object_range(u16::from_le_bytes([low, high]), range, pending.wanted);
        }
        if let errno @ 1..=4095 = cqe.result.wrapping_neg() {
            return Err(Error::new(i32::try_from(errno).unwrap_or(EIO)));
        }
        let mut answer = Answer { value: cqe.result, ..Answer::default() };
        if cqe.flags == ANSWER_OPENED {
            let opened = Opened::from_words(out.load_entry(0));
            answer.value = opened.id;
            answer.positioned = opened.flags & OPENED_POSITIONED != 0;
            answer.cookie = opened.cookie;
            answer.content = u16::try_from(opened.object).ok().map(|object| Content {
                object,
                range: AnswerRange { offset: opened.offset, len: opened.size },
            });
        } else if cqe.flags == CqeOpcode::RespondWithFd as u8 {
            let given = usize::try_from(cqe.result).ok().and_then(|at| self.given.get_mut(at));
            answer.handle = given.and_then(Option::take);
            if answer.handle.is_none() {
                return Err(Error::new(EBADF));
            }
        } else {
            answer.positioned = cqe.extra_raw == [1, 0, 0];
            answer.bytes = Self::bytes(out, cqe.result, pending)?;
        }
        Ok(answer)
    }

    /// The bytes beside a plain answer, checked as the kernel does.
    fn bytes(out: Area, result: u64, pending: &Pending) -> Result<Vec<u8>> {
        let count = match pending.opcode {
            op::READ | op::STAT | op::STAT_VFS | op::PATH | op::LIST => {
                usize::try_from(result).unwrap_or(usize::MAX)
            }
            op::CALL => pending.wanted,
            _ => 0,
        };
        if count > pending.wanted {
            return Err(Error::new(EIO));
        }
        let mut bytes = pending.output.get(..count).map(<[u8]>::to_vec).unwrap_or_default();
        if count <= SLOT_BYTES {
            bytes.resize(count, 0);
        } else if bytes.is_empty() {
            return Err(Error::new(EIO));
        }
        map::read_slot(out, 0, &mut bytes);
        Ok(bytes)
    }

    /// The bytes of a registered object, which on the host is a file.
    fn object_range(&self, index: u16, range: AnswerRange, wanted: usize) -> Result<Answer> {
        let object = self.object(index).ok_or(Error::new(EINVAL))?;
        let len = usize::try_from(range.len).unwrap_or(usize::MAX).min(wanted);
        let mut bytes = vec![0; len];
        let read = File::from(object).read_exact_at(&mut bytes, range.offset);
        read.map_err(|_short| Error::new(EIO))?;
        Ok(Answer { value: u64::try_from(len).unwrap_or(0), bytes, ..Answer::default() })
    }
}

impl Host for FakeHost {
    fn wait(&self, _seen: u32, _deadline: u64) -> Result<u32> {
        let mut kernel = self.0.borrow_mut();
        if kernel.ended {
            return Err(Error::new(EBADF));
        }
        kernel.reap();
        Ok(kernel.requests.tail())
    }

    fn copy_in(&self, tag: Tag, offset: u64, into: &mut [u8]) -> Result<usize> {
        let kernel = self.0.borrow();
        let pending = kernel.pending.get(&tag.raw()).ok_or(Error::new(EINVAL))?;
        let from = usize::try_from(offset).ok().and_then(|at| pending.input.get(at..));
        let from = from.ok_or(Error::new(EINVAL))?;
        Ok(into.iter_mut().zip(from).map(|(to, from)| *to = *from).count())
    }

    fn copy_out(&self, tag: Tag, offset: u64, from: &[u8]) -> Result<usize> {
        let mut kernel = self.0.borrow_mut();
        let pending = kernel.pending.get_mut(&tag.raw()).ok_or(Error::new(EINVAL))?;
        let at = usize::try_from(offset).map_err(|_too_wide| Error::new(EINVAL))?;
        let end = at.checked_add(from.len()).filter(|end| *end <= pending.wanted);
        let end = end.ok_or(Error::new(EINVAL))?;
        if pending.output.len() < end {
            pending.output.resize(end, 0);
        }
        pending.output.get_mut(at..end).ok_or(Error::new(EINVAL))?.copy_from_slice(from);
        Ok(from.len())
    }

    fn register(&self, object: BorrowedFd<'_>) -> Result<u16> {
        let mut kernel = self.0.borrow_mut();
        let index = u16::try_from(kernel.objects.len()).map_err(|_many| Error::new(ENOSPC))?;
        let object = object.try_clone_to_owned().map_err(|_refused| Error::new(EBADF))?;
        kernel.objects.push(object);
        Ok(index)
    }

    fn take(&self, tag: Tag) -> Result<OwnedFd> {
        let mut kernel = self.0.borrow_mut();
        let pending = kernel.pending.get_mut(&tag.raw()).ok_or(Error::new(EINVAL))?;
        pending.handle.take().ok_or(Error::new(EINVAL))
    }

    fn give(&self, handle: OwnedFd) -> Result<u64> {
        let given = &mut self.0.borrow_mut().given;
        given.push(Some(handle));
        u64::try_from(given.len().saturating_sub(1)).map_err(|_too_wide| Error::new(EIO))
    }

    fn subscribe(&self, _handle: BorrowedFd<'_>, key: usize, _flags: EventFlags) -> Result<()> {
        self.0.borrow_mut().subscriptions.push(key);
        Ok(())
    }
}

/// A `u32` as an index.
fn wide(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A `Stat` from its bytes.
pub(super) fn stat(bytes: &[u8]) -> Option<Stat> {
    let words: [[u8; 8]; 13] = bytes.as_chunks::<8>().0.try_into().ok()?;
    let [dev, ino, mode, user, size, block, blocks, m, mn, a, an, c, cn] =
        words.map(u64::from_le_bytes);
    let low = |word: u64| u32::try_from(word & 0xFFFF_FFFF).unwrap_or(0);
    Some(Stat {
        st_dev: dev,
        st_ino: ino,
        st_mode: u16::try_from(low(mode) & 0xFFFF).ok()?,
        st_nlink: low(mode >> 32),
        st_uid: low(user),
        st_gid: low(user >> 32),
        st_size: size,
        st_blksize: low(block),
        st_blocks: blocks,
        st_mtime: m,
        st_mtime_nsec: low(mn),
        st_atime: a,
        st_atime_nsec: low(an),
        st_ctime: c,
        st_ctime_nsec: low(cn),
    })
}
