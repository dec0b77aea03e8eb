//! The scheme `disk:` as its clients see it.
#![expect(clippy::arithmetic_side_effects, reason = "in a test an overflow is a failure")]

use anode_scheme::op;
use anode_scheme::testing::Fake;
use redox::error::{
    EACCES, EBADF, EBUSY, EINPROGRESS, EINVAL, EISDIR, ENOENT, ENOSPC, ENOTDIR, ENOTTY, EROFS,
};
use redox::flag::{O_DIRECTORY, O_EXCL, O_RDONLY, O_RDWR, O_STAT, O_WRONLY};

use super::fake::{FakeDisk, Hand, Memory, SIZE, info, pattern};
use crate::protocol::{self, DISCARD, FACTS, Facts, RESCAN, Span, ZERO};
use crate::{Access, Disks, Info};

/// The first sector with two partitions: blocks 10 to 29 and 40 to 59.
fn sector() -> Vec<u8> {
    let mut sector = pattern(3, 512);
    sector[446..510].fill(0);
    for (at, block) in [(446, 10_u32), (462, 40)] {
        sector[at + 4] = 0x83;
        sector[at + 8..at + 12].copy_from_slice(&block.to_le_bytes());
        sector[at + 12..at + 16].copy_from_slice(&20_u32.to_le_bytes());
    }
    sector[510..].copy_from_slice(&[0x55, 0xAA]);
    sector
}

struct World {
    disk: Fake<Disks<FakeDisk, Memory>>,
    hand: Hand,
}

fn world_of(first: Info) -> World {
    let mut bytes = pattern(1, SIZE);
    bytes[..512].copy_from_slice(&sector());
    let (one, memory, hand) = FakeDisk::eager(first, bytes);
    let (two, other, _) = FakeDisk::eager(info(), vec![0; usize::try_from(SIZE).unwrap()]);
    World { disk: Fake::new(Disks::new([(one, memory), (two, other)])), hand }
}

fn world() -> World {
    world_of(info())
}

impl World {
    fn opens(&mut self, name: &str, flags: usize) -> Result<u64, i32> {
        self.disk.open(name, flags).map_err(|error| error.errno)
    }

    fn reads(&mut self, id: u64, len: usize, offset: u64) -> Result<Vec<u8>, i32> {
        self.disk.read(id, len, offset).map_err(|error| error.errno)
    }

    fn writes(&mut self, id: u64, bytes: &[u8], offset: u64) -> Result<u64, i32> {
        self.disk.write(id, bytes, offset).map_err(|error| error.errno)
    }

    fn calls(&mut self, id: u64, opcode: u64, bytes: &[u8]) -> Result<Vec<u8>, i32> {
        let answer = self.disk.request(op::CALL, id, [0, 0, opcode, 0], bytes);
        answer.map(|answer| answer.bytes).map_err(|error| error.errno)
    }
}

#[test]
fn disks_and_partitions_are_listed_whatever_the_size_of_the_buffer() {
    let mut world = world();
    let root = world.opens("", O_RDONLY | O_DIRECTORY).unwrap();
    for size in [32, 64, 4096] {
        assert_eq!(world.disk.list(root, size).unwrap(), ["0", "0p1", "0p2", "1"]);
    }
    assert_eq!(world.reads(root, 10, 0), Err(EISDIR));
    let answer = world.disk.open_at(root, "0p2", O_RDONLY).unwrap();
    assert!(answer.positioned && answer.cookie == 2);
}

#[test]
fn reads_give_the_bytes_of_the_disk_and_end_where_it_ends() {
    let mut world = world();
    let bytes = world.hand.bytes();
    let whole = world.opens("0", O_RDONLY).unwrap();
    assert_eq!(world.reads(whole, 512, 0).unwrap(), sector());
    assert_eq!(world.reads(whole, 10_000, 777).unwrap(), bytes[777..10_777]);
    let size = u64::from(SIZE);
    assert_eq!(world.reads(whole, 100, size - 30).unwrap(), bytes[bytes.len() - 30..]);
    for offset in [size, size + 1, u64::MAX] {
        assert_eq!(world.reads(whole, 100, offset).unwrap(), []);
    }
    assert_eq!(world.reads(whole, 0, 0).unwrap(), []);
    assert_eq!(world.reads(whole, 3 << 20, 0).unwrap(), bytes, "a short count");
    let stat = world.disk.stat(whole).unwrap();
    assert_eq!((stat.st_size, stat.st_blksize, stat.st_mode >> 12), (size, 4096, 6));
}

