//! Tests of memory that is mapped one to one, on memory of the host, whose addresses stand for
//! physical ones.

use super::Identity;
use crate::regions::{Region, RegionKind, Regions};
use crate::testing::Random;
use crate::{Error, Memory, PAGE};
use std::boxed::Box;
use std::vec;

/// `pages` pages of the host's, for good, and a map with them as all that is usable.
fn memory(pages: u64) -> (Identity, u64) {
    let len = usize::try_from((pages + 1) * PAGE).unwrap();
    let bytes = Box::leak(vec![0xaa_u8; len].into_boxed_slice());
    let base = u64::try_from(bytes.as_mut_ptr().expose_provenance()).unwrap();
    let base = base.next_multiple_of(PAGE);
    let table = || Box::leak(vec![Region::default(); 32].into_boxed_slice());
    let mut regions = Regions::new(table());
    regions.add(base, pages * PAGE, RegionKind::USABLE);
    regions.add(base - 0x10_0000, PAGE, RegionKind::RESERVED);
    // SAFETY: all that is usable in the map is the leaked memory, which nobody else uses.
    let memory = unsafe {
        Identity::new(regions, table(), |map, len, kind| map.take(len, 0, u64::MAX, kind), 0)
    };
    (memory, base)
}

#[test]
fn only_what_was_taken_can_be_touched() {
    let (mut memory, base) = memory(8);
    assert!(matches!(memory.bytes(base, 1), Err(Error::Bug(_))));

    let first = memory.allocate(100, RegionKind::KERNEL).unwrap();
    let second = memory.allocate(PAGE, RegionKind::LOADER).unwrap();

    assert_eq!((first, second), (base, base + PAGE));
    assert!(memory.bytes(first, 2 * PAGE).unwrap().iter().all(|&byte| byte == 0));
    assert!(matches!(memory.bytes(first, 2 * PAGE + 1), Err(Error::Bug(_))));
    assert!(matches!(memory.bytes(first - 1, 2), Err(Error::Bug(_))));
    assert!(matches!(memory.bytes(u64::MAX, 2), Err(Error::Bug(_))));
    assert_eq!(memory.allocate(7 * PAGE, RegionKind::LOADER), Err(Error::Memory(7 * PAGE)));
    assert_eq!(memory.allocate(u64::MAX, RegionKind::LOADER), Err(Error::Memory(u64::MAX)));
}

#[test]
fn two_ranges_are_lent_only_if_they_are_apart() {
    let (mut memory, _) = memory(8);
    let base = memory.allocate(4 * PAGE, RegionKind::LOADER).unwrap();
    for seed in 0..2000 {
        let mut random = Random::new(seed);
        let mut range = || {
            let start = random.below(64);
            (start, random.below(64 - start))
        };
        let (from, to) = (range(), range());
        let common = (from.0..from.0 + from.1).any(|at| (to.0..to.0 + to.1).contains(&at));

        let lent = memory.pair((base + from.0, from.1), (base + to.0, to.1)).is_ok();

        assert!(!(lent && common), "seed {seed}: {from:?} {to:?}");
        assert!(lent || common || from.1 == 0 || to.1 == 0, "seed {seed}: {from:?} {to:?}");
    }
}

#[test]
fn a_newer_map_keeps_what_was_taken_and_has_no_memory_that_the_older_had_not() {
    let (mut memory, base) = memory(8);
    let kernel = memory.allocate(PAGE, RegionKind::KERNEL).unwrap();
    let mut newer = Regions::new(Box::leak(vec![Region::default(); 32].into_boxed_slice()));
    newer.add(base, 9 * PAGE, RegionKind::USABLE);

    memory.renew(newer);

    let kind = |at: u64| {
        let mut regions = (0..).map_while(|index| memory.region(index));
        regions.find(|region| region.base <= at && at < region.end()).map(|region| region.kind)
    };
    assert_eq!(kind(kernel), Some(RegionKind::KERNEL));
    assert_eq!(kind(base + 7 * PAGE), Some(RegionKind::USABLE));
    assert_eq!(kind(base + 8 * PAGE), Some(RegionKind::RESERVED));
    assert!(memory.bytes(kernel, PAGE).is_ok());
}
