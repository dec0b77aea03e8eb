//! What a volume does beside its histories: space, files without a name, older superblocks, and
//! what it costs.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::device::{Access, BlockDevice as _};
use crate::error::{Blame, Error, Failure};
use crate::format::{RING, RING_A, Super, ring_b};
use crate::fsck::{self, Depth, Finding};
use crate::testing::disk::{Event, SimDisk};
use crate::testing::model::pattern;
use crate::testing::{FORMAT, SMALL, formatted, in_use, mounted, run};
use crate::{BLOCK, Kind, Mode, NAME_MAX, New, Volume, mount};

const FILE: New = New { kind: Kind::File, mode: 0o644, uid: 0, gid: 0 };
const ROOT: u64 = 1;

fn make(volume: &Volume<&SimDisk>, name: &str) -> Result<u64, Error> {
    run(volume.create(ROOT, name.as_bytes(), FILE, 2))
}

fn findings(disk: &SimDisk) -> Vec<Finding> {
    run(fsck::check(disk, Depth::Content)).unwrap().findings
}

/// Writes all of it, in as many parts as the volume wants.
fn fill(volume: &Volume<&SimDisk>, ino: u64, data: &[u8]) -> Result<(), Error> {
    let mut done = 0;
    while done < data.len() {
        let at = u64::try_from(done).unwrap();
        done += run(volume.write(ino, at, &data[done..], 3))?;
    }
    Ok(())
}

#[test]
fn a_full_volume_says_so_lets_delete_and_can_be_filled_again() {
    let disk = formatted(SMALL);
    fill_and_empty(&disk, 50);
    let disk = formatted(SMALL);
    disk.guard(in_use);
    fill_and_empty(&disk, 2);
}

fn fill_and_empty(disk: &SimDisk, rounds: u32) {
    let volume = mounted(disk);
    let mut sizes = Vec::new();
    for round in 0..rounds {
        let mut names: Vec<String> = Vec::new();
        loop {
            let name = format!("{round}-{}", names.len());
            let size = if names.len().is_multiple_of(2) { 200_000 } else { 3_000 };
            let made = make(&volume, &name);
            let filled = made.and_then(|ino| fill(&volume, ino, &pattern(size, 1)));
            if made.is_ok() {
                names.push(name);
            }
            match filled {
                Ok(()) => {}
                Err(error) => {
                    assert_eq!((error, error.blame()), (Error::NoSpace, Blame::Space));
                    break;
                }
            }
        }
        let statistics = run(async { volume.statistics() });
        assert!(statistics.free > 0 && statistics.available < statistics.blocks / 8);
        sizes.push(names.len());
        for name in names {
            run(volume.unlink(ROOT, name.as_bytes(), 4)).unwrap();
        }
    }
    run(volume.unmount(5)).unwrap();
    assert_eq!(findings(disk), []);
    let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
    assert!(*least > 50 && most - least <= most / 8, "{sizes:?}");
}

#[test]
fn an_open_file_without_a_name_lives_until_it_is_closed_or_the_power_goes() {
    let disk = formatted(SMALL);
    let volume = mounted(&disk);
    let ino = make(&volume, "a").unwrap();
    run(volume.open(ino)).unwrap();
    run(volume.unlink(ROOT, b"a", 3)).unwrap();
    run(volume.write(ino, 0, b"still here", 4)).unwrap();
    let mut bytes = [0; 10];
    run(volume.view().read(ino, 0, &mut bytes)).unwrap();
    assert_eq!(&bytes, b"still here");
    assert_eq!(run(volume.link(ino, ROOT, b"b", 5)), Err(Error::NotFound));
    run(volume.fsync()).unwrap();
    run(volume.commit(5)).unwrap();
    assert_eq!(findings(&disk), []);

    let survivor = SimDisk::of(SMALL, disk.image());
    let volume_after_crash = mounted(&survivor);
    assert_eq!(run(volume_after_crash.view().inode(ino)), Err(Error::NotFound));
    assert_eq!(volume_after_crash.statistics().files, 1);

    run(volume.close(ino)).unwrap();
    assert_eq!(run(volume.view().inode(ino)), Err(Error::NotFound));
    assert_eq!(run(volume.close(ino)), Err(Error::Invalid));
    run(volume.unmount(6)).unwrap();
    assert_eq!(findings(&disk), []);
}

