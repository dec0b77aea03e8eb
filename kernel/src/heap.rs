//! The kernel's heap: `slab_allocator`'s [`Heap`], with a limit that is an error and no panic.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};

use anode_kernel::num::size;
use slab_allocator::{Heap, HeapAllocator, MIN_HEAP_SIZE};
use spin::{LazyLock, Mutex};

use crate::boot::{direct, info};

/// A class of small blocks that has run out grows by this much.
const GROWTH: usize = 16 * 1024;
/// Largest block of a class, and the strictest alignment that the heap can give.
const SMALL: usize = 4096;

static HEAP: LazyLock<Mutex<Heap>> = LazyLock::new(|| {
    let start = direct::<u8>(info().heap.phys).addr();
    let (rest, end) =
        (start.wrapping_add(MIN_HEAP_SIZE), start.wrapping_add(size(info().heap.len)));
    // SAFETY: the loader gave the memory for this, whole pages, and enough of them. The classes
    // begin with a page each; the buddy system, which they grow from, gets the rest (`grow` takes
    // its end and not its length, in this version).
    let heap = unsafe {
        let mut heap = Heap::new(start, MIN_HEAP_SIZE);
        heap.grow(rest, end, HeapAllocator::BuddySystemAllocator);
        heap
    };
    Mutex::new(heap)
});

fn allocate(layout: Layout) -> Option<NonNull<u8>> {
    let mut heap = HEAP.lock();
    if layout.align() > SMALL {
        return None;
    }
    if let Ok(block) = heap.allocate(layout) {
        return Some(block);
    }
    if layout.size() > SMALL {
        return None;
    }
    let more = heap.allocate(Layout::from_size_align(GROWTH, SMALL).ok()?).ok()?;
    // SAFETY: the memory is fresh from the buddy system, and never given back to it.
    unsafe { heap.grow(more.addr().get(), GROWTH, Heap::layout_to_allocator(&layout)) };
    heap.allocate(layout).ok()
}

struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

// SAFETY: blocks come from `Heap` under a lock, which hands out each once, of at least the size
// and alignment asked for (a class's blocks are aligned to their size), and takes it back by the
// same layout.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        allocate(layout).map_or(null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the block came from `alloc` with this layout (the trait's contract).
            unsafe { HEAP.lock().deallocate(block, layout) };
        }
    }
}
