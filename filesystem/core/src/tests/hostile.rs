//! Volumes that mean harm: whatever the bytes are, mounting, reading, changing and checking end,
//! without a panic and within 64 MiB of memory.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec;

use crate::device::BlockDevice as _;
use crate::fsck::{self, Depth};
use crate::testing::disk::{Image, SimDisk};
use crate::testing::forge::Forger;
use crate::testing::random::Random;
use crate::testing::{SMALL, act, formatted, mounted, run};
use crate::{Kind, Mode, New, View, mount};

/// No volume of this size may need more requests to be looked at.
const REQUESTS: u64 = 40_000;

/// A volume with a bit of everything, and a log.
fn victim() -> Image {
    let disk = formatted(SMALL);
    let volume = mounted(&disk);
    let mut random = Random::new(4);
    let names = ["a", "b", "a/x", "a/y", "b/x", "b/y", "a/x/z", "c"];
    let mut worked = 0;
    for now in 2..200 {
        let step = act::random_step(&mut random, &names);
        worked += usize::from(run(act::step(&volume, &step, now)).is_ok());
    }
    assert!(worked > 30, "{worked}");
    let new = New { kind: Kind::File, mode: 0o600, uid: 0, gid: 0 };
    for number in 0..300 {
        run(volume.create(1, format!("file {number}").as_bytes(), new, 1)).unwrap();
    }
    run(volume.snapshot(b"older", 299)).unwrap();
    for number in 0..40 {
        run(volume.unlink(1, format!("file {number}").as_bytes(), 1)).unwrap();
    }
    run(volume.snapshot(b"newer", 300)).unwrap();
    run(volume.unlink(1, b"file 50", 1)).unwrap();
    run(volume.commit(300)).unwrap();
    for number in 0..20 {
        let ino = run(volume.create(1, format!("late {number}").as_bytes(), new, 1)).unwrap();
        run(volume.write(ino, 0, &vec![7; 1_000 + 2_000 * number], 1)).unwrap();
    }
    run(volume.fsync()).unwrap();
    disk.image()
}

/// Reads what there is, with a bound on what a file may claim.
fn read_all(view: &View<'_, &SimDisk>) -> usize {
    let mut seen = BTreeSet::from([1]);
    let mut todo = vec![1];
    let mut bytes = vec![0; 100_000];
    let mut readable = 0;
    while let Some(ino) = todo.pop() {
        readable += usize::from(run(view.read(ino, 0, &mut bytes)).is_ok());
        readable += usize::from(run(view.target(ino)).is_ok());
        let mut after = None;
        while let Ok(entries) = run(view.entries(ino, after, 100)) {
            let Some((last, _)) = entries.last() else { break };
            assert!(after.is_none_or(|after| after < *last), "the cookies grow");
            after = Some(*last);
            todo.extend(entries.iter().map(|(_, name)| name.ino).filter(|ino| seen.insert(*ino)));
        }
    }
    readable
}

/// Does all there is to do with an image; whether it could be mounted.
fn look(image: Image) -> bool {
    let disk = SimDisk::of(SMALL, image);
    let early = run(fsck::check(&disk, Depth::Content));
    let Ok(volume) = run(mount(&disk, Mode::Write)) else { return false };
    let mut worked = read_all(&volume.view());
    for snapshot in volume.snapshots() {
        worked += volume.snapshot_view(&snapshot.name).map_or(0, |view| read_all(&view));
    }
    let mut scrub = volume.scrub();
    while matches!(run(scrub.step()), Ok(true)) {}
    let mut random = Random::new(8);
    let names = ["a", "b", "a/x", "c", "file 7", "late 3"];
    for now in 2..15 {
        let step = act::random_step(&mut random, &names);
        worked += usize::from(run(act::step(&volume, &step, now)).is_ok());
    }
    worked += usize::from(run(volume.delete_snapshot(b"newer")).is_ok());
    worked += usize::from(run(volume.roll_back(b"older", 9)).is_ok());
    let ended = run(volume.unmount(9)).is_ok();
    let late = run(fsck::check(&disk, Depth::Structure));
    let (count, _) = disk.counts();
    assert!(count < REQUESTS, "{count} requests: {early:?}, {worked}, {ended}, {late:?}");
    assert_eq!(disk.facts().blocks, SMALL);
    true
}

/// Bytes of memory that this process had at most.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Runs this test alone in a process of its own, as its memory is measured; true in there.
fn alone(test: &str) -> bool {
    if std::env::var_os("ANODE_FS_ALONE").is_some() {
        return true;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("ANODE_FS_ALONE", "1")
        .output()
        .unwrap();
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", told(&output.stderr));
    std::print!("{}", told(&output.stdout));
    false
}

/// How many images are tried; more if the environment says so.
fn images() -> u64 {
    std::env::var("ANODE_FS_IMAGES").ok().and_then(|count| count.parse().ok()).unwrap_or(400)
}

fn try_images(change: impl Fn(u64, &Image) -> Image) -> usize {
    let victim = victim();
    let before = peak();
    let images = images();
    let mounted = (0..images).filter(|seed| look(change(*seed, &victim))).count();
    let grown = peak().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
    std::println!("{mounted} of {images} mounted, {grown} bytes of memory");
    mounted
}

#[test]
fn random_damage_is_never_more_than_an_error() {
    if !alone("tests::hostile::random_damage_is_never_more_than_an_error") {
        return;
    }
    try_images(|seed, victim| {
        let mut random = Random::new(seed);
        let mut image = victim.clone();
        let written = image.written();
        for _ in 0..40 {
            let block = *random.pick(&written);
            let mut bytes = image.block(block).to_vec();
            let at = random.index(bytes.len());
            bytes[at] ^= 1 << random.below(8);
            image.put(block, bytes.into());
        }
        image
    });
}

#[test]
fn damage_with_right_checksums_is_never_more_than_an_error() {
    if !alone("tests::hostile::damage_with_right_checksums_is_never_more_than_an_error") {
        return;
    }
    let mounted = try_images(|seed, victim| {
        let mut random = Random::new(seed);
        let mut forger = Forger::new(SMALL, victim.clone());
        match random.below(4) {
            0 => forger.damage_log(&mut random),
            _ => forger.damage(&mut random),
        }
        forger.fix();
        forger.image
    });
    assert!(mounted > 100, "else nothing behind the first check was tried: {mounted}");
}

#[test]
fn the_forger_leaves_an_undamaged_volume_as_it_was() {
    let image = victim();
    let mut forger = Forger::new(SMALL, image.clone());
    forger.fix();
    assert!(forger.image == image);
}
