//! The packet ring: the one queue code of kernel, daemon and client.
//!
//! ```text
//!  page  0        sqes          ins      control   cqes          outs
//!        ┌────────┬─────────────┬────────┬─────────┬─────────────┬────────┐
//!        │        │ 64 bytes x N│ slot xN│ sq_head │ 16 bytes x2N│ slot xN│
//!        │ sq_tail│             │        │ cq_tail │             │        │
//!        │ cq_head│             │        │         │             │        │
//!        └────────┴─────────────┴────────┴─────────┴─────────────┴────────┘
//!         written by the kernel, the daemon       written by the daemon,
//!         maps it read-only                       the kernel only reads it
//! ```
//!
//! Requests go one way, answers the other, each through a queue with one producer and one
//! consumer. A half keeps its own index as plain data and never reads it back from shared
//! memory; it reads the other side's index once per look and refuses one that cannot be.
//! Nothing here blocks, allocates, panics or needs `unsafe`: shared memory is whatever
//! implements [`Words`].
//!
//! Read [`layout`](Layout) first, then [`Producer`] and [`Consumer`], then [`Words`].
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::expect_used)]

mod layout;
mod packet;
mod queue;
mod words;

pub use layout::{Layout, PAGE_BYTES, Size};
pub use packet::{CQE_WORDS, SQE_WORDS, pack, unpack};
pub use queue::{
    CQ_HEAD, CQ_TAIL, Consumer, CqConsumer, CqProducer, Producer, SQ_HEAD, SQ_TAIL, SqConsumer,
    SqProducer, Violation,
};
pub use words::{PAGE_WORDS, Page, Pages, Words};
