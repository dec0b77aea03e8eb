//! Mapping, promises, faults.

use anode_abi::info::part;
use anode_abi::number::{
    SYS_CLOSE, SYS_FMAP, SYS_FORK, SYS_FTRUNCATE, SYS_FUNMAP, SYS_MPROTECT, SYS_READ2, SYS_WRITE2,
};

use crate::error::{EACCES, EINVAL, ENOMEM, encode};
use crate::mem::region::MapFlags;
use crate::num::wide;
use crate::testing::{BASE, READ_WRITE, World};
use crate::trap::{Resume, Trap};

const PRIVATE: u64 = 2;
const LAZY: u64 = 0x10;
const RW: u64 = 0x6_0000;
const RX: u64 = 0x5_0000;

#[test]
fn memory_that_is_not_free_cannot_be_promised() {
    let mut world = World::with_frames(1024);
    let init = world.init;
    let too_much = 2048 * 4096;
    assert_eq!(world.map(init, too_much, RW | PRIVATE), Some(encode(ENOMEM)));
    let lazy = world.map(init, too_much, RW | PRIVATE | LAZY).unwrap();
    assert!(lazy > BASE);
    let promised = world.kernel.memory.frames.promised();
    let address = world.map(init, 300 * 4096, RW | PRIVATE).unwrap();
    world.poke(init, address + 100, b"here");
    world.ok(init, SYS_FUNMAP, &[address, 300 * 4096]);
    assert_eq!(world.kernel.memory.frames.promised(), promised);
}

#[test]
fn a_promise_holds_when_all_else_is_taken() {
    let mut world = World::with_frames(1024);
    let init = world.init;
    let kept = world.map(init, 64 * 4096, RW | PRIVATE).unwrap();
    let greedy = world.map(init, 4096 * 4096, RW | PRIVATE | LAZY).unwrap();
    let mut page = 0;
    while world.kernel.memory.frames.free() > world.kernel.memory.frames.promised() {
        world.touch(init, greedy + page * 4096, MapFlags::WRITE);
        page += 1;
    }
    for page in 0..64 {
        let resume = world.touch(init, kept + page * 4096, MapFlags::WRITE);
        assert!(matches!(resume, Resume::Run { .. }), "page {page}");
    }
}

#[test]
fn a_touch_outside_ends_the_program_and_not_the_kernel() {
    let mut world = World::new();
    let init = world.init;
    world.ok(init, SYS_FORK, &[]);
    let child = world.child();
    world.touch(child, 0x1234, MapFlags::READ);
    assert!(world.kernel.threads.get(child).is_none());
    assert!(world.kernel.threads.get(init).is_some());
}

#[test]
fn nothing_is_writable_and_executable() {
    let mut world = World::new();
    let init = world.init;
    assert_eq!(world.map(init, 4096, RW | RX | PRIVATE), Some(encode(EACCES)));
    let address = world.map(init, 4096, RW | PRIVATE).unwrap();
    assert_eq!(world.refused(init, SYS_MPROTECT, &[address, 4096, RW | RX]), EACCES);
    world.ok(init, SYS_MPROTECT, &[address, 4096, RX]);
    world.ok(init, SYS_FORK, &[]);
    let child = world.child();
    world.touch(child, address, MapFlags::WRITE);
    assert!(world.kernel.threads.get(child).is_none());
}

#[test]
fn odd_ranges_are_refused() {
    let mut world = World::new();
    let init = world.init;
    for args in [[1, 4096], [0, 4096], [BASE, 0], [!0xFFF, 8192], [BASE, u64::MAX]] {
        assert_eq!(world.refused(init, SYS_FUNMAP, &args), EINVAL);
    }
}

#[test]
fn an_object_keeps_what_was_written_and_shrinks() {
    let mut world = World::new();
    let init = world.init;
    let object = world.open(init, "memory:", READ_WRITE).unwrap();
    world.write(init, object, b"0123456789").unwrap();
    assert_eq!(world.part(init, object, &[0, 16]), Some(encode(EINVAL)));
    world.ok(init, SYS_FTRUNCATE, &[object, 0x2000]);
    let part = world.part(init, object, &[0, 16]).unwrap();
    assert_eq!(world.text(init, part).trim_end_matches('\0'), "0123456789");
    world.ok(init, SYS_FTRUNCATE, &[object, 0]);
    assert_eq!(world.text(init, part), "");
}

