//! What the machine handle gives.

use std::vec::Vec;

use anode_abi::info::part;
use anode_abi::number::{SYS_CLOSE, SYS_EVENT_WAIT, SYS_FMAP, SYS_FSTAT, SYS_READ2, SYS_WRITE2};

use crate::error::{EBUSY, EFAULT, EINVAL, ENOENT, ENOTTY, encode};
use crate::machine::IrqOp;
use crate::mem::region::MapFlags;
use crate::num::wide;
use crate::testing::{BASE, READ_WRITE, World};
use crate::trap::Trap;

/// init's handle on the machine.
const MACHINE: u64 = 4;

fn open(world: &mut World, kind: usize, a: u64, b: u64) -> Option<u64> {
    world.part(world.init, MACHINE, &[wide(kind), a, b])
}

#[test]
fn memory_for_devices_says_where_it_lies() {
    let mut world = World::new();
    let init = world.init;
    let registers = open(&mut world, part::UNCACHED, 0xFEB0_0000, 1).unwrap();
    assert_eq!(world.stat(init, registers), (0xFEB0_0000, 4096));
    let dma = open(&mut world, part::DMA, 5000, 0).unwrap();
    let (address, bytes) = world.stat(init, dma);
    assert!(address != 0 && address % 4096 == 0 && bytes == 8192, "{address:x} {bytes}");
    let half = world.part(init, dma, &[4096, 4096]).unwrap();
    assert_eq!(world.stat(init, half), (address + 4096, 4096));
    let kinds: Vec<MapFlags> = world.kernel.memory.objects.iter().map(|(_, o)| o.cache).collect();
    assert!(kinds.contains(&MapFlags::UNCACHED));
    for (kind, a, b) in
        [(part::MEMORY, 1, 4096), (part::DMA, 0, 0), (part::DMA, u64::MAX, 0), (99, 0, 0)]
    {
        assert_eq!(open(&mut world, kind, a, b), Some(encode(EINVAL)), "{kind} {a} {b}");
    }
    assert_eq!(world.part(init, 0, &[0]), Some(encode(ENOTTY)));
}

#[test]
fn memory_that_the_kernel_gives_out_is_no_devices() {
    let mut world = World::new();
    // init's ELF lies in the first frames, behind which all are the kernel's.
    for (address, bytes) in [(8 << 12, 4096), (3 << 12, 3 * 4096), (4096, 1 << 43)] {
        let opened = open(&mut world, part::MEMORY, address, bytes);
        assert_eq!(opened, Some(encode(EBUSY)), "{address:#x}");
    }
    open(&mut world, part::MEMORY, 3 << 12, 4096).unwrap();
}

#[test]
fn a_buffer_in_the_memory_of_a_device_is_a_fault_and_no_success() {
    let mut world = World::new();
    let init = world.init;
    let registers = open(&mut world, part::UNCACHED, 0xFEB0_0000, 4096).unwrap();
    let map = [0, 4096, 1 | 3 << 17, 0].map(u64::to_le_bytes);
    world.poke(init, BASE, map.as_flattened());
    let address = world.ok(init, SYS_FMAP, &[registers, BASE, 32]);
    let object = world.open(init, "memory:", READ_WRITE).unwrap();
    assert_eq!(world.write(init, object, b"text"), Some(4));
    for number in [SYS_READ2, SYS_WRITE2] {
        let done = world.call(init, number, &[object, address, 4, 0, 0]);
        assert_eq!(done, Some(encode(EFAULT)), "{number:#x}");
    }
    assert_eq!(world.call(init, SYS_FSTAT, &[object, address, 104]), Some(encode(EFAULT)));
}

