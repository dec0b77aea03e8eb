//! Sets of blocks.

use alloc::collections::BTreeMap;

use crate::space::{REGION, Region, pieces};
use crate::tree::Run;

/// Blocks that are in use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Used(BTreeMap<u64, Region>);

impl Used {
    /// Whether none of these was in use; they are now.
    pub(super) fn mark(&mut self, run: Run) -> bool {
        let mut fresh = true;
        for (number, at, count) in pieces(run) {
            let region = self.0.entry(number).or_insert_with(|| Region::new(0..REGION));
            fresh &= region.all(at, count, false);
            region.set(at, count, true);
        }
        fresh
    }

    /// Whether any of these is in use.
    pub(super) fn any(&self, run: Run) -> bool {
        let used = |number, at, count| {
            self.0.get(&number).is_some_and(|region| !region.all(at, count, false))
        };
        pieces(run).any(|(number, at, count)| used(number, at, count))
    }

    /// All of the other too.
    pub(super) fn absorb(&mut self, other: &Self) {
        for (number, region) in &other.0 {
            self.0.entry(*number).or_insert_with(|| Region::new(0..REGION)).absorb(region);
        }
    }

    /// Those that are not in the other.
    pub(super) fn without(&self, other: &Self) -> Self {
        let none = Region::new(0..REGION);
        let mut rest = Self::default();
        for (number, region) in &self.0 {
            let base = number.saturating_mul(REGION);
            let mut other = other.0.get(number).unwrap_or(&none).clone();
            for at in other.absorb(region) {
                rest.mark((base.saturating_add(at), 1));
            }
        }
        rest
    }

    pub(super) fn count(&self) -> u64 {
        let used = |region: &Region| REGION.saturating_sub(region.free);
        self.0.values().map(used).fold(0, u64::saturating_add)
    }

    /// All of them.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = u64> {
        self.0.iter().flat_map(|(number, region)| {
            let base = number.saturating_mul(REGION);
            let set = Region::new(0..REGION).absorb(region);
            set.into_iter().map(move |at| base.saturating_add(at))
        })
    }

    /// Those of one region, if there are any.
    pub(super) fn region(&self, number: u64) -> Option<&Region> {
        self.0.get(&number)
    }
}
