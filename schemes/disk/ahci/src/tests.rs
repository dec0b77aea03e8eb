//! The driver against a fake adapter, which does what no real one should.
#![expect(clippy::arithmetic_side_effects, reason = "in a test an overflow is a failure")]

mod fake;
mod qemu;

use anode_block::{Disk, Durability, Op, Submitted};
use anode_device::fake::{BASE, Memory};
use redox::error::{EIO, EOPNOTSUPP};

use crate::failure::Failure;
use crate::sata::{Sata, start_all};
use fake::{Chip, Registers, Taken};

/// Sets a word of an answer.
pub(crate) fn set_word(bytes: &mut [u8], word: usize, value: u16) {
    bytes[word * 2..word * 2 + 2].copy_from_slice(&value.to_le_bytes());
}

/// What a disk of 5000 blocks says of itself.
pub(crate) fn identity() -> Vec<u8> {
    let mut bytes = vec![0; 512];
    for (words, text) in [(10..20, "A1"), (27..47, "Model 1")] {
        let padded = format!("{text:width$}", width = words.len() * 2);
        for (word, pair) in words.zip(padded.as_bytes().chunks_exact(2)) {
            set_word(&mut bytes, word, u16::from_be_bytes([pair[0], pair[1]]));
        }
    }
    let words = [
        (75, 7),
        (76, 1 << 8),
        (83, 0x4000 | 1 << 10),
        (84, 0x4000 | 1 << 6),
        (85, 1 << 5),
        (87, 0x4000),
        (100, 5000),
        (106, 0x4000 | 1 << 13 | 3),
        (169, 1),
    ];
    for (word, value) in words {
        set_word(&mut bytes, word, value);
    }
    bytes
}

/// Where the test's data lies, behind the driver's memory.
const DATA: u64 = BASE + 0x2_0000;

struct World {
    chip: Chip,
    disk: Sata<Memory, Registers>,
}

fn try_world(chip: &Chip) -> Result<Vec<Sata<Memory, Registers>>, Failure> {
    let mut memory = |bytes: usize| Ok(chip.ram().part(0..bytes.next_multiple_of(4096)));
    start_all(chip.registers(), vec![], &mut memory)
}

fn world_of(chip: Chip) -> World {
    let disk = try_world(&chip).unwrap().pop().unwrap();
    World { chip, disk }
}

fn world() -> World {
    world_of(Chip::new(identity()))
}

impl World {
    fn submits(&mut self, tag: usize, op: Op) -> Vec<Taken> {
        assert_eq!(self.disk.submit(tag, op).unwrap(), Submitted::Started);
        self.disk.kick();
        self.chip.takes()
    }

    fn finished(&mut self) -> Option<(usize, Result<(), i32>)> {
        self.disk.finish().map(|(tag, result)| (tag, result.map_err(|error| error.errno)))
    }
}

const fn read(block: u64) -> Op {
    Op::Read { block, bytes: 1024, address: DATA }
}

const fn write(block: u64, durability: Durability) -> Op {
    Op::Write { block, bytes: 512, address: DATA, durability }
}

#[test]
fn operations_become_queued_commands() {
    let mut world = world();
    let taken = world.submits(5, read(0x0012_3456_789A)).remove(0);
    assert_eq!((taken.command(), taken.block()), (0x60, 0x0012_3456_789A));
    assert_eq!((taken.features(), taken.count(), taken.fis[7]), (2, 0, 0x40));
    assert_eq!(taken.data, Some((DATA, 1024, false)));
    let second = world.submits(6, write(9, Durability::Flushed)).remove(0);
    assert_eq!((second.command(), second.features(), second.count()), (0x61, 1, 1 << 3));
    assert_eq!((second.fis[7], second.data), (0x40, Some((DATA, 512, true))));
    let third = world.submits(7, write(9, Durability::Forced)).remove(0);
    assert_eq!((third.command(), third.fis[7]), (0x61, 0xC0));
    for (taken, tag) in [(second, 6), (taken, 5), (third, 7)] {
        world.chip.ends(&taken);
        assert_eq!(world.finished(), Some((tag, Ok(()))));
    }
    assert_eq!(world.finished(), None);
    assert_eq!(
        world.disk.submit(1, Op::Zero { block: 0, blocks: 1 }).unwrap_err().errno,
        EOPNOTSUPP
    );
}