#[test]
fn a_change_of_many_pages_lets_others_have_the_kernel_meanwhile() {
    let mut world = World::new();
    let init = world.init;
    let bytes = 1500 * 4096;
    let address = world.map(init, bytes, RW | PRIVATE).unwrap();
    for page in 0..1500 {
        world.touch(init, address + page * 4096, MapFlags::WRITE);
    }
    for (number, prot) in [(SYS_MPROTECT, RX), (SYS_FUNMAP, 0)] {
        let mut slices = 1;
        let mut resume = world.start(init, number, &[address, bytes, prot]);
        while resume == Resume::Again {
            slices += 1;
            resume = world.trap(Trap::Again);
        }
        assert_eq!(world.result(init), Some(0));
        assert!((3..6).contains(&slices), "{slices} slices");
        let allowed = world.touch(init, address + 1499 * 4096, MapFlags::EXECUTE);
        assert_eq!(matches!(allowed, Resume::Run { .. }), number == SYS_MPROTECT);
    }
}

#[test]
fn a_large_object_shrinks_bit_by_bit() {
    let mut world = World::new();
    let init = world.init;
    world.poke(init, BASE, b"x");
    let object = world.open(init, "memory:", READ_WRITE).unwrap();
    let free = world.kernel.memory.frames.free();
    for page in [0, 1, 2047, 5000] {
        world.ok(init, SYS_WRITE2, &[object, BASE, 10, page * 4096, 0]);
    }
    let first = world.start(init, SYS_FTRUNCATE, &[object, 4097]);
    assert_eq!(first, Resume::Again);
    while world.trap(Trap::Again) == Resume::Again {}
    assert_eq!(world.result(init), Some(0));
    assert_eq!(world.ok(init, SYS_READ2, &[object, BASE, 4096, 4000, 0]), 97);
    // Two pages and the tables of the five are left.
    assert_eq!(world.kernel.memory.frames.free(), free - 2 - 4);
    world.ok(init, SYS_CLOSE, &[object]);
    world.settle();
    // The object's root goes too.
    assert_eq!(world.kernel.memory.frames.free(), free + 1);
}

#[test]
fn what_an_object_lost_is_zeros_when_it_grows_again() {
    let mut world = World::new();
    let init = world.init;
    let object = world.open(init, "memory:", READ_WRITE).unwrap();
    world.poke(init, BASE, &[7; 8192]);
    world.ok(init, SYS_WRITE2, &[object, BASE, 8192, 0, 0]);
    for bytes in [5000, 8192] {
        world.ok(init, SYS_FTRUNCATE, &[object, bytes]);
    }
    world.ok(init, SYS_READ2, &[object, BASE, 8192, 0, 0]);
    let content = world.peek(init, BASE, 8192);
    assert_eq!(content[..5000], [7; 5000]);
    assert_eq!(content[5000..], [0; 3192]);
}

#[test]
fn a_user_who_takes_all_memory_leaves_root_some() {
    let mut world = World::with_frames(2048);
    let init = world.init;
    world.ok(init, SYS_FORK, &[]);
    let user = world.child();
    world.kernel.process(user).unwrap().who.uid = 1000;
    let rest = |world: &World| {
        let frames = &world.kernel.memory.frames;
        frames.free() - frames.promised()
    };
    let kept = u64::from(world.kernel.memory.frames.total() / 32);
    let all = rest(&world);
    assert_eq!(world.map(user, (all - kept) * 4096, RW | PRIVATE), Some(encode(ENOMEM)));
    let greedy = world.map(user, all * 4096, RW | PRIVATE | LAZY).unwrap();
    let mut page = 0;
    while world.kernel.threads.get(user).is_some() {
        assert!(rest(&world) >= kept);
        world.touch(user, greedy + page * 4096, MapFlags::WRITE);
        page += 1;
    }
    assert!(page > 1000);
    let address = world.map(init, (kept - 16) * 4096, RW | PRIVATE).unwrap();
    assert!(matches!(world.touch(init, address, MapFlags::WRITE), Resume::Run { .. }));
}

#[test]
fn device_memory_is_mapped_as_its_handle_says() {
    let mut world = World::new();
    let init = world.init;
    for (kind, cache) in [(part::MEMORY, 0), (part::COMBINING, 1), (part::UNCACHED, 3)] {
        let words = [wide(kind), 0xFEB0_0000, 0x1000];
        let registers = world.part(init, 4, &words).unwrap();
        let place = BASE + 10 * 4096;
        for (at, word) in (place..).step_by(8).zip([0, 4096, RW | 1, 0]) {
            world.poke(init, at, &word.to_le_bytes());
        }
        let address = world.ok(init, SYS_FMAP, &[registers, place, 32]);
        world.touch(init, address, MapFlags::WRITE);
        let entry = |world: &mut World| {
            let (space, memory) = world.kernel.space(init).unwrap();
            let page = address >> 12;
            space.tree.reach(&mut memory.machine, page, || Err(ENOMEM)).unwrap().get()
        };
        assert_eq!(entry(&mut world) & 0x1A, cache << 3 | 2);
        world.ok(init, SYS_MPROTECT, &[address, 4096, 0x4_0000]);
        assert_eq!(entry(&mut world) & 0x1A, cache << 3);
    }
}
