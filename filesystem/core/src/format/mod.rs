//! The structures on disk and their checks. Little endian; nothing read is believed before it is
//! checked, and a check that fails is a [`Flaw`](crate::error::Flaw), never a panic.
//!
//! ```text
//!  block 0      16          48                                      end-32        end
//!  │ not ours   │ ring A    │ nodes, records, maps, log: anywhere   │ ring B      │
//!
//!  ring of 32 superblocks, slot = txg mod 32
//!    └▶ pool tree ─┬─▶ (region, REGION)  bitmap of 32,768 blocks
//!                  └─▶ (volume, VOLUME)  root of the volume's tree
//!                         └▶ (ino, INODE | INLINE | NAME | DATA)
//! ```

mod bytes;
mod inode;
mod log;
mod node;
mod ptr;
mod superblock;

pub(crate) use bytes::Bytes;
pub(crate) use inode::{FLAG_ORPHAN, decode_names, encode_names, is_name};
pub use inode::{Inode, Kind, Name};
pub(crate) use log::{HEADER as SEGMENT_HEADER, SEGMENT_BLOCKS, Segment, encode_segment};
pub(crate) use node::{CAPACITY, ENTRY, Key, Node, Tag, VALUE_MAX, Value};
pub(crate) use ptr::{Class, Places, Ptr, RawPtr};
pub(crate) use superblock::{RING, RING_A, Super, copies, ring_b};

/// Blocks of a tree node.
pub(crate) const NODE_BLOCKS: u64 = 4;

/// Bytes of a tree node.
pub(crate) const NODE: usize = 4 * crate::BLOCK;

/// The most blocks of anything that one pointer names.
pub(crate) const EXTENT_MAX: u64 = 32;

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod tests;