#[test]
fn what_is_not_queued_waits_for_the_queue_and_nothing_overtakes_it() {
    let mut world = world();
    let first = world.submits(1, read(0)).remove(0);
    assert_eq!(world.submits(2, Op::Flush), []);
    assert_eq!(world.submits(3, read(8)), []);
    assert_eq!(world.submits(4, Op::Discard { block: 7, blocks: 70_000 }), []);

    world.chip.ends(&first);
    assert_eq!(world.finished(), Some((1, Ok(()))));
    let flush = world.chip.takes().remove(0);
    assert_eq!((flush.command(), flush.data), (0xEA, None));
    world.chip.ends(&flush);
    assert_eq!(world.finished(), Some((2, Ok(()))));
    let queued = world.chip.takes();
    assert_eq!(queued.iter().map(Taken::command).collect::<Vec<_>>(), [0x60]);
    world.chip.ends(&queued[0]);
    assert_eq!(world.finished(), Some((3, Ok(()))));
    let discard = world.chip.takes().remove(0);
    assert_eq!((discard.command(), discard.features(), discard.count()), (6, 1, 1));
    let (ranges, bytes, out) = discard.data.unwrap();
    assert_eq!((bytes, out), (512, true));
    let words = [7 | 0xFFFF << 48, (7 + 0xFFFF) | (70_000 - 0xFFFF) << 48, 0];
    assert_eq!(world.chip.ram().read(ranges, 24), words.map(u64::to_le_bytes).concat());
}

#[test]
fn the_queue_is_as_deep_as_the_disk_says() {
    let mut world = world();
    let taken: Vec<_> = (0..8).flat_map(|tag| world.submits(tag, read(0))).collect();
    assert_eq!((taken.len(), world.disk.submit(9, read(0)).unwrap()), (8, Submitted::Full));
    world.chip.ends(&taken[3]);
    assert_eq!(world.finished(), Some((3, Ok(()))));
    assert_eq!(world.submits(9, read(0))[0].slot, 3);
}

#[test]
fn of_a_failed_queue_only_the_bad_command_fails() {
    for calls_it_done in [false, true] {
        let mut world = world();
        let taken: Vec<_> = (0..4).flat_map(|tag| world.submits(tag, read(tag as u64))).collect();
        world.chip.ends(&taken[0]);
        assert_eq!(world.finished(), Some((0, Ok(()))));
        if calls_it_done {
            world.chip.fails_and_ends(&taken[2]);
        } else {
            world.chip.fails();
        }
        assert_eq!(world.finished(), None);
        assert_eq!(world.chip.resets(), 1);
        for (tag, good) in [(1, true), (2, false), (3, true)] {
            let again = world.chip.takes();
            assert_eq!(again.len(), 1, "one by one");
            assert_eq!((again[0].command(), again[0].block()), (0x25, tag as u64));
            match (good, calls_it_done) {
                (true, _) => world.chip.ends(&again[0]),
                (false, true) => world.chip.fails_and_ends(&again[0]),
                (false, false) => world.chip.fails(),
            }
            assert_eq!(world.finished(), Some((tag, if good { Ok(()) } else { Err(EIO) })));
        }
        assert_eq!(world.submits(9, read(0))[0].command(), 0x60, "then they are queued as before");
    }
}

#[test]
fn a_failure_between_two_looks_at_the_port_is_no_success() {
    let mut world = world();
    let taken = world.submits(1, read(0)).remove(0);
    world.chip.fails_and_ends_late(&taken);
    assert_eq!(world.finished(), None);
    let again = world.chip.takes().remove(0);
    world.chip.fails_and_ends_late(&again);
    assert_eq!(world.finished(), Some((1, Err(EIO))));
}

#[test]
fn a_read_that_is_shorter_than_asked_is_an_error_where_that_can_be_seen() {
    let chip = Chip::new(identity());
    chip.is_simple(4);
    let mut world = world_of(chip);
    let taken = world.submits(1, read(0)).remove(0);
    assert_eq!(taken.command(), 0x25);
    assert_eq!(world.submits(2, read(4)), [], "one at a time");
    world.chip.ends_with(&taken, 512);
    assert_eq!(world.finished(), Some((1, Err(EIO))));
    let taken = world.chip.takes().remove(0);
    world.chip.ends(&taken);
    assert_eq!(world.finished(), Some((2, Ok(()))));
    let forced = world.submits(3, write(1, Durability::Forced)).remove(0);
    assert_eq!(forced.command(), 0x3D);
}

