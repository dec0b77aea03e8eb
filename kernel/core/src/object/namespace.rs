//! Names: what a path's first word means to a process, and the schemes behind it.

use crate::prelude::*;

/// Names a namespace.
pub type NamespaceId = Id<Namespace>;
/// Names a scheme.
pub type SchemeId = Id<Scheme>;

/// Most names that one namespace may have.
pub const MAX_NAMES: usize = 128;

/// A short name, held in place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name<const N: usize = 31> {
    len: u8,
    bytes: [u8; N],
}

impl<const N: usize> Name<N> {
    /// A name of 1 to N bytes without `/` or `:`.
    ///
    /// # Errors
    ///
    /// `EINVAL`: it is none.
    pub fn new(text: &[u8]) -> Result<Self> {
        let bad = |byte: &u8| matches!(byte, b'/' | b':' | b'=' | 0..=32 | 127..);
        if text.is_empty() || text.len() > N || text.iter().any(bad) {
            return Err(EINVAL);
        }
        Ok(Self::cut(text))
    }

    /// The first N bytes of a text, whatever they are.
    pub fn cut(text: &[u8]) -> Self {
        let mut bytes = [0; N];
        let mut len = 0u8;
        for (to, from) in bytes.iter_mut().zip(text) {
            *to = *from;
            len = len.saturating_add(1);
        }
        Self { len, bytes }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&self.bytes)
    }
}

impl<const N: usize> core::fmt::Debug for Name<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> core::fmt::Display for Name<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for chunk in self.as_bytes().utf8_chunks() {
            f.write_str(chunk.valid())?;
        }
        Ok(())
    }
}

/// The kernel's own schemes.
pub const BUILTINS: [&str; 5] = ["debug", "event", "memory", "pipe", "rand"];

/// What a name is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// A scheme of the kernel.
    Builtin(&'static str),
    /// The root of a daemon's scheme.
    Scheme(SchemeId),
    /// A directory of a daemon's scheme, which stays open for it.
    Directory(DescriptionId),
}

/// A namespace: names and what they mean. Names are unique and sorted.
#[derive(Debug, Default)]
pub struct Namespace {
    names: Vec<(Name, Binding)>,
}

impl Namespace {
    /// What a name is bound to.
    pub fn find(&self, name: &[u8]) -> Option<Binding> {
        let at = self.names.binary_search_by(|(other, _)| other.as_bytes().cmp(name)).ok()?;
        self.names.get(at).map(|(_, binding)| *binding)
    }

    /// Binds a name; gives what it was bound to before.
    ///
    /// # Errors
    ///
    /// `EMFILE`: the limit of names; `ENOMEM`.
    pub fn bind(&mut self, name: Name, binding: Binding) -> Result<Option<Binding>> {
        match self.names.binary_search_by(|(other, _)| other.as_bytes().cmp(name.as_bytes())) {
            Ok(at) => {
                Ok(self.names.get_mut(at).map(|entry| core::mem::replace(&mut entry.1, binding)))
            }
            Err(_) if self.names.len() >= MAX_NAMES => Err(EMFILE),
            Err(at) => {
                self.names.try_reserve(1).map_err(|_full| ENOMEM)?;
                self.names.insert(at, (name, binding));
                Ok(None)
            }
        }
    }

    /// Its names in order, from position `from` on.
    pub fn iter(&self) -> impl Iterator<Item = &(Name, Binding)> {
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
