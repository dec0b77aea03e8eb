//! Tests of the memory map, some of them against a map that holds a kind for each page.

use super::{Region, RegionKind, Regions, caution};
use crate::testing::Random;
use std::vec;
use std::vec::Vec;

const KINDS: [RegionKind; 4] =
    [RegionKind::USABLE, RegionKind::ACPI, RegionKind::RESERVED, RegionKind::BAD];

fn shape(regions: &Regions<'_>) -> Vec<(u64, u64, RegionKind)> {
    regions.as_slice().iter().map(|region| (region.base, region.end(), region.kind)).collect()
}

#[test]
fn usable_memory_shrinks_to_pages_and_all_else_grows() {
    let mut table = [Region::default(); 16];
    let mut regions = Regions::new(&mut table);

    regions.add(0x1234, 0x3000, RegionKind::USABLE);
    regions.add(0x9fc00, 0x400, RegionKind::RESERVED);

    let expected = [(0x2000, 0x4000, RegionKind::USABLE), (0x9f000, 0xa0000, RegionKind::RESERVED)];
    assert_eq!(shape(&regions), expected);
}

#[test]
fn neighbours_of_one_kind_are_one_region() {
    let mut table = [Region::default(); 16];
    let mut regions = Regions::new(&mut table);

    for page in [3, 1, 2, 0] {
        regions.add(page * 0x1000, 0x1000, RegionKind::USABLE);
    }

    assert_eq!(shape(&regions), [(0, 0x4000, RegionKind::USABLE)]);
}

#[test]
fn memory_is_taken_above_the_floor_and_below_the_ceiling_only() {
    let mut table = [Region::default(); 16];
    let mut regions = Regions::new(&mut table);
    regions.add(0, 0x10_0000, RegionKind::USABLE);

    assert_eq!(regions.take(0x1001, 0x8_0000, u64::MAX, RegionKind::LOADER), Some(0x8_0000));
    assert_eq!(regions.take(1, 0x8_0000, 0x8_3000, RegionKind::KERNEL), Some(0x8_2000));
    assert_eq!(regions.take(1, 0x8_0000, 0x8_3000, RegionKind::KERNEL), None);
    assert_eq!(regions.take(u64::MAX, 0, u64::MAX, RegionKind::KERNEL), None);
    assert_eq!(regions.take(0, 0, u64::MAX, RegionKind::KERNEL), None);
}

#[test]
fn a_range_is_covered_only_if_every_byte_of_it_is_listed() {
    let mut table = [Region::default(); 16];
    let mut regions = Regions::new(&mut table);
    regions.claim(0x8_0000, 0x2000, RegionKind::LOADER);
    regions.claim(0x8_2000, 0x1000, RegionKind::KERNEL);
    regions.claim(0x9_0000, 0x1000, RegionKind::LOADER);

    assert!(regions.covers(0x8_0000, 0x3000));
    assert!(regions.covers(0x8_2fff, 1));
    assert!(!regions.covers(0x8_0000, 0x3001));
    assert!(!regions.covers(0x7_ffff, 2));
    assert!(!regions.covers(0x8_0000, 0x1_1000));
    assert!(!regions.covers(u64::MAX, 2));
}

#[test]
fn a_full_table_loses_memory_but_never_lends_reserved_pages() {
    let mut table = [Region::default(); 8];
    let mut regions = Regions::new(&mut table);
    regions.add(0, 0x100_0000, RegionKind::USABLE);

    for hole in 1..100 {
        regions.add(hole * 0x4000, 0x1000, RegionKind::RESERVED);
    }

    for region in regions.as_slice().iter().filter(|region| region.kind == RegionKind::USABLE) {
        assert!(
            (1..100)
                .all(|hole| region.end() <= hole * 0x4000 || hole * 0x4000 + 0x1000 <= region.base)
        );
    }
}

fn more_cautious(old: Option<RegionKind>, new: RegionKind) -> RegionKind {
    old.filter(|old| caution(*old) > caution(new)).unwrap_or(new)
}

#[test]
fn any_list_gives_each_page_its_most_cautious_kind() {
    for seed in 0..500 {
        let mut random = Random::new(seed);
        let mut table = [Region::default(); 200];
        let mut regions = Regions::new(&mut table);
        let mut model = vec![None; 64];

        for _ in 0..20 {
            let (base, len) = (random.below(64), random.below(20));
            let kind = KINDS[usize::try_from(random.below(4)).unwrap()];
            regions.add(base * 0x1000, len * 0x1000, kind);
            for page in base..(base + len).min(64) {
                let old: &mut Option<RegionKind> = &mut model[usize::try_from(page).unwrap()];
                *old = Some(more_cautious(*old, kind));
            }
        }

        let slice = regions.as_slice();
        assert!(slice.windows(2).all(|pair| pair[0].end() <= pair[1].base));
        assert!(
            slice
                .windows(2)
                .all(|pair| pair[0].end() < pair[1].base || pair[0].kind != pair[1].kind)
        );
        for (page, kind) in (0..64).zip(model) {
            let found =
                slice.iter().find(|region| (region.base..region.end()).contains(&(page * 0x1000)));
            assert_eq!(found.map(|region| region.kind), kind, "seed {seed}, page {page}");
        }
    }
}

#[test]
fn the_end_of_the_address_space_does_not_wrap() {
    let mut table = [Region::default(); 16];
    let mut regions = Regions::new(&mut table);

    regions.add(u64::MAX - 10, u64::MAX, RegionKind::RESERVED);
    regions.add(0xffff_ffff_ffff_f000, 0x1000, RegionKind::USABLE);
    regions.add(0, u64::MAX, RegionKind::USABLE);

    assert!(regions.as_slice().iter().all(|region| region.base < region.end()));
}