#[test]
fn names_of_any_bytes_are_taken_and_impossible_ones_refused() {
    let disk = formatted(SMALL);
    let volume = mounted(&disk);
    let create = |name: &[u8]| run(volume.create(ROOT, name, FILE, 2));
    create(&[b'x'; NAME_MAX]).unwrap();
    create(b"\xff\x01 \n").unwrap();
    assert_eq!(create(&[b'x'; NAME_MAX + 1]), Err(Error::NameTooLong));
    for name in [&b""[..], b".", b"..", b"a/b", b"a\0"] {
        assert_eq!(create(name), Err(Error::Invalid), "{name:?}");
    }
    assert_eq!(create(b"\xff\x01 \n"), Err(Error::Exists));
}

#[test]
fn a_directory_is_read_in_parts_while_others_change_it() {
    let disk = formatted(SMALL);
    let volume = mounted(&disk);
    for number in 0..500 {
        make(&volume, &format!("stays {number}")).unwrap();
    }
    let mut seen = Vec::new();
    let mut after = None;
    for round in 0.. {
        let entries = run(volume.view().entries(ROOT, after, 7)).unwrap();
        let Some((cookie, _)) = entries.last() else { break };
        after = Some(*cookie);
        seen.extend(entries.into_iter().map(|(_, name)| name.name));
        make(&volume, &format!("new {round}")).unwrap();
    }
    let stays = |name: &&Vec<u8>| name.starts_with(b"stays");
    let mut names: Vec<&Vec<u8>> = seen.iter().filter(stays).collect();
    assert_eq!(names.len(), 500);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 500, "each once");
}

#[test]
fn a_sparse_file_takes_no_space_and_reads_as_zeroes() {
    let disk = formatted(SMALL);
    let volume = mounted(&disk);
    let ino = make(&volume, "a").unwrap();
    run(volume.truncate(ino, 1 << 40, 3)).unwrap();
    run(volume.write(ino, 1 << 39, b"middle", 4)).unwrap();
    assert_eq!(run(volume.view().inode(ino)).unwrap().blocks, 1);
    let mut bytes = vec![1; 40_000];
    let from = (1 << 39) - 20_000;
    assert_eq!(run(volume.view().read(ino, from, &mut bytes)), Ok(40_000));
    assert_eq!(&bytes[20_000..20_006], b"middle");
    assert!(bytes[..20_000].iter().chain(&bytes[20_006..]).all(|byte| *byte == 0));
    let beyond = run(volume.truncate(ino, 1 << 63, 5));
    assert_eq!(beyond, Err(Error::TooLarge));
    assert_eq!(run(volume.write(ino, u64::MAX, b"x", 5)), Err(Error::TooLarge));
}

#[test]
fn what_was_cut_off_does_not_come_back_when_a_file_grows() {
    let disk = formatted(SMALL);
    let volume = mounted(&disk);
    let ino = make(&volume, "a").unwrap();
    fill(&volume, ino, &vec![0xAA; 150_000]).unwrap();
    run(volume.commit(4)).unwrap();
    run(volume.truncate(ino, 371, 5)).unwrap();
    run(volume.truncate(ino, 225_215, 6)).unwrap();
    let mut bytes = vec![1; 225_215];
    assert_eq!(run(volume.view().read(ino, 0, &mut bytes)), Ok(225_215));
    assert!(bytes[..371].iter().all(|byte| *byte == 0xAA));
    assert!(bytes[371..].iter().all(|byte| *byte == 0));
}

/// A volume with three commits, of one file each.
fn three_commits() -> SimDisk {
    let disk = formatted(SMALL);
    let volume = mounted(&disk);
    for name in ["one", "two", "three"] {
        make(&volume, name).unwrap();
        run(volume.commit(3)).unwrap();
    }
    disk
}

