//! Objects sit in slabs and name each other by typed ids with a generation.
//!
//! A slab's capacity is fixed when it is made, so inserting never allocates; a stale id never
//! reaches a new tenant.

use core::marker::PhantomData;
use core::num::NonZeroU32;

use alloc::vec::Vec;

use crate::num::index as index_of;
use crate::{ENOMEM, Errno};

/// The name of an object in a [`Slab`]: index and generation.
pub struct Id<K> {
    index: u32,
    generation: NonZeroU32,
    kind: PhantomData<fn() -> K>,
}

impl<K> Id<K> {
    /// Position in the slab.
    pub fn index(self) -> u32 {
        self.index
    }

    /// How often the position was used, from 1 on.
    pub fn generation(self) -> u32 {
        self.generation.get()
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && self.generation == other.generation
    }
}
impl<K> Eq for Id<K> {}
impl<K> core::fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}v{}", self.index, self.generation)
    }
}

struct Entry<T> {
    generation: NonZeroU32,
    /// The tenant, or the next free entry.
    content: Content<T>,
}

enum Content<T> {
    Full(T),
    Free(Option<u32>),
}

/// A table of `T` with a fixed capacity; `K` only marks its ids.
pub struct Slab<T, K = T> {
    entries: Vec<Entry<T>>,
    free: Option<u32>,
    len: u32,
    kind: PhantomData<fn() -> K>,
}

impl<T, K> core::fmt::Debug for Slab<T, K> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Slab({} of {})", self.len, self.entries.capacity())
    }
}

const FIRST: NonZeroU32 = NonZeroU32::MIN;

impl<T, K> Slab<T, K> {
    /// An empty slab for `capacity` objects.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: the kernel's heap has no room for it.
    pub fn new(capacity: usize) -> Result<Self, Errno> {
        let mut entries = Vec::new();
        entries.try_reserve_exact(capacity).map_err(|_full| ENOMEM)?;
        Ok(Self { entries, free: None, len: 0, kind: PhantomData })
    }

    /// How many objects it holds.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether an insertion would succeed.
    pub fn has_room(&self) -> bool {
        self.free.is_some() || self.entries.len() < self.entries.capacity()
    }

    /// Takes an object in.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: the slab is full; the object is dropped.
    pub fn insert(&mut self, value: T) -> Result<Id<K>, Errno> {
        if let Some(index) = self.free {
            let entry = self.entries.get_mut(index_of(index)).ok_or(ENOMEM)?;
            if let Content::Free(next) = entry.content {
                self.free = next;
            }
            entry.content = Content::Full(value);
            self.len = self.len.wrapping_add(1);
            return Ok(Id { index, generation: entry.generation, kind: PhantomData });
        }
        if self.entries.len() == self.entries.capacity() {
            return Err(ENOMEM);
        }
        let index = u32::try_from(self.entries.len()).map_err(|_wide| ENOMEM)?;
        self.entries.push(Entry { generation: FIRST, content: Content::Full(value) });
        self.len = self.len.wrapping_add(1);
        Ok(Id { index, generation: FIRST, kind: PhantomData })
    }

    /// The object of that name.
    #[inline]
    pub fn get(&self, id: Id<K>) -> Option<&T> {
        match self.entries.get(index_of(id.index)) {
            Some(Entry { generation, content: Content::Full(value) })
                if *generation == id.generation =>
            {
                Some(value)
            }
            _ => None,
        }
    }

    /// The object of that name, to change it.
    #[inline]
    pub fn get_mut(&mut self, id: Id<K>) -> Option<&mut T> {
        match self.entries.get_mut(index_of(id.index)) {
            Some(Entry { generation, content: Content::Full(value) })
                if *generation == id.generation =>
            {
                Some(value)
            }
            _ => None,
        }
    }

