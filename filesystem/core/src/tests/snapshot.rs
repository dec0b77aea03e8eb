//! Snapshots: each is what was, whatever comes and goes behind it, and what only they need is
//! free when they go.

use alloc::string::ToString as _;
use alloc::vec;
use alloc::vec::Vec;

use super::crash::{End, before, record_on, try_all};
use crate::error::Error;
use crate::fsck::{self, Depth, Finding};
use crate::testing::act::{self, random_kept_step};
use crate::testing::disk::SimDisk;
use crate::testing::model::{Step, pattern};
use crate::testing::random::Random;
use crate::testing::{COPIED, SMALL, formatted, in_use, mounted, run};
use crate::{Kind, New, Volume};

const FILE: New = New { kind: Kind::File, mode: 0o644, uid: 0, gid: 0 };

/// Writes so many bytes from the beginning of a file on.
fn fill(volume: &Volume<&SimDisk>, ino: u64, count: usize, seed: u8) {
    let data = pattern(count, seed);
    let mut done = 0;
    while done < count {
        let at = u64::try_from(done).unwrap();
        done += run(volume.write(ino, at, &data[done..], 3)).unwrap();
    }
}

fn settle(volume: &Volume<&SimDisk>) -> u64 {
    for _ in 0..4 {
        run(volume.commit(9)).unwrap();
    }
    volume.statistics().free
}

fn findings(disk: &SimDisk) -> Vec<Finding> {
    run(fsck::check(disk, Depth::Content)).unwrap().findings
}

#[test]
fn every_cut_of_what_snapshots_do_leaves_a_prefix() {
    let name = |name: &str| name.to_string();
    let keep = |at: &str| Step::Keep(name(at));
    let write = Step::Write(name("bar"), 0, 40_000, 9);
    let histories = [
        vec![keep("x"), write.clone(), Step::Forget(name("x"))],
        vec![keep("x"), Step::Unlink(name("bar")), Step::RollBack(name("x"))],
        vec![keep("x"), write, keep("y"), Step::Unlink(name("bar")), Step::Forget(name("x"))],
        vec![keep("x"), keep("y"), Step::Create(name("new")), Step::RollBack(name("x"))],
    ];
    let mut images = 0;
    for steps in histories {
        for blocks in [SMALL, COPIED] {
            let history = record_on(formatted(blocks), &before(), &steps, End::Commit);
            images += try_all(&history, 8, 50, &|| alloc::format!("{steps:?}"));
        }
    }
    std::println!("{images} images");
    assert!(images > 3_000, "{images} images");
}

#[test]
fn cuts_of_random_histories_with_snapshots_leave_a_prefix() {
    let names = ["A", "B", "A/foo", "A/bar", "B/foo", "bar"];
    let mut images = 0;
    for seed in 0..12 {
        let mut random = Random::new(500 + seed);
        let steps: Vec<Step> = (0..14).map(|_| random_kept_step(&mut random, &names)).collect();
        let history = record_on(formatted(SMALL), &before(), &steps, End::Commit);
        images += try_all(&history, 2, 100, &|| alloc::format!("seed {seed}: {steps:?}"));
    }
    std::println!("{images} images");
    assert!(images > 3_000, "{images} images");
}

#[test]
fn space_comes_back_in_whatever_order_snapshots_go() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let names = [b"x", b"y", b"z"];
    for blocks in [SMALL, COPIED] {
        let disk = formatted(blocks);
        disk.guard(in_use);
        let volume = mounted(&disk);
        let ino = run(volume.create(1, b"a", FILE, 1)).unwrap();
        fill(&volume, ino, 1 << 20, 1);
        let free = settle(&volume);
        for order in orders {
            for (name, seed) in names.iter().zip(2..) {
                run(volume.snapshot(*name, 5)).unwrap();
                fill(&volume, ino, 400_000, seed);
                let other = run(volume.create(1, &[b'o', seed], FILE, 1)).unwrap();
                fill(&volume, other, 100_000, seed);
            }
            for seed in 2..5 {
                run(volume.unlink(1, &[b'o', seed], 6)).unwrap();
            }
            let full = settle(&volume);
            assert!(full + 3 * 90 < free, "{full} of {free}");
            for at in order {
                run(volume.delete_snapshot(names[at])).unwrap();
                assert_eq!(findings(&disk), []);
            }
            let again = settle(&volume);
            assert!(free.abs_diff(again) <= 8, "{order:?}: {free}, then {again}");
        }
        run(volume.unmount(7)).unwrap();
        assert_eq!(findings(&disk), []);
    }
}

#[test]
fn a_rolled_back_volume_is_what_was_and_no_more_than_that_in_use() {
    let disk = formatted(SMALL);
    disk.guard(in_use);
    let volume = mounted(&disk);
    let ino = run(volume.create(1, b"a", FILE, 1)).unwrap();
    fill(&volume, ino, 300_000, 1);
    run(volume.snapshot(b"good", 5)).unwrap();
    let free = settle(&volume);
    let tree = run(act::tree(&volume)).unwrap();
    fill(&volume, ino, 200_000, 2);
    run(volume.snapshot(b"later", 6)).unwrap();
    run(volume.unlink(1, b"a", 7)).unwrap();
    let new = run(volume.create(1, b"b", FILE, 8)).unwrap();
    fill(&volume, new, 500_000, 3);
    run(volume.fsync()).unwrap();
    run(volume.roll_back(b"good", 9)).unwrap();
    assert!(run(act::tree(&volume)).unwrap() == tree);
    let again = settle(&volume);
    assert!(free.abs_diff(again) <= 8, "{free}, then {again}");
    assert_eq!(run(volume.roll_back(b"later", 9)), Err(Error::NotFound));
    let number = run(volume.create(1, b"c", FILE, 8)).unwrap();
    assert!(number > new, "no number is given twice");
    run(volume.unmount(7)).unwrap();
    assert_eq!(findings(&disk), []);
}

