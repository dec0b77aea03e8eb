//! What a disk driver implements.

use anode_device::Interrupt;
use redox::error::Result;

/// Whether a disk may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read only; writes are `EROFS`.
    ReadOnly,
    /// Reads and writes.
    ReadWrite,
}

/// What a write that was answered is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteCache {
    /// It is on the medium.
    Through,
    /// It may be lost with the power until the next flush.
    Volatile,
}

/// When a write has to be on the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// By the end of the next flush.
    Flushed,
    /// By its own end (force unit access).
    Forced,
}

/// The most bytes that a driver need be able to move at once: the largest request of a client,
/// at an offset that is no block's.
pub const MAX_BYTES: u32 = (1 << 20) + 2 * 65536;

/// The facts of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Logical block in bytes: a power of two, 512 to 65536.
    pub block: u32,
    /// Physical block in bytes, at least the logical one.
    pub physical_block: u32,
    /// Number of logical blocks.
    pub blocks: u64,
    /// Whether it may be written.
    pub access: Access,
    /// Whether writes need a flush.
    pub cache: WriteCache,
    /// What the device itself can promise of one write; what is more than that is done by a
    /// flush behind it.
    pub writes: Durability,
    /// The most bytes that one operation may move; at least a block.
    pub max_bytes: u32,
    /// The most blocks that one discard may name; 0: the device cannot discard.
    pub max_discard: u32,
    /// The most blocks that one write of zeroes may name; 0: the device cannot do it.
    pub max_zero: u32,
    /// Serial number or whatever else tells this disk from others; may be empty.
    pub identity: String,
}

/// Smallest and largest block that is accepted.
const BLOCKS: core::ops::RangeInclusive<u32> = 512..=65536;

impl Info {
    /// Whether the rest of the block layer can rely on these facts: they come from a device.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.block.is_power_of_two()
            && BLOCKS.contains(&self.block)
            && self.max_bytes >= self.block
            && self.bytes().is_some_and(|bytes| i64::try_from(bytes).is_ok())
    }

    /// Size of the disk in bytes, if that is a number.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.blocks.checked_mul(u64::from(self.block))
    }
}

/// One operation of a disk. Blocks are logical blocks; `address` is physical, contiguous and
/// page aligned but for a multiple of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Blocks from the disk to memory.
    Read {
        /// First block.
        block: u64,
        /// A multiple of the block, at most [`Info::max_bytes`].
        bytes: u32,
        /// Physical address.
        address: u64,
    },
    /// Blocks from memory to the disk.
    Write {
        /// First block.
        block: u64,
        /// A multiple of the block, at most [`Info::max_bytes`].
        bytes: u32,
        /// Physical address.
        address: u64,
        /// At most what [`Info::writes`] says.
        durability: Durability,
    },
    /// Everything that was written and reported before must reach the medium.
    Flush,
    /// The content of these blocks is not needed any more.
    Discard {
        /// First block.
        block: u64,
        /// How many, at most [`Info::max_discard`].
        blocks: u32,
    },
    /// These blocks become zero.
    Zero {
        /// First block.
        block: u64,
        /// How many, at most [`Info::max_zero`].
        blocks: u32,
    },
}

/// What became of an operation that was handed to a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It will be reported by [`Disk::finish`].
    Started,
    /// The device holds as many as it can: try again after the next one ended.
    Full,
}

/// A disk driver: starts operations, and reports which ended.
pub trait Disk {
    /// The disk's facts. They do not change.
    fn info(&self) -> &Info;

    /// Starts an operation known by `tag`; several may have the same tag.
    ///
    /// # Errors
    ///
    /// `EIO` if the device is dead, `EOPNOTSUPP` if it cannot do such a thing. The operation
    /// did not start then.
    fn submit(&mut self, tag: usize, op: Op) -> Result<Submitted>;

    /// Tells the device of what was submitted since the last call.
    fn kick(&mut self);

    /// The tag of an operation that ended, and how. In any order.
    ///
    /// A driver that finds its device broken resets it and reports all that was under way as
    /// `EIO`; it does so only when the device will not touch the memory any more.
    fn finish(&mut self) -> Option<(usize, Result<()>)>;

    /// Looks whether the device is still there and well. Called about once a second while
    /// operations are under way; what it finds, [`Disk::finish`] reports.
    fn look(&mut self) {}

    /// The operations of this tag take too long: has the device drop them, if it can drop some
    /// and keep others. `false` if it cannot; then it is reset.
    fn abort(&mut self, _tag: usize) -> bool {
        false
    }

    /// Resets a device that does not answer. One that takes long for it is reset in the course of
    /// calls to [`Disk::finish`], see [`Disk::is_resetting`], and another reset meanwhile does
    /// nothing.
    ///
    /// What was under way is started again, or ends with `EIO`; it ends so if it has been started
    /// again before. So two resets end everything.
    fn reset(&mut self);

    /// Whether a reset is under way: until it is over nothing starts or ends, and the disk must be
    /// looked after often.
    fn is_resetting(&self) -> bool {
        false
    }

    /// Has a device that raises a line let go of it, if looking at what ended does not. Called
    /// before the line is acknowledged, as it would come again at once.
    fn quiet(&mut self) {}

    /// The interrupts after which [`Disk::finish`] should be asked; none: it must be polled.
    /// Disks of one device may have the same ones.
    fn interrupts(&self) -> &[Interrupt];
}
