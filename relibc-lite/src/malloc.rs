//! `malloc` and its family: size classes, a cache for each thread, one lock behind it.
//!
//! ```text
//!  thread's cache ──▶ central lists ──▶ fresh memory, cut from chunks      (≤ 128 KiB)
//!  a mapping of its own for each                                            (above)
//! ```
//!
//! Every block has a 16-byte [`Head`] before it. Blocks of a class are never split or merged.
//!
//! # Safety
//!
//! 1. A block is in exactly one place: with the program, in one cache, or in a central list.
//! 2. Its head is this module's alone and tells the truth from its birth on.
//! 3. The link of a free block is its first word.

use crate::c::{narrow, wide};
use crate::lock::Lock;
use crate::{errno, stdlib, sys, thread};
use core::ffi::{c_int, c_void};
use core::ptr::{self, NonNull};
use relibc_core::class::{self, CLASSES};
use relibc_core::consts::PAGE;
use relibc_core::errno::{EINVAL, ENOMEM, Result};

const HEAD: usize = size_of::<Head>();
/// Class of a block that has a mapping of its own.
const MAPPED: u16 = u16::MAX;
/// Class of a block that lies within another, for its alignment.
const WITHIN: u16 = u16::MAX - 1;
const LIVE: u16 = 0xA110;
const FREE: u16 = 0xF4EE;
/// A thread keeps at most this many bytes of a class.
const CACHED: usize = 32 * 1024;
/// Fresh memory is mapped in pieces that double from the first to the last.
const FIRST_CHUNK: usize = 256 * 1024;
const LAST_CHUNK: usize = 4 * 1024 * 1024;

/// What stands before every block.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
struct Head {
    /// Bytes that the program may use.
    usable: u64,
    class: u16,
    state: u16,
    /// For [`WITHIN`]: bytes from the outer block to this one.
    back: u32,
}

/// A free block.
type Block = NonNull<Link>;

/// The first word of a free block.
#[repr(C)]
#[derive(Debug)]
struct Link {
    next: Option<Block>,
}

/// A stack of free blocks of one class.
#[derive(Clone, Copy, Debug, Default)]
struct List {
    first: Option<Block>,
    count: usize,
}

impl List {
    fn push(&mut self, block: Block) {
        // SAFETY: rules 1 and 3: the block is free, and the caller gives it up.
        unsafe { block.write(Link { next: self.first }) };
        self.first = Some(block);
        self.count = self.count.saturating_add(1);
    }

    fn pop(&mut self) -> Option<Block> {
        let block = self.first?;
        // SAFETY: rules 1 and 3: it was free in this list.
        self.first = unsafe { block.as_ref() }.next;
        self.count = self.count.saturating_sub(1);
        Some(block)
    }
}

/// Free blocks of one thread.
#[derive(Debug)]
pub(crate) struct Cache([List; CLASSES]);

impl Default for Cache {
    fn default() -> Self {
        Self([List::default(); CLASSES])
    }
}

/// What all threads share.
#[derive(Debug)]
struct Central {
    lists: [List; CLASSES],
    /// Fresh memory that is not cut yet: start and end.
    fresh: (usize, usize),
    chunk: usize,
}

// SAFETY: rule 1: the blocks in the lists belong to whoever holds the lock.
unsafe impl Send for Central {}

static CENTRAL: Lock<Central> = Lock::new(Central {
    lists: [List { first: None, count: 0 }; CLASSES],
    fresh: (0, 0),
    chunk: FIRST_CHUNK,
});

/// The lock, for `fork`.
pub(crate) fn lock() -> &'static crate::lock::RawLock {
    CENTRAL.raw()
}

/// Blocks that move between a thread and the centre at a time.
fn batch(size: usize) -> usize {
    CACHED.checked_div(size.saturating_mul(2)).unwrap_or(1).clamp(1, 64)
}

impl Central {
    /// A block of this class, from its list or cut fresh.
    fn take(&mut self, class: usize, size: usize) -> Option<Block> {
        let list = self.lists.get_mut(class)?;
        list.pop().or_else(|| self.cut(class, size))
    }

    /// Cuts a new block from fresh memory.
    fn cut(&mut self, class: usize, size: usize) -> Option<Block> {
        let whole = size.checked_add(HEAD)?;
        let (start, end) = self.fresh;
        let (start, end) =
            if end.saturating_sub(start) < whole { self.grow(whole)? } else { (start, end) };
        self.fresh = (start.checked_add(whole)?, end);
        let head = ptr::with_exposed_provenance_mut::<Head>(start);
        let class = u16::try_from(class).ok()?;
        // SAFETY: `grow` mapped these bytes, and no block overlaps them: `fresh` only grows.
        unsafe { head.write(Head { usable: wide(size), class, state: FREE, back: 0 }) };
        NonNull::new(head.wrapping_add(1).cast())
    }

