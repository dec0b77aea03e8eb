//! One packet: its arguments checked, its method called, its answer given.

use anode_abi::packet;
use redox::error::{EBADF, EINVAL, EIO, ENAMETOOLONG, ENOSYS, Error, Result};
use redox::schemev2::Sqe;

use crate::link::{Link, SLOT_BYTES};
use crate::op;
use crate::records::{Entries, put_words, stat_vfs_words, stat_words, times};
use crate::request::Context;
use crate::scheme::{Opened, Scheme};
use crate::tag::Tag;

/// The longest path, in bytes.
const PATH_BYTES: usize = 4095;

/// Open descriptions by id; id 0 is the root, which is not in it.
#[derive(Debug)]
pub(crate) struct Table<O> {
    opens: Vec<Option<O>>,
    free: Vec<usize>,
}

impl<O> Default for Table<O> {
    fn default() -> Self {
        Self { opens: Vec::new(), free: Vec::new() }
    }
}

impl<O> Table<O> {
    fn index(id: u64) -> Option<usize> {
        usize::try_from(id).ok()?.checked_sub(1)
    }

    /// The id that the next description gets.
    fn next(&self) -> u64 {
        let index = self.free.last().copied().unwrap_or(self.opens.len());
        u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn insert(&mut self, open: O) -> u64 {
        let id = self.next();
        match self.free.pop().and_then(|index| self.opens.get_mut(index)) {
            Some(place) => *place = Some(open),
            None => self.opens.push(Some(open)),
        }
        id
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut O> {
        self.opens.get_mut(Self::index(id)?)?.as_mut()
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<O> {
        let index = Self::index(id)?;
        let open = self.opens.get_mut(index)?.take()?;
        self.free.push(index);
        Some(open)
    }

    /// A description and the directory of a new name for it, which may be the root.
    fn with_directory(&mut self, id: u64, directory: u64) -> Result<(&mut O, Option<&mut O>)> {
        let none = || Error::new(EBADF);
        let open = Self::index(id).ok_or_else(none)?;
        let Some(directory) = Self::index(directory) else {
            return Ok((self.get_mut(id).ok_or_else(none)?, None));
        };
        // A directory cannot be moved or linked into itself.
        let both = [open, directory];
        let [open, directory] =
            self.opens.get_disjoint_mut(both).map_err(|_same| Error::new(EINVAL))?;
        Ok((open.as_mut().ok_or_else(none)?, Some(directory.as_mut().ok_or_else(none)?)))
    }
}

/// What goes back to the client.
enum Reply {
    Value(u64),
    /// That many bytes from the start of the buffer.
    Bytes(usize),
    /// A value, and that many bytes beside it.
    Call(u64, usize),
}

/// A request on its way through the scheme.
pub(crate) struct Call<'a, S: Scheme> {
    pub(crate) scheme: &'a mut S,
    pub(crate) opens: &'a mut Table<S::Open>,
    pub(crate) link: &'a Link,
    pub(crate) buffer: &'a mut [u8],
    /// What the scheme's paths begin with for clients.
    pub(crate) prefix: &'a str,
    pub(crate) sqe: &'a Sqe,
    pub(crate) tag: Tag,
}

impl<S: Scheme> Call<'_, S> {
    /// Calls the method and gives its answer.
    #[inline]
    pub(crate) fn perform(&mut self) {
        let reply = match self.sqe.opcode {
            op::READ => self.read(),
            op::WRITE => self.write(),
            op::OPEN_AT | op::DUP => return self.open_or_dup(),
            _ => self.other(),
        };
        match reply {
            Ok(Reply::Value(value)) => self.link.answer(self.tag, Ok(value)),
            Ok(Reply::Bytes(count)) => {
                let bytes = self.buffer.get(..count).unwrap_or_default();
                self.link.answer_bytes(self.sqe, self.tag, bytes);
            }
            Ok(Reply::Call(value, count)) => {
                let bytes = self.buffer.get(..count).unwrap_or_default();
                let put = self.link.output(self.sqe, self.tag, 0, bytes);
                self.link.answer(self.tag, put.map(|_count| value));
            }
            Err(error) => self.link.answer(self.tag, Err(error)),
        }
    }

    /// The request's opcodes that are less frequent.
    fn other(&mut self) -> Result<Reply> {
        match self.sqe.opcode {
            op::UNLINK_AT => self.unlink(),
            op::RENAME | op::LINK => self.rename_or_link(),
            op::STAT | op::STAT_VFS | op::PATH | op::LIST => self.describe(),
            op::CALL => self.call(),
            op::PASS => self.pass(),
            op::SET_TIMES => self.set_times(),
            _ => self.set(),
        }
    }

    /// Who asks, with the description's id and the argument that holds flags.
    fn context(&self, flags: usize) -> Context {
        let [id, ..] = self.sqe.args;
        Context::new(self.sqe, id, self.sqe.args.get(flags).copied().unwrap_or(0))
    }

    /// How many bytes the buffer argument has, as far as the buffer goes.
    fn len(&self) -> usize {
        let [_, _, len, ..] = self.sqe.args;
        usize::try_from(len).unwrap_or(usize::MAX).min(self.buffer.len())
    }

    /// Fetches the request's input into the buffer; gives its length.
    fn input(&mut self) -> Result<usize> {
        let len = self.len();
        let into = self.buffer.get_mut(..len).unwrap_or_default();
        self.link.input(self.sqe, self.tag, 0, into)
    }

    /// Fetches a path into the buffer; gives its length.
    fn path(&mut self) -> Result<usize> {
        let [_, _, len, ..] = self.sqe.args;
        if usize::try_from(len).map_or(true, |len| len > PATH_BYTES) {
            return Err(Error::new(ENAMETOOLONG));
        }
        self.input()
    }

    fn read(&mut self) -> Result<Reply> {
        let [id, _, _, offset, ..] = self.sqe.args;
        let (context, len) = (self.context(4), self.len());
        let open = self.opens.get_mut(id).ok_or(Error::new(EBADF))?;
        let into = self.buffer.get_mut(..len).unwrap_or_default();
        let count = self.scheme.read(open, into, offset, &context)?;
        Ok(Reply::Bytes(count.min(len)))
    }

    fn write(&mut self) -> Result<Reply> {
        let [id, _, _, offset, ..] = self.sqe.args;
        let (context, len) = (self.context(4), self.input()?);
        let open = self.opens.get_mut(id).ok_or(Error::new(EBADF))?;
        let from = self.buffer.get(..len).unwrap_or_default();
        let count = self.scheme.write(open, from, offset, &context)?;
        Ok(Reply::Value(u64::try_from(count.min(len)).unwrap_or(0)))
    }

    fn open_or_dup(&mut self) {
        match self.opened() {
            Err(error) => self.link.answer(self.tag, Err(error)),
            Ok(Opened::Elsewhere(handle)) => self.link.answer_handle(self.tag, handle),
            Ok(Opened::Here { open, positioned, cookie, content }) => {
                let range = content.map(|content| content.range).unwrap_or_default();
                let words = packet::Opened {
                    id: self.opens.insert(open),
                    cookie,
                    flags: if positioned { packet::OPENED_POSITIONED } else { 0 },
                    object: content.map_or(packet::Opened::NO_OBJECT, |c| u64::from(c.object)),
                    offset: range.offset,
                    size: range.len,
                };
                self.link.answer_opened(self.tag, words);
            }
        }
    }

    fn opened(&mut self) -> Result<Opened<S::Open>> {
        let [id, _, _, flags, ..] = self.sqe.args;
        let is_open = self.sqe.opcode == op::OPEN_AT;
        let context = Context::new(self.sqe, self.opens.next(), if is_open { flags } else { 0 });
        let len = self.path()?;
        let path = text(self.buffer, len)?;
        if is_open && id == 0 {
            return self.scheme.open(path, &context);
        }
        let open = self.opens.get_mut(id).ok_or(Error::new(EBADF))?;
        if is_open {
            self.scheme.open_at(open, path, &context)
        } else {
            self.scheme.dup(open, path, &context)
        }
    }

    fn unlink(&mut self) -> Result<Reply> {
        let [id, ..] = self.sqe.args;
        let (context, len) = (self.context(3), self.path()?);
        let path = text(self.buffer, len)?;
        let directory = match id {
            0 => None,
            _ => Some(self.opens.get_mut(id).ok_or(Error::new(EBADF))?),
        };
        self.scheme.unlink(directory, path, &context)?;
        Ok(Reply::Value(0))
    }

    fn rename_or_link(&mut self) -> Result<Reply> {
        let [id, _, _, directory, ..] = self.sqe.args;
        let (context, len) = (self.context(usize::MAX), self.path()?);
        let path = text(self.buffer, len)?;
        let (open, directory) = self.opens.with_directory(id, directory)?;
        if self.sqe.opcode == op::RENAME {
            self.scheme.rename(open, directory, path, &context)?;
        } else {
            self.scheme.link(open, directory, path, &context)?;
        }
        Ok(Reply::Value(0))
    }

    /// What something is: its `Stat`, path or names.
    fn describe(&mut self) -> Result<Reply> {
        let [id, _, _, _, position, _] = self.sqe.args;
        let len = self.len().min(SLOT_BYTES);
        let open = self.opens.get_mut(id).ok_or(Error::new(EBADF))?;
        let space = self.buffer.get_mut(..len).unwrap_or_default();
        let count = match self.sqe.opcode {
            op::STAT => put_words(&stat_words(&self.scheme.stat(open)?), space),
            op::STAT_VFS => put_words(&stat_vfs_words(&self.scheme.stat_vfs(open)?), space),
            op::PATH => {
                let path = self.scheme.path(open)?;
                let path = self.prefix.bytes().chain(path.bytes());
                space.iter_mut().zip(path).map(|(to, from)| *to = from).count()
            }
            _ => {
                let mut entries = Entries::new(space);
                self.scheme.list(open, position, &mut entries)?;
                entries.len()?
            }
        };
        Ok(Reply::Bytes(count))
    }

    fn call(&mut self) -> Result<Reply> {
        let [id, _, len, first, second, _] = self.sqe.args;
        if usize::try_from(len).map_or(true, |len| len > SLOT_BYTES) {
            return Err(Error::new(EINVAL));
        }
        let (context, len) = (self.context(usize::MAX), self.input()?);
        let open = self.opens.get_mut(id).ok_or(Error::new(EBADF))?;
        let buffer = self.buffer.get_mut(..len).unwrap_or_default();
        let value = self.scheme.call(open, buffer, [first, second], &context)?;
        Ok(Reply::Call(value, len))
    }

    fn pass(&mut self) -> Result<Reply> {
        let [id, _, argument, ..] = self.sqe.args;
        let context = self.context(1);
        let open = self.opens.get_mut(id).ok_or(Error::new(EBADF))?;
        let handle = self.link.host().take(self.tag)?;
        self.scheme.pass(open, handle, argument, &context).map(Reply::Value)
    }

    fn set_times(&mut self) -> Result<Reply> {
        let [id, ..] = self.sqe.args;
        let (context, len) = (self.context(usize::MAX), self.input()?);
        let times = times(self.buffer.get(..len).unwrap_or_default())?;
        let open = self.opens.get_mut(id).ok_or(Error::new(EBADF))?;
        self.scheme.set_times(open, times, &context)?;
        Ok(Reply::Value(0))
    }

    /// Requests that are all in their arguments.
    fn set(&mut self) -> Result<Reply> {
        let [id, first, second, ..] = self.sqe.args;
        let context = self.context(usize::MAX);
        let open = self.opens.get_mut(id).ok_or(Error::new(EBADF))?;
        let scheme = &mut *self.scheme;
        let narrow = |value: u64| u32::try_from(value & 0xFFFF_FFFF).map_err(|_| Error::new(EIO));
        let value = match self.sqe.opcode {
            op::EVENT => scheme.readiness(open, first, &context)?,
            op::SYNC => scheme.sync(open).map(|()| 0)?,
            op::TRUNCATE => scheme.truncate(open, first).map(|()| 0)?,
            op::CHMOD => {
                let mode = u16::try_from(first & 0o7777).unwrap_or(0);
                scheme.chmod(open, mode, &context).map(|()| 0)?
            }
            op::CHOWN => {
                scheme.chown(open, narrow(first)?, narrow(second)?, &context).map(|()| 0)?
            }
            _ => return Err(Error::new(ENOSYS)),
        };
        Ok(Reply::Value(value))
    }
}

/// The path at the start of the buffer.
fn text(buffer: &[u8], len: usize) -> Result<&str> {
    let bytes = buffer.get(..len).unwrap_or_default();
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    text.ok_or(Error::new(EINVAL))
}
