//! What stands in a ring's packets beyond `redox_syscall`'s `Sqe` and `Cqe`.
//!
//! Packets keep the layout and the opcode numbers of `redox_syscall::schemev2`; the arguments
//! and the answer of each opcode are in `mk/book/abi.md`. `args[5]` of every request is
//! `uid | gid << 32`, `caller` is the process id: both come from the kernel. An answer's
//! `result` is a value, or a negated errno as `u64`.

/// `sqe_flags` bit: the input does not fit in `in[slot]`; pull its bytes with `ring_copy`.
///
/// The buffer argument is 0 then, and the length argument is the whole length.
pub const BIG: u8 = 1 << 6;

/// `sqe_flags` bit: this packet was sent to an earlier daemon, which died over it.
pub const REPLAY: u8 = 1 << 7;

/// The offset argument of a description that has no position.
pub const NO_OFFSET: u64 = u64::MAX;

/// First opcode of the kernel's own one-way notes; none of them has an answer.
pub const NOTE_FIRST: u8 = 0xF0;

/// Note: a handle that this ring subscribed to is ready.
///
/// `args[0]` is the key given at subscription, `args[1]` the ready mask. Interrupts, timers
/// and pipes are all handles, so this is the one note for them. Coalesced: one note may
/// stand for many events of the same handle.
pub const NOTE_EVENT: u8 = 0xF0;

/// `Cqe` opcode: the data is a range of an object that the daemon registered.
///
/// `extra_raw[0..2]` is the object's index (little endian), `out[slot]` begins with an
/// [`AnswerRange`]. The bytes are copied to the client, whose result is their number, cut to
/// what it asked for; `result` is not used.
pub const ANSWER_OBJECT: u8 = 6;

/// `Cqe` opcode: an `OpenAt` or `Dup` succeeded, and `out[slot]` begins with an [`Opened`].
pub const ANSWER_OPENED: u8 = 7;

/// A range of a registered object; the first 16 bytes of `out[slot]` for [`ANSWER_OBJECT`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct AnswerRange {
    /// First byte within the object.
    pub offset: u64,
    /// Length in bytes; never more than the request asked for.
    pub len: u64,
}

impl AnswerRange {
    /// The range as the words of `out[slot]`.
    #[must_use]
    pub const fn to_words(self) -> [u64; 2] {
        [self.offset, self.len]
    }

    /// Reads the words of `out[slot]`; what they claim is unchecked.
    #[must_use]
    pub const fn from_words(words: [u64; 2]) -> Self {
        let [offset, len] = words;
        Self { offset, len }
    }

    /// One past the last byte, unless the range wraps.
    #[must_use]
    pub const fn end(self) -> Option<u64> {
        self.offset.checked_add(self.len)
    }
}

/// The kernel keeps an offset for this description and sends it with each request.
pub const OPENED_POSITIONED: u32 = 1;

/// A description that was opened; the first 40 bytes of `out[slot]` for [`ANSWER_OPENED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Opened {
    /// What `args[0]` of later requests on this description will be.
    pub id: u64,
    /// By what a successor of this daemon finds the thing again (an inode, a block range).
    pub cookie: u64,
    /// [`OPENED_POSITIONED`].
    pub flags: u32,
    /// Index of the registered object that holds the content, or [`Opened::NO_OBJECT`].
    pub object: u32,
    /// Where the content begins within that object, in bytes.
    pub offset: u64,
    /// How many bytes of content may be read there without asking the daemon.
    pub size: u64,
}

impl Opened {
    /// The `object` of a description without attached content.
    pub const NO_OBJECT: u32 = u32::MAX;

    /// The description as the words of `out[slot]`.
    #[must_use]
    pub const fn to_words(self) -> [u64; 5] {
        [self.id, self.cookie, join(self.flags, self.object), self.offset, self.size]
    }

    /// Reads the words of `out[slot]`; what they claim is unchecked.
    #[must_use]
    pub const fn from_words(words: [u64; 5]) -> Self {
        let [id, cookie, pair, offset, size] = words;
        let (flags, object) = split(pair);
        Self { id, cookie, flags, object, offset, size }
    }
}

/// Where a new ring lies in its daemon; what ring creation writes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct RingInfo {
    /// Address of the ring's first page.
    pub base: u64,
    /// Length of the whole mapping in bytes.
    pub bytes: u64,
    /// Number of requests it holds at once.
    pub entries: u32,
    /// Size of each `in` and `out` slot in bytes.
    pub slot_bytes: u32,
}

impl RingInfo {
    /// The struct as words, in the order of its fields.
    #[must_use]
    pub const fn to_words(self) -> [u64; 3] {
        [self.base, self.bytes, join(self.entries, self.slot_bytes)]
    }

    /// Reads the struct from its words.
    #[must_use]
    pub const fn from_words(words: [u64; 3]) -> Self {
        let [base, bytes, pair] = words;
        let (entries, slot_bytes) = split(pair);
        Self { base, bytes, entries, slot_bytes }
    }
}

/// Two `u32` fields in one word, the first in the lower half, as `repr(C)` lays them out.
const fn join(low: u32, high: u32) -> u64 {
    let [a, b, c, d] = low.to_le_bytes();
    let [e, f, g, h] = high.to_le_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Undoes [`join`].
const fn split(word: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

#[cfg(test)]
mod tests {
    use super::{AnswerRange, Opened, RingInfo};

    #[test]
    fn an_opened_description_survives_its_words() {
        let opened =
            Opened { id: 1, cookie: u64::MAX, flags: 1, object: 0xAABB_CCDD, offset: 4, size: 5 };
        assert_eq!(opened.to_words()[2], 0xAABB_CCDD_0000_0001);
        assert_eq!(Opened::from_words(opened.to_words()), opened);
        assert_eq!(size_of::<Opened>(), size_of_val(&opened.to_words()));
    }

    #[test]
    fn a_ring_info_survives_its_words() {
        let info = RingInfo { base: 0x7000_0000, bytes: 0x9000, entries: 8, slot_bytes: 4096 };
        assert_eq!(RingInfo::from_words(info.to_words()), info);
        assert_eq!(size_of::<RingInfo>(), size_of_val(&info.to_words()));
    }

    #[test]
    fn a_range_that_wraps_has_no_end() {
        assert_eq!(AnswerRange { offset: 4096, len: 4096 }.end(), Some(8192));
        assert_eq!(AnswerRange { offset: u64::MAX, len: 1 }.end(), None);
    }
}
