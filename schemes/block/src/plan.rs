//! How a task becomes operations: pure arithmetic over whole blocks.

use core::ops::Range;
use std::collections::VecDeque;

use crate::disk::{Durability, Info, Op, WriteCache};

/// What a client wants of a disk. Positions are bytes from the start of the disk; the caller has
/// clipped them to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Read `len` bytes at `start`.
    Read {
        /// First byte.
        start: u64,
        /// Number of bytes, at most 1 MiB.
        len: u32,
    },
    /// Write `len` bytes at `start`.
    Write {
        /// First byte.
        start: u64,
        /// Number of bytes, at most 1 MiB.
        len: u32,
        /// What it is to be worth once it is answered.
        durability: Durability,
    },
    /// Write everything that was answered to the medium.
    Flush,
    /// Forget the content of whole blocks.
    Discard {
        /// First block.
        block: u64,
        /// Number of blocks.
        blocks: u64,
    },
    /// Make whole blocks zero.
    Zero {
        /// First block.
        block: u64,
        /// Number of blocks.
        blocks: u64,
    },
}

impl Task {
    /// The blocks that it changes; empty for reads and flushes.
    pub(crate) fn changes(self, info: &Info) -> Range<u64> {
        match self {
            Self::Read { .. } | Self::Flush => 0..0,
            Self::Write { start, len, .. } => blocks(start, len, info),
            Self::Discard { block, blocks } | Self::Zero { block, blocks } => {
                block..block.saturating_add(blocks)
            }
        }
    }

    /// How much bounce memory it needs, in bytes.
    pub(crate) fn memory(self, info: &Info) -> u64 {
        match self {
            Self::Read { start, len } | Self::Write { start, len, .. } => {
                let blocks = blocks(start, len, info);
                blocks.end.saturating_sub(blocks.start).saturating_mul(u64::from(info.block))
            }
            Self::Flush | Self::Discard { .. } | Self::Zero { .. } => 0,
        }
    }

    /// Where in its bounce memory the client's own bytes are.
    pub(crate) fn window(self, info: &Info) -> Range<u64> {
        match self {
            Self::Read { start, len } | Self::Write { start, len, .. } => {
                let skip = start & u64::from(info.block).saturating_sub(1);
                skip..skip.saturating_add(u64::from(len))
            }
            Self::Flush | Self::Discard { .. } | Self::Zero { .. } => 0..0,
        }
    }

    /// Reads of the blocks that a write covers only in part; they come before it.
    pub(crate) fn edges(self, info: &Info, address: u64) -> VecDeque<Op> {
        let mut edges = VecDeque::new();
        let Self::Write { start, len, .. } = self else { return edges };
        let size = u64::from(info.block);
        let mask = size.saturating_sub(1);
        let touched = blocks(start, len, info);
        let last = touched.end.saturating_sub(1);
        let head = start & mask != 0;
        let tail = start.saturating_add(u64::from(len)) & mask != 0;
        if head || (tail && last == touched.start) {
            edges.push_back(Op::Read { block: touched.start, bytes: info.block, address });
        }
        if tail && last != touched.start {
            let offset = last.saturating_sub(touched.start).saturating_mul(size);
            let address = address.saturating_add(offset);
            edges.push_back(Op::Read { block: last, bytes: info.block, address });
        }
        edges
    }

    /// What makes a forced write last, if the writing itself did not.
    pub(crate) fn seal(self, info: &Info) -> Option<Op> {
        let forced = matches!(self, Self::Write { durability: Durability::Forced, .. });
        let cached = info.cache == WriteCache::Volatile && info.writes == Durability::Flushed;
        (forced && cached).then_some(Op::Flush)
    }

    /// The operations themselves, split to what the device takes at once.
    pub(crate) fn body(self, info: &Info, address: u64) -> VecDeque<Op> {
        match self {
            Self::Read { start, len } => pieces(blocks(start, len, info), info, address)
                .map(|(block, bytes, address)| Op::Read { block, bytes, address })
                .collect(),
            Self::Write { start, len, durability } => {
                let durability = match info.writes {
                    Durability::Forced => durability,
                    Durability::Flushed => Durability::Flushed,
                };
                pieces(blocks(start, len, info), info, address)
                    .map(|(block, bytes, address)| Op::Write { block, bytes, address, durability })
                    .collect()
            }
            Self::Flush => core::iter::once(Op::Flush).collect(),
            Self::Discard { block, blocks } => spans(block, blocks, info.max_discard)
                .map(|(block, blocks)| Op::Discard { block, blocks })
                .collect(),
            Self::Zero { block, blocks } => spans(block, blocks, info.max_zero)
                .map(|(block, blocks)| Op::Zero { block, blocks })
                .collect(),
        }
    }
}

