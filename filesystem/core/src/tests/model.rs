//! Random histories: the volume does what the model does, also after a mount, and fsck has nothing
//! to say.

use alloc::vec::Vec;

use crate::fsck::{self, Depth};
use crate::testing::act::{self, random_kept_step, random_step};
use crate::testing::disk::SimDisk;
use crate::testing::model::{Model, Step};
use crate::testing::random::Random;
use crate::testing::{COPIED, SMALL, formatted, in_use, mounted, run};

const NAMES: [&str; 9] = ["a", "b", "c", "a/x", "a/y", "b/x", "b/y", "a/x/z", "c/x"];

fn is_sound(disk: &SimDisk) {
    let report = run(fsck::check(disk, Depth::Content)).unwrap();
    assert_eq!(report.findings, Vec::new());
}

fn history(seed: u64, steps: i64, next: fn(&mut Random, &[&str]) -> Step) {
    let mut random = Random::new(seed);
    let disk = formatted(if seed % 4 == 3 { COPIED } else { SMALL });
    disk.guard(in_use);
    let mut volume = mounted(&disk);
    let mut model = Model::new();
    for now in 2..steps + 2 {
        let step = next(&mut random, &NAMES);
        let expected = model.step(&step, now);
        let got = run(act::step(&volume, &step, now));
        assert_eq!(got, expected, "seed {seed}, {step:?} at {now}");
        match random.below(40) {
            0 => {
                run(volume.unmount(now)).unwrap();
                is_sound(&disk);
                volume = mounted(&disk);
            }
            1 => {
                run(volume.fsync()).unwrap();
                drop(volume);
                volume = mounted(&disk);
                is_sound(&disk);
            }
            _ => continue,
        }
        assert_eq!(run(act::tree(&volume)).unwrap(), model.tree(), "seed {seed} at {now}");
    }
    assert_eq!(run(act::tree(&volume)).unwrap(), model.tree(), "seed {seed}");
    run(volume.unmount(0)).unwrap();
    is_sound(&disk);
}

#[test]
fn random_histories_are_those_of_the_model() {
    for seed in 0..40 {
        history(seed, 150, random_step);
    }
}

#[test]
fn random_histories_with_snapshots_are_those_of_the_model() {
    for seed in 0..40 {
        history(seed, 150, random_kept_step);
    }
}

#[test]
fn a_disk_that_answers_late_and_in_any_order_makes_no_difference() {
    let disk = formatted(SMALL);
    disk.shuffle(3);
    let volume = mounted(&disk);
    let mut model = Model::new();
    let mut random = Random::new(99);
    for now in 2..200 {
        let step = random_step(&mut random, &NAMES);
        assert_eq!(run(act::step(&volume, &step, now)), model.step(&step, now));
    }
    assert_eq!(run(act::tree(&volume)).unwrap(), model.tree());
}
