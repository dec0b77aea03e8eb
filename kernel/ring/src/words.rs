//! Shared words: what a queue needs of the memory between two parties.

use core::ops::Deref;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Words in a page.
pub const PAGE_WORDS: usize = 512;

/// A shared page as its words.
pub type Page = [AtomicU64; PAGE_WORDS];

/// Memory that another party reads and writes meanwhile, as 64-bit words by index.
///
/// An index outside the memory reads as 0 and stores nothing: no queue of a
/// [`Layout`](crate::Layout) makes one, and a check that panics costs more than it tells.
pub trait Words {
    /// The words from `index` on that lie side by side: nothing beyond the end, and for an
    /// aligned entry the whole entry.
    fn words(&self, index: usize) -> &[AtomicU64];

    /// Reads a word; what its writer stored before it released the word is visible after.
    #[inline]
    fn load_acquire(&self, index: usize) -> u64 {
        self.words(index).first().map_or(0, |word| word.load(Acquire))
    }

    /// Stores a word after everything that was stored before.
    #[inline]
    fn store_release(&self, index: usize, value: u64) {
        if let Some(word) = self.words(index).first() {
            word.store(value, Release);
        }
    }

    /// Reads the `N` words from `index` on, each once, in no order with others.
    #[inline]
    fn load_entry<const N: usize>(&self, index: usize) -> [u64; N] {
        let words = self.words(index).first_chunk::<N>();
        words.map_or([0; N], |words| words.each_ref().map(|word| word.load(Relaxed)))
    }

    /// Stores the `N` words from `index` on, in no order with others.
    #[inline]
    fn store_entry<const N: usize>(&self, index: usize, entry: [u64; N]) {
        let words = self.words(index).first_chunk::<N>();
        words.into_iter().flatten().zip(entry).for_each(|(word, value)| word.store(value, Relaxed));
    }
}

impl<T: AsRef<[AtomicU64]> + ?Sized> Words for T {
    #[inline]
    fn words(&self, index: usize) -> &[AtomicU64] {
        self.as_ref().get(index..).unwrap_or_default()
    }
}

/// An area of pages that do not lie side by side, as the kernel holds it.
///
/// An entry never crosses a page, as its size divides a page's.
#[derive(Clone, Copy, Debug)]
pub struct Pages<'a, P>(pub &'a [P]);

impl<P: Deref<Target = Page>> Words for Pages<'_, P> {
    #[inline]
    fn words(&self, index: usize) -> &[AtomicU64] {
        self.0.get(index / PAGE_WORDS).map_or(&[], |page| page.words(index % PAGE_WORDS))
    }
}