#[test]
fn a_partition_is_clipped_on_both_sides() {
    let mut world = world();
    let before = world.hand.bytes();
    let part = world.opens("0p1", O_RDWR).unwrap();
    assert_eq!(world.disk.stat(part).unwrap().st_size, 20 * 512);
    assert_eq!(world.reads(part, 5000, 100).unwrap(), before[5220..10_220]);
    assert_eq!(world.reads(part, 5000, 10_000).unwrap(), before[15_120..15_360]);

    assert_eq!(world.writes(part, &[7; 300], 10_140), Ok(100));
    assert_eq!(world.writes(part, &[7; 300], 10_240), Err(ENOSPC));
    assert_eq!(world.writes(part, &[7; 300], u64::MAX), Err(ENOSPC));
    assert_eq!(world.writes(part, &[], 20_000), Ok(0));

    let after = world.hand.bytes();
    assert_eq!(after[15_260..15_360], [7; 100]);
    assert_eq!((&after[..15_260], &after[15_360..]), (&before[..15_260], &before[15_360..]));
}

#[test]
fn large_and_small_writes_arrive_whole() {
    let mut world = world();
    let whole = world.opens("1", O_RDWR).unwrap();
    let data = pattern(9, 50_000);
    assert_eq!(world.writes(whole, &data, 1001), Ok(50_000));
    assert_eq!(world.writes(whole, &[1, 2, 3], 30_000), Ok(3));
    let mut expected = data;
    expected[28_999..29_002].copy_from_slice(&[1, 2, 3]);
    assert_eq!(world.reads(whole, 50_000, 1001).unwrap(), expected);
    assert_eq!(world.disk.request(op::SYNC, whole, [0; 4], &[]).unwrap().value, 0);
}

#[test]
fn requests_are_answered_when_their_data_came_in_any_order() {
    let mut world = world();
    let whole = world.opens("0", O_RDONLY).unwrap();
    world.hand.slows();
    let asks = |world: &mut World, offset| {
        world.disk.ask(op::READ, whole, [0, 512, offset, 0], &[]).unwrap()
    };
    let (first, second) = (asks(&mut world, 512), asks(&mut world, 1024));
    assert!(world.disk.answer(first).is_none());
    world.hand.ends_newest();
    world.disk.event(0, 1);
    assert_eq!(world.disk.answer(second).unwrap().unwrap().bytes, world.hand.bytes()[1024..1536]);
    assert!(world.disk.answer(first).is_none());
    world.hand.ends_newest();
    world.disk.event(0, 1);
    assert_eq!(world.disk.answer(first).unwrap().unwrap().bytes, world.hand.bytes()[512..1024]);
    world.disk.event(77, 1);
}

#[test]
fn names_flags_and_rights_are_checked() {
    let mut world = world();
    for name in ["2", "0p3", "0p0", "x", "0/", "../0"] {
        assert_eq!(world.opens(name, O_RDONLY), Err(ENOENT), "{name}");
    }
    assert_eq!(world.opens("0", O_RDONLY | O_DIRECTORY), Err(ENOTDIR));
    let reader = world.opens("0", O_RDONLY).unwrap();
    let writer = world.opens("0", O_WRONLY).unwrap();
    assert_eq!(world.writes(reader, &[1], 0), Err(EBADF));
    assert_eq!(world.reads(writer, 1, 0), Err(EBADF));
    assert_eq!(world.calls(reader, ZERO, &Span { start: 0, len: 0 }.to_bytes()), Err(EBADF));
    assert_eq!(world.disk.open_at(reader, "0", O_RDONLY).unwrap_err().errno, ENOTDIR);

    world.disk.caller = (9, 1000, 1000);
    assert_eq!(world.opens("0", O_RDONLY), Err(EACCES));
    let asks = world.opens("0", O_RDONLY | O_STAT).unwrap();
    assert_eq!(world.disk.stat(asks).unwrap().st_size, u64::from(SIZE));
    assert_eq!(world.reads(asks, 1, 0), Err(EBADF));

    let mut fixed = info();
    fixed.access = Access::ReadOnly;
    assert_eq!(world_of(fixed).opens("0", O_RDWR), Err(EROFS));
}

