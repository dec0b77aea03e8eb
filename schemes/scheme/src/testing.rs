//! Drives a scheme on the host: the kernel's side of a ring, in process and step by step.
//!
//! [`Fake`] is the kernel and all its clients. A request goes through a real ring in ordinary
//! memory, through the real loop, and its answer is checked as the kernel would.
//!
//! ```
//! use anode_scheme::{Context, Opened, Scheme, testing::Fake};
//! use redox::error::{ENOENT, Error, Result};
//!
//! struct Ones;
//!
//! impl Scheme for Ones {
//!     type Open = ();
//!
//!     fn open(&mut self, path: &str, _context: &Context) -> Result<Opened<()>> {
//!         if path.is_empty() { Ok(Opened::stream(())) } else { Err(Error::new(ENOENT)) }
//!     }
//!
//!     fn read(&mut self, (): &mut (), buf: &mut [u8], _: u64, _: &Context) -> Result<usize> {
//!         buf.fill(1);
//!         Ok(buf.len())
//!     }
//! }
//!
//! let mut ones = Fake::new(Ones);
//! let id = ones.open("", 0).unwrap();
//! assert_eq!(ones.read(id, 3, 0), Ok(vec![1; 3]));
//! assert_eq!(ones.open("x", 0), Err(Error::new(ENOENT)));
//! ```

mod kernel;

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use anode_abi::packet::NOTE_EVENT;
use redox::data::Stat;
use redox::dirent::DirentIter;
use redox::error::{EINPROGRESS, EIO, Error, Result};

use crate::scheme::Scheme;
use crate::serve::Server;
use crate::{Content, Stopped, Tag, op};
use kernel::{Ask, FakeHost, FakeKernel};

/// An answer as a client gets it.
#[derive(Debug, Default)]
pub struct Answer {
    /// The result of the call.
    pub value: u64,
    /// Bytes that were read, or a call's buffer.
    pub bytes: Vec<u8>,
    /// Whether the opened description has a position.
    pub positioned: bool,
    /// What a successor would find the opened thing by.
    pub cookie: u64,
    /// Content attached to the opened description.
    pub content: Option<Content>,
    /// The handle that came instead of a description.
    pub handle: Option<OwnedFd>,
}

/// A scheme whose kernel and clients are a test.
#[derive(Debug)]
pub struct Fake<S: Scheme> {
    server: Server<S>,
    kernel: Rc<RefCell<FakeKernel>>,
    /// Process, user and group of the requests that follow.
    pub caller: (u64, u32, u32),
}

impl<S: Scheme> Fake<S> {
    /// Starts a scheme with a ring of 8 entries.
    ///
    /// # Panics
    ///
    /// If the scheme does not start.
    pub fn new(scheme: S) -> Self {
        let kernel = Rc::new(RefCell::new(FakeKernel::new()));
        let (layout, memory) = kernel.borrow().memory();
        let host = Box::new(FakeHost(Rc::clone(&kernel)));
        let server = crate::link::Link::over(layout, memory, host)
            .map_err(Stopped::Ring)
            .and_then(|link| Server::over(link, String::new(), scheme));
        match server {
            Ok(server) => Self { server, kernel, caller: (1, 0, 0) },
            Err(stopped) => unreachable!("{stopped}"),
        }
    }

    /// The scheme itself.
    pub const fn scheme(&mut self) -> &mut S {
        self.server.scheme()
    }

    /// Lets the daemon run until it would sleep.
    pub fn turn(&mut self) {
        // The first turn handles what waits, the second hands its answers over.
        for _ in 0..2 {
            if let Err(error) = self.server.turn(0) {
                unreachable!("the fake kernel refused: {error}");
            }
        }
    }

    /// Sends a request, lets the daemon run, and gives its tag; `None`: all slots are in use.
    ///
    /// `arguments` are those after the id; with input the first two are set here.
    pub fn ask(&mut self, opcode: u8, id: u64, arguments: [u64; 4], input: &[u8]) -> Option<Tag> {
        let ask = Ask { opcode, id, arguments, input, caller: self.caller };
        let tag = self.kernel.borrow_mut().post(&ask)?;
        self.turn();
        Some(tag)
    }

    /// The answer to a request, once.
    pub fn answer(&mut self, tag: Tag) -> Option<Result<Answer>> {
        self.kernel.borrow_mut().answer(tag)
    }

    /// Sends a request and gives its answer; `EINPROGRESS` if the daemon keeps it.
    ///
    /// # Errors
    ///
    /// What the scheme answers.
    pub fn request(
        &mut self,
        opcode: u8,
        id: u64,
        arguments: [u64; 4],
        input: &[u8],
    ) -> Result<Answer> {
        let pending = Error::new(EINPROGRESS);
        let tag = self.ask(opcode, id, arguments, input).ok_or(pending)?;
        self.answer(tag).unwrap_or(Err(pending))
    }

