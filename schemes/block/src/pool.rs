//! Which parts of the bounce memory are free.

use core::ops::Range;

/// Parts are multiples of this many bytes and aligned to it.
const UNIT: usize = 4096;

/// Free ranges of bounce memory, sorted, none touching another.
#[derive(Debug)]
pub(crate) struct Pool {
    free: Vec<Range<usize>>,
}

impl Pool {
    /// All of `size` bytes, rounded down to whole units.
    pub(crate) fn new(size: usize) -> Self {
        let whole = size.saturating_sub(size % UNIT);
        Self { free: if whole == 0 { Vec::new() } else { core::iter::once(0..whole).collect() } }
    }

    /// Takes the first part that is large enough, or gives `None`.
    pub(crate) fn take(&mut self, bytes: usize) -> Option<Range<usize>> {
        let bytes = bytes.max(1).checked_next_multiple_of(UNIT)?;
        let index = self.free.iter().position(|range| range.len() >= bytes)?;
        let range = self.free.get_mut(index)?;
        let start = range.start;
        range.start = start.checked_add(bytes)?;
        let taken = start..range.start;
        if range.start == range.end {
            self.free.remove(index);
        }
        Some(taken)
    }

    /// Gives a part back that [`Pool::take`] gave out.
    pub(crate) fn give(&mut self, part: Range<usize>) {
        let index = self.free.partition_point(|range| range.start < part.start);
        self.free.insert(index, part);
        self.join(index);
        if let Some(before) = index.checked_sub(1) {
            self.join(before);
        }
    }

    /// Joins the range at `index` with the one after it, if they touch.
    fn join(&mut self, index: usize) {
        let after = index.saturating_add(1);
        let (Some(first), Some(second)) = (self.free.get(index), self.free.get(after)) else {
            return;
        };
        if first.end == second.start {
            let joined = first.start..second.end;
            self.free.remove(after);
            if let Some(first) = self.free.get_mut(index) {
                *first = joined;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pool;

    #[test]
    fn parts_are_whole_units_and_come_back_as_one() {
        let mut pool = Pool::new(4 * 4096 + 100);
        let first = pool.take(1).unwrap();
        let second = pool.take(4097).unwrap();
        let third = pool.take(4096).unwrap();
        assert_eq!(
            (first.clone(), second.clone(), third.clone()),
            (0..4096, 4096..12288, 12288..16384)
        );
        assert_eq!(pool.take(1), None);

        pool.give(second);
        pool.give(first);
        pool.give(third);

        assert_eq!(pool.take(4 * 4096), Some(0..16384));
    }

    #[test]
    fn more_than_there_is_or_than_a_number_holds_is_refused() {
        assert_eq!(Pool::new(8192).take(8193), None);
        assert_eq!(Pool::new(8192).take(usize::MAX), None);
        assert_eq!(Pool::new(100).take(1), None);
    }
}
