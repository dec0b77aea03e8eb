//! Two copies of everything but the content of files: one of them may be lost anywhere.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use crate::change::ROOT;
use crate::error::{Blame, Error};
use crate::format::{Key, Value};
use crate::fsck::{self, Depth, Finding};
use crate::testing::act;
use crate::testing::disk::{Image, SimDisk, Trouble};
use crate::testing::model::{Tree, pattern};
use crate::testing::{COPIED, formatted, in_use, mounted, run};
use crate::{BLOCK, Health, Kind, Mode, New, Volume, mount};

/// Some directories and files, and the blocks of what has two copies, and of what has one.
struct World {
    image: Image,
    tree: Tree,
    copied: Vec<u64>,
    data: BTreeSet<u64>,
}

fn world() -> World {
    let disk = formatted(COPIED);
    let volume = mounted(&disk);
    let new = |kind| New { kind, mode: 0o700, uid: 0, gid: 0 };
    for number in 0..12 {
        let name = alloc::format!("directory {number}");
        let directory = run(volume.create(ROOT, name.as_bytes(), new(Kind::Directory), 1)).unwrap();
        for number in 0..20_u64 {
            let name = alloc::format!("file {number}");
            let ino = run(volume.create(directory, name.as_bytes(), new(Kind::File), 1)).unwrap();
            let size = if number == 0 { 40_000 } else { 300 };
            assert_eq!(run(volume.write(ino, 0, &pattern(size, 5), 1)), Ok(size));
        }
    }
    let tree = run(act::tree(&volume)).unwrap();
    run(volume.commit(2)).unwrap();
    let view = volume.view();
    let all = run(view.tree.range(
        view.store,
        Key::MIN,
        Key::new(u64::MAX, crate::format::Tag::Orphan, 0),
        usize::MAX,
    ));
    let data = all.unwrap().into_iter().filter_map(|(_, value)| match value {
        Value::Stored(ptr) => Some(ptr.block..ptr.block + ptr.blocks),
        _ => None,
    });
    let data: BTreeSet<u64> = data.flatten().collect();
    drop(view);
    // The older superblocks shall lead to the same.
    for _ in 0..3 {
        run(volume.commit(2)).unwrap();
    }
    run(volume.unmount(3)).unwrap();
    let image = disk.image();
    let used = in_use(COPIED, &image);
    World { copied: used.difference(&data).copied().collect(), data, image, tree }
}

fn scrubbed(volume: &Volume<&SimDisk>) -> Health {
    let mut scrub = volume.scrub();
    while run(scrub.step()).unwrap() {}
    scrub.health
}

/// All is as it was, is healed, and stays so.
fn is_whole(disk: &SimDisk, world: &World, at: u64) -> u64 {
    let volume = mounted(disk);
    assert!(volume.passed_over().is_empty(), "block {at}");
    assert!(run(act::tree(&volume)).unwrap() == world.tree, "block {at}");
    let first = scrubbed(&volume);
    assert_eq!(first.lost, [], "block {at}");
    let healed = volume.healed();
    let again = scrubbed(&volume);
    assert_eq!((again.healed, again.lost), (0, vec![]), "block {at}");
    run(volume.unmount(4)).unwrap();
    assert_eq!(run(fsck::check(disk, Depth::Content)).unwrap().findings, [], "block {at}");
    healed
}

#[test]
fn any_block_of_metadata_may_rot_or_fail_and_nothing_is_lost() {
    let world = world();
    let mut healed = 0;
    for (number, at) in world.copied.iter().enumerate() {
        let disk = SimDisk::of(COPIED, world.image.clone());
        if number % 2 == 0 {
            disk.tamper(|image| image.put(*at, vec![0xA5; BLOCK].into()));
        } else {
            disk.spoil(*at);
        }
        healed += is_whole(&disk, &world, *at);
    }
    let count = world.copied.len();
    std::println!("{count} blocks damaged in turn, {healed} copies healed");
    // The others belong to older superblocks, or were written anew by the mount.
    assert!(count > 120 && healed > 100, "{count} blocks, {healed} healed");
}

#[test]
fn fsck_names_a_damaged_copy_and_a_mount_for_reading_heals_nothing() {
    let world = world();
    let mut named = 0;
    for at in world.copied.iter().step_by(5) {
        let disk = SimDisk::of(COPIED, world.image.clone());
        disk.tamper(|image| image.put(*at, vec![0xA5; BLOCK].into()));
        let image = disk.image();
        let found = run(fsck::check(&disk, Depth::Content)).unwrap().findings;
        assert!(matches!(found[..], [] | [Finding::Copy(_)]), "{found:?}");
        named += found.len();
        let volume = run(mount(&disk, Mode::Read)).unwrap();
        assert!(run(act::tree(&volume)).unwrap() == world.tree);
        assert_eq!(scrubbed(&volume).healed, 0);
        assert!(disk.image() == image);
    }
    assert!(named > 20, "{named}");
}

