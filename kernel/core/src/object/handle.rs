//! Handles and the descriptions behind them.

use bitflags::bitflags;

use crate::prelude::*;

/// Names a description.
pub type DescriptionId = Id<Description>;

/// Most handles of one process.
pub const MAX_HANDLES: usize = 1024;

/// What a handle may be used for; rights are only ever taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights(u8);

bitflags! {
    impl Rights: u8 {
        /// Reading.
        const READ = 1;
        /// Writing.
        const WRITE = 2;
        /// Passing to a daemon, and inheriting by fork.
        const PASS = 4;
    }
}

/// A process's name for a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    /// What it names.
    pub description: DescriptionId,
    /// What it allows.
    pub rights: Rights,
    /// Dropped by exec.
    pub close_on_exec: bool,
}

/// Something that a daemon opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its scheme.
    pub scheme: SchemeId,
    /// Which daemon of the scheme opened it; 0: the root, which every one of them has.
    pub epoch: u32,
    /// The daemon's id for it.
    pub id: u64,
}

/// What a description stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Something of a daemon's.
    Scheme(Open),
    /// A memory object, or a part of one.
    Memory(Window),
    /// An end of a pipe.
    Pipe(PipeId, End),
    /// An event queue.
    Queue(QueueId),
    /// One of the kernel's own schemes.
    Builtin(&'static str),
    /// Random bytes.
    Rand,
    /// The console.
    Debug,
    /// An interrupt.
    Irq(IrqId),
    /// I/O ports: first and count.
    Ports(u16, u16),
    /// The whole machine.
    Machine,
    /// The names of a namespace, as a directory.
    Names(NamespaceId),
    /// A namespace, to change it.
    Namespace(NamespaceId),
    /// The right to serve a scheme.
    Owner(SchemeId),
    /// A ring.
    Ring(RingId),
}

impl Target {
    /// All of a memory object, however it grows.
    pub fn all_of(object: ObjectId) -> Self {
        Self::Memory(Window { object, offset: 0, bytes: u64::MAX })
    }

    /// Whether reads, writes or listings of it have a position.
    pub fn has_position(self) -> bool {
        matches!(self, Self::Memory(_) | Self::Names(_))
    }
}

/// What handles share: dup, fork and passing make more references to it.
#[derive(Debug)]
pub struct Description {
    /// What it stands for.
    pub target: Target,
    /// Status flags (`O_NONBLOCK`, `O_APPEND`) and the mode it was opened with.
    pub flags: u64,
    /// Where the next read or write goes; `u64::MAX`: it has no position.
    pub offset: u64,
    /// Content that is read without the daemon.
    pub attached: Option<Window>,
    /// By what a successor of its daemon finds it again.
    pub cookie: u64,
    /// The next description whose `Close` waits for room in the ring.
    pub next_closing: Option<DescriptionId>,
}

/// The handle table of a process.
#[derive(Debug, Default)]
pub struct Handles {
    list: Vec<Option<Handle>>,
}

impl Handles {
    /// The handle of that number.
    ///
    /// # Errors
    ///
    /// `EBADF`: not open.
    #[inline]
    pub fn get(&self, number: u64) -> Result<Handle> {
        self.list.get(size(number)).copied().flatten().ok_or(EBADF)
    }

    /// The handle of that number, to change it.
    ///
    /// # Errors
    ///
    /// `EBADF`: not open.
    pub fn get_mut(&mut self, number: u64) -> Result<&mut Handle> {
        self.list.get_mut(size(number)).and_then(Option::as_mut).ok_or(EBADF)
    }

    /// The lowest free number from `least` on, with room made for it.
    ///
    /// # Errors
    ///
    /// `EMFILE`: the table is full; `ENOMEM`.
    pub fn reserve(&mut self, least: u64) -> Result<u64> {
        let least = size(least);
        let free = self.list.iter().enumerate().skip(least).find(|(_, entry)| entry.is_none());
        self.reach(wide(free.map_or(self.list.len().max(least), |(number, _)| number)))
    }

    /// Makes room for that very number, and gives it back.
    ///
    /// # Errors
    ///
    /// `EMFILE`: beyond the limit; `ENOMEM`.
    pub fn reach(&mut self, number: u64) -> Result<u64> {
        let len = size(number).saturating_add(1);
        if len > MAX_HANDLES {
            return Err(EMFILE);
        }
        if len > self.list.len() {
            let more = len.saturating_sub(self.list.len());
            // Grown in steps, so that a table is not copied at each open.
            self.list.try_reserve(more.max(32)).map_err(|_full| ENOMEM)?;
            self.list.resize(len, None);
        }
        Ok(number)
    }

    /// Puts a handle at a number that was reserved; gives what was there.
    pub fn put(&mut self, number: u64, handle: Handle) -> Option<Handle> {
        self.list.get_mut(size(number)).and_then(|entry| entry.replace(handle))
    }

    /// Takes the handle of that number out.
    ///
    /// # Errors
    ///
    /// `EBADF`: not open.
    pub fn take(&mut self, number: u64) -> Result<Handle> {
        self.list.get_mut(size(number)).and_then(Option::take).ok_or(EBADF)
    }

    /// All handles with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Handle)> {
        self.list.iter().enumerate().filter_map(|(at, entry)| entry.map(|h| (wide(at), h)))
    }

    /// Takes the last handle out, if there is one.
    pub fn pop(&mut self) -> Option<Handle> {
        core::iter::from_fn(|| self.list.pop()).find_map(|entry| entry)
    }
}
