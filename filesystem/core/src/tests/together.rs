//! Many at once: who reads, who changes, who commits and who wants it to last. Each sees what it
//! would see alone, and a power cut leaves what it would leave.

use alloc::boxed::Box;
use alloc::vec;
use core::cell::{Cell, RefCell};
use core::pin::Pin;

use super::crash::{History, before, try_all};
use crate::device::BlockDevice as _;
use crate::fsck::{self, Depth};
use crate::testing::act::{self, random_step};
use crate::testing::disk::{Event, SimDisk};
use crate::testing::model::{Model, Step, pattern};
use crate::testing::random::Random;
use crate::testing::together::{pause, together};
use crate::testing::{SMALL, formatted, in_use, mounted, run};
use crate::{BLOCK, Kind, New, Volume};

const FILE: New = New { kind: Kind::File, mode: 0o644, uid: 0, gid: 0 };
const NAMES: [&str; 6] = ["A", "B", "A/foo", "A/bar", "B/foo", "bar"];

type Boxed<'f> = Pin<Box<dyn Future<Output = ()> + 'f>>;

/// One changes, one commits, and two read, at once.
fn history(seed: u64, steps: usize) -> History {
    let disk = formatted(SMALL);
    disk.guard(in_use);
    let volume = mounted(&disk);
    let mut model = Model::new();
    for step in before() {
        run(act::step(&volume, &step, 5)).unwrap();
        model.step(&step, 5).unwrap();
    }
    run(volume.commit(5)).unwrap();
    disk.take_events();
    let base = disk.image();
    disk.shuffle(seed);
    let trees = RefCell::new(vec![model.tree()]);
    let ended = Cell::new(false);
    let changes: Boxed<'_> = Box::pin(async {
        let mut random = Random::new(seed);
        let mut lasting = 0;
        for now in 10..10 + i64::try_from(steps).unwrap() {
            let step = random_step(&mut random, &NAMES);
            let expected = model.step(&step, now);
            // Whoever looks meanwhile sees the one or the other.
            trees.borrow_mut().push(model.tree());
            let count = trees.borrow().len();
            disk.mark(count - 1, lasting);
            assert_eq!(act::step(&volume, &step, now).await, expected, "{step:?}");
            if matches!(step, Step::Fsync | Step::Commit) {
                lasting = count - 1;
            }
            disk.mark(count - 1, lasting);
        }
        ended.set(true);
    });
    let commits: Boxed<'_> = Box::pin(async {
        let mut random = Random::new(seed);
        while !ended.get() {
            volume.commit(0).await.unwrap();
            for _ in 0..random.below(100) {
                pause().await;
            }
        }
    });
    let reads = || -> Boxed<'_> {
        Box::pin(async {
            while !ended.get() {
                let from = trees.borrow().len() - 1;
                let view = volume.view();
                let seen = act::seen(&view).await.unwrap();
                let may_be = trees.borrow()[from.saturating_sub(1)..=from].contains(&seen);
                assert!(may_be, "seed {seed} at {from}");
                pause().await;
            }
        })
    };
    together(seed, vec![changes, commits, reads(), reads()]);
    let last = trees.borrow().last().cloned();
    assert_eq!(Some(run(act::tree(&volume)).unwrap()), last);
    History { blocks: SMALL, base, events: disk.take_events(), trees: trees.into_inner() }
}

#[test]
fn a_power_cut_while_many_work_leaves_a_prefix() {
    let mut images = 0;
    for seed in 0..30 {
        let history = history(seed, 12);
        images += try_all(&history, 1, 200, &|| alloc::format!("seed {seed}"));
    }
    std::println!("{images} images");
    assert!(images > 5_000, "{images} images");
}

#[test]
fn many_work_at_once_and_no_one_waits_for_ever() {
    for seed in 0..20 {
        let history = history(100 + seed, 60);
        assert!(history.trees.len() == 61);
    }
}

#[test]
fn changes_go_on_while_a_commit_is_written_and_last_with_the_next_fsync() {
    let disk = formatted(SMALL);
    let volume = mounted(&disk);
    let ino = run(volume.create(1, b"a", FILE, 1)).unwrap();
    run(volume.write(ino, 0, &pattern(900_000, 1)[..900_000], 1)).unwrap();
    disk.shuffle(5);
    let committed = Cell::new(false);
    let during = Cell::new(0);
    let commits: Boxed<'_> = Box::pin(async {
        volume.commit(2).await.unwrap();
        committed.set(true);
    });
    let changes: Boxed<'_> = Box::pin(async {
        for round in 0..5_u64 {
            volume.write(ino, round, b"x", 3).await.unwrap();
            during.set(during.get() + u32::from(!committed.get()));
        }
        assert_eq!(volume.fsync().await, Ok(()));
        assert!(committed.get(), "what an fsync promises hangs on the superblock before");
    });
    together(1, vec![commits, changes]);
    assert!(during.get() >= 4, "{}", during.get());
    let crashed = SimDisk::of(SMALL, disk.image());
    let mut front = [0; 5];
    run(mounted(&crashed).view().read(ino, 0, &mut front)).unwrap();
    assert_eq!(&front, b"xxxxx");
}

