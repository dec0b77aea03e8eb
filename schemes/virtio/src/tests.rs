//! Queue and transport against the fake device.

use crate::fake::{BASE, Chip, Ram};
use crate::{Failure, Queue, Segment, Used, VERSION_1, Violation};

/// A started device with a queue of 8, as the driver and the device see it.
fn started() -> (Queue<crate::fake::Memory>, Chip) {
    let ram = Ram::new(0x4000);
    let chip = Chip::new(&ram, VERSION_1 | 0b110, 8, vec![]);
    let queue = Queue::new(ram.part(0..0x1000), 8).unwrap();
    let mut transport = chip.transport();
    transport.bring_up(0b010).unwrap();
    transport.start_queue(0, 8, queue.addresses(), Some(0)).unwrap();
    transport.start();
    (queue, chip)
}

fn chain() -> [Segment; 3] {
    [
        Segment::Out { address: BASE + 0x1000, len: 16 },
        Segment::In { address: BASE + 0x2000, len: 512 },
        Segment::In { address: BASE + 0x3000, len: 1 },
    ]
}

#[test]
fn bringing_up_agrees_on_what_both_sides_want() {
    let (_queue, chip) = started();
    assert_eq!(chip.accepted(), VERSION_1 | 0b010);
    assert_eq!(chip.status(), 1 | 2 | 4 | 8);
    assert_eq!(chip.resets(), 1);
}

#[test]
fn a_device_without_version_1_or_that_hangs_is_refused() {
    let ram = Ram::new(0x1000);
    let legacy = Chip::new(&ram, 0b110, 8, vec![]);
    assert_eq!(legacy.transport().bring_up(0b010), Err(Failure::Features));
    assert_eq!(legacy.status() & 128, 128);

    let hung = Chip::new(&ram, VERSION_1, 8, vec![]);
    hung.hang_in_reset();
    assert_eq!(hung.transport().bring_up(0), Err(Failure::Reset));
}

#[test]
fn queues_that_the_device_does_not_have_are_refused() {
    let ram = Ram::new(0x1000);
    let chip = Chip::new(&ram, VERSION_1, 8, vec![1, 2, 3, 4]);
    let queue = Queue::new(ram.part(0..0x1000), 16).unwrap();
    let mut transport = chip.transport();
    transport.bring_up(0).unwrap();
    assert_eq!(transport.queue_size(1), Err(Failure::Queue(1)));
    assert_eq!(transport.start_queue(0, 16, queue.addresses(), None), Err(Failure::Queue(0)));
    assert_eq!(transport.configuration::<4>().unwrap(), [1, 2, 3, 4]);
    assert_eq!(transport.configuration::<5>().unwrap(), [1, 2, 3, 4, 0]);
}

#[test]
fn a_chain_reaches_the_device_as_it_was_lent() {
    let (mut queue, chip) = started();
    let head = queue.push(&chain()).unwrap();
    let taken = chip.take().unwrap();
    assert_eq!(taken.head, head);
    assert_eq!(taken.out, [(BASE + 0x1000, 16)]);
    assert_eq!(taken.into, [(BASE + 0x2000, 512), (BASE + 0x3000, 1)]);
    assert_eq!(chip.take(), None);

    chip.give(u32::from(head), 513);

    assert_eq!(queue.pop(), Ok(Some(Used { head, written: 513 })));
    assert_eq!(queue.pop(), Ok(None));
    assert_eq!((queue.free(), queue.in_flight()), (8, 0));
}

#[test]
fn a_full_queue_refuses_and_goes_on_when_a_chain_returns() {
    let (mut queue, chip) = started();
    let first = queue.push(&chain()).unwrap();
    queue.push(&chain()).unwrap();
    assert_eq!(queue.push(&chain()), None);
    assert_eq!(queue.push(&[]), None);
    chip.take().unwrap();
    chip.give(u32::from(first), 1);
    queue.pop().unwrap().unwrap();
    assert!(queue.push(&chain()).is_some());
}

#[test]
fn what_the_device_makes_up_is_a_violation() {
    let lies: [(u32, u32, Violation); 4] = [
        (3, 0, Violation::Head(3)),
        (8, 0, Violation::Head(8)),
        (0x1_0000, 0, Violation::Head(0x1_0000)),
        (0, 514, Violation::Length(514)),
    ];
    for (head, written, violation) in lies {
        let (mut queue, chip) = started();
        assert_eq!(queue.push(&chain()), Some(0));
        chip.give(head, written);
        assert_eq!(queue.pop(), Err(violation));
        assert_eq!(queue.in_flight(), 1, "a chain stays lent until the reset");
    }
    let (mut queue, chip) = started();
    queue.push(&chain()).unwrap();
    chip.claim_index(2);
    assert_eq!(queue.pop(), Err(Violation::Index(2)));
    queue.forget_all();
    assert_eq!((queue.free(), queue.in_flight()), (8, 0));
}

#[test]
fn returning_a_chain_twice_is_a_violation() {
    let (mut queue, chip) = started();
    let head = queue.push(&chain()).unwrap();
    queue.push(&chain()).unwrap();
    chip.give(u32::from(head), 0);
    chip.give(u32::from(head), 0);
    assert!(queue.pop().unwrap().is_some());
    assert_eq!(queue.pop(), Err(Violation::Head(u32::from(head))));
}

#[test]
fn any_order_of_completion_over_many_rounds_loses_no_descriptor() {
    let (mut queue, chip) = started();
    let mut seed = 0x9E37_79B9_u32;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        usize::try_from(seed).unwrap() % below
    };
    let mut held = Vec::new();
    for _ in 0..200_000 {
        let length = 1 + random(3);
        if random(2) == 0
            && let Some(head) = queue.push(&chain()[..length])
        {
            let taken = chip.take().unwrap();
            assert_eq!(taken.head, head);
            assert!(!held.contains(&(head, length)), "{head} is lent twice");
            assert_eq!(taken.out.len() + taken.into.len(), length);
            held.push((head, length));
        } else if !held.is_empty() {
            let (head, _) = held.swap_remove(random(held.len()));
            chip.give(u32::from(head), 0);
            assert_eq!(queue.pop(), Ok(Some(Used { head, written: 0 })));
        }
        let lent: usize = held.iter().map(|(_, length)| length).sum();
        assert_eq!(usize::from(queue.free()) + lent, 8);
    }
}