    /// Two different objects at once.
    #[inline]
    pub fn get2_mut(&mut self, a: Id<K>, b: Id<K>) -> Option<(&mut T, &mut T)> {
        let indices = [index_of(a.index), index_of(b.index)];
        let [first, second] = self.entries.get_disjoint_mut(indices).ok()?;
        match (&mut first.content, &mut second.content) {
            (Content::Full(x), Content::Full(y))
                if first.generation == a.generation && second.generation == b.generation =>
            {
                Some((x, y))
            }
            _ => None,
        }
    }

    /// Takes the object of that name out.
    pub fn remove(&mut self, id: Id<K>) -> Option<T> {
        let free = self.free;
        let entry = self.entries.get_mut(index_of(id.index))?;
        if entry.generation != id.generation || matches!(entry.content, Content::Free(_)) {
            return None;
        }
        let content = core::mem::replace(&mut entry.content, Content::Free(free));
        entry.generation = entry.generation.checked_add(1).unwrap_or(FIRST);
        self.free = Some(id.index);
        self.len = self.len.wrapping_sub(1);
        match content {
            Content::Full(value) => Some(value),
            Content::Free(_) => None,
        }
    }

    /// The name of whatever sits at `index`.
    pub fn at(&self, index: u32) -> Option<Id<K>> {
        match self.entries.get(index_of(index)) {
            Some(Entry { generation, content: Content::Full(_) }) => {
                Some(Id { index, generation: *generation, kind: PhantomData })
            }
            _ => None,
        }
    }

    /// The first object from `index` on that `wanted` picks; for loops that change the slab.
    pub fn find_from(&self, index: u32, wanted: impl Fn(&T) -> bool) -> Option<Id<K>> {
        let mut all = self.iter().filter(|(id, _)| id.index >= index);
        all.find(|(_, value)| wanted(value)).map(|(id, _)| id)
    }

    /// All objects with their names, by index.
    pub fn iter(&self) -> impl Iterator<Item = (Id<K>, &T)> {
        (0u32..).zip(&self.entries).filter_map(|(index, entry)| match &entry.content {
            Content::Full(value) => {
                Some((Id { index, generation: entry.generation, kind: PhantomData }, value))
            }
            Content::Free(_) => None,
        })
    }
}

/// Marks for ids whose objects depend on the machine's types.
pub mod mark {
    /// Of a ring.
    #[derive(Debug)]
    pub struct Ring;
    /// Of a process.
    #[derive(Debug)]
    pub struct Process;
    /// Of a thread.
    #[derive(Debug)]
    pub struct Thread;
}

/// Names a thread.
pub type ThreadId = Id<mark::Thread>;
/// Names a process.
pub type ProcessId = Id<mark::Process>;
/// Names a ring.
pub type RingId = Id<mark::Ring>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_id_does_not_reach_the_new_tenant() {
        let mut slab = Slab::<&str>::new(1).unwrap();
        let old = slab.insert("old").unwrap();
        assert_eq!(slab.remove(old), Some("old"));

        let new = slab.insert("new").unwrap();

        assert_eq!(slab.get(old), None);
        assert_eq!(slab.get(new), Some(&"new"));
        assert_eq!(slab.remove(old), None);
    }

    #[test]
    fn a_full_slab_refuses_without_allocating() {
        let mut slab = Slab::<u8>::new(2).unwrap();
        let capacity = slab.entries.capacity();
        for n in 0..capacity {
            slab.insert(u8::try_from(n).unwrap()).unwrap();
        }
        assert_eq!(slab.insert(9), Err(ENOMEM));
        assert_eq!(slab.entries.capacity(), capacity);
    }

    #[test]
    fn two_objects_are_lent_at_once_but_never_the_same_twice() {
        let mut slab = Slab::<u8>::new(2).unwrap();
        let a = slab.insert(1).unwrap();
        let b = slab.insert(2).unwrap();
        assert_eq!(slab.get2_mut(a, b), Some((&mut 1, &mut 2)));
        assert_eq!(slab.get2_mut(a, a), None);
    }
}
