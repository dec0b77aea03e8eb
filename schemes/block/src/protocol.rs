//! What a handle of `disk:` understands besides read, write, fsync, fstat and lseek.
//!
//! These are `Call`s (`SYS_CALL`): the first word of the metadata is the opcode, the buffer
//! holds the argument and then the answer. Positions are bytes from the start of what the handle
//! names, the disk or the partition.
//!
//! | opcode | buffer | errors |
//! |---|---|---|
//! | [`FACTS`] | out: [`Facts`] | `EINVAL`: the buffer is too small |
//! | [`DISCARD`] | in: [`Span`] | `EOPNOTSUPP`, `EINVAL`: not whole blocks, or outside |
//! | [`ZERO`] | in: [`Span`] | as `DISCARD`; write zeroes instead |
//! | [`RESCAN`] | empty | `EBUSY`: a partition is open |
//!
//! A write that was answered is durable after the next fsync that was answered, as long as
//! [`Facts::epoch`] is the same: another epoch means that the driver was replaced in between,
//! and that what was not yet flushed must be written again.

/// Asks for the [`Facts`].
pub const FACTS: u64 = 1;
/// The content of a [`Span`] is not needed any more; what it reads as is undefined.
pub const DISCARD: u64 = 2;
/// A [`Span`] shall read as zeroes.
pub const ZERO: u64 = 3;
/// The partition table was written: look at it again. For handles of a whole disk.
pub const RESCAN: u64 = 4;

/// Flag of [`Facts`]: writes are refused.
pub const READ_ONLY: u64 = 1;
/// Flag of [`Facts`]: writes may be lost until the next fsync.
pub const VOLATILE: u64 = 2;
/// Flag of [`Facts`]: [`DISCARD`] works.
pub const CAN_DISCARD: u64 = 4;
/// Flag of [`Facts`]: [`ZERO`] works.
pub const CAN_ZERO: u64 = 8;

/// A range of bytes: two words, little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// Number of bytes.
    pub len: u64,
}

impl Span {
    /// As it lies in the buffer.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        put(&mut bytes, 0, self.start);
        put(&mut bytes, 1, self.len);
        bytes
    }

    /// From a buffer; `None` if it is too short.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self { start: word(bytes, 0)?, len: word(bytes, 1)? })
    }
}

/// What a disk is: seven words and 72 bytes of text, little endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Length of what the handle names, in bytes.
    pub bytes: u64,
    /// Logical block in bytes: smaller or unaligned writes cost a read.
    pub block: u64,
    /// Physical block in bytes.
    pub physical_block: u64,
    /// The most bytes that the device moves at once.
    pub max_bytes: u64,
    /// [`READ_ONLY`], [`VOLATILE`], [`CAN_DISCARD`], [`CAN_ZERO`].
    pub flags: u64,
    /// Another number for each run of the driver.
    pub epoch: u64,
    /// Where what the handle names begins on the disk, in bytes.
    pub offset: u64,
    /// Serial number, at most 72 bytes; may be empty.
    pub identity: String,
}

const WORDS: usize = 7;

impl Facts {
    /// Size in the buffer.
    pub const BYTES: usize = WORDS * 8 + 72;

    /// As they lie in the buffer.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let words = [
            self.bytes,
            self.block,
            self.physical_block,
            self.max_bytes,
            self.flags,
            self.epoch,
            self.offset,
        ];
        for (index, value) in words.into_iter().enumerate() {
            put(&mut bytes, index, value);
        }
        let text = bytes.iter_mut().skip(WORDS * 8);
        text.zip(self.identity.bytes()).for_each(|(to, from)| *to = from);
        bytes
    }

    /// From a buffer; `None` if it is too short or the identity is not text.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let identity = bytes.get(WORDS * 8..Self::BYTES)?;
        let identity = identity.split(|byte| *byte == 0).next()?;
        Some(Self {
            bytes: word(bytes, 0)?,
            block: word(bytes, 1)?,
            physical_block: word(bytes, 2)?,
            max_bytes: word(bytes, 3)?,
            flags: word(bytes, 4)?,
            epoch: word(bytes, 5)?,
            offset: word(bytes, 6)?,
            identity: core::str::from_utf8(identity).ok()?.to_owned(),
        })
    }
}

fn word(bytes: &[u8], index: usize) -> Option<u64> {
    bytes.as_chunks::<8>().0.get(index).map(|word| u64::from_le_bytes(*word))
}

fn put(bytes: &mut [u8], index: usize, value: u64) {
    if let Some(word) = bytes.as_chunks_mut::<8>().0.get_mut(index) {
        *word = value.to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::{Facts, Span};

    #[test]
    fn facts_and_spans_survive_the_buffer_and_short_ones_are_refused() {
        let facts = Facts {
            bytes: 1,
            block: 2,
            physical_block: 3,
            max_bytes: 4,
            flags: 5,
            epoch: 6,
            offset: u64::MAX,
            identity: "A1".to_owned(),
        };
        assert_eq!(Facts::from_bytes(&facts.to_bytes()), Some(facts.clone()));
        assert_eq!(Facts::from_bytes(&facts.to_bytes()[..127]), None);
        let span = Span { start: 7, len: u64::MAX };
        assert_eq!(Span::from_bytes(&span.to_bytes()), Some(span));
        assert_eq!(Span::from_bytes(&[0; 15]), None);
    }

    #[test]
    fn an_identity_that_is_too_long_is_cut() {
        let facts = Facts {
            bytes: 0,
            block: 512,
            physical_block: 512,
            max_bytes: 512,
            flags: 0,
            epoch: 0,
            offset: 0,
            identity: "x".repeat(100),
        };
        assert_eq!(Facts::from_bytes(&facts.to_bytes()).unwrap().identity.len(), 72);
    }
}