#[test]
fn ports_take_one_access_or_a_string_of_bytes() {
    let mut world = World::new();
    let init = world.init;
    let ports = open(&mut world, part::PORTS, 0x100, 8).unwrap();
    world.poke(init, BASE, &[1, 2, 3, 4, 5]);
    let write = |world: &mut World, len, at| world.call(init, SYS_WRITE2, &[ports, BASE, len, at]);
    assert_eq!(write(&mut world, 4, 4), Some(4));
    assert_eq!(world.kernel.memory.machine.console, [1, 2, 3, 4]);
    assert_eq!(write(&mut world, 5, 0), Some(5));
    let string = [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0];
    assert_eq!(world.kernel.memory.machine.console[4..], string);
    for (len, at) in [(4, 5), (1, 8), (0, 0), (2, u64::MAX - 1)] {
        assert_eq!(write(&mut world, len, at), Some(encode(EINVAL)), "{len} at {at}");
    }
    assert_eq!(world.call(init, SYS_READ2, &[ports, BASE, 2, 6]), Some(2));
    assert_eq!(world.peek(init, BASE, 2), [0x06, 0x01]);
    for (first, count) in [(0, 0), (0xFFFF, 2), (0x1_0000, 1)] {
        assert_eq!(open(&mut world, part::PORTS, first, count), Some(encode(EINVAL)));
    }
}

#[test]
fn a_line_is_its_owners_alone_until_its_last_handle_is_gone() {
    let mut world = World::new();
    let init = world.init;
    let line = open(&mut world, part::LEVEL, 11, 0).unwrap();
    assert_eq!(open(&mut world, part::EDGE, 11, 0), Some(encode(EBUSY)));
    assert_eq!(open(&mut world, part::EDGE, 99, 0), Some(encode(ENOENT)));
    world.ok(init, SYS_CLOSE, &[line]);
    let did = &world.kernel.memory.machine.lines;
    assert_eq!(did.last(), Some(&(11, IrqOp::Mask)));
    open(&mut world, part::EDGE, 11, 0).unwrap();
}

#[test]
fn an_interrupt_is_told_until_it_was_told_and_fires_again_once_acknowledged() {
    let mut world = World::new();
    let init = world.init;
    let line = open(&mut world, part::LEVEL, 11, 0).unwrap();
    // It came before anybody asked.
    world.trap(Trap::Irq { line: 11 });
    let queue = world.open(init, "event:", READ_WRITE).unwrap();
    let words = [line, 1, 7].map(u64::to_le_bytes);
    assert_eq!(world.write(init, queue, words.as_flattened()), Some(24));
    // Where the record cannot be stored, it is not lost.
    assert_eq!(world.call(init, SYS_EVENT_WAIT, &[queue, 4096, 24, 0]), Some(encode(EFAULT)));
    assert_eq!(world.ok(init, SYS_EVENT_WAIT, &[queue, BASE, 240, 0]), 24);
    assert_eq!(world.peek(init, BASE, 24), words.as_flattened());
    assert_eq!(world.ok(init, SYS_EVENT_WAIT, &[queue, BASE, 240, 0]), 0);
    assert_eq!(world.write(init, line, &[1]), Some(1));
    let did = &world.kernel.memory.machine.lines;
    assert_eq!(did.last(), Some(&(11, IrqOp::Unmask)));
    world.trap(Trap::Irq { line: 11 });
    assert_eq!(world.ok(init, SYS_EVENT_WAIT, &[queue, BASE, 240, 0]), 24);
}

#[test]
fn a_message_interrupt_says_what_its_device_is_to_write() {
    let mut world = World::new();
    let init = world.init;
    let message = open(&mut world, part::MESSAGE, 0, 0).unwrap();
    let other = open(&mut world, part::MESSAGE, 0, 0).unwrap();
    assert_eq!(world.stat(init, message), (0xFEE0_0000, 24));
    assert_eq!(world.stat(init, other), (0xFEE0_0000, 25));
    world.ok(init, SYS_CLOSE, &[message]);
    let next = open(&mut world, part::MESSAGE, 0, 0).unwrap();
    assert_eq!(world.stat(init, next), (0xFEE0_0000, 24));
}