    /// Maps the next chunk; what was left of the old one is lost (less than a block).
    fn grow(&mut self, least: usize) -> Option<(usize, usize)> {
        let length = self.chunk.max(least.next_multiple_of(PAGE));
        let start = sys::map_anonymous(length, sys::Commit::Now).ok()?.expose_provenance();
        self.chunk = self.chunk.saturating_mul(2).min(LAST_CHUNK);
        self.fresh = (start, start.checked_add(length)?);
        Some(self.fresh)
    }
}

/// The calling thread's cache.
fn cache() -> &'static mut Cache {
    // SAFETY: only its own thread reaches the cache, and no function here holds the reference
    // while it calls another one that takes it; signal handlers may not call malloc (POSIX).
    unsafe { &mut *thread::current().cache.get() }
}

/// A block of at least `size` bytes, 16-aligned.
pub(crate) fn allocate(size: usize) -> Option<NonNull<u8>> {
    let Some(class) = class::of(size) else { return map(size) };
    let list = cache().0.get_mut(class)?;
    let block = match list.pop() {
        Some(block) => block,
        None => refill(class, list)?,
    };
    // SAFETY: rule 2; the block is ours now.
    unsafe { head(block.cast()).as_mut() }.state = LIVE;
    Some(block.cast())
}

/// Takes a batch from the centre: one to give out, the rest for the cache.
#[cold]
fn refill(class: usize, list: &mut List) -> Option<Block> {
    let size = class::size(class)?;
    let mut central = CENTRAL.lock();
    let block = central.take(class, size)?;
    for _ in 1..batch(size) {
        let Some(more) = central.take(class, size) else { break };
        list.push(more);
    }
    Some(block)
}

/// A block with a mapping of its own.
fn map(size: usize) -> Option<NonNull<u8>> {
    let length = size.checked_add(HEAD)?.checked_next_multiple_of(PAGE)?;
    let start = sys::map_anonymous(length, sys::Commit::Now).ok()?;
    let head = ptr::with_exposed_provenance_mut::<Head>(start.expose_provenance());
    let usable = wide(length.checked_sub(HEAD)?);
    // SAFETY: the mapping is new and begins on a page.
    unsafe { head.write(Head { usable, class: MAPPED, state: LIVE, back: 0 }) };
    NonNull::new(head.wrapping_add(1).cast())
}

fn head(block: NonNull<u8>) -> NonNull<Head> {
    // SAFETY: rule 2: every block has its head right before it.
    unsafe { block.cast::<Head>().sub(1) }
}

/// The head of a block that the program holds; the program dies if it does not.
///
/// # Safety
///
/// `block` came from this module.
unsafe fn live<'a>(block: NonNull<u8>) -> &'a mut Head {
    // SAFETY: rule 2, and the caller's promise.
    let head = unsafe { head(block).as_mut() };
    if head.state != LIVE {
        stdlib::die(b"libc: free or realloc of a block that is not allocated\n");
    }
    head
}

/// Takes a block back.
///
/// # Safety
///
/// `block` came from [`allocate`] or [`aligned`], and the program uses it no more.
pub(crate) unsafe fn release(block: NonNull<u8>) {
    // SAFETY: the caller's promise.
    let head = unsafe { live(block) };
    match head.class {
        WITHIN => {
            head.state = FREE;
            let back = narrow(u64::from(head.back));
            // SAFETY: `aligned` wrote the distance to the block that it came from.
            unsafe { release(block.sub(back)) };
        }
        MAPPED => {
            let start = ptr::from_mut(head).addr();
            let length = narrow(head.usable).saturating_add(HEAD);
            // SAFETY: `map` made exactly this mapping. Failing would only leak it.
            let _gone = unsafe { sys::unmap(start, length) };
        }
        class => {
            head.state = FREE;
            keep(usize::from(class), narrow(head.usable), block.cast());
        }
    }
}

/// Puts a free block into the cache; half of a full list goes to the centre.
fn keep(class: usize, size: usize, block: Block) {
    let Some(list) = cache().0.get_mut(class) else { return };
    list.push(block);
    if list.count > batch(size).saturating_mul(2) {
        give_back(class, list, batch(size));
    }
}

