//! Objects sit in slabs and name each other by typed ids with a generation.
//!
//! A slab's capacity is fixed when it is made, so inserting never allocates; a stale id never
//! reaches a new tenant.

use core::marker::PhantomData;
use core::num::NonZeroU32;

use derive_where::derive_where;

use crate::num::index as index_of;
use crate::prelude::*;

/// The name of an object in a [`Slab`]: index and generation.
#[derive_where(Clone, Copy, Debug, PartialEq, Eq)]
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

struct Entry<T> {
    generation: NonZeroU32,
    /// How often the object is named by others; whoever counts takes the last one out.
    references: u32,
    content: Option<T>,
}

/// A table of `T` with a fixed capacity; `K` only marks its ids.
#[derive_where(Debug)]
#[derive_where(skip_inner(Debug))]
pub struct Slab<T, K = T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    kind: PhantomData<fn() -> K>,
}

/// A list with room for `count`, so that pushing up to there never allocates.
///
/// # Errors
///
/// `ENOMEM`: the kernel's heap has no room for it.
pub fn reserved<T>(count: usize) -> Result<Vec<T>> {
    let mut list = Vec::new();
    list.try_reserve_exact(count).map_err(|_full| ENOMEM)?;
    Ok(list)
}

impl<T, K> Slab<T, K> {
    /// An empty slab for `capacity` objects.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: the kernel's heap has no room for it.
    pub fn new(capacity: usize) -> Result<Self> {
        let (entries, free) = (reserved(capacity)?, reserved(capacity)?);
        Ok(Self { entries, free, kind: PhantomData })
    }

    /// How many objects it holds.
    pub(crate) fn len(&self) -> usize {
        self.entries.len().saturating_sub(self.free.len())
    }

    /// Whether an insertion for a user would succeed: the last eighth is root's (uid 0), so that it
    /// can still act when others have taken the rest.
    pub fn has_room(&self, uid: u32) -> bool {
        let capacity = self.free.capacity();
        let kept = if uid == 0 { 0 } else { capacity / 8 };
        self.len().saturating_add(kept) < capacity
    }

    /// Takes an object of a user's in, with one reference.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: the slab has no room for this user; the object is dropped.
    pub fn insert(&mut self, value: T, uid: u32) -> Result<Id<K>> {
        if !self.has_room(uid) {
            return Err(ENOMEM);
        }
        let index = self.free.pop().unwrap_or(narrow(self.entries.len()));
        if index_of(index) == self.entries.len() {
            self.entries.push(Entry { generation: FIRST, references: 1, content: None });
        }
        let entry = self.entries.get_mut(index_of(index)).ok_or(ENOMEM)?;
        entry.content = Some(value);
        entry.references = 1;
        Ok(Id { index, generation: entry.generation, kind: PhantomData })
    }

    fn entry(&mut self, id: Id<K>) -> Option<&mut Entry<T>> {
        self.entries.get_mut(index_of(id.index)).filter(|entry| entry.generation == id.generation)
    }

    /// The object of that name.
    #[inline]
    pub fn get(&self, id: Id<K>) -> Option<&T> {
        let entry = self.entries.get(index_of(id.index))?;
        entry.content.as_ref().filter(|_| entry.generation == id.generation)
    }

    /// The object of that name, to change it.
    #[inline]
    pub fn get_mut(&mut self, id: Id<K>) -> Option<&mut T> {
        self.entry(id)?.content.as_mut()
    }

    /// Changes the object of that name, if it is there.
    #[inline]
    pub fn update(&mut self, id: Id<K>, change: impl FnOnce(&mut T)) {
        if let Some(value) = self.get_mut(id) {
            change(value);
        }
    }

    /// Two different objects at once.
    pub fn get2_mut(&mut self, a: Id<K>, b: Id<K>) -> Option<(&mut T, &mut T)> {
        let indices = [index_of(a.index), index_of(b.index)];
        let [first, second] = self.entries.get_disjoint_mut(indices).ok()?;
        let current = first.generation == a.generation && second.generation == b.generation;
        first.content.as_mut().zip(second.content.as_mut()).filter(|_| current)
    }

    /// One more reference.
    pub fn retain(&mut self, id: Id<K>) {
        if let Some(entry) = self.entry(id) {
            entry.references = entry.references.saturating_add(1);
        }
    }