#[test]
fn a_record_that_is_lost_is_told_and_all_else_is_read() {
    let world = world();
    let disk = SimDisk::of(COPIED, world.image.clone());
    let bad = *world.data.iter().nth(10).unwrap();
    disk.spoil(bad);
    let volume = mounted(&disk);
    let lost = scrubbed(&volume).lost;
    assert!(lost.len() == 1 && lost[0].at <= bad && bad < lost[0].at + 4, "{lost:?}");
    let mut failed = 0;
    for number in 0..12 {
        let name = alloc::format!("directory {number}");
        let directory = run(volume.view().lookup(ROOT, name.as_bytes())).unwrap().ino;
        let ino = run(volume.view().lookup(directory, b"file 0")).unwrap().ino;
        let mut bytes = vec![0; 40_000];
        match run(volume.view().read(ino, 0, &mut bytes)) {
            Ok(count) => assert!(count == 40_000 && bytes == pattern(40_000, 5)),
            Err(error) => {
                assert_eq!(error.blame(), Blame::Device);
                failed += 1;
                // The other records of it can be read.
                let read = |at| run(volume.view().read(ino, at, &mut [0; 100]));
                let parts = [read(0), read(17_000), read(33_000)];
                assert_eq!(parts.iter().filter(|part| part.is_ok()).count(), 2, "{parts:?}");
            }
        }
    }
    assert_eq!(failed, 1);
    assert!(matches!(run(volume.unmount(4)), Ok(_) | Err(Error::Stopped)));
}

/// Whatever a file's content is, it is what was written there: never another's, never none.
fn is_what_was_written(volume: &Volume<&SimDisk>) -> (usize, usize) {
    let (mut good, mut lost) = (0, 0);
    let view = volume.view();
    let Ok(names) = run(view.entries(ROOT, None, 1_000)) else { return (0, 1) };
    for (_, name) in names {
        let seed: u8 = core::str::from_utf8(&name.name).unwrap().parse().unwrap();
        let Ok(inode) = run(view.inode(name.ino)) else {
            lost += 1;
            continue;
        };
        let mut bytes = vec![0; usize::try_from(inode.size).unwrap()];
        match run(view.read(name.ino, 0, &mut bytes)) {
            Ok(_) => {
                assert!(bytes == pattern(bytes.len(), seed), "file {seed} has another content");
                good += 1;
            }
            Err(error) => {
                assert!(matches!(error.blame(), Blame::Volume | Blame::Device));
                lost += 1;
            }
        }
    }
    (good, lost)
}

/// Six files, the second of each two with a commit, and trouble at a request.
fn disk_with_files(disk: &SimDisk, at: u64, trouble: Trouble) {
    let volume = mounted(disk);
    let new = New { kind: Kind::File, mode: 0o600, uid: 0, gid: 0 };
    disk.trouble(at, trouble);
    for number in 0..6_u8 {
        let name = alloc::format!("{number}");
        let ino = run(volume.create(ROOT, name.as_bytes(), new, 1)).unwrap();
        let count = 900 + 9_000 * usize::from(number);
        assert_eq!(run(volume.write(ino, 0, &pattern(count, number), 1)), Ok(count));
        if number % 2 == 1 {
            run(volume.commit(2)).unwrap();
        }
    }
    run(volume.unmount(3)).unwrap();
}

#[test]
fn a_write_that_is_lost_or_lands_elsewhere_never_gives_a_file_other_content() {
    let (mut good, mut lost, mut healed) = (0, 0, 0);
    for trouble in [Trouble::Lose, Trouble::Misdirect(1), Trouble::Misdirect(64)] {
        for at in 0..100 {
            let disk = formatted(COPIED);
            disk_with_files(&disk, at, trouble);
            let Ok(volume) = run(mount(&disk, Mode::Write)) else { panic!("{trouble:?} at {at}") };
            let (right, wrong) = is_what_was_written(&volume);
            good += right;
            lost += wrong;
            healed += volume.healed();
            let mut scrub = volume.scrub();
            while matches!(run(scrub.step()), Ok(true)) {}
            healed += scrub.health.healed;
        }
    }
    std::println!("{good} files right, {lost} told as lost, {healed} copies healed");
    assert!(good > 1_000 && healed > 10, "{good}, {lost}, {healed}");
}
