//! Any order of maps, unmaps, changes and touches: the books stay right.

use std::vec::Vec;

use proptest::prelude::*;

use crate::mem::Memory;
use crate::mem::region::{MapFlags, Region};
use crate::mem::space::Space;
use crate::mem::table::DRAWN;
use crate::testing::{Fake, World};

/// The pages that are used: around a border of tables.
const FIRST: u64 = (1 << 30) / 4096 - 30;

#[derive(Clone, Debug)]
enum Op {
    Map { lazy: bool, access: MapFlags },
    Unmap { budget: u32 },
    Protect { access: MapFlags, budget: u32 },
    Touch { write: bool },
    Fork,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (any::<bool>(), access()).prop_map(|(lazy, access)| Op::Map { lazy, access }),
        (1..90u32).prop_map(|budget| Op::Unmap { budget }),
        (access(), 1..90u32).prop_map(|(access, budget)| Op::Protect { access, budget }),
        any::<bool>().prop_map(|write| Op::Touch { write }),
        Just(Op::Fork),
    ]
}

fn access() -> impl Strategy<Value = MapFlags> {
    prop_oneof![Just(MapFlags::READ), Just(MapFlags::READ_WRITE), Just(MapFlags::empty())]
}

fn apply(space: &mut Space, memory: &mut Memory<Fake>, op: &Op, (from, to): (u64, u64)) {
    let range = (from, to);
    match *op {
        Op::Map { lazy, access } => {
            let lazy = if lazy { MapFlags::LAZY } else { MapFlags::empty() };
            let _taken = space.map(memory, Region::new(range, access | lazy, None));
        }
        Op::Unmap { budget } => {
            let mut at = from;
            while at < to {
                at = space.unmap(memory, (at, to), &mut budget.clone()).unwrap();
            }
        }
        Op::Protect { access, budget } => {
            let mut at = from;
            while at < to
                && let Ok(next) = space.protect(memory, (at, to), access, &mut budget.clone())
            {
                assert!(next > at);
                at = next;
            }
        }
        Op::Touch { write } => {
            let access = if write { MapFlags::WRITE } else { MapFlags::READ };
            for page in from..to {
                let region = space.find(page);
                let allowed = region.is_some_and(|region| region.flags.contains(access));
                assert_eq!(space.frame_at(memory, page << 12, access).is_ok(), allowed);
            }
        }
        Op::Fork => {
            let mut child = Space::new(memory).unwrap();
            space.fork_regions(memory, &mut child).unwrap();
            let mut next = Some(0);
            while let Some(page) = next {
                next = space.fork_pages(memory, &mut child, page, 7).unwrap();
            }
            assert_eq!(child.resident, space.resident);
            while !child.reap(memory, &mut 5) {}
        }
    }
}

/// What is promised by the regions, but for what was drawn.
fn owed(space: &Space, memory: &mut Memory<Fake>) -> u64 {
    let promised: u64 = space.regions.iter().map(Region::promise).sum();
    let mut drawn = 0;
    let all = (0, 1 << 20);
    let count = space.tree.visit(memory, all, &mut u32::MAX.clone(), |_, _, entry| {
        drawn += u64::from(entry & DRAWN != 0);
        Ok(entry)
    });
    assert_eq!(count, Ok(1 << 20));
    promised - drawn
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn promises_are_those_of_the_regions(
        ops in proptest::collection::vec((op(), 0..60u64, 1..30u64), 1..40),
    ) {
        let mut world = World::new();
        let memory = &mut world.kernel.memory;
        let (free, promised) = (memory.frames.free(), memory.frames.promised());
        let mut space = Space::new(memory).unwrap();
        for (op, at, len) in &ops {
            apply(&mut space, memory, op, (FIRST + at, FIRST + at + len));
            prop_assert_eq!(memory.frames.promised() - promised, owed(&space, memory));
            let ends: Vec<_> = space.regions.iter().flat_map(|r| [r.start, r.end]).collect();
            prop_assert!(ends.is_sorted(), "{:?}", space.regions);
        }
        while !space.reap(memory, &mut 3) {}
        prop_assert_eq!((memory.frames.free(), memory.frames.promised()), (free, promised));
    }
}