    /// One reference less; `true`: that was the last, and the object is to be taken out.
    pub fn release(&mut self, id: Id<K>) -> bool {
        let Some(entry) = self.entry(id) else { return false };
        entry.references = entry.references.saturating_sub(1);
        entry.references == 0
    }

    /// Takes the object of that name out.
    pub fn remove(&mut self, id: Id<K>) -> Option<T> {
        let entry = self.entry(id)?;
        let value = entry.content.take()?;
        entry.generation = entry.generation.checked_add(1).unwrap_or(FIRST);
        self.free.push(id.index);
        Some(value)
    }

    /// The name of whatever sits at `index`.
    pub fn at(&self, index: u32) -> Option<Id<K>> {
        self.from(index).next().map(|(id, _)| id).filter(|id| id.index == index)
    }

    /// The first object after `last` that `wanted` picks; for loops that change the slab.
    pub fn next(&self, last: Option<Id<K>>, wanted: impl Fn(&T) -> bool) -> Option<Id<K>> {
        let mut rest = self.from(last.map_or(0, |last| last.index.saturating_add(1)));
        rest.find(|(_, value)| wanted(value)).map(|(id, _)| id)
    }

    /// All objects with their names, by index.
    pub fn iter(&self) -> impl Iterator<Item = (Id<K>, &T)> {
        self.from(0)
    }

    /// Those at `first` and behind it.
    fn from(&self, first: u32) -> impl Iterator<Item = (Id<K>, &T)> {
        (first..).zip(self.entries.iter().skip(index_of(first))).filter_map(|(index, entry)| {
            let id = Id { index, generation: entry.generation, kind: PhantomData };
            entry.content.as_ref().map(|value| (id, value))
        })
    }
}

const FIRST: NonZeroU32 = NonZeroU32::MIN;

/// Marks for ids whose objects depend on the machine's types.
pub mod mark {
    /// Of a ring.
    #[derive(Debug)]
    pub struct Ring;
    /// Of a process.
    #[derive(Debug)]
    pub struct Process;
}

/// Names a thread.
pub type ThreadId = Id<Thread>;
/// Names a process.
pub type ProcessId = Id<mark::Process>;
/// Names a ring.
pub type RingId = Id<mark::Ring>;

#[cfg(test)]
impl<T, K> Slab<T, K> {
    /// Index and references of all objects, for the checks of invariants.
    pub(crate) fn references(&self) -> impl Iterator<Item = (u32, u32)> {
        let all = (0u32..).zip(&self.entries);
        all.filter(|(_, e)| e.content.is_some()).map(|(index, e)| (index, e.references))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_id_does_not_reach_the_new_tenant() {
        let mut slab = Slab::<&str>::new(1).unwrap();
        let old = slab.insert("old", 0).unwrap();
        assert_eq!(slab.remove(old), Some("old"));

        let new = slab.insert("new", 0).unwrap();

        assert_eq!(slab.get(old), None);
        assert_eq!(slab.get(new), Some(&"new"));
        assert_eq!(slab.remove(old), None);
    }

    #[test]
    fn a_full_slab_refuses_without_allocating() {
        let mut slab = Slab::<u8>::new(2).unwrap();
        let capacity = slab.free.capacity();
        for n in 0..capacity {
            slab.insert(u8::try_from(n).unwrap(), 0).unwrap();
        }
        assert_eq!(slab.insert(9, 0), Err(ENOMEM));
        assert_eq!(slab.free.capacity(), capacity);
    }

    #[test]
    fn the_last_places_are_roots() {
        let mut slab = Slab::<u8>::new(16).unwrap();
        while slab.insert(1, 1000).is_ok() {}
        let taken = slab.len();
        while slab.insert(2, 0).is_ok() {}
        assert!(taken >= 14 && slab.len() - taken >= 2, "{taken} of {}", slab.len());
    }

    #[test]
    fn two_objects_are_lent_at_once_but_never_the_same_twice() {
        let mut slab = Slab::<u8>::new(2).unwrap();
        let a = slab.insert(1, 0).unwrap();
        let b = slab.insert(2, 0).unwrap();
        assert_eq!(slab.get2_mut(a, b), Some((&mut 1, &mut 2)));
        assert_eq!(slab.get2_mut(a, a), None);
    }
}
