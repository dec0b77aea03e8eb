//! The engine against a disk that answers late, out of order, or not at all.

mod fake;
mod scheme;

use redox::error::{EFAULT, EIO, EOPNOTSUPP, EROFS};

pub(crate) use fake::info;
use fake::{World, pattern};

use crate::{Access, Durability, Op, Task, WriteCache};

fn read(start: u64, len: u32) -> Task {
    Task::Read { start, len }
}

fn write(start: u64, len: u32) -> Task {
    Task::Write { start, len, durability: Durability::Flushed }
}

#[test]
fn reads_of_any_alignment_give_what_the_disk_holds() {
    let mut world = World::new(info());
    for (start, len) in [(0, 512), (1, 1), (511, 2), (100, 9000), (1024, 4096), (40, 0)] {
        let asked = world.asks(read(start, len), &[]);
        world.runs();
        assert_eq!(asked.data(), world.disk_bytes(start, len), "{start} {len}");
    }
}

#[test]
fn a_read_of_a_mebibyte_that_is_not_aligned_fits_the_memory() {
    let mut big = info();
    big.blocks = 8192;
    let mut world = World::new(big);
    let asked = world.asks(read(3, 1 << 20), &[]);
    world.runs();
    assert_eq!(asked.data(), world.disk_bytes(3, 1 << 20));
}

#[test]
fn a_partial_write_leaves_its_neighbours_alone() {
    for (start, len) in [(10, 5), (510, 4), (512, 512), (700, 5000), (0, 1), (1023, 1)] {
        let mut world = World::new(info());
        let mut expected = world.disk_bytes(0, 8192);
        let data = pattern(7, len);
        let at = usize::try_from(start).unwrap();
        expected[at..at + data.len()].copy_from_slice(&data);

        let asked = world.asks(write(start, len), &data);
        world.runs();

        assert_eq!(asked.number(), Ok(usize::try_from(len).unwrap()));
        assert_eq!(world.disk_bytes(0, 8192), expected, "{start} {len}");
    }
}

#[test]
fn two_writes_into_one_block_both_survive_whatever_the_device_does_first() {
    let mut world = World::new(info());
    let first = world.asks(write(512, 100), &[1; 100]);
    let second = world.asks(write(612, 100), &[2; 100]);
    let other = world.asks(write(4096, 512), &[3; 512]);
    world.engine.turn();
    assert!(!world.started().iter().any(|op| matches!(op, Op::Write { block: 1, .. })));
    assert!(world.started().iter().any(|op| matches!(op, Op::Write { block: 8, .. })));
    world.runs();
    for asked in [first, second, other] {
        assert!(asked.number().is_ok());
    }
    assert_eq!(world.disk_bytes(512, 200), [[1; 100], [2; 100]].concat());
}

#[test]
fn several_requests_are_in_flight_and_may_end_in_any_order() {
    let mut world = World::new(info());
    let asked: Vec<_> = (0..4).map(|index| world.asks(read(index * 512, 512), &[])).collect();
    world.engine.turn();
    assert_eq!(world.started().len(), 4);

    world.ends(2, Ok(()));
    world.engine.turn();

    assert!(asked[2].is_answered() && !asked[0].is_answered());
    assert_eq!(asked[2].data(), world.disk_bytes(1024, 512));
    world.runs();
    assert_eq!(asked[0].data(), world.disk_bytes(0, 512));
}

#[test]
fn an_error_reaches_its_own_client_only_and_stops_its_other_pieces() {
    let mut world = World::new(info());
    let bad = world.asks(read(0, 40_000), &[]);
    let good = world.asks(read(65_536, 512), &[]);
    world.engine.turn();
    let before = world.submitted();
    assert_eq!(world.started().len(), 4, "the device holds four");
    world.ends(0, Err(EIO));
    world.runs();
    assert_eq!(bad.number(), Err(EIO));
    assert_eq!(good.data(), world.disk_bytes(65_536, 512));
    assert_eq!(world.submitted(), before + 1, "only the good one came after the error");
}

