//! A daemon's end of its ring: packets in, answers out, and what else the kernel does for it.

use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};

use anode_abi::number::FOREVER;
use anode_abi::packet::{ANSWER_OBJECT, ANSWER_OPENED, BIG, OPENED_POSITIONED, Opened};
use anode_ring::{CqProducer, Layout, PAGE_WORDS, SqConsumer, Words, pack, unpack};
use redox::error::{EINVAL, EIO, EMFILE, Error, Result};
use redox::flag::EventFlags;
use redox::schemev2::{Cqe, CqeOpcode, NewFdFlags, Sqe};

use crate::map::{self, Area};
use crate::scheme::AnswerRange;
use crate::sys;
use crate::tag::Tag;

/// Bytes of a slot.
pub(crate) const SLOT_BYTES: usize = PAGE_WORDS * 8;

/// What the kernel does for the owner of a ring: the real one, or a test's.
pub(crate) trait Host {
    /// Hands over all answers; sleeps until the tail of the requests differs from `seen`.
    fn wait(&self, seen: u32, deadline: u64) -> Result<u32>;
    /// Pulls bytes of a request's input.
    fn copy_in(&self, tag: Tag, offset: u64, into: &mut [u8]) -> Result<usize>;
    /// Puts bytes into a request's output.
    fn copy_out(&self, tag: Tag, offset: u64, from: &[u8]) -> Result<usize>;
    /// Keeps a handle on an object that answers may name; gives its number.
    fn register(&self, object: BorrowedFd<'_>) -> Result<u16>;
    /// Takes the handle that a request carries.
    fn take(&self, tag: Tag) -> Result<OwnedFd>;
    /// Lets go of a handle that an answer passes; gives its number, as the answer has it.
    fn give(&self, handle: OwnedFd) -> Result<u64>;
    /// Has a handle's readiness sent as notes with this key.
    fn subscribe(&self, handle: BorrowedFd<'_>, key: usize, flags: EventFlags) -> Result<()>;
}

/// The kernel, by the ring's handle.
#[derive(Debug)]
struct Kernel(OwnedFd);

impl Host for Kernel {
    fn wait(&self, seen: u32, deadline: u64) -> Result<u32> {
        sys::ring_wait(&self.0, seen, deadline)
    }

    fn copy_in(&self, tag: Tag, offset: u64, into: &mut [u8]) -> Result<usize> {
        sys::ring_copy_in(&self.0, tag.raw(), offset, into)
    }

    fn copy_out(&self, tag: Tag, offset: u64, from: &[u8]) -> Result<usize> {
        sys::ring_copy_out(&self.0, tag.raw(), offset, from)
    }

    fn register(&self, object: BorrowedFd<'_>) -> Result<u16> {
        let handle = object.try_clone_to_owned().map_err(|_full| Error::new(EMFILE))?;
        u16::try_from(handle.into_raw_fd()).map_err(|_too_wide| Error::new(EMFILE))
    }

    fn take(&self, tag: Tag) -> Result<OwnedFd> {
        sys::ring_take(&self.0, tag.raw())
    }

    fn give(&self, handle: OwnedFd) -> Result<u64> {
        u64::try_from(handle.into_raw_fd()).map_err(|_negative| Error::new(EIO))
    }

    fn subscribe(&self, handle: BorrowedFd<'_>, key: usize, flags: EventFlags) -> Result<()> {
        sys::event_subscribe(&self.0, handle, key, flags)
    }
}

/// One daemon's end of a ring.
pub(crate) struct Link {
    layout: Layout,
    /// Page 0: the kernel's indices.
    kernel: Area,
    sqes: Area,
    ins: Area,
    /// The daemon's own indices.
    own: Area,
    cqes: Area,
    outs: Area,
    answers: RefCell<CqProducer>,
    host: Box<dyn Host>,
}

impl Link {
    /// Makes and maps the ring of a scheme.
    pub(crate) fn open(owner: impl AsFd, entries: u32) -> Result<Self> {
        let layout = Layout::new(entries).ok_or(Error::new(EINVAL))?;
        let (ring, memory) = map::ring(owner, layout)?;
        Self::over(layout, memory, Box::new(Kernel(ring)))
    }

    /// A link over memory that is laid out so.
    pub(crate) fn over(layout: Layout, memory: Area, host: Box<dyn Host>) -> Result<Self> {
        let area = |from: u32, to: u32| {
            let word = |page: u32| usize::try_from(page).ok()?.checked_mul(PAGE_WORDS);
            memory.get(word(from)?..word(to)?)
        };
        let areas = (|| {
            Some(Self {
                layout,
                kernel: area(0, layout.sqes)?,
                sqes: area(layout.sqes, layout.ins)?,
                ins: area(layout.ins, layout.control)?,
                own: area(layout.control, layout.cqes)?,
                cqes: area(layout.cqes, layout.outs)?,
                outs: area(layout.outs, layout.pages)?,
                answers: RefCell::new(CqProducer::new(layout.entries.doubled())),
                host,
            })
        })();
        areas.ok_or(Error::new(EINVAL))
    }

    pub(crate) fn host(&self) -> &dyn Host {
        &*self.host
    }

    /// A tag as it stands in a packet.
    #[inline]
    pub(crate) fn tag(&self, raw: u32) -> Option<Tag> {
        Tag::checked(raw, self.layout.entries)
    }

    /// The queue of requests, which one loop reads.
    pub(crate) fn requests(&self) -> Requests {
        Requests { queue: SqConsumer::new(self.layout.entries), waiting: 0 }
    }

    /// Puts an answer or a note into the queue; makes the kernel take some if it is full.
    #[inline]
    pub(crate) fn post(&self, cqe: &Cqe) {
        let mut answers = self.answers.borrow_mut();
        let entry = pack(cqe);
        if !answers.put(self.cqes, entry) {
            // A kernel that refuses, or takes none, has given this ring up: nobody waits.
            let asked = self.host.wait(0, 0);
            let room = answers.refresh(self.kernel);
            if asked.is_err() || room.is_err() || !answers.put(self.cqes, entry) {
                return;
            }
        }
        answers.publish(self.own);
    }

    /// Answers with a value or an errno.
    #[inline]
    pub(crate) fn answer(&self, tag: Tag, result: Result<u64>) {
        self.post(&Cqe { tag: tag.raw(), result: encode(result), ..Cqe::default() });
    }

    /// Answers with a handle, which moves to the client.
    pub(crate) fn answer_handle(&self, tag: Tag, handle: OwnedFd) {
        match self.host.give(handle) {
            Err(error) => self.answer(tag, Err(error)),
            Ok(result) => {
                let flags = CqeOpcode::RespondWithFd as u8;
                self.post(&Cqe { flags, tag: tag.raw(), result, ..Cqe::default() });
            }
        }
    }

    /// Answers with a range of a registered object.
    pub(crate) fn answer_range(&self, tag: Tag, object: u16, range: AnswerRange) {
        self.out(tag).store_entry(0, [range.offset]);
        let [low, high] = object.to_le_bytes();
        let extra_raw = [low, high, 0];
        self.post(&Cqe { flags: ANSWER_OBJECT, extra_raw, tag: tag.raw(), result: range.len });
    }

    /// Answers an open or a dup with a description of this scheme.
    pub(crate) fn answer_opened(&self, tag: Tag, opened: Opened) {
        let plain = opened.cookie == 0 && opened.object == Opened::NO_OBJECT;
        let mut cqe = Cqe { tag: tag.raw(), result: opened.id, ..Cqe::default() };
        if plain {
            let positioned = opened.flags & OPENED_POSITIONED != 0;
            cqe.extra_raw = [if positioned { NewFdFlags::POSITIONED.bits() } else { 0 }, 0, 0];
        } else {
            self.out(tag).store_entry(0, opened.to_words());
            cqe.flags = ANSWER_OPENED;
        }
        self.post(&cqe);
    }

    /// Tells all who subscribed to a description what it is ready for.
    pub(crate) fn ready(&self, id: u64, flags: u32) {
        let cqe =
            Cqe { flags: CqeOpcode::SendFevent as u8, tag: flags, result: id, ..Cqe::default() };
        self.post(&cqe);
    }

    /// Reads input of a request, from its byte `at` on, wherever it lies.
    pub(crate) fn input(&self, sqe: &Sqe, tag: Tag, at: usize, into: &mut [u8]) -> Result<usize> {
        let [_, _, len, ..] = sqe.args;
        let left = usize::try_from(len).unwrap_or(usize::MAX).saturating_sub(at).min(into.len());
        let into = into.get_mut(..left).unwrap_or_default();
        if sqe.sqe_flags.bits() & BIG == 0 {
            return Ok(map::read_slot(slot(self.ins, tag), at, into));
        }
        let offset = u64::try_from(at).map_err(|_too_wide| Error::new(EINVAL))?;
        self.host.copy_in(tag, offset, into)
    }

    /// Writes output of a request, from its byte `at` on; gives how much of it was wanted.
    ///
    /// The first bytes lie in the slot until the answer; what is beyond goes by `ring_copy`.
    pub(crate) fn output(&self, sqe: &Sqe, tag: Tag, at: usize, from: &[u8]) -> Result<usize> {
        let [_, _, wanted, ..] = sqe.args;
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let from = from.get(..wanted.saturating_sub(at).min(from.len())).unwrap_or_default();
        let done = map::write_slot(self.out(tag), at, from);
        let rest = from.get(done..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(done);
        }
        let beyond = u64::try_from(at.saturating_add(done)).unwrap_or(u64::MAX);
        self.host.copy_out(tag, beyond, rest).map(|copied| done.saturating_add(copied))
    }

    /// Answers with bytes, all at once; there are no more than were asked for.
    #[inline]
    pub(crate) fn answer_bytes(&self, sqe: &Sqe, tag: Tag, bytes: &[u8]) {
        if bytes.len() > SLOT_BYTES {
            let count = self.output(sqe, tag, 0, bytes);
            return self.answer(tag, count.map(|count| u64::try_from(count).unwrap_or(u64::MAX)));
        }
        let count = map::write_slot(self.out(tag), 0, bytes);
        let result = u64::try_from(count).unwrap_or(0);
        self.post(&Cqe { tag: tag.raw(), result, ..Cqe::default() });
    }

    #[inline]
    fn out(&self, tag: Tag) -> Area {
        slot(self.outs, tag)
    }
}

/// The requests of a ring, as they are taken.
#[derive(Debug)]
pub(crate) struct Requests {
    queue: SqConsumer,
    /// How many were found and not taken yet.
    waiting: u32,
}

impl Requests {
    /// Hands over all answers and waits for requests, unless there are some.
    #[inline]
    pub(crate) fn wait(&mut self, link: &Link, deadline: u64) -> Result<()> {
        let deadline = if self.waiting == 0 { deadline } else { 0 };
        link.host.wait(self.queue.seen(), deadline)?;
        self.waiting = self.queue.refresh(link.kernel).map_err(|_violation| Error::new(EIO))?;
        Ok(())
    }

    /// Whether there are some that were found and not taken yet.
    pub(crate) const fn are_waiting(&self) -> bool {
        self.waiting != 0
    }

    /// Takes the next request that [`wait`](Self::wait) found.
    ///
    /// Its place is given back at once, so that the kernel knows which requests were taken
    /// should the daemon die of one.
    #[inline]
    pub(crate) fn next(&mut self, link: &Link) -> Option<Sqe> {
        self.waiting = self.waiting.checked_sub(1)?;
        let entry = self.queue.take(link.sqes)?;
        self.queue.publish(link.own);
        Some(unpack(entry))
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("layout", &self.layout).finish_non_exhaustive()
    }
}

/// The page of a tag's slot.
#[inline]
fn slot(area: Area, tag: Tag) -> Area {
    let first = usize::from(tag.slot()).saturating_mul(PAGE_WORDS);
    area.get(first..).and_then(|rest| rest.get(..PAGE_WORDS)).unwrap_or_default()
}

/// A result as it stands in an answer; what is no errno becomes `EIO`.
#[inline]
fn encode(result: Result<u64>) -> u64 {
    let errno = match result {
        Ok(value) if value < u64::MAX - 4094 => return value,
        Err(Error { errno }) if (1..4096).contains(&errno) => errno,
        Ok(_) | Err(_) => EIO,
    };
    i64::from(errno).wrapping_neg().cast_unsigned()
}

/// A deadline that never comes, as [`Requests::wait`] takes it.
pub(crate) const NEVER: u64 = FOREVER;
