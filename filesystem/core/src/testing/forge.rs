//! Images with wrong content and right checksums: what a hostile volume looks like.

use alloc::vec;
use alloc::vec::Vec;

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::disk::Image;
use super::random::Random;
use crate::BLOCK;
use crate::format::{NODE, NODE_BLOCKS, RING, RING_A, Segment, encode_segment, ring_b};

const HEADER: usize = 32;
const ENTRY: usize = 20;
const POINTER: usize = 40;
const SUM: usize = BLOCK - 16;

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn read(image: &Image, block: u64, blocks: u64) -> Vec<u8> {
    (block..block + blocks).flat_map(|block| image.block(block).to_vec()).collect()
}

fn write(image: &mut Image, block: u64, bytes: &[u8]) {
    for (at, bytes) in (block..).zip(bytes.chunks(BLOCK)) {
        image.put(at, bytes.into());
    }
}

/// The block that a pointer names, and how many.
fn place(pointer: &[u8]) -> (u64, u64) {
    let place = long(pointer, 0);
    (place & 0xFFFF_FFFF_FFFF, (place >> 48 & 31) + 1)
}

/// Where the items of a node seem to have pointers.
fn pointers(node: &[u8]) -> Vec<usize> {
    let count = u16::from_le_bytes([node[6], node[7]]);
    let level = node[4];
    let mut at = HEADER;
    let mut found = Vec::new();
    for _ in 0..count {
        if at + ENTRY > node.len() {
            break;
        }
        let tag = node[at + 16];
        let length = usize::from(u16::from_le_bytes([node[at + 18], node[at + 19]]));
        let value = at + ENTRY;
        let pointer = match (level, tag) {
            (1.., _) | (0, 2 | 19) => Some(value),
            (0, 1) => Some(value + 8),
            _ => None,
        };
        found.extend(pointer.filter(|at| at + POINTER <= node.len()));
        at = value + length;
    }
    found
}

/// An image that is being forged.
#[derive(Debug)]
pub(crate) struct Forger {
    pub(crate) image: Image,
    seed: u64,
    blocks: u64,
    newest: Vec<u8>,
    /// The log: where each segment is, where it says that the next is, and its records.
    log: Vec<(u64, u64, Vec<u8>)>,
}

impl Forger {
    /// An image of a volume of so many blocks.
    pub(crate) fn new(blocks: u64, image: Image) -> Self {
        let slots = (RING_A..RING_A + RING).map(|slot| image.block(slot).to_vec());
        let newest = slots.max_by_key(|block| long(block, 72)).unwrap();
        let seed = xxh3_64(&newest[40..56]);
        let mut before = u128::from_le_bytes(newest[SUM..].try_into().unwrap());
        let mut block = long(&newest, 136);
        let mut log = vec![];
        while block < blocks {
            let Ok(count) = Segment::claimed(&image.block(block)) else { break };
            let bytes = read(&image, block, count);
            let Ok(segment) = Segment::decode(&bytes, block, before) else { break };
            log.push((block, segment.next, segment.payload.to_vec()));
            (block, before) = (segment.next, segment.sum);
        }
        assert!(!log.is_empty(), "a volume with a log is to be forged");
        Self { image, seed, blocks, newest, log }
    }

    /// The nodes, maps and records behind a pointer, with itself.
    fn reachable(&self, pointer: &[u8], found: &mut Vec<(u64, u64)>) {
        let (block, blocks) = place(pointer);
        found.push((block, blocks));
        if blocks == NODE_BLOCKS && pointer[7] & 7 == 1 {
            let node = read(&self.image, block, blocks);
            for at in pointers(&node) {
                self.reachable(&node[at..at + POINTER], found);
            }
        }
    }

    /// Changes some bytes in what a mount or a reader looks at.
    pub(crate) fn damage(&mut self, random: &mut Random) {
        let mut targets = Vec::new();
        self.reachable(&self.newest[96..136], &mut targets);
        for _ in 0..=random.below(4) {
            let (block, blocks) = *random.pick(&targets);
            let mut bytes = read(&self.image, block, blocks);
            // Most of what matters is in front.
            let most = if random.below(3) == 0 { bytes.len() } else { 700 };
            let at = random.index(most);
            match random.below(4) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = 0xFF,
                2 => bytes[at] = 0,
                _ => {
                    // A piece comes from elsewhere in it.
                    let from = random.index(bytes.len() - 64);
                    let piece = bytes[from..from + 40].to_vec();
                    let to = at.min(bytes.len() - 40);
                    bytes[to..to + 40].copy_from_slice(&piece);
                }
            }
            write(&mut self.image, block, &bytes);
        }
        if random.below(4) == 0 {
            let at = 96 + random.index(48);
            self.newest[at] ^= 1 << random.below(8);
        }
    }

    /// Makes all checksums right, from the leaves to the superblock, and the log's.
    pub(crate) fn fix(&mut self) {
        let mut newest = self.newest.clone();
        let mut depth = 0;
        let root = self.fixed(&newest[96..136], &mut depth);
        newest[96..136].copy_from_slice(&root);
        let sum = xxh3_128(&newest[..SUM]);
        newest[SUM..].copy_from_slice(&sum.to_le_bytes());
        let slot = long(&newest, 72) % RING;
        write(&mut self.image, RING_A + slot, &newest);
        write(&mut self.image, ring_b(self.blocks) + slot, &newest);
        let mut before = sum;
        for (block, next, payload) in &self.log {
            let (bytes, sum) = encode_segment(*block, before, *next, payload);
            write(&mut self.image, *block, &bytes);
            before = sum;
        }
    }

    /// Changes records of the log, and where it goes on.
    pub(crate) fn damage_log(&mut self, random: &mut Random) {
        for _ in 0..=random.below(3) {
            let which = random.index(self.log.len());
            let (_, next, payload) = &mut self.log[which];
            let at = random.index(payload.len());
            match random.below(8) {
                0 => *next = random.below(self.blocks),
                1 => payload.truncate(at),
                2..5 => payload[at] = 0xFF,
                _ => payload[at] ^= 1 << random.below(8),
            }
            if payload.is_empty() {
                payload.push(0);
            }
        }
    }

    fn fixed(&mut self, pointer: &[u8], depth: &mut u32) -> Vec<u8> {
        let (block, blocks) = place(pointer);
        let mut fixed = pointer.to_vec();
        *depth += 1;
        if block + blocks > self.blocks || *depth > 2_000 {
            return fixed;
        }
        let mut content = read(&self.image, block, blocks);
        if pointer[7] & 7 == 1 && content.len() == NODE {
            for at in pointers(&content) {
                let child = self.fixed(&content[at..at + POINTER], depth);
                content[at..at + POINTER].copy_from_slice(&child);
            }
            write(&mut self.image, block, &content);
        }
        let class = u64::from(pointer[7] & 7) << 56;
        let sum = xxhash_rust::xxh3::xxh3_128_with_seed(&content, self.seed ^ block ^ class);
        fixed[24..40].copy_from_slice(&sum.to_le_bytes());
        fixed
    }
}