#[test]
fn a_silent_disk_is_reset_and_gets_its_commands_again_once() {
    let mut world = world();
    world.submits(1, read(0));
    world.submits(2, read(8));
    world.submits(3, Op::Flush);
    world.disk.reset();
    assert_eq!(world.finished(), None);
    let again = world.chip.takes().remove(0);
    assert_eq!((again.command(), again.block()), (0x25, 0));
    world.chip.ends(&again);
    assert_eq!(world.finished(), Some((1, Ok(()))));

    world.disk.reset();
    assert_eq!(world.finished(), Some((2, Err(EIO))));
    assert_eq!(world.finished(), Some((3, Err(EIO))));
    assert_eq!(world.finished(), None);
    assert_eq!(world.chip.takes(), []);
    assert_eq!(world.chip.resets(), 2);
    let taken = world.submits(4, read(1)).remove(0);
    world.chip.ends(&taken);
    assert_eq!(world.finished(), Some((4, Ok(()))));
}

#[test]
fn a_disk_that_spins_up_holds_up_nobody() {
    let mut world = world();
    world.submits(1, read(0));
    world.chip.is_slow();
    world.disk.reset();
    for _ in 0..100 {
        assert!(world.disk.is_resetting());
        assert_eq!(world.finished(), None);
        assert_eq!(world.disk.submit(2, read(0)).unwrap(), Submitted::Full);
        world.disk.kick();
    }
    world.chip.is_up();
    assert_eq!(world.finished(), None);
    assert!(!world.disk.is_resetting());
    let again = world.chip.takes().remove(0);
    world.chip.ends(&again);
    assert_eq!(world.finished(), Some((1, Ok(()))));
    assert_eq!(world.chip.resets(), 1);
}

#[test]
fn a_link_that_loses_frames_is_reset() {
    let mut world = world();
    world.submits(1, read(0));
    world.chip.loses_frames();
    assert_eq!(world.finished(), None);
    assert_eq!(world.chip.resets(), 1);
    let again = world.chip.takes().remove(0);
    world.chip.ends(&again);
    assert_eq!(world.finished(), Some((1, Ok(()))));
    for _ in 0..16 {
        world.submits(1, read(0));
        world.chip.loses_frames();
        world.finished();
    }
    assert_eq!(world.disk.submit(1, read(0)).unwrap_err().errno, EIO, "given up");
}

#[test]
fn a_disk_that_is_pulled_out_exchanged_or_stuck_is_dead() {
    let mut other = identity();
    set_word(&mut other, 100, 4999);
    let exchange = |chip: &Chip| {
        chip.becomes(other.clone());
        chip.loses_frames();
    };
    let stick = |chip: &Chip| {
        chip.sticks();
        chip.loses_frames();
    };
    let harms: [&dyn Fn(&Chip); 4] = [&Chip::is_unplugged, &Chip::vanishes, &exchange, &stick];
    for harm in harms {
        let mut world = world();
        world.submits(1, read(0));
        world.submits(2, Op::Flush);
        harm(&world.chip);
        let mut ended = world.finished();
        while world.disk.is_resetting() {
            world.disk.reset();
            world.disk.look();
            ended = world.finished();
        }
        assert_eq!(ended, Some((1, Err(EIO))));
        assert_eq!(world.finished(), Some((2, Err(EIO))));
        assert_eq!(world.disk.submit(3, read(0)).unwrap_err().errno, EIO);
        world.disk.kick();
        world.disk.look();
        world.disk.reset();
        assert_eq!(world.finished(), None);
    }
}

#[test]
fn a_disk_that_is_pulled_out_unnoticed_is_missed_at_the_next_look() {
    let mut world = world();
    world.submits(1, read(0));
    world.disk.look();
    assert_eq!(world.chip.resets(), 0);
    world.chip.vanishes();
    world.disk.look();
    assert_eq!(world.finished(), Some((1, Err(EIO))));
}

#[test]
fn what_is_no_disk_is_left_alone() {
    let packet = Chip::new(identity());
    packet.set_signature(0xEB14_0101);
    assert!(try_world(&packet).unwrap().is_empty());
    let mut damaged = identity();
    set_word(&mut damaged, 255, 0x11A5);
    assert!(try_world(&Chip::new(damaged)).unwrap().is_empty());
    let unplugged = Chip::new(identity());
    unplugged.is_unplugged();
    assert!(try_world(&unplugged).unwrap().is_empty());
    let stuck = Chip::new(identity());
    stuck.sticks();
    assert_eq!(try_world(&stuck).unwrap_err(), Failure::Late("reset"));
    let gone = Chip::new(identity());
    gone.vanishes();
    assert_eq!(try_world(&gone).unwrap_err(), Failure::Gone);
}
