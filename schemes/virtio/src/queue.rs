//! A split virtqueue over shared memory.
//!
//! ```text
//!  0             16 n              18 n + 6, to 4              + 8 n + 6
//!  ├─descriptors──┼─available ring──┼─used ring────────────────┤     n = size, a power of two
//! ```
//!
//! What is true of the queue (which descriptors are lent, and for how much) is kept here, in
//! memory of our own: of the shared memory only the used ring is ever read, and checked.

use core::fmt;
use core::sync::atomic::{Ordering, fence};

use anode_device::SharedMemory;

use crate::transport::Addresses;

const DESCRIPTOR_BYTES: usize = 16;
const NEXT: u16 = 1;
const DEVICE_WRITES: u16 = 2;
/// Flag in the used ring: the device does not want to be rung.
const NO_NOTIFY: u16 = 1;

/// A buffer by its physical address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// The device reads it.
    Out {
        /// Physical address.
        address: u64,
        /// Bytes.
        len: u32,
    },
    /// The device writes it. These come last in a chain.
    In {
        /// Physical address.
        address: u64,
        /// Bytes.
        len: u32,
    },
}

/// A chain that the device is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// What [`Queue::push`] gave.
    pub head: u16,
    /// How many bytes the device says it wrote; at most what it was lent.
    pub written: u32,
}

/// Something that a working device never writes. It must be reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// It returns more chains than it was given.
    Index(u16),
    /// It returns a chain that it does not have.
    Head(u32),
    /// It claims to have written more than the chain holds.
    Length(u32),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "used index {index} is ahead of all requests"),
            Self::Head(head) => write!(f, "used descriptor {head} was not lent"),
            Self::Length(len) => write!(f, "{len} written bytes are more than were lent"),
        }
    }
}

impl core::error::Error for Violation {}

/// A chain in the hands of the device.
#[derive(Clone, Copy, Debug, Default)]
struct Chain {
    /// Number of descriptors; 0: no chain begins here.
    count: u16,
    /// Bytes that the device may write.
    writable: u32,
}

/// A queue of `size` descriptors.
#[derive(Debug)]
pub struct Queue<M> {
    memory: M,
    size: u16,
    /// For each descriptor the one after it, in its chain or in the free list.
    next: Vec<u16>,
    /// By first descriptor.
    chains: Vec<Chain>,
    free_head: u16,
    free: u16,
    in_flight: u16,
    available: u16,
    used: u16,
    available_at: usize,
    used_at: usize,
}

impl<M: SharedMemory> Queue<M> {
    /// Bytes that a queue of `size` descriptors needs.
    #[must_use]
    pub fn bytes(size: u16) -> usize {
        let (_, used_at) = places(size);
        used_at.saturating_add(6).saturating_add(usize::from(size).saturating_mul(8))
    }

    /// An empty queue in zeroed memory; `None` if the memory is too small or `size` is no power
    /// of two.
    #[must_use]
    pub fn new(memory: M, size: u16) -> Option<Self> {
        if !size.is_power_of_two() || memory.size() < Self::bytes(size) {
            return None;
        }
        let (available_at, used_at) = places(size);
        let mut queue = Self {
            memory,
            size,
            next: Vec::new(),
            chains: Vec::new(),
            free_head: 0,
            free: 0,
            in_flight: 0,
            available: 0,
            used: 0,
            available_at,
            used_at,
        };
        queue.forget_all();
        Some(queue)
    }

