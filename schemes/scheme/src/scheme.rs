//! What a daemon implements: one small function for each thing that can be asked.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use redox::data::{Stat, StatVfs, TimeSpec};
use redox::error::{EINVAL, ENOTDIR, ENOTTY, EOPNOTSUPP, EPERM, Error, Result};
use redox::flag::{EventFlags, MODE_CHR};

use crate::link::{Link, NEVER};
use crate::records::Entries;
use crate::request::{Context, Request};
use crate::tag::Tag;

/// A range of a memory object that the daemon keeps for answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerRange {
    /// First byte within the object.
    pub offset: u64,
    /// Length in bytes; never more than the request asked for.
    pub len: u64,
}

/// The content of a file that clients may read without asking: a range of a registered object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// What [`Control::register`] gave.
    pub object: u16,
    /// Where it lies in the object, and how long it is, in bytes.
    pub range: AnswerRange,
}

/// What an open or a dup gives.
#[derive(Debug)]
pub enum Opened<O> {
    /// A description of this scheme.
    Here {
        /// What the daemon knows of it.
        open: O,
        /// Whether the kernel keeps an offset for it, so that it can be sought in.
        positioned: bool,
        /// By what a successor finds the thing again.
        cookie: u64,
        /// Content that is read without the daemon.
        content: Option<Content>,
    },
    /// A handle of another scheme, which becomes the client's.
    Elsewhere(OwnedFd),
}

impl<O> Opened<O> {
    /// Something with a position.
    pub const fn file(open: O) -> Self {
        Self::Here { open, positioned: true, cookie: 0, content: None }
    }

    /// Something without a position: each read and write has what comes next.
    pub const fn stream(open: O) -> Self {
        Self::Here { open, positioned: false, cookie: 0, content: None }
    }

    /// Names what a successor would find it by.
    #[must_use]
    pub fn with_cookie(mut self, new: u64) -> Self {
        if let Self::Here { cookie, .. } = &mut self {
            *cookie = new;
        }
        self
    }

    /// Attaches content that is read without the daemon.
    #[must_use]
    pub fn with_content(mut self, new: Content) -> Self {
        if let Self::Here { content, .. } = &mut self {
            *content = Some(new);
        }
        self
    }
}

/// What a daemon may do with its ring at any time.
#[derive(Clone, Debug)]
pub struct Control(pub(crate) Rc<Link>);

impl Control {
    /// Has a handle's readiness come as [`Scheme::event`] with this key; no flags end it.
    ///
    /// # Errors
    ///
    /// `EPERM` for a handle that has no readiness.
    pub fn subscribe(&self, handle: impl AsFd, key: usize, flags: EventFlags) -> Result<()> {
        self.0.host().subscribe(handle.as_fd(), key, flags)
    }

    /// Keeps a handle on a memory object, for good, that answers may name; gives its number.
    ///
    /// # Errors
    ///
    /// `EMFILE`: there are too many handles.
    pub fn register(&self, object: impl AsFd) -> Result<u16> {
        self.0.host().register(object.as_fd())
    }

    /// Says that a description became ready (bits of `anode_abi::info::ready`).
    pub fn ready(&self, id: u64, flags: u32) {
        self.0.ready(id, flags);
    }
}

/// A scheme: what its daemon answers. Every method but [`open`](Self::open) has a default.
///
/// Ids, buffers and paths are checked before a method is called: a path is UTF-8 without NUL,
/// a buffer is as long as the client's, but at most [`BUFFER_BYTES`](crate::BUFFER_BYTES).
///
/// # Errors
///
/// An error is an errno as POSIX has it for the call. What a scheme does not know is answered
/// by the defaults: `EINVAL` for reading, writing, truncating and dup,
/// `ENOTDIR` for what needs a directory, `ENOTTY` for calls, `EOPNOTSUPP` for passed handles,
/// `EPERM` for changing names, modes, owners and times.
#[expect(clippy::missing_errors_doc, reason = "said above for all methods together")]
pub trait Scheme {
    /// What the daemon knows of each description.
    type Open;

    /// Whether [`defer`](Self::defer) keeps requests; without it they need no counting.
    const IN_FLIGHT: bool = false;

    /// Called once, before the first request. An error ends the daemon.
    fn start(&mut self, _control: Control) -> Result<()> {
        Ok(())
    }

    /// Opens a path beneath the scheme's root; the empty path is the root itself.
    fn open(&mut self, path: &str, context: &Context) -> Result<Opened<Self::Open>>;

    /// Opens a path beneath a directory that is open.
    fn open_at(
        &mut self,
        _directory: &mut Self::Open,
        _path: &str,
        _context: &Context,
    ) -> Result<Opened<Self::Open>> {
        Err(Error::new(ENOTDIR))
    }

    /// Another description, by name, such as a pipe's other end.
    fn dup(
        &mut self,
        _open: &mut Self::Open,
        _name: &str,
        _context: &Context,
    ) -> Result<Opened<Self::Open>> {
        Err(Error::new(EINVAL))
    }

    /// The last handle of a description is gone.
    fn close(&mut self, _open: Self::Open) {}

