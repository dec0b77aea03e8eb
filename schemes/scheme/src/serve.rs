//! The loop: reply and wait, then hand each packet to the method that it is meant for.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::process::ExitCode;
use std::rc::Rc;

use anode_abi::packet::NOTE_EVENT;
use redox::error::{EINTR, Error, Result};
use redox::schemev2::Sqe;

use crate::dispatch::{self, Table};
use crate::link::{Link, Requests};
use crate::op;
use crate::request::Request;
use crate::scheme::{Control, Scheme};
use crate::sys;

/// Requests that a daemon's ring holds unless it says otherwise.
pub const ENTRIES: u32 = 64;

/// Bytes that one read or write of a [`Scheme`] moves at most; more is a short count.
pub const BUFFER_BYTES: usize = 64 << 10;

/// Requests after which the kernel gets the answers even if more are waiting.
const BATCH: usize = 16;

/// Why a daemon ended.
#[derive(Debug)]
pub enum Stopped {
    /// Nobody gave it the scheme.
    NotGiven(String),
    /// The kernel refused the ring, or ended it.
    Ring(Error),
    /// The scheme could not start.
    Start(Error),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGiven(name) => write!(
                f,
                "this program serves `{name}:` and is started by init, which passes the \
                 scheme in ANODE_SCHEMES; it is not there"
            ),
            Self::Ring(error) => write!(f, "the ring ended: {error}"),
            Self::Start(error) => write!(f, "cannot start: {error}"),
        }
    }
}

impl std::error::Error for Stopped {}

/// A scheme and its end of a ring.
pub struct Server<S: Scheme> {
    scheme: S,
    opens: Table<S::Open>,
    link: Rc<Link>,
    requests: Requests,
    buffer: Box<[u8]>,
    prefix: String,
}

impl<S: Scheme> Server<S> {
    /// Makes the ring of the scheme that `owner` owns and clients know as `name`.
    ///
    /// # Errors
    ///
    /// [`Stopped::Ring`] or [`Stopped::Start`].
    pub fn new(name: &str, owner: impl AsFd, entries: u32, scheme: S) -> Result<Self, Stopped> {
        let prefix = if name == "file" { "/".to_owned() } else { format!("/scheme/{name}/") };
        Self::over(Link::open(owner, entries).map_err(Stopped::Ring)?, prefix, scheme)
    }

    pub(crate) fn over(link: Link, prefix: String, mut scheme: S) -> Result<Self, Stopped> {
        let link = Rc::new(link);
        scheme.start(Control(Rc::clone(&link))).map_err(Stopped::Start)?;
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        let requests = link.requests();
        Ok(Self { scheme, opens: Table::default(), link, requests, buffer, prefix })
    }

    /// Serves until the kernel ends the ring.
    ///
    /// # Errors
    ///
    /// Why it ended; there is no other way out.
    pub fn run(&mut self) -> Result<Infallible, Stopped> {
        loop {
            let deadline = self.scheme.deadline();
            match self.turn(deadline) {
                Ok(()) | Err(Error { errno: EINTR }) => {}
                Err(error) => return Err(Stopped::Ring(error)),
            }
        }
    }

    /// Hands over all answers, waits for packets and handles what came.
    ///
    /// # Errors
    ///
    /// `EINTR`, or what ends the ring.
    #[inline]
    pub fn turn(&mut self, deadline: u64) -> Result<()> {
        self.requests.wait(&self.link, deadline)?;
        self.scheme.turn();
        // A long queue must not hold the first answers back: they go after each batch.
        for handled in 1.. {
            let Some(sqe) = self.requests.next(&self.link) else { break };
            self.packet(sqe);
            if handled % BATCH == 0 && self.requests.are_waiting() {
                self.requests.wait(&self.link, 0)?;
                self.scheme.turn();
            }
        }
        Ok(())
    }

    /// The scheme itself.
    pub const fn scheme(&mut self) -> &mut S {
        &mut self.scheme
    }