    /// Where the parts lie, for the device.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        let at = |offset: usize| {
            self.memory.physical().saturating_add(u64::try_from(offset).unwrap_or(u64::MAX))
        };
        Addresses { descriptors: at(0), available: at(self.available_at), used: at(self.used_at) }
    }

    /// Number of descriptors.
    #[must_use]
    pub const fn size(&self) -> u16 {
        self.size
    }

    /// Descriptors that are free.
    #[must_use]
    pub const fn free(&self) -> u16 {
        self.free
    }

    /// Chains that the device holds.
    #[must_use]
    pub const fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// Starts afresh. To be called only when the device was reset: it forgets every chain.
    pub fn forget_all(&mut self) {
        self.next = (0..self.size).map(|id| id.wrapping_add(1)).collect();
        self.chains = vec![Chain::default(); usize::from(self.size)];
        (self.free_head, self.free, self.in_flight) = (0, self.size, 0);
        (self.available, self.used) = (0, 0);
        for at in [self.available_at, self.used_at] {
            self.memory.write32(at, 0);
        }
    }

    /// Lends a chain of buffers to the device and gives the number it is known by, or `None` if
    /// there is no room (or nothing to lend). The device sees it at once.
    pub fn push(&mut self, segments: &[Segment]) -> Option<u16> {
        let count = u16::try_from(segments.len()).ok().filter(|count| *count > 0)?;
        if count > self.free {
            return None;
        }
        let head = self.free_head;
        let mut writable = 0_u32;
        let mut id = head;
        for (index, segment) in segments.iter().enumerate() {
            let follows = index.saturating_add(1) < segments.len();
            let next = self.next.get(usize::from(id)).copied()?;
            writable =
                writable.saturating_add(self.describe(id, *segment, follows.then_some(next)));
            id = next;
        }
        self.free_head = id;
        self.free = self.free.saturating_sub(count);
        self.in_flight = self.in_flight.saturating_add(1);
        *self.chains.get_mut(usize::from(head))? = Chain { count, writable };

        let slot = self.available & self.mask();
        self.memory.write16(ring_at(self.available_at, usize::from(slot), 2), head);
        self.available = self.available.wrapping_add(1);
        self.memory.store16(self.available_at.saturating_add(2), self.available);
        Some(head)
    }

    /// Whether the device wants to be told of what was pushed.
    #[must_use]
    pub fn wants_ring(&self) -> bool {
        // Our index must be visible before its flag is read, or both sides might sleep.
        fence(Ordering::SeqCst);
        self.memory.load16(self.used_at) & NO_NOTIFY == 0
    }

    /// Takes back a chain that the device is done with, if there is one.
    ///
    /// # Errors
    ///
    /// A [`Violation`]. The chains that are in flight stay lent until the device was reset.
    pub fn pop(&mut self) -> Result<Option<Used>, Violation> {
        let index = self.memory.load16(self.used_at.saturating_add(2));
        let waiting = index.wrapping_sub(self.used);
        if waiting == 0 {
            return Ok(None);
        }
        if waiting > self.in_flight {
            return Err(Violation::Index(index));
        }
        let at = ring_at(self.used_at, usize::from(self.used & self.mask()), 8);
        let id = self.memory.read32(at);
        let written = self.memory.read32(at.saturating_add(4));
        let head = u16::try_from(id).map_err(|_large| Violation::Head(id))?;
        let chain = self.chains.get_mut(usize::from(head)).ok_or(Violation::Head(id))?;
        if chain.count == 0 {
            return Err(Violation::Head(id));
        }
        if written > chain.writable {
            return Err(Violation::Length(written));
        }
        let count = core::mem::take(chain).count;
        self.used = self.used.wrapping_add(1);
        self.in_flight = self.in_flight.saturating_sub(1);
        self.release(head, count);
        Ok(Some(Used { head, written }))
    }

    /// Writes one descriptor; gives how many bytes the device may write by it.
    fn describe(&mut self, id: u16, segment: Segment, next: Option<u16>) -> u32 {
        let (address, len, mut flags, writable) = match segment {
            Segment::Out { address, len } => (address, len, 0, 0),
            Segment::In { address, len } => (address, len, DEVICE_WRITES, len),
        };
        if next.is_some() {
            flags |= NEXT;
        }
        let at = usize::from(id).saturating_mul(DESCRIPTOR_BYTES);
        self.memory.write64(at, address);
        self.memory.write32(at.saturating_add(8), len);
        self.memory.write16(at.saturating_add(12), flags);
        self.memory.write16(at.saturating_add(14), next.unwrap_or(0));
        writable
    }

    /// Puts the descriptors of a chain back into the free list.
    fn release(&mut self, head: u16, count: u16) {
        let mut last = head;
        for _ in 1..count {
            last = self.next.get(usize::from(last)).copied().unwrap_or(last);
        }
        if let Some(next) = self.next.get_mut(usize::from(last)) {
            *next = self.free_head;
        }
        self.free_head = head;
        self.free = self.free.saturating_add(count);
    }

    const fn mask(&self) -> u16 {
        self.size.wrapping_sub(1)
    }
}

/// Offsets of the available and of the used ring.
fn places(size: u16) -> (usize, usize) {
    let size = usize::from(size);
    let available = size.saturating_mul(DESCRIPTOR_BYTES);
    let used = available.saturating_add(6).saturating_add(size.saturating_mul(2));
    (available, used.next_multiple_of(4))
}

/// Offset of an entry of `bytes` bytes in a ring, behind its flags and index.
const fn ring_at(ring: usize, slot: usize, bytes: usize) -> usize {
    ring.saturating_add(4).saturating_add(slot.saturating_mul(bytes))
}
