//! Names: what a path's first word means to a process, and the schemes behind it.

use arrayvec::ArrayString;

use crate::prelude::*;

/// Names a namespace.
pub type NamespaceId = Id<Namespace>;
/// Names a scheme.
pub type SchemeId = Id<Scheme>;

/// Most names that one namespace may have.
pub const MAX_NAMES: usize = 128;

/// A name: short, held in place.
pub type Name = ArrayString<31>;

/// A text as a name.
///
/// # Errors
///
/// `EINVAL`: it is empty or longer than a name, or has bytes that none has.
pub fn checked_name(text: &str) -> Result<Name> {
    let bad = |byte: u8| matches!(byte, b'/' | b':' | b'=' | 0..=32 | 127..);
    let sound = !text.is_empty() && !text.bytes().any(bad);
    Name::from(text).ok().filter(|_| sound).ok_or(EINVAL)
}

/// The kernel's own schemes.
pub const BUILTINS: [&str; 5] = ["debug", "event", "memory", "pipe", "rand"];

/// A namespace: names and what they stand for, each held by a reference. Names are unique and
/// sorted.
#[derive(Debug, Default)]
pub struct Namespace {
    names: Vec<(Name, DescriptionId)>,
}

impl Namespace {
    /// What a name stands for.
    pub fn find(&self, name: &str) -> Option<DescriptionId> {
        let at = self.names.binary_search_by(|(other, _)| other.as_str().cmp(name)).ok()?;
        self.names.get(at).map(|(_, bound)| *bound)
    }

    /// Binds a name; gives what it stood for before.
    ///
    /// # Errors
    ///
    /// `EMFILE`: the limit of names; `ENOMEM`.
    pub fn bind(&mut self, name: Name, to: DescriptionId) -> Result<Option<DescriptionId>> {
        match self.names.binary_search_by(|(other, _)| other.cmp(&name)) {
            Ok(at) => Ok(self.names.get_mut(at).map(|(_, old)| core::mem::replace(old, to))),
            Err(_) if self.names.len() >= MAX_NAMES => Err(EMFILE),
            Err(at) => {
                self.names.try_reserve(1).map_err(|_full| ENOMEM)?;
                self.names.insert(at, (name, to));
                Ok(None)
            }
        }
    }

    /// Its names in order.
    pub fn iter(&self) -> impl Iterator<Item = &(Name, DescriptionId)> {
        self.names.iter()
    }
}

/// A scheme: a name's daemon, now or later.
#[derive(Debug)]
pub struct Scheme {
    /// The ring of the daemon that serves it.
    pub ring: Option<RingId>,
    /// How many rings it has had.
    pub epoch: u32,
    /// Until when clients wait for a daemon, while it has none (ns).
    pub orphaned_until: u64,
    /// How long they wait for a successor (ns).
    pub orphan_ns: u64,
    /// Whether a late answer is waited for longer, as it would lose data.
    pub stream: bool,
    /// Requests in flight for each process; 0: a quarter of the ring.
    pub per_client: usize,
}
