//! The simulated disk and the requests to it: what all other tests stand on.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use crate::BLOCK;
use crate::device::{self, Cache, Writer};
use crate::error::{Error, Failure};
use crate::executor::block_on;
use crate::testing::crash::{self, Cut};
use crate::testing::disk::{Event, Image, SimDisk, Trouble};

fn run<F: Future>(future: F) -> F::Output {
    block_on(future, || {})
}

/// Writes blocks full of these letters from block 0 on, as one batch.
fn write(disk: &SimDisk, blocks: &[(u64, u8)]) -> Result<(), Error> {
    run(async {
        let mut writer = Writer::new(disk);
        for (block, letter) in blocks {
            writer.write(*block, &vec![*letter; BLOCK]).await;
        }
        writer.finish().await
    })
}

fn letters(image: &Image, blocks: core::ops::Range<u64>) -> Vec<u8> {
    blocks.map(|block| image.block(block)[0]).collect()
}

fn cuts(base: &Image, events: &[Event]) -> Vec<Cut> {
    let mut cuts = Vec::new();
    crash::enumerate(base, events, 4, |cut| cuts.push(cut.clone()));
    cuts
}

#[test]
fn what_is_written_is_read_and_neighbours_go_as_one_request() {
    let disk = SimDisk::new(16);
    write(&disk, &[(3, b'a'), (4, b'b'), (9, b'c')]).unwrap();

    let bytes = run(device::read(&disk, 3, 2)).unwrap();

    assert_eq!((bytes[0], bytes[BLOCK]), (b'a', b'b'));
    assert_eq!(disk.counts(), (3, 1));
}

#[test]
fn requests_that_end_late_and_in_any_order_all_end() {
    for seed in 0..50 {
        let disk = SimDisk::new(64);
        disk.shuffle(seed);
        let blocks: Vec<(u64, u8)> = (0..20).map(|at| (at * 3, b'a')).collect();
        write(&disk, &blocks).unwrap();
        assert_eq!(disk.image().written().len(), 20);
    }
}

#[test]
fn what_lies_beyond_the_end_is_refused() {
    let disk = SimDisk::new(16);
    assert_eq!(run(device::read(&disk, 15, 2)), Err(Error::Device(Failure::Refused)));
    assert_eq!(run(device::read(&disk, u64::MAX, 2)), Err(Error::Device(Failure::Refused)));
    assert_eq!(write(&disk, &[(16, b'a')]), Err(Error::Device(Failure::Refused)));
}

#[test]
fn each_trouble_does_what_it_says() {
    let disk = SimDisk::new(16);
    disk.trouble(0, Trouble::Fail);
    assert_eq!(write(&disk, &[(1, b'a')]), Err(Error::Device(Failure::Io)));
    disk.trouble(0, Trouble::Lose);
    assert_eq!(write(&disk, &[(1, b'a')]), Ok(()));
    assert_eq!(letters(&disk.image(), 0..2), [0, 0]);
    disk.trouble(0, Trouble::Misdirect(1));
    assert_eq!(write(&disk, &[(1, b'a')]), Ok(()));
    assert_eq!(letters(&disk.image(), 0..3), [0, 0, b'a']);
    disk.trouble(1, Trouble::Die);
    assert_eq!(write(&disk, &[(1, b'a')]), Ok(()));
    assert_eq!(write(&disk, &[(1, b'b')]), Err(Error::Device(Failure::Gone)));
    assert_eq!(run(device::flush(&disk)), Err(Error::Device(Failure::Gone)));
}

#[test]
#[should_panic = "reachable from one of the last three supers"]
fn the_guard_panics_when_a_block_in_use_is_written() {
    let disk = SimDisk::new(16);
    disk.guard(|_, _| BTreeSet::from([5]));
    write(&disk, &[(5, b'a')]).unwrap();
}

#[test]
fn a_disk_without_forced_writes_is_flushed_instead() {
    let disk = SimDisk::new(16).with(|facts| facts.cache = Cache::Volatile);
    run(device::write_durably(&disk, 1, vec![b'a'; BLOCK])).unwrap();
    assert!(matches!(&disk.take_events()[..], [Event::Write { fua: false, .. }, Event::Flush]));
}

#[test]
fn a_cut_before_a_flush_leaves_every_subset_and_after_it_the_whole() {
    let disk = SimDisk::new(16);
    write(&disk, &[(0, b'a'), (1, b'b')]).unwrap();
    run(device::flush(&disk)).unwrap();
    disk.mark(1, 1);
    run(device::write_durably(&disk, 2, vec![b'c'; BLOCK])).unwrap();
    disk.mark(2, 2);

    let cuts = cuts(&Image::default(), &disk.take_events());

    let is_whole = |block: &[u8]| block.iter().all(|byte| *byte == block[0]);
    let whole = |cut: &&Cut| (0..3).all(|block| is_whole(&cut.image.block(block)));
    let early: BTreeSet<Vec<u8>> = cuts
        .iter()
        .filter(whole)
        .filter(|cut| cut.done == 0)
        .map(|cut| letters(&cut.image, 0..3))
        .collect();
    assert_eq!(
        early,
        BTreeSet::from([vec![0, 0, 0], vec![b'a', 0, 0], vec![0, b'b', 0], vec![b'a', b'b', 0]])
    );
    let late: BTreeSet<Vec<u8>> =
        cuts.iter().filter(|cut| cut.lasting == 2).map(|cut| letters(&cut.image, 0..3)).collect();
    assert_eq!(late, BTreeSet::from([vec![b'a', b'b', b'c']]));
    assert!(cuts.iter().any(|cut| cut.image.block(0)[511..513] == [b'a', 0]), "torn");
}

#[test]
fn a_discard_goes_in_pieces_and_a_rotten_block_reads_as_it_is() {
    let disk = SimDisk::new(16).with(|facts| facts.max_discard = 3);
    run(device::discard(&disk, 4, 8)).unwrap();
    assert_eq!(disk.discarded(), (4..12).collect());
    assert_eq!(disk.counts(), (3, 0));
    disk.tamper(|image| image.put(4, vec![7; BLOCK].into()));
    assert_eq!(run(device::read(&disk, 4, 1)).unwrap(), vec![7; BLOCK]);
}