    fn packet(&mut self, sqe: Sqe) {
        let [first, second, ..] = sqe.args;
        match sqe.opcode {
            op::CLOSE => {
                if let Some(open) = self.opens.remove(first) {
                    self.scheme.close(open);
                }
            }
            op::CANCEL => {
                let tag = u32::try_from(first).ok().and_then(|raw| self.link.tag(raw));
                if let Some(tag) = tag {
                    self.scheme.cancel(tag);
                }
            }
            NOTE_EVENT => self.scheme.event(first, second),
            _ => self.request(sqe),
        }
    }

    fn request(&mut self, mut sqe: Sqe) {
        let Some(mut tag) = self.link.tag(sqe.tag) else { return };
        if S::IN_FLIGHT
            && !matches!(sqe.opcode, op::OPEN_AT | op::UNLINK_AT)
            && let [id, ..] = sqe.args
            && let Some(open) = self.opens.get_mut(id)
        {
            let request = Request::new(Rc::clone(&self.link), sqe, tag);
            let Some(request) = self.scheme.defer(open, request) else { return };
            (sqe, tag) = request.into_packet();
        }
        let mut call = dispatch::Call {
            scheme: &mut self.scheme,
            opens: &mut self.opens,
            link: &self.link,
            buffer: &mut self.buffer,
            prefix: &self.prefix,
            sqe: &sqe,
            tag,
        };
        call.perform();
    }
}

impl<S: Scheme> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("link", &self.link).finish_non_exhaustive()
    }
}

/// Serves the scheme that init calls `name`, until the kernel ends it; says why on stderr.
pub fn serve<S: Scheme>(name: &str, scheme: S) -> ExitCode {
    let served = given(name).and_then(|owner| Server::new(name, owner, ENTRIES, scheme)?.run());
    let Err(stopped) = served;
    eprintln!("{name}: {stopped}");
    ExitCode::FAILURE
}

/// The owner handle of a scheme that this process was started to serve.
///
/// # Errors
///
/// [`Stopped::NotGiven`].
pub fn given(name: &str) -> Result<OwnedFd, Stopped> {
    let list = std::env::var("ANODE_SCHEMES").unwrap_or_default();
    let number = handles(&list).remove(name).ok_or_else(|| Stopped::NotGiven(name.to_owned()))?;
    sys::dup_number(number).map_err(Stopped::Ring)
}

/// A part of the machine that this process was started with, by its service file's word for it.
///
/// # Errors
///
/// A sentence if there is none.
pub fn machine(name: &str) -> Result<OwnedFd, String> {
    let list = std::env::var("ANODE_MACHINE").unwrap_or_default();
    let number = handles(&list).remove(name);
    let number = number.ok_or_else(|| {
        format!("this service needs `{name}` in the list `machine` of its service file")
    })?;
    sys::dup_number(number).map_err(|error| format!("the handle {name}={number}: {error}"))
}

/// Reads `name=3 other=4`; words that are not of this form are passed over.
fn handles(list: &str) -> HashMap<&str, RawFd> {
    let words = list.split_ascii_whitespace().filter_map(|word| word.split_once('='));
    let words = words.filter_map(|(name, number)| Some((name, number.parse().ok()?)));
    words.filter(|(name, number)| !name.is_empty() && *number >= 0).collect()
}

#[cfg(test)]
mod tests {
    use super::{Stopped, handles};

    #[test]
    fn the_list_of_given_schemes_is_read_word_by_word() {
        let given = handles("null=3  zero=4 =5 pci=x tty=-1 disk");
        assert_eq!(given.get("null"), Some(&3));
        assert_eq!(given.get("zero"), Some(&4));
        assert_eq!(given.len(), 2);
    }

    #[test]
    fn a_daemon_that_nobody_started_says_what_is_missing() {
        let text = Stopped::NotGiven("null".into()).to_string();
        assert!(text.contains("`null:`") && text.contains("ANODE_SCHEMES"), "{text}");
    }
}