#[test]
fn those_who_want_it_to_last_at_once_share_one_flush() {
    let disk = formatted(SMALL);
    let volume = mounted(&disk);
    let ino = run(volume.create(1, b"a", FILE, 1)).unwrap();
    run(volume.fsync()).unwrap();
    disk.take_events();
    disk.shuffle(1);
    let writer = |at: u64| -> Boxed<'_> {
        let volume = &volume;
        Box::pin(async move {
            volume.write(ino, at * 10, b"ten bytes.", 3).await.unwrap();
            volume.fsync().await.unwrap();
        })
    };
    together(3, (0..20).map(writer).collect());
    let events = disk.take_events();
    let flushes = events.iter().filter(|event| matches!(event, Event::Flush)).count();
    assert!(flushes <= 3, "{flushes} for 20 who asked");
}

#[test]
fn a_view_reads_what_it_saw_however_many_commits_come() {
    let disk = formatted(SMALL);
    disk.guard(in_use);
    let volume = mounted(&disk);
    volume.limit_cache(0);
    let ino = run(volume.create(1, b"a", FILE, 1)).unwrap();
    let old = pattern(1 << 19, 7);
    assert_eq!(run(volume.write(ino, 0, &old, 1)), Ok(1 << 19));
    run(volume.commit(2)).unwrap();
    let view = volume.view();
    for round in 0..6 {
        assert_eq!(run(volume.write(ino, 0, &pattern(1 << 19, round), 3)), Ok(1 << 19));
        run(volume.commit(4)).unwrap();
    }
    let held = volume.statistics().free;
    let mut bytes = vec![0; 1 << 19];
    assert_eq!(run(view.read(ino, 0, &mut bytes)), Ok(1 << 19));
    assert!(bytes == old);
    drop(view);
    run(volume.commit(5)).unwrap();
    run(volume.commit(5)).unwrap();
    let free = volume.statistics().free;
    assert!(free >= held + 4 * 128, "space comes back: {held}, then {free}");
    run(volume.unmount(6)).unwrap();
    assert_eq!(run(fsck::check(&disk, Depth::Content)).unwrap().findings, []);
}

/// Requests that something costs.
fn cost<T>(disk: &SimDisk, what: impl Future<Output = T>) -> u64 {
    let (before, _) = disk.counts();
    run(what);
    disk.counts().0 - before
}

/// A volume with a directory of 1,000 files and a file of 4 MiB, just mounted.
fn cold(disk: &SimDisk) -> (Volume<&SimDisk>, u64) {
    let volume = mounted(disk);
    for number in 0..1_000 {
        run(volume.create(1, alloc::format!("{number}").as_bytes(), FILE, 1)).unwrap();
    }
    let ino = run(volume.create(1, b"big", FILE, 1)).unwrap();
    for part in 0..4 {
        run(volume.write(ino, part << 20, &pattern(1 << 20, 1), 1)).unwrap();
    }
    run(volume.unmount(2)).unwrap();
    (mounted(disk), ino)
}

#[test]
fn what_is_kept_costs_no_request_and_what_is_not_costs_few() {
    let disk = formatted(1 << 16);
    let (volume, ino) = cold(&disk);
    let view = volume.view();
    let mut bytes = vec![0; 1 << 20];
    let first = cost(&disk, view.read(ino, 0, &mut bytes));
    let again = cost(&disk, view.read(ino, 0, &mut bytes));
    let ahead = cost(&disk, view.prefetch(ino, 1 << 20, 1 << 20));
    let behind = cost(&disk, view.read(ino, 1 << 20, &mut bytes));
    let lookup = cost(&disk, async {
        for number in 0..1_000 {
            view.lookup(1, alloc::format!("{number}").as_bytes()).await.unwrap();
        }
    });
    let create = cost(&disk, volume.create(1, b"new", FILE, 3));
    let overwrite = cost(&disk, volume.write(ino, 5_000, &[1; 4_096], 3));
    let sync = cost(&disk, volume.fsync());
    std::println!(
        "1 MiB: {first} cold, {again} warm, {ahead} ahead; 1,000 names: {lookup}; \
         create {create}, overwrite {overwrite}, fsync {sync}"
    );
    // 256 blocks, at most 64 in a request, and the nodes on the way.
    assert!(first <= 4 + 3 && ahead <= 4 + 1, "{first}, {ahead}");
    assert_eq!((again, behind, create, overwrite), (0, 0, 0, 0));
    assert!(lookup < 60, "one for each leaf: {lookup}");
    assert_eq!(sync, 2);
    assert_eq!(disk.facts().blocks, 1 << 16);
}

#[test]
fn what_is_kept_has_no_more_bytes_than_was_said_and_what_all_need_stays() {
    let disk = formatted(1 << 16);
    let (volume, ino) = cold(&disk);
    let limit = 3 << 20;
    volume.limit_cache(limit);
    let view = volume.view();
    let mut bytes = vec![0; 1 << 20];
    let lookups = async || {
        for number in 0..100 {
            view.lookup(1, alloc::format!("{number}").as_bytes()).await.unwrap();
        }
    };
    run(lookups());
    run(lookups());
    let mut reads = 0;
    for round in 0..12 {
        reads += cost(&disk, view.read(ino, (round % 4) << 20, &mut bytes));
        assert!(volume.cached() <= limit);
        assert!(cost(&disk, lookups()) <= 40, "round {round}");
    }
    assert!(reads > 30, "the file is too large to be kept: {reads}");
    assert_eq!(bytes.len(), 256 * BLOCK);
}