#[test]
fn a_client_that_vanished_writes_nothing() {
    let mut world = World::new(info());
    let before = world.disk_bytes(0, 8192);
    let aligned = world.asks_without_data(write(0, 1024));
    let partial = world.asks_without_data(write(5, 10));
    world.runs();
    assert_eq!(aligned.number(), Err(EFAULT));
    assert_eq!(partial.number(), Err(EFAULT));
    assert_eq!(world.disk_bytes(0, 8192), before);
}

#[test]
fn memory_of_an_answer_is_not_reused_before_the_kernel_copied_it() {
    let mut big = info();
    big.blocks = 8192;
    let mut world = World::new(big);
    let first = world.asks(read(0, 1 << 20), &[]);
    let second = world.asks(read(1 << 20, 1 << 20), &[]);
    world.runs();
    assert!(first.is_answered());
    assert!(!second.is_answered(), "one megabyte fits, not two");
    world.engine.recycle();
    world.runs();
    assert_eq!(second.data(), world.disk_bytes(1 << 20, 1 << 20));
}

#[test]
fn a_flush_reaches_the_device_only_if_it_has_a_volatile_cache() {
    let mut world = World::new(info());
    let asked = world.asks(Task::Flush, &[]);
    world.engine.turn();
    assert_eq!(world.started(), [Op::Flush]);
    world.runs();
    assert_eq!(asked.number(), Ok(0));

    let mut through = info();
    through.cache = WriteCache::Through;
    let mut world = World::new(through);
    let asked = world.asks(Task::Flush, &[]);
    assert_eq!(asked.number(), Ok(0));
    assert!(world.started().is_empty());
}

#[test]
fn what_a_disk_cannot_do_has_its_own_errno() {
    let mut poor = info();
    (poor.max_discard, poor.max_zero) = (0, 0);
    let mut world = World::new(poor.clone());
    let discard = Task::Discard { block: 0, blocks: 1 };
    let zero = Task::Zero { block: 0, blocks: 1 };
    assert_eq!(world.asks(discard, &[]).number(), Err(EOPNOTSUPP));
    assert_eq!(world.asks(zero, &[]).number(), Err(EOPNOTSUPP));
    poor.access = Access::ReadOnly;
    let mut world = World::new(poor);
    assert_eq!(world.asks(write(0, 512), &[0; 512]).number(), Err(EROFS));
    assert_eq!(world.asks(discard, &[]).number(), Err(EROFS));
}

#[test]
fn zeroes_are_written_in_spans_and_keep_writes_out() {
    let mut world = World::new(info());
    let zero = world.asks(Task::Zero { block: 2, blocks: 12 }, &[]);
    let inside = world.asks(write(1536, 512), &[9; 512]);
    world.runs();
    assert_eq!((zero.number(), inside.number()), (Ok(0), Ok(512)));
    assert_eq!(world.disk_bytes(1024, 512), [0; 512]);
    assert_eq!(world.disk_bytes(1536, 512), [9; 512]);
    assert_eq!(world.disk_bytes(13 * 512, 512), [0; 512]);
}

#[test]
fn an_operation_that_never_ends_is_noticed_while_others_come_and_go() {
    let mut world = World::new(info());
    let lost = world.asks(read(0, 512), &[]);
    for _ in 0..29 {
        let other = world.asks(read(512, 512), &[]);
        world.engine.turn();
        world.ends(1, Ok(()));
        world.engine.check();
        assert!(other.is_answered() && !lost.is_answered());
    }
    let other = world.asks(read(512, 512), &[]);
    world.engine.turn();

    world.engine.check();

    assert_eq!(lost.number(), Err(EIO));
    assert_eq!(other.number(), Err(EIO), "the fake starts nothing again");
    assert!(world.engine.is_idle());
}

#[test]
fn what_can_be_aborted_alone_is_and_else_the_device_is_reset() {
    let mut world = World::new(info());
    world.aborts(true);
    let lost = world.asks(read(0, 512), &[]);
    let other = world.asks(read(512, 512), &[]);
    world.engine.turn();
    (0..29).for_each(|_| world.engine.check());
    assert_eq!(world.aborted(), []);
    world.engine.check();
    assert_eq!(world.aborted(), [0, 1]);
    world.ends(1, Ok(()));
    (0..4).for_each(|_| world.engine.check());
    assert!(!lost.is_answered(), "the abort has its time");
    world.engine.check();
    assert_eq!(lost.number(), Err(EIO));
    assert_eq!(other.data(), world.disk_bytes(512, 512));
}