#[test]
fn a_view_of_a_snapshot_is_read_while_the_snapshot_goes() {
    let disk = formatted(SMALL);
    let volume = mounted(&disk);
    volume.limit_cache(0);
    let ino = run(volume.create(1, b"a", FILE, 1)).unwrap();
    fill(&volume, ino, 1 << 20, 1);
    run(volume.snapshot(b"x", 5)).unwrap();
    let view = volume.snapshot_view(b"x").unwrap();
    run(volume.unlink(1, b"a", 6)).unwrap();
    run(volume.delete_snapshot(b"x")).unwrap();
    let free = settle(&volume);
    for round in 0..4 {
        let other = run(volume.create(1, &[b'0' + round], FILE, 1)).unwrap();
        fill(&volume, other, 1 << 20, 9);
        run(volume.commit(8)).unwrap();
    }
    let mut bytes = vec![0; 1 << 20];
    assert_eq!(run(view.read(ino, 0, &mut bytes)), Ok(1 << 20));
    assert!(bytes == pattern(1 << 20, 1));
    drop(view);
    let later = settle(&volume);
    assert!(later + 4 * 256 >= free + 250, "{free}, then {later}");
}

#[test]
fn names_of_snapshots_are_checked() {
    let disk = formatted(SMALL);
    let volume = mounted(&disk);
    run(volume.snapshot(b"x", 5)).unwrap();
    assert_eq!(run(volume.snapshot(b"x", 5)), Err(Error::Exists));
    assert_eq!(run(volume.snapshot(b"a/b", 5)), Err(Error::Invalid));
    assert_eq!(run(volume.snapshot(&[b'x'; 256], 5)), Err(Error::NameTooLong));
    assert_eq!(run(volume.delete_snapshot(b"y")), Err(Error::NotFound));
    assert_eq!(volume.snapshot_view(b"y").err(), Some(Error::NotFound));
    let copy = SimDisk::of(SMALL, disk.image());
    let again = mounted(&copy);
    let names: Vec<Vec<u8>> = again.snapshots().into_iter().map(|kept| kept.name).collect();
    assert_eq!(names, [b"x"]);
}

#[test]
fn a_dead_list_that_is_wrong_is_found() {
    let disk = formatted(SMALL);
    let volume = mounted(&disk);
    let ino = run(volume.create(1, b"a", FILE, 1)).unwrap();
    fill(&volume, ino, 100_000, 1);
    run(volume.snapshot(b"x", 5)).unwrap();
    assert_eq!(findings(&disk), []);
    let view = volume.view();
    let key = crate::format::Key::new(ino, crate::format::Tag::Data, 0);
    let Ok(Some(crate::format::Value::Stored(ptr))) = run(view.tree.get(view.store, key)) else {
        panic!("it has a record")
    };
    run(volume.turn()).slander((ptr.block, 1));
    run(volume.commit(6)).unwrap();
    assert_eq!(findings(&disk), [Finding::Dead(ptr.block)]);
}

/// Makes files until that fails, with a snapshot on the way; their names, and how it failed.
fn make_until_full(volume: &Volume<&SimDisk>, round: u8, size: usize) -> (Vec<Vec<u8>>, Error) {
    let mut names: Vec<Vec<u8>> = Vec::new();
    loop {
        if names.len() == 20 {
            run(volume.snapshot(b"half", 5)).unwrap();
        }
        let name = alloc::format!("{round}-{}", names.len()).into_bytes();
        let wrote = run(async {
            let ino = volume.create(1, &name, FILE, 1).await?;
            names.push(name);
            volume.write(ino, 0, &pattern(size, round), 3).await
        });
        if let Err(error) = wrote {
            return (names, error);
        }
    }
}

#[test]
fn on_a_full_volume_snapshots_can_go_and_it_can_be_filled_again() {
    for blocks in [SMALL, COPIED] {
        let disk = formatted(blocks);
        let volume = mounted(&disk);
        let size = if blocks == SMALL { 60_000 } else { 600_000 };
        let mut sizes = Vec::new();
        for round in 0..8_u8 {
            let (names, error) = make_until_full(&volume, round, size);
            assert_eq!(error, Error::NoSpace);
            let full = run(volume.snapshot(b"full", 5));
            assert!(matches!(full, Ok(()) | Err(Error::NoSpace)), "{full:?}");
            sizes.push(names.len());
            for name in &names {
                run(volume.unlink(1, name, 4)).unwrap();
            }
            run(volume.delete_snapshot(b"half")).unwrap();
            assert!(full.is_err() || run(volume.delete_snapshot(b"full")).is_ok());
            settle(&volume);
        }
        let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
        assert!(*least > 30 && most - least <= 4, "{sizes:?}");
        run(volume.unmount(9)).unwrap();
        assert_eq!(findings(&disk), []);
    }
}
