//! Who asks, and a request that is answered later.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use anode_abi::packet::REPLAY;
use redox::error::{EIO, Error, Result};
use redox::schemev2::Sqe;

use crate::link::Link;
use crate::scheme::AnswerRange;
use crate::tag::Tag;

/// Who asks, and how; all of it comes from the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The process that asks.
    pub pid: u64,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The description that is asked about; in an open or dup, the one that is being made.
    pub id: u64,
    /// Flags of an open (`redox::flag::O_*`, the mode in the low 12 bits), of a read or write
    /// (`RwFlags`), of an unlink (`AT_*`), of a passed handle; else 0.
    pub flags: u64,
    /// The request went to an earlier daemon, which died over it and may have done it.
    pub replay: bool,
}

impl Context {
    pub(crate) fn new(sqe: &Sqe, id: u64, flags: u64) -> Self {
        let [.., user] = sqe.args;
        let [a, b, c, d, e, f, g, h] = user.to_le_bytes();
        Self {
            pid: sqe.caller,
            uid: u32::from_le_bytes([a, b, c, d]),
            gid: u32::from_le_bytes([e, f, g, h]),
            id,
            flags,
            replay: sqe.sqe_flags.bits() & REPLAY != 0,
        }
    }

    /// Whether the caller wants `EAGAIN` rather than to wait (in a read or write).
    #[must_use]
    pub const fn nonblocking(&self) -> bool {
        self.flags & 1 != 0
    }
}

/// A request that a daemon keeps, and answers when it can, in any order.
///
/// Every way to answer consumes it. One that is dropped is answered with `EIO`, so no client
/// waits for ever for a request that was forgotten.
#[derive(Debug)]
#[must_use = "dropping a request answers it with EIO"]
pub struct Request {
    link: Option<Rc<Link>>,
    sqe: Sqe,
    tag: Tag,
}

impl Request {
    pub(crate) const fn new(link: Rc<Link>, sqe: Sqe, tag: Tag) -> Self {
        Self { link: Some(link), sqe, tag }
    }

    /// Gives the packet back to be handled at once.
    pub(crate) fn into_packet(mut self) -> (Sqe, Tag) {
        self.link = None;
        (self.sqe, self.tag)
    }

    /// What is asked: a number of `redox::schemev2::Opcode`, see [`crate::op`].
    #[must_use]
    pub const fn opcode(&self) -> u8 {
        self.sqe.opcode
    }

    /// Its name, by which [`Scheme::cancel`](crate::Scheme::cancel) means it.
    #[must_use]
    pub const fn tag(&self) -> Tag {
        self.tag
    }

    /// Who asks; the flags are those of a read or write.
    #[must_use]
    pub fn context(&self) -> Context {
        let [id, _, _, _, flags, _] = self.sqe.args;
        Context::new(&self.sqe, id, flags)
    }

    /// How many bytes are to be read or written, or the length of a call's buffer.
    #[must_use]
    pub fn len(&self) -> usize {
        let [_, _, len, ..] = self.sqe.args;
        usize::try_from(len).unwrap_or(usize::MAX)
    }

    /// Whether no bytes are to be moved.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where a read or write begins; `NO_OFFSET` on a stream.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        let [_, _, _, offset, _, _] = self.sqe.args;
        offset
    }

    /// Fetches input from its byte `at` on; gives how many bytes there were.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the kernel knows of no such input.
    pub fn copy_in(&self, at: usize, into: &mut [u8]) -> Result<usize> {
        let link = self.link.as_ref().ok_or(Error::new(EIO))?;
        link.input(&self.sqe, self.tag, at, into)
    }

    /// Puts output at its byte `at`; gives how many bytes of it were wanted.
    ///
    /// The answer then is [`answer`](Self::answer) with the number of bytes from the start.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the kernel knows of no such output.
    pub fn copy_out(&self, at: usize, from: &[u8]) -> Result<usize> {
        let link = self.link.as_ref().ok_or(Error::new(EIO))?;
        link.output(&self.sqe, self.tag, at, from)
    }

    /// Answers with a number, mostly of bytes, or an errno.
    pub fn answer(mut self, result: Result<usize>) {
        let result = result.map(|value| u64::try_from(value).unwrap_or(u64::MAX));
        self.finish(|link, tag| link.answer(tag, result));
    }

    /// Answers a read with bytes; those beyond what was asked for are left out.
    pub fn answer_bytes(mut self, bytes: &[u8]) {
        let sqe = self.sqe;
        let bytes = bytes.get(..self.len().min(bytes.len())).unwrap_or_default();
        self.finish(|link, tag| link.answer_bytes(&sqe, tag, bytes));
    }

    /// Answers a read with a range of a registered object, which must keep these bytes until
    /// the kernel took the answer: until the next [`Scheme::turn`](crate::Scheme::turn).
    pub fn answer_range(mut self, object: u16, range: AnswerRange) {
        self.finish(|link, tag| link.answer_range(tag, object, range));
    }

    /// Answers with a handle, which becomes the client's.
    pub fn answer_handle(mut self, handle: OwnedFd) {
        self.finish(|link, tag| link.answer_handle(tag, handle));
    }

    fn finish(&mut self, answer: impl FnOnce(&Link, Tag)) {
        if let Some(link) = self.link.take() {
            answer(&link, self.tag);
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.finish(|link, tag| link.answer(tag, Err(Error::new(EIO))));
    }
}