/// Where the newest superblock is, in both rings, and what it says.
fn newest(disk: &SimDisk) -> (u64, u64, Super) {
    let root = run(crate::volume::supers(disk)).unwrap()[0];
    let slot = root.txg % RING;
    (RING_A + slot, ring_b(SMALL) + slot, root)
}

#[test]
fn one_ring_is_enough_and_older_superblocks_are_whole() {
    let names = ["three", "two", "one"];
    for lost in 0..3 {
        let disk = three_commits();
        for _ in 0..lost {
            let (first, second, _) = newest(&disk);
            disk.tamper(|image| {
                image.put(first, vec![7; BLOCK].into());
                image.put(second, vec![7; BLOCK].into());
            });
        }
        let (first, _, _) = newest(&disk);
        disk.tamper(|image| image.put(first, vec![7; BLOCK].into()));
        let volume = mounted(&disk);
        for (at, name) in names.iter().enumerate() {
            let found = run(volume.view().lookup(ROOT, name.as_bytes()));
            assert_eq!(found.is_ok(), at >= lost, "{name} with {lost} lost");
        }
        run(volume.unmount(9)).unwrap();
        assert_eq!(findings(&disk), []);
    }
}

#[test]
fn a_root_that_is_rotten_is_passed_over_and_told() {
    let disk = three_commits();
    let (_, _, root) = newest(&disk);
    disk.tamper(|image| image.put(root.root.block, vec![7; BLOCK].into()));
    let found = run(fsck::check(&disk, Depth::Content)).unwrap().findings;
    assert_eq!(found, [Finding::Passed(root.txg)]);
    let volume = mounted(&disk);
    assert_eq!(volume.passed_over().len(), 1);
    assert!(run(volume.view().lookup(ROOT, b"two")).is_ok());
    assert_eq!(run(volume.view().lookup(ROOT, b"three")), Err(Error::NotFound));
}

#[test]
fn a_rotten_record_fails_its_reader_alone_and_fsck_names_it() {
    let disk = formatted(SMALL);
    let volume = mounted(&disk);
    let (good, bad) = (make(&volume, "a").unwrap(), make(&volume, "b").unwrap());
    fill(&volume, good, &pattern(50_000, 1)).unwrap();
    run(volume.commit(3)).unwrap();
    disk.take_events();
    fill(&volume, bad, &vec![0xBB; 50_000]).unwrap();
    let events = disk.take_events();
    let Some(Event::Write { block, .. }) = events.first() else { panic!("nothing written") };
    run(volume.unmount(4)).unwrap();
    disk.tamper(|image| image.put(*block, vec![0; BLOCK].into()));
    let volume = mounted(&disk);
    let mut bytes = vec![0; 50_000];
    let error = run(volume.view().read(bad, 0, &mut bytes)).unwrap_err();
    assert_eq!(error.blame(), Blame::Volume);
    assert_eq!(run(volume.view().read(good, 0, &mut bytes)), Ok(50_000));
    let found = run(fsck::check(&disk, Depth::Content)).unwrap().findings;
    assert!(matches!(found[..], [Finding::Unreadable(at, _)] if at == *block), "{found:?}");
}