/// Moves all but `rest` blocks of a list to the centre.
fn give_back(class: usize, list: &mut List, rest: usize) {
    let mut central = CENTRAL.lock();
    let Some(to) = central.lists.get_mut(class) else { return };
    while list.count > rest {
        let Some(block) = list.pop() else { break };
        to.push(block);
    }
}

/// Gives the calling thread's free blocks back; it is about to end.
pub(crate) fn flush() {
    for (class, list) in cache().0.iter_mut().enumerate().filter(|(_, list)| list.count > 0) {
        give_back(class, list, 0);
    }
}

/// A block whose address is a multiple of `align`, a power of two.
fn aligned(align: usize, size: usize) -> Result<NonNull<u8>> {
    if align <= HEAD {
        return allocate(size).ok_or(ENOMEM);
    }
    let room = size.checked_add(align).and_then(|sum| sum.checked_add(HEAD)).ok_or(ENOMEM)?;
    let outer = allocate(room).ok_or(ENOMEM)?;
    let gap = align.wrapping_sub(outer.addr().get() & align.wrapping_sub(1));
    // Between 16 and `align`, so the head of the inner block fits.
    let back = u32::try_from(gap).ok().ok_or(ENOMEM)?;
    // SAFETY: `room` holds gap and size; rule 2 for the outer block.
    let (inner, usable) = unsafe { (outer.add(gap), live(outer).usable) };
    let usable = usable.saturating_sub(u64::from(back));
    // SAFETY: the gap is at least a head long and the outer block is ours.
    unsafe { head(inner).write(Head { usable, class: WITHIN, state: LIVE, back }) };
    Ok(inner)
}

fn out(block: Option<NonNull<u8>>) -> *mut c_void {
    errno::pointer(block.map(|block| block.as_ptr().cast()).ok_or(ENOMEM))
}

/// C `malloc`.
#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut c_void {
    out(allocate(size))
}

/// C `calloc`.
#[unsafe(no_mangle)]
extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    let Some(total) = count.checked_mul(size) else { return out(None) };
    let block = allocate(total);
    if let Some(block) = block.filter(|_| class::of(total).is_some()) {
        // SAFETY: the block is new and holds `total` bytes; mapped ones are zero already.
        unsafe { block.write_bytes(0, total) };
    }
    out(block)
}

/// C `free`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn free(block: *mut c_void) {
    if let Some(block) = NonNull::new(block.cast()) {
        // SAFETY: C contract.
        unsafe { release(block) };
    }
}

/// C `realloc`.
#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
    let Some(old) = NonNull::new(block.cast::<u8>()) else { return malloc(size) };
    // SAFETY: C contract.
    let usable = narrow(unsafe { live(old) }.usable);
    // It stays where it fits, unless half of it or more would lie idle.
    if size <= usable && size >= usable / 2 {
        return block;
    }
    let Some(new) = allocate(size) else { return out(None) };
    // SAFETY: both blocks hold that many bytes, and the new one overlaps nothing.
    unsafe {
        new.copy_from_nonoverlapping(old, usable.min(size));
        release(old);
    }
    out(Some(new))
}

/// BSD `reallocarray`.
#[unsafe(no_mangle)]
unsafe extern "C" fn reallocarray(block: *mut c_void, count: usize, size: usize) -> *mut c_void {
    match count.checked_mul(size) {
        // SAFETY: C contract.
        Some(total) => unsafe { realloc(block, total) },
        None => out(None),
    }
}

/// POSIX `posix_memalign`.
#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(to: *mut *mut c_void, align: usize, size: usize) -> c_int {
    if !align.is_power_of_two() || align < size_of::<usize>() {
        return EINVAL.0;
    }
    match aligned(align, size) {
        Ok(block) => {
            // SAFETY: C contract.
            unsafe { to.write(block.as_ptr().cast()) };
            0
        }
        Err(errno) => errno.0,
    }
}

/// C `aligned_alloc`.
#[unsafe(no_mangle)]
extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut c_void {
    let block = if align.is_power_of_two() { aligned(align, size) } else { Err(EINVAL) };
    errno::pointer(block.map(|block| block.as_ptr().cast()))
}

/// The older name of `aligned_alloc`.
#[unsafe(no_mangle)]
extern "C" fn memalign(align: usize, size: usize) -> *mut c_void {
    aligned_alloc(align, size)
}

/// GNU `malloc_usable_size`.
#[unsafe(no_mangle)]
unsafe extern "C" fn malloc_usable_size(block: *mut c_void) -> usize {
    match NonNull::new(block.cast()) {
        // SAFETY: C contract.
        Some(block) => narrow(unsafe { live(block) }.usable),
        None => 0,
    }
}
