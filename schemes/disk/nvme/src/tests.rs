//! The driver against a fake controller, which does what no real one should.
#![expect(clippy::arithmetic_side_effects, reason = "in a test an overflow is a failure")]

mod fake;
mod qemu;

use anode_block::{Disk, Durability, Op, Submitted};
use anode_device::fake::{BASE, Memory};
use redox::error::{EIO, EOPNOTSUPP};

use crate::failure::Failure;
use crate::namespace::Namespace;
use fake::{Chip, Registers, Taken};
pub(crate) use fake::{controller_bytes, namespace_bytes};

/// Where the test's data lies, behind the driver's memory.
const DATA: u64 = BASE + 0x10_0000;

struct World {
    chip: Chip,
    disks: Vec<Namespace<Memory, Registers>>,
}

fn try_world(chip: &Chip) -> Result<Vec<Namespace<Memory, Registers>>, Failure> {
    let mut next = 0_usize;
    let mut memory = |bytes: usize| {
        let start = next;
        next += bytes.next_multiple_of(4096);
        Ok(chip.ram().part(start..next))
    };
    Namespace::all(chip.registers(), vec![], &mut memory)
}

fn world() -> World {
    let chip = Chip::new();
    let disks = try_world(&chip).unwrap();
    World { chip, disks }
}

impl World {
    fn submits(&mut self, disk: usize, tag: usize, op: Op) -> Taken {
        assert_eq!(self.disks[disk].submit(tag, op).unwrap(), Submitted::Started);
        self.disks[disk].kick();
        self.chip.take().unwrap()
    }

    fn finished(&mut self, disk: usize) -> Option<(usize, Result<(), i32>)> {
        self.disks[disk].finish().map(|(tag, result)| (tag, result.map_err(|error| error.errno)))
    }
}

const fn read(block: u64) -> Op {
    Op::Read { block, bytes: 1024, address: DATA }
}

