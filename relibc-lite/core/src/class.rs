//! The sizes that malloc keeps: 16-byte steps to 128, then four steps to a doubling.

/// Number of size classes; the last holds [`LARGEST`] bytes.
pub const CLASSES: usize = 48;
/// The largest size that has a class, in bytes; anything above gets a mapping of its own.
pub const LARGEST: usize = 128 * 1024;
/// Steps of 16 bytes at the start.
const LINEAR: usize = 8;

/// The class that holds `size` bytes, or `None` where it must be mapped by itself.
#[must_use]
pub fn of(size: usize) -> Option<usize> {
    if size > LARGEST {
        return None;
    }
    let top = size.max(1).checked_sub(1)?;
    if top < 128 {
        return Some(top >> 4);
    }
    let doubling = top.ilog2();
    let quarter = (top >> doubling.saturating_sub(2)) & 3;
    let doublings = usize::try_from(doubling.saturating_sub(7)).ok()?;
    Some(doublings.saturating_mul(4).saturating_add(quarter).saturating_add(LINEAR))
}

/// Bytes of a block of this class (a multiple of 16); classes beyond the last have none.
#[must_use]
pub fn size(class: usize) -> Option<usize> {
    if class < LINEAR {
        return class.checked_add(1)?.checked_mul(16);
    }
    if class >= CLASSES {
        return None;
    }
    let index = class.checked_sub(LINEAR)?;
    let quarters = (index & 3).checked_add(5)?;
    quarters.checked_shl(u32::try_from(index >> 2).ok()?.checked_add(5)?)
}

#[cfg(test)]
mod tests {
    use super::{CLASSES, LARGEST, of, size};

    #[test]
    fn every_size_has_the_smallest_class_that_holds_it() {
        for bytes in 0..=LARGEST {
            let class = of(bytes).unwrap();
            assert!(size(class).unwrap() >= bytes, "{bytes}");
            if let Some(below) = class.checked_sub(1) {
                assert!(size(below).unwrap() < bytes, "{bytes}");
            }
        }
    }

    #[test]
    fn the_table_ends_at_the_largest() {
        assert_eq!(of(LARGEST), Some(CLASSES - 1));
        assert_eq!(size(CLASSES - 1), Some(LARGEST));
        assert_eq!(of(LARGEST + 1), None);
        assert_eq!(size(CLASSES), None);
    }

    #[test]
    fn waste_is_at_most_a_quarter_above_128_bytes() {
        for bytes in 129..=LARGEST {
            let given = size(of(bytes).unwrap()).unwrap();
            assert!(given * 4 <= bytes * 5 + 4, "{bytes} gets {given}");
        }
    }

    #[test]
    fn blocks_keep_16_byte_alignment() {
        assert!((0..CLASSES).all(|class| size(class).unwrap().is_multiple_of(16)));
    }
}
