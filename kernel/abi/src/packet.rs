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

/// One-way note of the kernel's: a handle that this ring subscribed to is ready.
///
/// `args[0]` is the key given at subscription, `args[1]` the ready mask. Interrupts, timers
/// and pipes are all handles, so this is the one note for them. Coalesced: one note may
/// stand for many events of the same handle.
pub const NOTE_EVENT: u8 = 0xF0;

/// `Cqe` opcode: the data is a range of a memory object of the daemon's.
///
/// `extra_raw[0..2]` is the daemon's handle on it (little endian), the first word of `out[slot]` where
/// the range begins in it, and `result` the length in bytes, which is cut to what was asked for.
pub const ANSWER_OBJECT: u8 = 6;

/// `Cqe` opcode: an `OpenAt` or `Dup` succeeded, and `out[slot]` begins with an [`Opened`].
pub const ANSWER_OPENED: u8 = 7;

/// The kernel keeps an offset for this description and sends it with each request.
pub const OPENED_POSITIONED: u64 = 1;

/// A description that was opened; the first 48 bytes of `out[slot]` for [`ANSWER_OPENED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Opened {
    /// What `args[0]` of later requests on this description will be.
    pub id: u64,
    /// By what a successor of this daemon finds the thing again (an inode, a block range).
    pub cookie: u64,
    /// [`OPENED_POSITIONED`].
    pub flags: u64,
    /// The daemon's handle on the object that holds the content, or [`Opened::NO_OBJECT`].
    pub object: u64,
    /// Where the content begins within that object, in bytes.
    pub offset: u64,
    /// How many bytes of content may be read there without asking the daemon.
    pub size: u64,
}

impl Opened {
    /// The `object` of a description without attached content.
    pub const NO_OBJECT: u64 = u64::MAX;

    /// A description of which nothing is known but its id.
    pub const PLAIN: Self =
        Self { id: 0, cookie: 0, flags: 0, object: Self::NO_OBJECT, offset: 0, size: 0 };

    /// The description as the words of `out[slot]`.
    #[must_use]
    pub const fn to_words(self) -> [u64; 6] {
        [self.id, self.cookie, self.flags, self.object, self.offset, self.size]
    }

    /// Reads the words of `out[slot]`; what they claim is unchecked.
    #[must_use]
    pub const fn from_words(words: [u64; 6]) -> Self {
        let [id, cookie, flags, object, offset, size] = words;
        Self { id, cookie, flags, object, offset, size }
    }
}

#[cfg(test)]
mod tests {
    use super::Opened;

    #[test]
    fn an_opened_description_survives_its_words() {
        let opened = Opened { id: 1, cookie: 2, flags: 3, object: 4, offset: 5, size: 6 };
        assert_eq!(opened.to_words(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(Opened::from_words(opened.to_words()), opened);
        assert_eq!(size_of::<Opened>(), size_of_val(&opened.to_words()));
    }
}
