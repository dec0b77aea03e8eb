//! The driver against a fake device, alone and under the block layer.
#![expect(clippy::arithmetic_side_effects, reason = "in a test an overflow is a failure")]

mod qemu;

use std::cell::RefCell;
use std::rc::Rc;

use anode_block::{Disk, Durability, Op, Submitted};
use anode_device::Interrupt;
use anode_virtio::VERSION_1;
use anode_virtio::fake::{BASE, Block, Chip, Memory, Ram, Taken};
use redox::error::{EIO, EOPNOTSUPP};

use crate::disk::{Signal, VirtioBlk};
use crate::facts::{CONFIG_BYTES, DISCARD, FLUSH, WANTED, WRITE_ZEROES};

/// Where the test's data lies, behind queue and slots.
const DATA: u64 = BASE + 0x4000;

struct World {
    ram: Ram,
    chip: Chip,
    disk: VirtioBlk<Memory, Block>,
}

fn world_with(features: u64) -> World {
    world_by(features, Signal::None)
}

fn world_by(features: u64, signal: Signal) -> World {
    let ram = Ram::new(0x10000);
    let mut config = vec![0; CONFIG_BYTES];
    config[0..4].copy_from_slice(&1000_u32.to_le_bytes());
    config[8..12].copy_from_slice(&0x4000_u32.to_le_bytes());
    config[20..24].copy_from_slice(&512_u32.to_le_bytes());
    config[36..40].copy_from_slice(&50_u32.to_le_bytes());
    config[48..52].copy_from_slice(&60_u32.to_le_bytes());
    let chip = Chip::new(&ram, features | VERSION_1, 16, config);
    let next = RefCell::new(0);
    let mut memory = |bytes: usize| {
        let start = next.replace_with(|at| *at + bytes.next_multiple_of(4096));
        Ok(ram.part(start..start + bytes.next_multiple_of(4096)))
    };
    let disk = VirtioBlk::start(chip.transport(), signal, &mut memory).unwrap();
    World { ram, chip, disk }
}

fn world() -> World {
    world_with(WANTED & !crate::facts::READ_ONLY)
}

impl World {
    fn submits(&mut self, tag: usize, op: Op) -> Taken {
        assert_eq!(self.disk.submit(tag, op).unwrap(), Submitted::Started);
        self.disk.kick();
        self.chip.take().unwrap()
    }

    /// The device answers with a status byte.
    fn answers(&self, taken: &Taken, status: u8) {
        let (at, len) = *taken.into.last().unwrap();
        assert_eq!(len, 1);
        self.ram.write(at, &[status]);
        let written: u32 = taken.into.iter().map(|(_, len)| len).sum();
        self.chip.give(taken.head.into(), written);
    }

    fn header(&self, taken: &Taken) -> (u32, u64) {
        let header = self.ram.read(taken.out[0].0, 16);
        let kind = u32::from_le_bytes(header[..4].try_into().unwrap());
        (kind, u64::from_le_bytes(header[8..].try_into().unwrap()))
    }

    fn finished(&mut self) -> Option<(usize, Result<(), i32>)> {
        self.disk.finish().map(|(tag, result)| (tag, result.map_err(|error| error.errno)))
    }
}

fn read(block: u64) -> Op {
    Op::Read { block, bytes: 1024, address: DATA }
}

#[test]
fn reads_and_writes_reach_the_device_with_sector_and_memory() {
    let mut world = world();
    let taken = world.submits(5, read(7));
    assert_eq!(world.header(&taken), (0, 7));
    assert_eq!(taken.into[0], (DATA, 1024));
    world.answers(&taken, 0);
    assert_eq!(world.finished(), Some((5, Ok(()))));

    let durability = Durability::Flushed;
    let taken = world.submits(6, Op::Write { block: 9, bytes: 512, address: DATA, durability });
    assert_eq!(world.header(&taken), (1, 9));
    assert_eq!(taken.out[1], (DATA, 512));
    world.answers(&taken, 0);
    assert_eq!(world.finished(), Some((6, Ok(()))));
    assert_eq!(world.finished(), None);
    assert_eq!(world.chip.rung(), 2);
}

