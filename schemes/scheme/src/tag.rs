//! The tag by which a request is known.

use anode_ring::Size;

/// Names one request: its slot, and the generation of the slot's use.
///
/// A stale answer carries an old generation, so it cannot reach the slot's next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(u32);

impl Tag {
    /// Reads a tag as it stands in a packet, if the ring has that slot.
    pub(crate) const fn checked(raw: u32, entries: Size) -> Option<Self> {
        if raw & 0xFFFF < entries.get() { Some(Self(raw)) } else { None }
    }

    /// The number that stands in packets.
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// The slot, below the ring's number of entries.
    pub(crate) const fn slot(self) -> u16 {
        let [a, b, _, _] = self.0.to_le_bytes();
        u16::from_le_bytes([a, b])
    }
}

#[cfg(test)]
mod tests {
    use super::Tag;
    use anode_ring::Size;

    #[test]
    fn a_tag_names_a_slot_that_the_ring_has() {
        let size = Size::new(8).unwrap();
        let tag = Tag::checked(0xABCD_0007, size).unwrap();
        assert_eq!((tag.raw(), tag.slot()), (0xABCD_0007, 7));
        assert_eq!(Tag::checked(0x0001_FFFF, size), None);
        assert_eq!(Tag::checked(8, size), None);
    }
}