#[test]
fn an_exclusive_handle_keeps_other_writers_out_while_it_is_open() {
    let mut world = world();
    let mounted = world.opens("0p1", O_RDWR | O_EXCL).unwrap();
    assert_eq!(world.opens("0", O_RDWR), Err(EBUSY));
    assert_eq!(world.opens("0p1", O_RDWR), Err(EBUSY));
    assert_eq!(world.opens("0", O_RDONLY | O_EXCL), Err(EBUSY));
    let reader = world.opens("0", O_RDONLY).unwrap();
    let neighbour = world.opens("0p2", O_RDWR).unwrap();
    world.opens("1", O_RDWR | O_EXCL).unwrap();
    world.disk.close(mounted);
    let writer = world.opens("0", O_RDWR).unwrap();
    assert_eq!(world.opens("0p1", O_RDWR | O_EXCL), Err(EBUSY));
    for id in [reader, neighbour, writer] {
        world.disk.close(id);
    }
    assert!(world.opens("0p1", O_RDWR | O_EXCL).is_ok());
}

#[test]
fn facts_tell_what_the_handle_names() {
    let mut world = world();
    let part = world.opens("0p2", O_RDONLY).unwrap();
    let facts = Facts::from_bytes(&world.calls(part, FACTS, &[0; Facts::BYTES]).unwrap()).unwrap();
    assert_eq!((facts.bytes, facts.offset, facts.block), (20 * 512, 40 * 512, 512));
    let flags = protocol::VOLATILE | protocol::CAN_DISCARD | protocol::CAN_ZERO;
    assert_eq!((facts.flags, facts.identity.as_str()), (flags, "fake"));
    assert_eq!(world.calls(part, FACTS, &[0; 100]), Err(EINVAL));
    assert_eq!(world.calls(part, 99, &[]), Err(ENOTTY));
    let root = world.opens("", O_RDONLY).unwrap();
    assert_eq!(world.calls(root, FACTS, &[0; Facts::BYTES]), Err(ENOTTY));
}

#[test]
fn zeroes_reach_the_partition_alone_and_hostile_spans_are_refused() {
    let mut world = world();
    let before = world.hand.bytes();
    let part = world.opens("0p1", O_RDWR).unwrap();
    let span = Span { start: 512, len: 1024 };
    assert_eq!(world.calls(part, ZERO, &span.to_bytes()).unwrap(), span.to_bytes());
    let after = world.hand.bytes();
    let changed = 11 * 512..13 * 512;
    assert_eq!(after[changed.clone()], [0; 1024]);
    assert_eq!(after[..changed.start], before[..changed.start]);
    assert_eq!(after[changed.end..], before[changed.end..]);

    assert!(world.calls(part, DISCARD, &Span { start: 0, len: 512 }.to_bytes()).is_ok());
    assert!(world.calls(part, DISCARD, &Span { start: 10_240, len: 0 }.to_bytes()).is_ok());
    for (start, len) in [(1, 512), (0, 100), (9728, 1024), (u64::MAX - 511, 512), (10_752, 0)] {
        let span = Span { start, len }.to_bytes();
        assert_eq!(world.calls(part, ZERO, &span), Err(EINVAL), "{start} {len}");
    }
    assert_eq!(world.calls(part, ZERO, &[0; 8]), Err(EINVAL));
    assert_eq!(world.calls(part, ZERO, &[0; 24]), Err(EINVAL));
}

#[test]
fn a_new_table_is_seen_when_it_is_asked_for_and_no_partition_is_open() {
    let mut world = world();
    let whole = world.opens("0", O_RDWR).unwrap();
    let part = world.opens("0p1", O_RDONLY).unwrap();
    world.hand.put(446 + 4, &[0]);
    assert_eq!(world.calls(whole, RESCAN, &[]), Err(EBUSY));
    world.disk.close(part);
    assert!(world.calls(whole, RESCAN, &[]).is_ok());
    let root = world.opens("", O_RDONLY).unwrap();
    assert_eq!(world.disk.list(root, 4096).unwrap(), ["0", "0p2", "1"]);
    let part = world.opens("0p2", O_RDWR).unwrap();
    assert_eq!(world.calls(part, RESCAN, &[]), Err(EINVAL));
}

#[test]
fn a_kept_request_says_so_and_a_full_ring_is_worked_off() {
    let mut world = world();
    let whole = world.opens("0", O_RDONLY).unwrap();
    world.hand.slows();
    let error = world.disk.read(whole, 512, 0).unwrap_err();
    assert_eq!(error.errno, EINPROGRESS);
    let mut tags = Vec::new();
    while let Some(tag) = world.disk.ask(op::READ, whole, [0, 9000, 0, 0], &[]) {
        tags.push(tag);
    }
    assert!(tags.len() >= 4);
    while world.hand.ends_one() {
        world.disk.event(0, 1);
    }
    let expected = world.hand.bytes()[..9000].to_vec();
    for tag in tags {
        assert_eq!(world.disk.answer(tag).unwrap().unwrap().bytes, expected);
    }
}
