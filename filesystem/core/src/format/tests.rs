//! Every structure is read as it was written; no changed or missing byte of one is more than an
//! error, and where a checksum covers it, it is never less.

use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::BLOCK;
use crate::error::{Error, Flaw};
use crate::space::Region;

const SEED: u64 = 77;

fn ptr(class: Class) -> Ptr {
    let second = if class == Class::Data { 0 } else { 900 };
    Ptr::to(SEED, class, 12, Places { block: 100, second }, &vec![1; 4 * BLOCK])
}

fn sample_super() -> Super {
    Super {
        uuid: [3; 16],
        secret: [4; 16],
        txg: 12,
        time: -1,
        blocks: 1 << 20,
        root: ptr(Class::Node),
        level: 1,
        clean: false,
        read_only: 0,
        log: 500,
    }
}

fn sample_leaf() -> Node {
    let bytes = |count| Value::Bytes(vec![5; count].into());
    let items = vec![
        (Key::new(1, Tag::Inode, 0), bytes(128)),
        (Key::new(1, Tag::Name, 9), bytes(20)),
        (Key::new(2, Tag::Inline, 0), bytes(0)),
        (Key::new(2, Tag::Data, 7), Value::Stored(ptr(Class::Data))),
    ];
    Node { level: 0, items }
}

fn sample_inode() -> Inode {
    Inode {
        kind: Kind::File,
        mode: 0o644,
        uid: 1,
        gid: 2,
        links: 3,
        size: 4,
        blocks: 5,
        times: [6, -7, 8, 9],
        record: 14,
        parent: 10,
        flags: 0,
    }
}

/// All images of these bytes with one bit changed, and all that are cut short.
fn mutations(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let flip = |bit: usize| {
        let mut changed = bytes.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        changed
    };
    let cut = |length: usize| bytes[..length].to_vec();
    (0..bytes.len() * 8).map(flip).chain((0..bytes.len()).map(cut))
}

#[test]
fn a_superblock_is_read_as_written_and_no_changed_one_is_taken() {
    let bytes = sample_super().encode();
    assert_eq!(Super::decode(&bytes), Ok(sample_super()));
    for changed in mutations(&bytes) {
        assert!(matches!(Super::decode(&changed), Err(Error::Corrupt(_))));
    }
}

#[test]
fn a_superblock_of_a_newer_version_is_not_touched() {
    // The version is at byte 8, the words of features at 16.
    for (at, expected) in [(8, Err(Error::Newer)), (32, Err(Error::Newer))] {
        let mut bytes = sample_super().encode();
        bytes[at] ^= 2;
        let sum = xxhash_rust::xxh3::xxh3_128(&bytes[..BLOCK - 16]);
        bytes[BLOCK - 16..].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(Super::decode(&bytes), expected);
    }
    let mut read_only = sample_super();
    read_only.read_only = 1;
    assert!(!Super::decode(&read_only.encode()).unwrap().is_writable());
}

#[test]
fn a_pointer_is_read_as_written_and_knows_its_content_its_place_and_its_class() {
    use zerocopy::IntoBytes as _;
    let content = vec![1; 4 * BLOCK];
    for class in [Class::Node, Class::Data, Class::Map] {
        let second = if class == Class::Data { 0 } else { 5 };
        let at = Places { block: 0xFFFF_FFFF_FFF0, second };
        let ptr = Ptr::to(SEED, class, 12, at, &content);
        let raw = ptr.raw();
        assert_eq!(Ptr::parse(raw.as_bytes(), class), Ok(ptr));
        assert_eq!(ptr.verify(SEED, &content), Ok(()));
        assert_eq!(ptr.verify(SEED + 1, &content), Err(Flaw::Checksum.at(ptr.block)));
        let elsewhere = Ptr { block: 7, ..ptr };
        assert_eq!(elsewhere.verify(SEED, &content), Err(Flaw::Checksum.at(7)));
        for changed in mutations(raw.as_bytes()) {
            let read = Ptr::parse(&changed, class);
            assert!(read.is_err() || read.is_ok_and(|read| read != ptr));
        }
    }
    let node = ptr(Class::Node).raw();
    assert_eq!(Ptr::parse(node.as_bytes(), Class::Data), Err(Flaw::Role.at(100)));
}