#[test]
fn a_wrong_device_is_a_clear_error_and_is_not_written() {
    let blank = SimDisk::new(SMALL);
    assert_eq!(run(mount(&blank, Mode::Write)).err(), Some(Error::NotOurs));
    assert!(blank.image().written().is_empty());

    let small = SimDisk::new(SMALL - 1);
    let refused = Err(Error::Device(Failure::Refused));
    assert_eq!(run(crate::format(&small, &FORMAT)), refused);
    let large = SimDisk::new(SMALL).with(|facts| facts.logical_block = 8192);
    assert_eq!(run(crate::format(&large, &FORMAT)), refused);

    let disk = formatted(SMALL);
    let image = disk.image();
    let shorter = SimDisk::of(SMALL + 64, image.clone()).with(|facts| facts.blocks = SMALL);
    assert!(run(mount(&shorter, Mode::Read)).is_ok());
    let cut_off = SimDisk::of(SMALL, formatted(2 * SMALL).image());
    assert_eq!(run(mount(&cut_off, Mode::Read)).err(), Some(Error::NotOurs));

    let locked = SimDisk::of(SMALL, image.clone()).with(|facts| facts.access = Access::ReadOnly);
    assert_eq!(run(mount(&locked, Mode::Write)).err(), Some(Error::ReadOnly));
    let volume = run(mount(&locked, Mode::Read)).unwrap();
    assert_eq!(run(volume.create(ROOT, b"a", FILE, 1)), Err(Error::ReadOnly));
    run(volume.unmount(1)).unwrap();
    assert_eq!(locked.image(), image);
}

#[test]
fn append_and_fsync_is_one_write_of_a_block_and_one_flush() {
    let disk = formatted(SMALL);
    let volume = mounted(&disk);
    let ino = make(&volume, "a").unwrap();
    run(volume.fsync()).unwrap();
    for round in 0..100 {
        run(volume.write(ino, round * 200, &[7; 200], 3)).unwrap();
        disk.take_events();
        run(volume.fsync()).unwrap();
        let events = disk.take_events();
        assert!(matches!(&events[..], [Event::Write { fua: false, .. }, Event::Flush]));
    }
}

#[test]
fn an_overwrite_of_four_kilobytes_costs_less_than_twenty() {
    let disk = formatted(1 << 16);
    let volume = mounted(&disk);
    let ino = make(&volume, "a").unwrap();
    fill(&volume, ino, &pattern(64 << 20, 1)).unwrap();
    run(volume.commit(3)).unwrap();
    disk.take_events();
    let count = 2_000;
    let mut random = crate::testing::random::Random::new(3);
    for _ in 0..count {
        let at = random.below(16_384) * 4_096;
        run(volume.write(ino, at, &[9; 4_096], 4)).unwrap();
    }
    run(volume.commit(5)).unwrap();
    let events = disk.take_events();
    let written = events.iter().filter(|event| matches!(event, Event::Write { .. })).count();
    let each = written * BLOCK / count;
    std::println!("{each} bytes written for each 4,096");
    assert!(each <= 20 << 10, "{each}");
}

#[test]
fn a_terabyte_is_mounted_after_a_crash_with_few_reads() {
    let blocks = (1 << 40) / 4096;
    let disk = formatted(blocks);
    let volume = mounted(&disk);
    for number in 0..2_000 {
        let ino = make(&volume, &format!("{number}")).unwrap();
        run(volume.write(ino, 0, &[1; 100], 3)).unwrap();
    }
    run(volume.fsync()).unwrap();
    let crashed = SimDisk::of(blocks, disk.image());
    let volume = mounted(&crashed);
    assert_eq!(volume.statistics().files, 2_001);
    let (_, reads) = crashed.counts();
    std::println!("{reads} reads");
    assert!(reads < 1_000, "{reads}");
}

#[test]
fn what_is_free_again_is_discarded_and_nothing_else() {
    let disk = formatted(SMALL);
    // The guard also panics when a block in use is discarded.
    disk.guard(in_use);
    let volume = mounted(&disk);
    let ino = make(&volume, "a").unwrap();
    fill(&volume, ino, &vec![0xAA; 500_000]).unwrap();
    run(volume.commit(3)).unwrap();
    run(volume.unlink(ROOT, b"a", 4)).unwrap();
    run(volume.commit(5)).unwrap();
    run(volume.commit(5)).unwrap();
    let early = disk.discarded().len();
    run(volume.commit(6)).unwrap();
    run(volume.commit(6)).unwrap();
    let late = disk.discarded().len();
    assert!(late >= early + 500_000 / BLOCK, "{early}, then {late}");
    assert_eq!(disk.facts().blocks, SMALL);
}