#[test]
fn a_forced_write_is_answered_when_a_flush_is_through_or_the_device_forces_it() {
    let forced = Task::Write { start: 512, len: 1000, durability: Durability::Forced };
    let mut world = World::new(info());
    let asked = world.asks(forced, &[7; 1000]);
    world.engine.turn();
    world.ends(0, Ok(()));
    world.engine.turn();
    assert!(matches!(world.started()[..], [Op::Write { durability: Durability::Flushed, .. }]));
    world.ends(0, Ok(()));
    world.engine.turn();
    assert!(!asked.is_answered());
    assert_eq!(world.started(), [Op::Flush]);
    world.ends(0, Err(EIO));
    world.engine.turn();
    assert_eq!(asked.number(), Err(EIO), "what is not safe is not said to be");

    let mut able = info();
    able.writes = Durability::Forced;
    let mut world = World::new(able);
    let asked = world.asks(forced, &[7; 1000]);
    world.engine.turn();
    world.ends(0, Ok(()));
    world.engine.turn();
    assert!(matches!(world.started()[..], [Op::Write { durability: Durability::Forced, .. }]));
    world.ends(0, Ok(()));
    world.engine.turn();
    assert_eq!(asked.number(), Ok(1000));
}

#[test]
fn the_daemon_reads_for_itself_while_clients_keep_the_device_full() {
    let mut world = World::new(info());
    let asked = world.asks(read(0, 40_000), &[]);
    world.engine.turn();
    let (state, expected) = (world.hand(), world.disk_bytes(1024, 1024));
    let now = world.engine.read_now(2, 1024, &mut || state.ends_one());
    assert_eq!(now.unwrap(), expected);
    assert!(world.engine.read_now(2, 512, &mut || false).is_err());
    world.runs();
    assert_eq!(asked.data(), world.disk_bytes(0, 40_000));
}

#[test]
fn a_dead_device_answers_everything_with_an_error() {
    let mut world = World::new(info());
    world.dies();
    let asked: Vec<_> = (0..5).map(|_| world.asks(read(0, 1 << 17), &[])).collect();
    world.engine.turn();
    for asked in asked {
        assert_eq!(asked.number(), Err(EIO));
    }
}

#[test]
fn a_disk_with_senseless_facts_is_refused() {
    for change in [
        |info: &mut crate::Info| info.block = 0,
        |info: &mut crate::Info| info.block = 513,
        |info: &mut crate::Info| info.max_bytes = 256,
        |info: &mut crate::Info| info.blocks = u64::MAX,
    ] {
        let mut bad = info();
        change(&mut bad);
        assert!(World::try_new(bad).is_none());
    }
}

#[test]
fn random_traffic_reads_back_what_was_written_last() {
    let mut world = World::new(info());
    let mut model = world.disk_bytes(0, fake::SIZE);
    let mut random = fake::random(42);
    for _ in 0..4000 {
        let start = random(100_000);
        let len = u32::try_from(1 + random(9000)).unwrap();
        let at = usize::try_from(start).unwrap();
        let end = at + usize::try_from(len).unwrap();
        if random(2) == 0 {
            let data = pattern(u32::try_from(random(250)).unwrap(), len);
            model[at..end].copy_from_slice(&data);
            // Not awaited: the next ones overlap it while it is under way.
            drop(world.asks(write(start, len), &data));
            for _ in 0..random(3) {
                world.ends_one(usize::try_from(random(4)).unwrap());
                world.engine.turn();
            }
        } else {
            world.runs();
            let asked = world.asks(read(start, len), &[]);
            world.runs();
            assert_eq!(asked.data(), &model[at..end]);
            world.engine.recycle();
        }
    }
    world.runs();
    assert_eq!(world.disk_bytes(0, fake::SIZE), model);
}