    /// Opens a path beneath the root; gives the description's id.
    ///
    /// # Errors
    ///
    /// What the scheme answers.
    pub fn open(&mut self, path: &str, flags: usize) -> Result<u64> {
        self.open_at(0, path, flags).map(|answer| answer.value)
    }

    /// Opens a path beneath a directory (0: the root), and gives all that was answered.
    ///
    /// # Errors
    ///
    /// What the scheme answers.
    pub fn open_at(&mut self, directory: u64, path: &str, flags: usize) -> Result<Answer> {
        let flags = u64::try_from(flags).map_err(|_too_wide| Error::new(EIO))?;
        self.request(op::OPEN_AT, directory, [0, 0, flags, 0], path.as_bytes())
    }

    /// Reads at an offset.
    ///
    /// # Errors
    ///
    /// What the scheme answers.
    pub fn read(&mut self, id: u64, len: usize, offset: u64) -> Result<Vec<u8>> {
        let len = u64::try_from(len).map_err(|_too_wide| Error::new(EIO))?;
        self.request(op::READ, id, [0, len, offset, 0], &[]).map(|answer| answer.bytes)
    }

    /// Writes at an offset; gives how much was taken.
    ///
    /// # Errors
    ///
    /// What the scheme answers.
    pub fn write(&mut self, id: u64, bytes: &[u8], offset: u64) -> Result<u64> {
        self.request(op::WRITE, id, [0, 0, offset, 0], bytes).map(|answer| answer.value)
    }

    /// What a description is.
    ///
    /// # Errors
    ///
    /// What the scheme answers, or `EIO` for half a struct.
    pub fn stat(&mut self, id: u64) -> Result<Stat> {
        let bytes = self.request(op::STAT, id, [0, 104, 0, 0], &[])?.bytes;
        kernel::stat(&bytes).ok_or(Error::new(EIO))
    }

    /// All names in a directory, sorted, listed `len` bytes at a time.
    ///
    /// # Errors
    ///
    /// What the scheme answers, or `EIO` for records that make no sense.
    pub fn list(&mut self, id: u64, len: u64) -> Result<Vec<String>> {
        let broken = || Error::new(EIO);
        let mut names = Vec::new();
        let mut position = 0;
        loop {
            let bytes = self.request(op::LIST, id, [0, len, 19, position], &[])?.bytes;
            if bytes.is_empty() {
                names.sort();
                return Ok(names);
            }
            for record in DirentIter::new(&bytes) {
                let (header, name) = record.map_err(|_| broken())?;
                // The published reader leaves the padding to the name.
                let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
                names.push(String::from_utf8(name.to_vec()).map_err(|_| broken())?);
                position = header.next_opaque_id;
            }
        }
    }

    /// Passes a handle.
    ///
    /// # Errors
    ///
    /// What the scheme answers.
    pub fn pass(&mut self, id: u64, handle: OwnedFd, argument: u64) -> Result<u64> {
        self.kernel.borrow_mut().passed = Some(handle);
        self.request(op::PASS, id, [0, argument, 0, 0], &[]).map(|answer| answer.value)
    }

    /// Closes a description.
    pub fn close(&mut self, id: u64) {
        self.kernel.borrow_mut().note(op::CLOSE, [id, 0]);
        self.turn();
    }

    /// Tells the daemon that a client does not wait any more.
    pub fn cancel(&mut self, tag: Tag) {
        self.kernel.borrow_mut().note(op::CANCEL, [u64::from(tag.raw()), 0]);
        self.turn();
    }

    /// Tells the daemon that a handle which it subscribed to is ready.
    pub fn event(&mut self, key: u64, ready: u64) {
        self.kernel.borrow_mut().note(NOTE_EVENT, [key, ready]);
        self.turn();
    }

    /// What descriptions became ready for, since the last call: id and flags.
    pub fn ready(&mut self) -> Vec<(u64, u32)> {
        std::mem::take(&mut self.kernel.borrow_mut().ready)
    }

    /// Keys that the daemon subscribed to.
    pub fn subscriptions(&mut self) -> Vec<usize> {
        self.kernel.borrow().subscriptions.clone()
    }

    /// Ends the ring, and gives what the loop then says.
    pub fn end(mut self) -> Stopped {
        self.kernel.borrow_mut().ended = true;
        let Err(stopped) = self.server.run();
        stopped
    }

    /// A registered object, if it is one.
    pub fn object(&mut self, index: u16) -> Option<OwnedFd> {
        self.kernel.borrow().object(index)
    }
}

#[cfg(test)]
mod tests;
