//! What a daemon is written on: implement [`Scheme`], call [`serve()`].
//!
//! ```text
//!   kernel                     this crate                                 the daemon
//!  ┌─────────┐ in  ┌──────┐   ┌────────┐   ┌──────────┐  open, read, …  ┌─────────────┐
//!  │ client's├────▶│      ├──▶│ Server ├──▶│ dispatch ├────────────────▶│ impl Scheme │
//!  │ request │     │ ring │   └────────┘   └──────────┘                 └──┬───────┬──┘
//!  │         │◀────┤      │◀── answers ◀───────── result ◀─────────────────┘       │
//!  └─────────┘ out └──────┘◀────────────── Request, kept and answered later ◀──────┘
//! ```
//!
//! A scheme that answers each request at once needs nothing else; `null:` is the template, and
//! `mk/book/daemon.md` walks through it. One that waits for something (a disk, a key) keeps a
//! [`Request`] and answers it when it can. [`Control`] is for what nobody asked for: events,
//! readiness, registered memory.
//!
//! Read [`Scheme`] first, then `serve`, `dispatch` and `link`. [`testing`] drives a scheme
//! on the host, without a kernel. All unsafe code is in [`sys`] and `map`.
#![deny(unsafe_code)]

mod dispatch;
mod link;
#[expect(unsafe_code, reason = "the ring's memory is shared with the kernel")]
mod map;
pub mod op;
mod records;
mod request;
mod scheme;
mod serve;
#[expect(unsafe_code, reason = "system calls are instructions")]
pub mod sys;
mod tag;
pub mod testing;

pub use anode_abi::packet::NO_OFFSET;
pub use records::Entries;
pub use request::{Context, Request};
pub use scheme::{AnswerRange, Content, Control, Opened, Scheme};
pub use serve::{BUFFER_BYTES, ENTRIES, Server, Stopped, given, machine, serve};
pub use tag::Tag;