#[test]
fn flush_discard_and_zeroes_have_their_own_commands() {
    let mut world = world();
    let taken = world.submits(1, Op::Flush);
    assert_eq!(world.header(&taken).0, 4);
    assert_eq!(taken.out.len(), 1);
    for (op, kind) in
        [(Op::Discard { block: 3, blocks: 4 }, 11), (Op::Zero { block: 3, blocks: 4 }, 13)]
    {
        let taken = world.submits(2, op);
        assert_eq!(world.header(&taken).0, kind);
        let range = world.ram.read(taken.out[1].0, 16);
        assert_eq!(range, [3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
    }
}

#[test]
fn what_the_device_does_not_have_is_refused_before_it_starts() {
    let mut world = world_with(WANTED & !(FLUSH | DISCARD | WRITE_ZEROES));
    for op in [Op::Flush, Op::Discard { block: 0, blocks: 1 }, Op::Zero { block: 0, blocks: 1 }] {
        assert_eq!(world.disk.submit(1, op).unwrap_err().errno, EOPNOTSUPP);
    }
    assert_eq!(world.chip.take(), None);
}

#[test]
fn a_bad_status_is_an_errno_of_its_own_request() {
    let mut world = world();
    for (status, errno) in [(1, EIO), (2, EOPNOTSUPP), (77, EIO), (0xFF, EIO)] {
        let good = world.submits(1, read(0));
        let bad = world.submits(2, read(1));
        world.answers(&bad, status);
        world.answers(&good, 0);
        assert_eq!(world.finished(), Some((2, Err(errno))));
        assert_eq!(world.finished(), Some((1, Ok(()))));
    }
}

#[test]
fn a_read_that_is_shorter_than_asked_is_an_error() {
    let mut world = world();
    let taken = world.submits(1, read(0));
    world.ram.write(taken.into[1].0, &[0]);
    world.chip.give(taken.head.into(), 513);
    assert_eq!(world.finished(), Some((1, Err(EIO))));
}

#[test]
fn a_full_device_says_so_and_takes_more_when_one_ended() {
    let mut world = world();
    let taken: Vec<_> = (0..5).map(|tag| world.submits(tag, read(0))).collect();
    assert_eq!(world.disk.submit(9, read(0)).unwrap(), Submitted::Full);
    world.answers(&taken[3], 0);
    assert_eq!(world.finished(), Some((3, Ok(()))));
    world.submits(9, read(0));
}

#[test]
fn a_lying_device_is_reset_and_goes_on() {
    let mut world = world();
    world.submits(1, read(0));
    world.submits(2, read(0));
    world.chip.give(9, 0);
    assert_eq!(world.finished(), Some((1, Err(EIO))));
    assert_eq!(world.finished(), Some((2, Err(EIO))));
    assert_eq!(world.finished(), None);
    assert_eq!(world.chip.resets(), 2);

    let taken = world.submits(3, read(0));
    world.answers(&taken, 0);
    assert_eq!(world.finished(), Some((3, Ok(()))));
}

#[test]
fn a_device_that_lies_forever_or_hangs_in_reset_is_given_up() {
    let mut world = world();
    for _ in 0..16 {
        world.submits(1, read(0));
        world.chip.give(9, 0);
        assert_eq!(world.finished(), Some((1, Err(EIO))));
    }
    world.submits(1, read(0));
    world.chip.hang_in_reset();
    world.disk.reset();
    assert_eq!(world.finished(), Some((1, Err(EIO))));
    assert_eq!(world.disk.submit(1, read(0)).unwrap_err().errno, EIO);
    assert_eq!(world.finished(), None);
}

#[test]
fn the_serial_number_becomes_the_identity_if_it_is_text() {
    for (serial, identity) in
        [(&b"QM-0001\0"[..], "QM-0001"), (&[b'x'; 20], "xxxxxxxxxxxxxxxxxxxx"), (b"\xFF\x01\0", "")]
    {
        let mut world = world();
        let (chip, ram) = (world.chip.clone(), world.ram.clone());
        let asked = Rc::new(RefCell::new(0));
        world.disk.identify(&mut || {
            *asked.borrow_mut() += 1;
            let taken = chip.take().unwrap();
            ram.write(taken.into[0].0, serial);
            ram.write(taken.into[1].0, &[0]);
            chip.give(taken.head.into(), 21);
            true
        });
        assert_eq!(world.disk.info().identity, identity);
        assert_eq!(*asked.borrow(), 1);
    }
    let mut silent = world();
    silent.disk.identify(&mut || false);
    assert_eq!(silent.disk.info().identity, "");
    assert_eq!(silent.chip.resets(), 2);
}

#[test]
fn a_device_with_a_line_lets_go_of_it_when_it_is_heard_and_one_with_messages_has_none() {
    let interrupt = || Interrupt::new(std::fs::File::open("/dev/null").unwrap().into());
    let mut world = world_by(WANTED, Signal::Line(interrupt()));
    assert_eq!(world.disk.interrupts().len(), 1);
    for _ in 0..2 {
        let taken = world.submits(1, read(0));
        world.answers(&taken, 0);
        assert!(world.chip.line());
        world.disk.quiet();
        assert!(!world.chip.line(), "it would come again for ever");
        assert_eq!(world.finished(), Some((1, Ok(()))));
    }
    let mut world = world_by(WANTED, Signal::Message(interrupt()));
    let taken = world.submits(1, read(0));
    world.answers(&taken, 0);
    assert!(!world.chip.line());
}

#[test]
fn a_device_that_is_pulled_out_fails_what_it_held_and_takes_nothing_more() {
    let mut world = world();
    world.submits(1, read(0));
    world.disk.look();
    assert_eq!(world.finished(), None, "all is well");
    world.chip.pull_out();
    world.disk.look();
    assert_eq!(world.finished(), Some((1, Err(EIO))));
    assert_eq!(world.disk.submit(2, read(0)).unwrap_err().errno, EIO);
    assert_eq!(world.finished(), None);
}
