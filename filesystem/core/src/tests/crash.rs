//! Power cuts. After each, the volume is as the model was after some step, and after no earlier
//! one than the last that was made to last; fsck finds nothing.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use crate::device::{BlockDevice as _, Cache};
use crate::fsck::{self, Depth};
use crate::testing::act::{self, random_step};
use crate::testing::crash::{self, Cut};
use crate::testing::disk::{Event, Image, SimDisk, Trouble};
use crate::testing::model::{Model, Step, Tree};
use crate::testing::random::Random;
use crate::testing::{COPIED, SMALL, formatted, mounted, run};
use crate::{Mode, mount};

/// A history on a disk: what the disk did, and how the volume was after each step.
pub(super) struct History {
    pub(super) blocks: u64,
    pub(super) base: Image,
    pub(super) events: Vec<Event>,
    pub(super) trees: Vec<Tree>,
}

/// How a history ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Fsync,
    Commit,
}

/// Does steps on a volume that had `before` done to it.
fn record(before: &[Step], steps: &[Step], end: End) -> History {
    record_on(formatted(SMALL), before, steps, end)
}

pub(super) fn record_on(disk: SimDisk, before: &[Step], steps: &[Step], end: End) -> History {
    let volume = mounted(&disk);
    let mut model = Model::new();
    for step in before {
        let done = run(act::step(&volume, step, 5));
        assert_eq!(done, model.step(step, 5), "{step:?}");
    }
    run(volume.commit(5)).unwrap();
    disk.take_events();
    let base = disk.image();
    let mut trees = vec![model.tree()];
    let mut lasting = 0;
    let last = if end == End::Fsync { Step::Fsync } else { Step::Commit };
    for (step, now) in steps.iter().chain([&last]).zip(10..) {
        disk.mark(trees.len(), lasting);
        let done = run(act::step(&volume, step, now));
        assert_eq!(done, model.step(step, now), "{step:?} of {steps:?}");
        trees.push(model.tree());
        if step.lasts() && done.is_ok() {
            lasting = trees.len() - 1;
        }
        disk.mark(trees.len() - 1, lasting);
    }
    History { blocks: disk.facts().blocks, base, events: disk.take_events(), trees }
}

/// Mounts what a power cut left, and looks. Gives what the disk did meanwhile.
fn look(blocks: u64, cut: &Cut, trees: &[Tree], told: &dyn Fn() -> String) -> Vec<Event> {
    let disk = SimDisk::of(blocks, cut.image.clone());
    judge(&disk, cut, trees).unwrap_or_else(|wrong| panic!("{wrong} after {}", told()));
    disk.take_events()
}

/// What is wrong with what a power cut left.
fn judge(disk: &SimDisk, cut: &Cut, trees: &[Tree]) -> Result<(), String> {
    let volume = run(mount(disk, Mode::Write)).map_err(|error| alloc::format!("{error:?}"))?;
    if !volume.passed_over().is_empty() {
        return Err(alloc::format!("superblocks lead to nothing: {:?}", volume.passed_over()));
    }
    let tree = run(act::tree(&volume)).map_err(|error| alloc::format!("{error:?}"))?;
    let allowed = &trees[cut.lasting..=cut.done.min(trees.len() - 1)];
    if !allowed.contains(&tree) {
        return Err(alloc::format!("no prefix of at least {} steps: {tree:#?}", cut.lasting));
    }
    match run(fsck::check(disk, Depth::Content)) {
        Ok(report) if report.findings.is_empty() => Ok(()),
        found => Err(alloc::format!("{found:?}")),
    }
}

/// All cuts of a history; of each `again`-th the mount behind it is cut too.
pub(super) fn try_all(
    history: &History,
    samples: u64,
    again: usize,
    told: &dyn Fn() -> String,
) -> usize {
    let mut seen = 0;
    let mut more = 0;
    let first = crash::enumerate(&history.base, &history.events, samples, |cut| {
        let events = look(history.blocks, cut, &history.trees, told);
        seen += 1;
        if seen % again == 0 {
            more += crash::enumerate(&cut.image, &events, 1, |second| {
                let cut = Cut { image: second.image.clone(), ..*cut };
                look(history.blocks, &cut, &history.trees, told);
            });
        }
    });
    first + more
}

/// What is there before: a directory with a file, one with nothing, and a file of records.
pub(super) fn before() -> Vec<Step> {
    let name = |name: &str| name.to_string();
    vec![
        Step::Mkdir(name("A")),
        Step::Mkdir(name("B")),
        Step::Create(name("A/foo")),
        Step::Write(name("A/foo"), 0, 700, 1),
        Step::Create(name("bar")),
        Step::Write(name("bar"), 0, 20_000, 2),
    ]
}

/// All single steps over few names.
fn steps() -> Vec<Step> {
    let names = ["A/foo", "B/foo", "bar", "A"];
    let mut steps = Vec::new();
    for name in names.map(ToString::to_string) {
        steps.extend([
            Step::Create(name.clone()),
            Step::Mkdir(name.clone()),
            Step::Unlink(name.clone()),
            Step::Rmdir(name.clone()),
            Step::Append(name.clone(), 300, 3),
            Step::Write(name.clone(), 1_000, 40_000, 4),
            Step::Write(name.clone(), 9_000, 100, 5),
            Step::Truncate(name.clone(), 500),
            Step::Truncate(name.clone(), 50_000),
        ]);
        for to in names.map(ToString::to_string).into_iter().filter(|to| *to != name) {
            steps.push(Step::Rename(name.clone(), to.clone()));
            steps.push(Step::Link(name.clone(), to));
        }
    }
    steps.extend([Step::Symlink("B/foo".to_string()), Step::Chmod("A".to_string(), 0o700)]);
    steps.extend([Step::Fsync, Step::Commit]);
    steps
}