#[test]
fn operations_become_commands_of_their_namespace() {
    let mut world = world();
    let taken = world.submits(0, 5, read(7));
    assert_eq!((taken.opcode(), taken.namespace()), (2, 1));
    assert_eq!((taken.block(), taken.words[12], taken.data()), (7, 1, [DATA, 0]));
    world.chip.completes(&taken, 0);
    assert_eq!(world.finished(0), Some((5, Ok(()))));

    let durability = Durability::Forced;
    let write = Op::Write { block: 1 << 33, bytes: 8192, address: DATA + 512, durability };
    let taken = world.submits(1, 6, write);
    assert_eq!((taken.opcode(), taken.namespace(), taken.block()), (1, 4, 1 << 33));
    assert_eq!(taken.words[12], 1 << 30 | 15);
    assert_eq!(taken.data()[0], DATA + 512);
    let list = world.chip.ram().read(taken.data()[1], 16);
    assert_eq!(list, [(DATA + 4096).to_le_bytes(), (DATA + 8192).to_le_bytes()].concat());
    world.chip.completes(&taken, 0);
    assert_eq!(world.finished(0), None, "it is another one's");
    assert_eq!(world.finished(1), Some((6, Ok(()))));

    let two_pages = Op::Read { block: 0, bytes: 4096, address: DATA + 512 };
    assert_eq!(world.submits(0, 1, two_pages).data(), [DATA + 512, DATA + 4096]);
    assert_eq!(world.submits(0, 1, Op::Flush).opcode(), 0);
    let taken = world.submits(0, 1, Op::Zero { block: 9, blocks: 5 });
    assert_eq!((taken.opcode(), taken.block(), taken.words[12]), (8, 9, 4));
    let taken = world.submits(0, 1, Op::Discard { block: 3, blocks: 4 });
    assert_eq!((taken.opcode(), taken.words[10], taken.words[11]), (9, 0, 4));
    let range = world.chip.ram().read(taken.data()[0], 16);
    assert_eq!(range, [0, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn commands_end_in_any_order_and_a_full_queue_says_so() {
    let mut world = world();
    let taken: Vec<_> = (0..15).map(|tag| world.submits(tag % 2, tag, read(0))).collect();
    assert_eq!(world.disks[0].submit(99, read(0)).unwrap(), Submitted::Full);
    for tag in (0..15).rev() {
        world.chip.completes(&taken[tag], 0);
        assert_eq!(world.finished(tag % 2), Some((tag, Ok(()))));
    }
    // More often than the queue has entries, so that the phase changes.
    for tag in 0..100 {
        let taken = world.submits(0, tag, read(0));
        world.chip.completes(&taken, 0);
        assert_eq!(world.finished(0), Some((tag, Ok(()))));
    }
    assert_eq!(world.finished(0), None);
    assert_eq!(world.chip.heads(), world.chip.posted());
}

#[test]
fn what_fails_is_tried_again_once_if_the_device_does_not_say_that_it_is_of_no_use() {
    let mut world = world();
    let taken = world.submits(0, 1, read(3));
    world.chip.completes(&taken, 0x281);
    assert_eq!(world.finished(0), None);
    let again = world.chip.take().unwrap();
    assert_eq!(again.words[1..], taken.words[1..]);
    world.chip.completes(&again, 0x281);
    assert_eq!(world.finished(0), Some((1, Err(EIO))));

    for (status, errno) in [(0x4281, EIO), (0x4001, EOPNOTSUPP), (0x0001, EOPNOTSUPP)] {
        let taken = world.submits(0, 2, read(3));
        world.chip.completes(&taken, status);
        assert_eq!(world.finished(0), Some((2, Err(errno))));
    }
    assert_eq!(world.chip.take(), None);
}

#[test]
fn a_lying_device_is_reset_and_gets_its_commands_again_once() {
    type Lie = fn(&Chip, &Taken);
    let lies: [Lie; 3] = [
        |chip, _| chip.posts(99, 1, 0),
        |chip, taken| chip.posts(taken.id(), 0, 0),
        |chip, taken| {
            chip.posts(taken.id(), 1, 0);
            chip.posts(taken.id(), 1, 0);
        },
    ];
    for lie in lies {
        let mut world = world();
        let other = world.submits(1, 2, read(9));
        let taken = world.submits(0, 1, read(3));
        lie(&world.chip, &taken);
        while world.finished(0).is_some() {}
        assert_eq!(world.chip.starts(), 2);

        let mut again: Vec<_> = std::iter::from_fn(|| world.chip.take()).collect();
        assert!(again.iter().any(|taken| taken.words[1..] == other.words[1..]));
        world.chip.posts(99, 1, 0);
        world.finished(0);
        assert_eq!(world.finished(1), Some((2, Err(EIO))), "it was sent twice");
        again.clear();
        assert_eq!(world.chip.take(), None);
        let taken = world.submits(0, 3, read(1));
        world.chip.completes(&taken, 0);
        assert_eq!(world.finished(0), Some((3, Ok(()))));
    }
}

#[test]
fn a_slow_command_is_aborted_and_then_tried_again() {
    let mut world = world();
    let slow = world.submits(0, 1, read(3));
    world.submits(0, 2, read(4));
    assert!(!world.disks[1].abort(1), "nothing of it is that disk's");
    assert!(world.disks[0].abort(1));
    let abort = world.chip.take_admin().unwrap();
    assert_eq!((abort.opcode(), abort.words[10]), (8, u32::from(slow.id()) << 16 | 1));
    world.chip.completes_admin(&abort, 0);
    world.chip.completes(&slow, 7);
    assert_eq!(world.finished(0), None);
    let again = world.chip.take().unwrap();
    world.chip.completes(&again, 0);
    assert_eq!(world.finished(0), Some((1, Ok(()))));
    assert_eq!(world.chip.starts(), 1);

    // The device can do three at a time; and it may not end what it was never told.
    for _ in 0..4 {
        world.submits(0, 7, read(0));
    }
    assert!(world.disks[0].abort(7));
    let aborts: Vec<_> = std::iter::from_fn(|| world.chip.take_admin()).collect();
    assert_eq!(aborts.len(), 3);
    assert!(!world.disks[0].abort(2), "no more at a time: reset it");
    world.chip.completes_admin(&aborts[0], 0);
    world.chip.completes_admin(&aborts[0], 0);
    assert_eq!(world.finished(0), None);
    assert_eq!(world.chip.starts(), 2);
}

#[test]
fn a_device_that_fails_for_good_or_is_gone_ends_everything_with_an_error() {
    let harms = [Chip::vanishes as fn(&Chip), Chip::vanishes_to_zeroes, Chip::hangs];
    for (harm, is_seen) in harms.into_iter().zip([true, true, false]) {
        let mut world = world();
        world.submits(0, 1, read(0));
        world.submits(1, 2, read(0));
        harm(&world.chip);
        world.disks[0].look();
        if !is_seen {
            world.disks[0].reset();
            assert_eq!(world.finished(0), None, "it was not even waited for");
        }
        let mut second = None;
        while world.disks[0].is_resetting() {
            world.disks[0].reset();
            world.disks[0].look();
            second = world.finished(1);
        }
        assert_eq!(world.finished(0), Some((1, Err(EIO))));
        assert_eq!(second.or_else(|| world.finished(1)), Some((2, Err(EIO))));
        for disk in &mut world.disks {
            assert_eq!(disk.submit(3, read(0)).unwrap_err().errno, EIO);
            disk.kick();
            disk.look();
            disk.reset();
            assert!(!disk.abort(1));
            assert!(disk.finish().is_none());
        }
    }
}

#[test]
fn a_device_that_takes_its_time_to_reset_holds_up_nobody() {
    let mut world = world();
    world.submits(0, 1, read(3));
    world.chip.hangs();
    world.disks[0].reset();
    for _ in 0..100 {
        for disk in &mut world.disks {
            assert!(disk.is_resetting());
            assert!(disk.finish().is_none());
            assert_eq!(disk.submit(2, read(0)).unwrap(), Submitted::Full);
            disk.kick();
            assert!(!disk.abort(1));
        }
    }
    world.chip.wakes();
    assert_eq!(world.finished(1), None);
    assert!(!world.disks[0].is_resetting());
    assert_eq!(world.chip.starts(), 2);
    let again = world.chip.take().unwrap();
    world.chip.completes(&again, 0);
    assert_eq!(world.finished(0), Some((1, Ok(()))));
    world.submits(1, 2, read(0));
}

#[test]
fn a_fatal_status_is_noticed_and_repaired() {
    let mut world = world();
    world.submits(0, 1, read(0));
    world.disks[0].look();
    assert_eq!(world.chip.starts(), 1);
    world.chip.fails();
    world.disks[0].look();
    assert_eq!(world.chip.starts(), 2);
    let again = world.chip.take().unwrap();
    world.chip.completes(&again, 0);
    assert_eq!(world.finished(0), Some((1, Ok(()))));
}

#[test]
fn a_device_that_lies_forever_is_given_up() {
    let mut world = world();
    for round in 0..17 {
        world.submits(0, round, read(0));
        world.chip.posts(99, 1, 0);
        world.disks[0].look();
        while world.finished(0).is_some() {}
    }
    assert_eq!(world.disks[0].submit(1, read(0)).unwrap_err().errno, EIO);
}

#[test]
fn a_controller_that_cannot_be_used_says_why() {
    let refused = |change: fn(&Chip)| {
        let chip = Chip::new();
        change(&chip);
        try_world(&chip).map(|disks| disks.len()).unwrap_err()
    };
    assert_eq!(refused(Chip::vanishes), Failure::Gone);
    assert_eq!(refused(Chip::hangs), Failure::Late("stop"));
    assert!(matches!(refused(|chip| chip.set_capabilities(0x0100_000F, 0)), Failure::Unsuited(_)));
    let large_pages = |chip: &Chip| chip.set_capabilities(0x0100_000F, 1 << 5 | 1 << 16);
    assert!(matches!(refused(large_pages), Failure::Unsuited(_)));
    assert!(matches!(refused(|chip| chip.set_capabilities(0x0100_0000, 32)), Failure::Unsuited(_)));
    let far_doorbells = |chip: &Chip| chip.set_capabilities(0x0100_000F, 1 << 5 | 0xF);
    assert!(matches!(refused(far_doorbells), Failure::Unsuited(_)));
    assert!(matches!(refused(|chip| chip.refuses(1)), Failure::Refused(_, _)));
}

#[test]
fn a_controller_without_a_list_of_namespaces_is_asked_for_each() {
    let chip = Chip::new();
    chip.has_no_list();
    let disks = try_world(&chip).unwrap();
    assert_eq!(disks.iter().map(|disk| disk.info().blocks).collect::<Vec<_>>(), [1000, 4000]);
}