#[test]
fn a_node_is_read_as_written_and_no_changed_one_is_more_than_an_error() {
    let leaf = sample_leaf();
    let bytes = leaf.encode(9, 12).unwrap();
    let read = Node::decode(&bytes, &ptr(Class::Node), 0, 9).unwrap();
    assert_eq!(read.encode(9, 12).unwrap(), bytes);
    assert_eq!(read.used(), leaf.used());

    let used = 32 + leaf.used();
    for mut changed in mutations(&bytes[..used]) {
        let cut = changed.len() < used;
        changed.resize(NODE, 0);
        if let Ok(read) = Node::decode(&changed, &ptr(Class::Node), 0, 9) {
            assert!(read.items.is_sorted_by_key(|(key, _)| *key));
            assert!(read.used() <= CAPACITY, "cut: {cut}");
        }
    }
}

#[test]
fn a_node_that_is_not_what_its_parent_says_is_refused() {
    let bytes = sample_leaf().encode(9, 12).unwrap();
    let at = ptr(Class::Node);
    let flaw = |ptr: &Ptr, level, owner| Node::decode(&bytes, ptr, level, owner).err();
    assert_eq!(flaw(&at, 1, 9), Some(Flaw::Role.at(100)));
    assert_eq!(flaw(&at, 0, 8), Some(Flaw::Role.at(100)));
    assert_eq!(flaw(&Ptr { birth: 13, ..at }, 0, 9), Some(Flaw::Birth.at(100)));

    let mut unsorted = sample_leaf();
    unsorted.items.swap(0, 1);
    let bytes = unsorted.encode(9, 12).unwrap();
    assert_eq!(Node::decode(&bytes, &at, 0, 9).err(), Some(Flaw::Order.at(100)));
}

#[test]
fn an_inode_is_read_as_written_and_no_changed_one_is_more_than_an_error() {
    let bytes = sample_inode().encode();
    assert_eq!(Inode::decode(&bytes), Ok(sample_inode()));
    for changed in mutations(&bytes) {
        if let Ok(read) = Inode::decode(&changed) {
            assert!((4096..=16384).contains(&read.record_size()));
            assert!(i64::try_from(read.size).is_ok());
        }
    }
}

#[test]
fn names_are_read_as_written_and_none_that_cannot_be_is() {
    let name = |ino, text: &str| Name { ino, kind: Kind::Directory, name: text.into() };
    let names = vec![name(5, "etc"), name(6, "home")];
    let bytes = encode_names(&names);
    assert_eq!(decode_names(&bytes), Ok(names));
    for changed in mutations(&bytes) {
        for name in decode_names(&changed).unwrap_or_default() {
            assert!(is_name(&name.name), "{name:?}");
        }
    }
    for bad in ["", ".", "..", "a/b", "a\0b"] {
        assert_eq!(decode_names(&encode_names(&[name(1, bad)])), Err(Flaw::Value), "{bad}");
    }
}

#[test]
fn a_segment_is_read_as_written_behind_the_right_one_and_no_changed_one_is_taken() {
    let payload = vec![8; 5000];
    let (bytes, sum) = encode_segment(300, 55, 302, &payload);
    let read = Segment::decode(&bytes, 300, 55).unwrap();
    assert_eq!(read, Segment { payload: &payload, next: 302, sum, blocks: 2 });
    assert_eq!(Segment::decode(&bytes, 300, 56), Err(Flaw::Checksum));
    assert_eq!(Segment::decode(&bytes, 301, 55), Err(Flaw::Checksum));
    for changed in mutations(&bytes) {
        assert!(Segment::decode(&changed, 300, 55).is_err());
    }
}

#[test]
fn a_map_is_as_long_as_it_has_to_be() {
    let bytes = Region::new(9..99).encode();
    assert_eq!(Region::decode(&bytes).unwrap().free, 90);
    for length in [0, BLOCK - 8, BLOCK - 1, BLOCK + 8] {
        let mut changed = bytes.clone();
        changed.resize(length, 0);
        assert_eq!(Region::decode(&changed), Err(Flaw::Length));
    }
}
