//! A check finds what was done to a volume, and nothing else.

use std::cell::Cell;
use std::io::Cursor;

use anode_fs::Format;
use anode_fs::device::Access;
use anode_fs::error::Error;
use anode_fs::fsck::Depth;
use mkfs::{Disk, make};

use crate::verdict;

const HOW: Format = Format { uuid: [1; 16], secret: [2; 16], mode: 0o755, time: 7 };

fn volume() -> Vec<u8> {
    let disk = Disk::whole(Cursor::new(vec![0; 16 << 20]), Access::ReadWrite).unwrap();
    let mut filler = make(disk, &HOW).unwrap();
    filler.file("a", 0o644, &[0x5a; 40_000]).unwrap();
    filler.finish().unwrap().into_medium().into_inner()
}

fn disk(bytes: &[u8]) -> Disk<Cursor<Vec<u8>>> {
    Disk::whole(Cursor::new(bytes.to_vec()), Access::ReadOnly).unwrap()
}

#[test]
fn a_good_volume_is_clean_and_progress_is_told() {
    let read = Cell::new(0);
    let verdict = verdict(disk(&volume()), Depth::Content, |bytes| read.set(bytes)).unwrap();
    assert!(verdict.is_clean(), "{verdict:?}");
    assert_eq!(verdict.report.files, 2);
    assert!(read.get() > 40_000);
}

#[test]
fn a_changed_byte_of_a_file_is_a_finding_in_words() {
    let mut bytes = volume();
    let run = bytes.windows(64).position(|window| window.iter().all(|byte| *byte == 0x5a));
    bytes[run.unwrap()] ^= 1;
    let found = verdict(disk(&bytes), Depth::Content, |_| {}).unwrap();
    let sentences: Vec<String> = found.sentences().collect();
    assert_eq!(sentences.len(), 1, "{sentences:?}");
    assert!(sentences[0].ends_with("its checksum is wrong"), "{sentences:?}");
    assert!(verdict(disk(&bytes), Depth::Structure, |_| {}).unwrap().is_clean());
}

#[test]
fn what_is_no_volume_is_refused() {
    let nothing = verdict(disk(&vec![0; 16 << 20]), Depth::Structure, |_| {});
    assert_eq!(nothing, Err(Error::NotOurs));
    let text = mkfs::sentence(Error::NotOurs);
    assert!(text.contains("mkfs makes one"), "{text}");
}

#[test]
fn no_changed_byte_of_an_image_makes_it_panic() {
    let good = volume();
    // Superblocks, trees and maps lie in the first blocks that were written.
    let used: Vec<usize> =
        (0..good.len()).filter(|at| good[*at] != 0 && good[*at] != 0x5a).collect();
    for at in used.iter().step_by(used.len() / 200 + 1) {
        let mut bytes = good.clone();
        bytes[*at] ^= 0x81;
        // Whether it can be checked does not matter here, only that it is judged.
        drop(verdict(disk(&bytes), Depth::Structure, |_| {}));
    }
}