    /// Reads into `buf`; the offset of a stream is `NO_OFFSET`.
    fn read(
        &mut self,
        _open: &mut Self::Open,
        _buf: &mut [u8],
        _offset: u64,
        _context: &Context,
    ) -> Result<usize> {
        Err(Error::new(EINVAL))
    }

    /// Writes from `buf`, which may be the start of something longer.
    fn write(
        &mut self,
        _open: &mut Self::Open,
        _buf: &[u8],
        _offset: u64,
        _context: &Context,
    ) -> Result<usize> {
        Err(Error::new(EINVAL))
    }

    /// What it is; by default a character device that everybody may use.
    fn stat(&mut self, _open: &mut Self::Open) -> Result<Stat> {
        Ok(Stat { st_mode: MODE_CHR | 0o666, st_nlink: 1, st_blksize: 4096, ..Stat::default() })
    }

    /// How much room there is for what it lies among; by default no block, used or free.
    fn stat_vfs(&mut self, _open: &mut Self::Open) -> Result<StatVfs> {
        Ok(StatVfs { f_bsize: 4096, ..StatVfs::default() })
    }

    /// Its path beneath the root, without a leading slash.
    fn path(&mut self, _open: &mut Self::Open) -> Result<String> {
        Ok(String::new())
    }

    /// Lists a directory from a position on: 0, or the `next` of the record before.
    fn list(
        &mut self,
        _open: &mut Self::Open,
        _position: u64,
        _entries: &mut Entries<'_>,
    ) -> Result<()> {
        Err(Error::new(ENOTDIR))
    }

    /// Makes all that was written last.
    fn sync(&mut self, _open: &mut Self::Open) -> Result<()> {
        Ok(())
    }

    /// Sets the length in bytes.
    fn truncate(&mut self, _open: &mut Self::Open, _size: u64) -> Result<()> {
        Err(Error::new(EINVAL))
    }

    /// Sets the permission bits.
    fn chmod(&mut self, _open: &mut Self::Open, _mode: u16, _context: &Context) -> Result<()> {
        Err(Error::new(EPERM))
    }

    /// Sets owner and group; `u32::MAX` leaves one as it is.
    fn chown(
        &mut self,
        _open: &mut Self::Open,
        _uid: u32,
        _gid: u32,
        _context: &Context,
    ) -> Result<()> {
        Err(Error::new(EPERM))
    }

    /// Sets the time of access and that of modification.
    fn set_times(
        &mut self,
        _open: &mut Self::Open,
        _times: [TimeSpec; 2],
        _context: &Context,
    ) -> Result<()> {
        Err(Error::new(EPERM))
    }

    /// Removes a name beneath a directory (`None`: the root).
    fn unlink(
        &mut self,
        _directory: Option<&mut Self::Open>,
        _path: &str,
        _context: &Context,
    ) -> Result<()> {
        Err(Error::new(EPERM))
    }

    /// Gives an open file another name, beneath a directory (`None`: the root).
    fn rename(
        &mut self,
        _open: &mut Self::Open,
        _directory: Option<&mut Self::Open>,
        _path: &str,
        _context: &Context,
    ) -> Result<()> {
        Err(Error::new(EPERM))
    }

    /// Gives an open file one more name, beneath a directory (`None`: the root).
    fn link(
        &mut self,
        _open: &mut Self::Open,
        _directory: Option<&mut Self::Open>,
        _path: &str,
        _context: &Context,
    ) -> Result<()> {
        Err(Error::new(EPERM))
    }

    /// What of the wanted mask it is ready for now. Later changes go by [`Control::ready`],
    /// under `context.id`.
    fn readiness(
        &mut self,
        _open: &mut Self::Open,
        wanted: u64,
        _context: &Context,
    ) -> Result<u64> {
        Ok(wanted)
    }

    /// What no other method says, by two words; `buf` goes back as the daemon leaves it.
    fn call(
        &mut self,
        _open: &mut Self::Open,
        _buf: &mut [u8],
        _words: [u64; 2],
        _context: &Context,
    ) -> Result<u64> {
        Err(Error::new(ENOTTY))
    }

    /// A handle was passed on a description.
    fn pass(
        &mut self,
        _open: &mut Self::Open,
        _handle: OwnedFd,
        _argument: u64,
        _context: &Context,
    ) -> Result<u64> {
        Err(Error::new(EOPNOTSUPP))
    }

    /// Sees each request on a description first, if [`IN_FLIGHT`](Self::IN_FLIGHT) is set;
    /// keeps it to answer it later, or gives it back for the method that it is meant for.
    fn defer(&mut self, _open: &mut Self::Open, request: Request) -> Option<Request> {
        Some(request)
    }

    /// A client does not wait for a kept request any more; it must be answered all the same,
    /// with `ECANCELED` if nothing was done. Requests that were answered are named too.
    fn cancel(&mut self, _tag: Tag) {}

    /// A subscribed handle is ready.
    fn event(&mut self, _key: u64, _ready: u64) {}

    /// The kernel took all answers that were given so far: ranges that they named are free.
    fn turn(&mut self) {}

    /// When [`turn`](Self::turn) is wanted even if nothing comes, in monotonic ns.
    fn deadline(&mut self) -> u64 {
        NEVER
    }
}
