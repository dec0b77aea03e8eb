//! Layout, packets and queues between two honest parties.

use std::sync::atomic::{AtomicU64, Ordering};

use anode_ring::{
    CQE_WORDS, CqConsumer, CqProducer, Layout, PAGE_BYTES, PAGE_WORDS, Page, Pages, SQE_WORDS,
    Size, SqConsumer, SqProducer, Violation, Words, pack, unpack,
};
use redox::schemev2::{Cqe, Opcode, Sqe, SqeFlags};

fn zeros(words: usize) -> Vec<AtomicU64> {
    (0..words).map(|_| AtomicU64::new(0)).collect()
}

#[test]
fn the_areas_of_a_ring_follow_each_other_without_overlap() {
    for entries in [8, 16, 32, 64, 128, 256] {
        let layout = Layout::new(entries).unwrap();
        assert_eq!(layout.entries.get(), entries);
        assert_eq!(layout.sqes, 1);
        assert!((layout.ins - layout.sqes) * PAGE_BYTES >= entries * 64);
        assert_eq!(layout.control - layout.ins, entries);
        assert_eq!(layout.cqes - layout.control, 1);
        assert!((layout.outs - layout.cqes) * PAGE_BYTES >= 2 * entries * 16);
        assert_eq!(layout.pages - layout.outs, entries);
    }
    assert_eq!(Layout::new(256).unwrap().pages, 1 + 4 + 256 + 1 + 2 + 256);
}

#[test]
fn a_ring_of_another_size_is_refused() {
    for entries in [0, 1, 4, 7, 9, 12, 255, 257, 512, 1 << 15, u32::MAX] {
        assert_eq!(Layout::new(entries), None, "{entries}");
    }
    assert_eq!(Size::new(0), None);
    assert_eq!(Size::new(1 << 16), None);
}

#[test]
fn a_request_survives_its_words() {
    let sqe = Sqe {
        opcode: Opcode::Read as u8,
        sqe_flags: SqeFlags::from_bits_retain(0xC1),
        _rsvd: 0x1234,
        tag: 0xDEAD_BEEF,
        args: [1, 2, 3, 4, 5, u64::MAX],
        caller: 42,
    };
    let words: [u64; SQE_WORDS] = pack(&sqe);
    // The words are the bytes of the foreign struct, so its own readers understand them.
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    assert_eq!(bytes, sqe[..]);
    assert_eq!(unpack::<Sqe, _>(words)[..], sqe[..]);
}

#[test]
fn an_answer_survives_its_words() {
    let cqe = Cqe { flags: 6, extra_raw: [1, 2, 3], tag: 0x0002_0001, result: u64::MAX - 4 };
    let words: [u64; CQE_WORDS] = pack(&cqe);
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    assert_eq!(bytes, cqe[..]);
    assert_eq!(unpack::<Cqe, _>(words)[..], cqe[..]);
}

#[test]
fn a_producer_stops_at_a_full_queue_and_goes_on_when_it_was_read() {
    let size = Size::new(8).unwrap();
    let (entries, kernel, daemon) = (zeros(64), zeros(512), zeros(512));
    let mut puts = SqProducer::new(size);
    let mut takes = SqConsumer::new(size);
    for number in 0..8 {
        assert!(puts.put(&entries, [number; 8]));
    }
    assert!(!puts.put(&entries, [8; 8]));
    assert_eq!(takes.refresh(&kernel), Ok(0), "nothing was published yet");

    puts.publish(&kernel);
    assert_eq!(takes.refresh(&kernel), Ok(8));
    assert_eq!(takes.take(&entries), Some([0; 8]));
    assert_eq!(puts.refresh(&daemon), Ok(0), "the place was not given back yet");
    takes.publish(&daemon);
    assert_eq!(puts.refresh(&daemon), Ok(1));
    assert!(puts.put(&entries, [8; 8]));
}

#[test]
fn entries_keep_their_order_around_the_end_of_the_indices() {
    let size = Size::new(8).unwrap();
    let (entries, own, peer) = (zeros(32), zeros(512), zeros(512));
    let mut puts = CqProducer::new(size);
    let mut takes = CqConsumer::new(size);
    for number in 0..1000 {
        assert!(puts.put(&entries, [number, !number]));
        puts.publish(&own);
        takes.refresh(&own).unwrap();
        assert_eq!(takes.take(&entries), Some([number, !number]));
        assert_eq!(takes.take(&entries), None);
        takes.publish(&peer);
        assert_eq!(puts.refresh(&peer), Ok(8));
    }
    assert_eq!(puts.tail(), 1000);
    assert_eq!(takes.seen(), 1000);
}

#[test]
fn an_index_beyond_the_queue_is_a_violation_and_changes_nothing() {
    let size = Size::new(8).unwrap();
    let (entries, own, peer) = (zeros(64), zeros(512), zeros(512));
    let mut puts = SqProducer::new(size);
    let mut takes = SqConsumer::new(size);
    assert!(puts.put(&entries, [1; 8]));
    puts.publish(&own);
    for lie in [9, u64::from(u32::MAX), 1 << 32, 1 << 63] {
        own.store_release(8, lie);
        assert_eq!(takes.refresh(&own), Err(Violation), "tail {lie}");
        assert_eq!(takes.take(&entries), None);
    }
    // 2: read further than written; the next: a place that was overwritten long ago.
    for lie in [2, u64::from(u32::MAX) - 7, 1 << 32 | 1, 1 << 63] {
        peer.store_release(0, lie);
        assert_eq!(puts.refresh(&peer), Err(Violation), "head {lie}");
    }

    puts.publish(&own);
    assert_eq!(takes.refresh(&own), Ok(1));
    assert_eq!(takes.take(&entries), Some([1; 8]));
}

#[test]
fn pages_apart_from_each_other_serve_as_one_area() {
    let pages: Vec<Box<Page>> =
        (0..4).map(|_| Box::new([const { AtomicU64::new(0) }; PAGE_WORDS])).collect();
    let area = Pages(&pages);
    let mut puts = SqProducer::new(Size::new(256).unwrap());
    for number in 0..256 {
        assert!(puts.put(&area, [number; 8]));
    }
    for (number, entry) in (0..256).zip(0..) {
        assert_eq!(area.load_entry(entry * 8), [number; 8]);
        assert_eq!(pages[entry / 64][entry % 64 * 8].load(Ordering::Relaxed), number);
    }
    area.store_release(4 * PAGE_WORDS, 1);
    area.store_release(PAGE_WORDS + 1, 5);
    assert_eq!(area.load_acquire(PAGE_WORDS + 1), 5);
    assert_eq!(area.load_acquire(4 * PAGE_WORDS), 0, "there is no fifth page");
}
