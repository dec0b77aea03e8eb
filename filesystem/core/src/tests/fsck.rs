//! Each thing that can be wrong is found and named, and nothing else: the oracle of all other
//! tests can fail.

use alloc::vec;
use alloc::vec::Vec;

use crate::change::{Change, orphan};
use crate::format::{FLAG_ORPHAN, Key, Tag, Value, encode_names};
use crate::fsck::{Depth, Finding, check};
use crate::testing::disk::SimDisk;
use crate::testing::{SMALL, formatted, mounted, run};
use crate::{Kind, Name, New};

/// The root, a directory in it with a file of records, and an empty file in the root.
const ROOT: u64 = 1;
const DIRECTORY: u64 = 2;
const FILE: u64 = 3;
const EMPTY: u64 = 4;

/// What fsck finds on a volume that was changed behind the back of its rules.
fn found(spoil: impl FnOnce(&mut Change<'_, &SimDisk>)) -> Vec<Finding> {
    let disk = formatted(SMALL);
    let volume = mounted(&disk);
    let new = |kind| New { kind, mode: 0o700, uid: 0, gid: 0 };
    let made = [
        run(volume.create(ROOT, b"directory", new(Kind::Directory), 1)).unwrap(),
        run(volume.create(DIRECTORY, b"file", new(Kind::File), 1)).unwrap(),
        run(volume.create(ROOT, b"empty", new(Kind::File), 1)).unwrap(),
    ];
    assert_eq!(made, [DIRECTORY, FILE, EMPTY]);
    assert_eq!(run(volume.write(FILE, 0, &[7; 20_000], 1)), Ok(20_000));
    run(volume.commit(1)).unwrap();
    assert_eq!(run(check(&disk, Depth::Content)).unwrap().findings, []);

    let mut turn = run(volume.turn());
    let mut change = turn.change();
    spoil(&mut change);
    turn.adopt(change.done());
    drop(turn);
    run(volume.commit(2)).unwrap();
    run(check(&disk, Depth::Content)).unwrap().findings
}

fn inode(change: &mut Change<'_, &SimDisk>, ino: u64, spoil: impl FnOnce(&mut crate::Inode)) {
    let mut inode = run(change.view.inode(ino)).unwrap();
    spoil(&mut inode);
    run(change.put_inode(ino, &inode)).unwrap();
}

fn take(change: &mut Change<'_, &SimDisk>, key: Key) {
    assert!(run(change.take(key)).unwrap().is_some());
}

fn bucket(change: &Change<'_, &SimDisk>, directory: u64, name: &[u8]) -> (Key, Vec<Name>) {
    run(change.view.bucket(directory, name)).unwrap()
}

#[test]
fn wrong_numbers_of_an_inode_are_found() {
    assert_eq!(
        found(|change| inode(change, FILE, |inode| inode.links = 2)),
        [Finding::Links(FILE)]
    );
    assert_eq!(
        found(|change| inode(change, ROOT, |inode| inode.links = 2)),
        [Finding::Links(ROOT)]
    );
    assert_eq!(found(|change| inode(change, ROOT, |inode| inode.size = 9)), [Finding::Names(ROOT)]);
    assert_eq!(
        found(|change| inode(change, FILE, |inode| inode.blocks = 1)),
        [Finding::Blocks(FILE)]
    );
    assert_eq!(
        found(|change| inode(change, FILE, |inode| inode.size = 1)),
        [Finding::Content(FILE)]
    );
    let elsewhere = found(|change| inode(change, DIRECTORY, |inode| inode.parent = FILE));
    assert_eq!(elsewhere, [Finding::Parent(DIRECTORY)]);
}

#[test]
fn names_that_lead_nowhere_and_files_without_a_name_are_found() {
    let dangling = found(|change| take(change, Key::new(EMPTY, Tag::Inode, 0)));
    assert_eq!(dangling, [Finding::Dangling(ROOT), Finding::Files]);
    let lost = found(|change| take(change, bucket(change, ROOT, b"empty").0));
    assert_eq!(lost, [Finding::Links(EMPTY), Finding::Names(ROOT), Finding::Lost(EMPTY)]);
    let other = found(|change| {
        let (key, mut names) = bucket(change, ROOT, b"empty");
        names[0].kind = Kind::Fifo;
        run(change.put(key, encode_names(&names))).unwrap();
    });
    assert_eq!(other, [Finding::Dangling(ROOT)]);
    let misplaced = found(|change| {
        let (mut key, names) = bucket(change, ROOT, b"empty");
        take(change, key);
        key.offset ^= 1;
        run(change.put(key, encode_names(&names))).unwrap();
    });
    assert_eq!(misplaced, [Finding::Misplaced(ROOT)]);
}

#[test]
fn a_list_of_nameless_files_that_is_wrong_is_found() {
    let flag = found(|change| inode(change, EMPTY, |inode| inode.flags = FLAG_ORPHAN));
    assert_eq!(flag, [Finding::Links(EMPTY), Finding::Orphan(EMPTY)]);
    let list = found(|change| run(change.put(orphan(EMPTY), vec![])).unwrap());
    assert_eq!(list, [Finding::Orphan(EMPTY)]);
    let nothing = found(|change| run(change.put(orphan(99), vec![])).unwrap());
    assert_eq!(nothing, [Finding::Orphan(99)]);
}

#[test]
fn wrong_counts_of_the_volume_are_found() {
    assert_eq!(found(|change| change.files += 1), [Finding::Files]);
    assert_eq!(found(|change| change.next = EMPTY), [Finding::Number(EMPTY)]);
}

#[test]
fn blocks_that_are_lost_free_or_owned_twice_are_found() {
    let leaked = found(|change| {
        run(change.erase(FILE)).unwrap();
        take(change, bucket(change, DIRECTORY, b"file").0);
        inode(change, DIRECTORY, |inode| inode.size = 0);
        // What was freed is forgotten.
        change.freed.clear();
    });
    assert!(
        leaked.len() >= 5 && leaked.iter().all(|finding| matches!(finding, Finding::Leaked(_)))
    );

    let record = |change: &Change<'_, &SimDisk>| {
        let key = Key::new(FILE, Tag::Data, 1);
        match run(change.view.tree.get(change.view.store, key)).unwrap() {
            Some(Value::Stored(ptr)) => ptr,
            other => panic!("{other:?}"),
        }
    };
    let unmarked =
        found(|change| change.freed.push(crate::format::Ptr { blocks: 1, ..record(change) }));
    assert!(matches!(unmarked[..], [Finding::Unmarked(_)]), "{unmarked:?}");
    let shared = found(|change| {
        let ptr = record(change);
        inode(change, FILE, |inode| {
            inode.size = 40_000;
            inode.blocks += ptr.blocks;
        });
        run(change.set(Key::new(FILE, Tag::Data, 2), Value::Stored(ptr))).unwrap();
    });
    assert!(matches!(shared[..], [Finding::Shared(_)]), "{shared:?}");
}

#[test]
fn an_item_that_is_no_such_thing_is_found() {
    let short =
        found(|change| run(change.put(Key::new(EMPTY, Tag::Inode, 0), vec![1; 5])).unwrap());
    assert!(short.contains(&Finding::Unreadable(EMPTY, crate::error::Flaw::Length)), "{short:?}");
    let foreign =
        found(|change| run(change.put(Key::new(EMPTY, Tag::Region, 0), vec![1; 5])).unwrap());
    assert_eq!(foreign, [Finding::Unreadable(EMPTY, crate::error::Flaw::Role)]);
}