/// The blocks that a byte range touches.
fn blocks(start: u64, len: u32, info: &Info) -> Range<u64> {
    let shift = info.block.trailing_zeros();
    let mask = u64::from(info.block).saturating_sub(1);
    let end = start.saturating_add(u64::from(len));
    start >> shift..end.saturating_add(mask) >> shift
}

/// First block, bytes and address of each transfer.
fn pieces(
    blocks: Range<u64>,
    info: &Info,
    address: u64,
) -> impl Iterator<Item = (u64, u32, u64)> + use<> {
    let shift = info.block.trailing_zeros();
    let size = u64::from(info.block);
    spans(blocks.start, blocks.end.saturating_sub(blocks.start), info.max_bytes >> shift).map(
        move |(block, count)| {
            let offset = block.saturating_sub(blocks.start).saturating_mul(size);
            (block, count << shift, address.saturating_add(offset))
        },
    )
}

/// `block..block + blocks` in spans of at most `most` blocks; nothing if `most` is 0.
fn spans(block: u64, blocks: u64, most: u32) -> impl Iterator<Item = (u64, u32)> {
    let mut next = block;
    let end = if most == 0 { block } else { block.saturating_add(blocks) };
    core::iter::from_fn(move || {
        let left = end.saturating_sub(next);
        let count = u32::try_from(left).unwrap_or(most).min(most);
        let span = (next, count);
        next = next.saturating_add(u64::from(count));
        (count > 0).then_some(span)
    })
}

#[cfg(test)]
mod tests {
    use super::Task;
    use crate::disk::{Durability, Op};
    use crate::tests::info;

    fn read(block: u64, bytes: u32, address: u64) -> Op {
        Op::Read { block, bytes, address }
    }

    fn write(start: u64, len: u32) -> Task {
        Task::Write { start, len, durability: Durability::Flushed }
    }

    #[test]
    fn an_aligned_write_reads_nothing_first() {
        let write = write(1024, 1024);
        assert!(write.edges(&info(), 0).is_empty());
        let durability = Durability::Flushed;
        let body = [Op::Write { block: 2, bytes: 1024, address: 4096, durability }];
        assert_eq!(write.body(&info(), 4096), body);
        assert_eq!(write.window(&info()), 0..1024);
    }

    #[test]
    fn a_write_inside_one_block_reads_it_once() {
        for (start, len) in [(512, 10), (522, 10), (1014, 10)] {
            let edges = write(start, len).edges(&info(), 0);
            assert_eq!(edges, [read(1, 512, 0)], "{start}");
        }
    }

    #[test]
    fn a_write_across_blocks_reads_its_edges_only() {
        let write = write(500, 2000);
        assert_eq!(write.edges(&info(), 4096), [read(0, 512, 4096), read(4, 512, 4096 + 2048)]);
        assert_eq!(write.memory(&info()), 5 * 512);
        assert_eq!(write.window(&info()), 500..2500);
        assert_eq!(write.changes(&info()), 0..5);
    }

    #[test]
    fn large_transfers_are_split_to_the_limit_of_the_device() {
        let body = Task::Read { start: 100, len: 9000 }.body(&info(), 0x1000);
        let expected = [read(0, 4096, 0x1000), read(8, 4096, 0x2000), read(16, 1024, 0x3000)];
        assert_eq!(body, expected);
    }

    #[test]
    fn discards_are_split_and_vanish_where_the_device_has_none() {
        let mut info = info();
        let discard = Task::Discard { block: 5, blocks: 25 };
        let sizes: Vec<_> = discard.body(&info, 0).into_iter().collect();
        assert_eq!(sizes.len(), 3);
        assert_eq!(sizes[2], Op::Discard { block: 25, blocks: 5 });
        info.max_discard = 0;
        assert!(discard.body(&info, 0).is_empty());
    }
}
