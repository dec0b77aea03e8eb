//! Memory: frames, the objects that hold them, and the spaces that map them.
//!
//! ```text
//!  space ─ regions ─┬─ private ─▶ page table (the truth of private pages; fork shares them)
//!                   └─ shared ──▶ object ─ pages ─▶ frames (counted references, promises)
//! ```

use crate::prelude::*;

pub mod bytes;
pub mod fault;
pub mod fork;
pub mod frames;
pub mod object;
pub mod region;
pub mod space;
pub mod table;
pub mod user;

/// What every operation on memory needs at hand.
#[derive(Debug)]
pub struct Memory<M: Machine> {
    /// The hardware.
    pub machine: M,
    /// Its frames.
    pub frames: Frames,
    /// All memory objects, counted.
    pub objects: Slab<Object>,
    /// Objects that nobody names any more, to be taken apart.
    pub dead: Vec<ObjectId>,
}