#[test]
fn every_cut_of_every_single_step_leaves_a_prefix() {
    let mut images = 0;
    for step in steps() {
        for end in [End::Fsync, End::Commit] {
            let history = record(&before(), core::slice::from_ref(&step), end);
            images += try_all(&history, 8, 31, &|| alloc::format!("{step:?}"));
        }
    }
    std::println!("{images} images");
    assert!(images > 10_000, "{images} images");
}

#[test]
fn every_cut_of_every_two_steps_leaves_a_prefix() {
    let mut images = 0;
    let steps = steps();
    for (number, (one, two)) in
        steps.iter().flat_map(|one| steps.iter().map(move |two| (one, two))).enumerate()
    {
        // A commit behind each would be too long for every day: one in 32 has it.
        let end = if number % 32 == 0 { End::Commit } else { End::Fsync };
        let history = record(&before(), &[one.clone(), two.clone()], end);
        images += try_all(&history, 2, 2_000, &|| alloc::format!("{one:?}, {two:?}"));
    }
    std::println!("{images} images");
    assert!(images > 10_000, "{images} images");
}

#[test]
fn cuts_of_random_histories_leave_a_prefix() {
    let names = ["A", "B", "A/foo", "A/bar", "B/foo", "bar"];
    let mut images = 0;
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let steps: Vec<Step> = (0..12).map(|_| random_step(&mut random, &names)).collect();
        let blocks = if seed % 2 == 0 { SMALL } else { COPIED };
        let history = record_on(formatted(blocks), &before(), &steps, End::Commit);
        images += try_all(&history, 2, 50, &|| alloc::format!("seed {seed}: {steps:?}"));
    }
    std::println!("{images} images");
    assert!(images > 4_000, "{images} images");
}

#[test]
fn on_a_disk_that_lies_about_its_cache_a_cut_is_found_that_leaves_no_prefix() {
    // What makes writes durable is not asked for then: the tests above must be able to see that.
    let disk = formatted(SMALL).with(|facts| facts.cache = Cache::Through);
    let steps = [Step::Append("bar".to_string(), 300, 3), Step::Commit, Step::Commit];
    let history = record_on(disk, &before(), &steps, End::Commit);
    let mut wrong = 0;
    let images = crash::enumerate(&history.base, &history.events, 40, |cut| {
        let disk = SimDisk::of(SMALL, cut.image.clone());
        wrong += usize::from(judge(&disk, cut, &history.trees).is_err());
    });
    assert!(wrong > images / 2, "{wrong} of {images}");
}

#[test]
fn whatever_request_fails_nothing_panics_and_a_prefix_is_left() {
    let steps: Vec<Step> = [
        Step::Create("B/foo".to_string()),
        Step::Write("B/foo".to_string(), 0, 50_000, 6),
        Step::Fsync,
        Step::Rename("A/foo".to_string(), "bar".to_string()),
        Step::Commit,
        Step::Truncate("B/foo".to_string(), 5_000),
        Step::Append("bar".to_string(), 5_000, 7),
        Step::Keep("x".to_string()),
        Step::Write("B/foo".to_string(), 0, 40_000, 8),
        Step::Keep("y".to_string()),
        Step::Unlink("B/foo".to_string()),
        Step::RollBack("x".to_string()),
        Step::Truncate("B/foo".to_string(), 100),
        Step::Forget("x".to_string()),
    ]
    .to_vec();
    let disk = formatted(SMALL);
    let mut model = Model::new();
    let volume = mounted(&disk);
    for step in before() {
        run(act::step(&volume, &step, 5)).unwrap();
        model.step(&step, 5).unwrap();
    }
    run(volume.unmount(5)).unwrap();
    let image = disk.image();
    for trouble in [Trouble::Fail, Trouble::Die] {
        for at in 0.. {
            let disk = SimDisk::of(SMALL, image.clone());
            disk.trouble(at, trouble);
            let (trees, lasting) = until_it_fails(&disk, model.clone(), &steps);
            let reached = disk.counts().0 > at;
            let cut = Cut { image: disk.image(), done: trees.len(), lasting };
            look(SMALL, &cut, &trees, &|| alloc::format!("{trouble:?} at {at}"));
            if !reached {
                break;
            }
        }
    }
}

/// Does steps, those that fail too; what the volume may be afterwards, and must be at least.
fn until_it_fails(disk: &SimDisk, mut model: Model, steps: &[Step]) -> (Vec<Tree>, usize) {
    let mut trees = vec![model.tree()];
    let mut lasting = 0;
    let Ok(volume) = run(mount(disk, Mode::Write)) else { return (trees, lasting) };
    for (step, now) in steps.iter().zip(10..) {
        // A step that fails changes nothing, and the next ones are done without it.
        if run(act::step(&volume, step, now)).is_ok() {
            model.step(step, now).unwrap();
            trees.push(model.tree());
            if step.lasts() {
                lasting = trees.len() - 1;
            }
        } else if matches!(step, Step::Keep(_) | Step::Forget(_) | Step::RollBack(_)) {
            // It was not known to last, and may: nothing comes behind it.
            model.step(step, now).unwrap();
            trees.push(model.tree());
            break;
        }
    }
    if run(volume.unmount(100)).is_ok() {
        lasting = trees.len() - 1;
    }
    (trees, lasting)
}
