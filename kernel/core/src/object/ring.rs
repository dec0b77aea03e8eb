//! A ring from the kernel's side: the truth about every slot.
//!
//! The shared pages are written from here and never believed: indices go through
//! `anode_ring`, an answer is read once and checked against the slot that it names.

use alloc::collections::VecDeque;
use core::sync::atomic::Ordering::Relaxed;

use anode_abi::packet::RingInfo;
use anode_ring::{CqConsumer, Layout, SqProducer, Tag};
use redox::schemev2::Sqe;

use crate::prelude::*;

/// Objects that a daemon may register with its ring.
pub const MAX_OBJECTS: usize = 16;
/// Bytes that one request may carry.
pub const MAX_BYTES: usize = 1 << 20;

/// Where a request is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlotState {
    /// The slot has none.
    #[default]
    Free,
    /// Accepted, but the daemon's queue has no room yet.
    Waiting,
    /// The daemon can see it.
    Posted,
    /// Its client is gone; the daemon still owes an answer.
    Zombie,
}

/// What an answer leads to, beyond its bytes and its value in the client's rax.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// Nothing more.
    #[default]
    Value,
    /// The description's offset moves by the value.
    Advance(DescriptionId),
    /// The value plus this is the description's new offset.
    Seek(DescriptionId, i64),
    /// A new description, and a handle on it (at a number, or the lowest free).
    Open {
        /// Open flags.
        flags: u64,
        /// The very number wanted.
        at: Option<u64>,
    },
    /// Readiness for a subscription.
    Subscribe(Id<Subscription>),
}

/// A slot: one request of the ring.
#[derive(Debug, Default)]
pub struct Slot {
    /// Where it is.
    pub state: SlotState,
    /// Use count of the slot, the tag's upper half.
    pub generation: u16,
    /// Whether a cancel note is due.
    pub cancel: bool,
    /// Number of the request, stable over replay.
    pub request: u64,
    /// The packet, but for its tag.
    pub sqe: Sqe,
    /// Who waits; none once it gave up.
    pub client: Option<ThreadId>,
    /// The client's process.
    pub process: Option<ProcessId>,
    /// Pages of the client's buffer.
    pub pins: Pins,
    /// Whether `pins` is the answer's buffer (else a big input).
    pub output: bool,
    /// A handle that the request carries.
    pub passed: Option<Handle>,
    /// What the answer leads to.
    pub finish: Finish,
}

/// A ring.
#[derive(Debug)]
pub struct Ring<M: Machine> {
    /// The scheme that it serves.
    pub scheme: SchemeId,
    /// The daemon.
    pub process: ProcessId,
    /// The daemon's thread that sleeps for packets.
    pub idle: Option<ThreadId>,
    /// Where everything lies.
    pub layout: Layout,
    /// Its memory.
    pub object: ObjectId,
    /// Its pages.
    pub pages: Vec<Frame>,
    /// Its address in the daemon.
    pub base: u64,
    /// Kernel's control page and request pages.
    pub kernel_pages: Vec<M::Shared>,
    /// Daemon's control page and answer pages.
    pub daemon_pages: Vec<M::Shared>,
    /// Queue of requests.
    pub producer: SqProducer,
    /// Queue of answers.
    pub consumer: CqConsumer,
    /// The slots.
    pub slots: Vec<Slot>,
    /// Slots that are free. A slot is in one queue at most, so neither grows.
    pub free: VecDeque<u16>,
    /// Slots that wait for room, in order.
    pub waiting: VecDeque<u16>,
    /// Objects that answers may name.
    pub objects: Vec<Window>,
    /// Descriptions whose `Close` is due: first and last.
    pub closing: Option<(DescriptionId, DescriptionId)>,
    /// Whether slots may have a cancel note due.
    pub cancels: bool,
    /// Whether subscriptions may have a note due.
    pub events: bool,
}

fn queue(capacity: usize) -> Result<VecDeque<u16>> {
    let mut queue = VecDeque::new();
    queue.try_reserve_exact(capacity).map_err(|_full| ENOMEM)?;
    Ok(queue)
}

impl<M: Machine> Ring<M> {
    /// Takes a slot out of the queue for room; the order of the rest stays.
    pub(crate) fn forget_waiting(&mut self, number: u16) {
        for _ in 0..self.waiting.len() {
            if let Some(first) = self.waiting.pop_front().filter(|first| *first != number) {
                self.waiting.push_back(first);
            }
        }
    }

    /// A ring over `object`, which is `layout.pages` long; it is not mapped yet (`base` 0).
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(
        (scheme, process): (SchemeId, ProcessId),
        layout: Layout,
        epoch: u32,
        object: ObjectId,
        memory: &mut Memory<M>,
    ) -> Result<Self> {
        let entries = index(layout.entries.get());
        let mut pages = reserved(index(layout.pages))?;
        for page in 0..layout.pages {
            pages.push(memory.page(object, page.into())?);
        }
        let shared = |from: u32, to: u32| -> Result<Vec<M::Shared>> {
            let part = pages.get(index(from)..index(to)).ok_or(ENOMEM)?;
            let mut list = reserved(part.len())?;
            for frame in part {
                list.push(memory.machine.share(*frame).ok_or(ENOMEM)?);
            }
            Ok(list)
        };
        let kernel_pages = shared(0, layout.ins)?;
        let daemon_pages = shared(layout.control, layout.outs)?;
        if let Some(first) = kernel_pages.first() {
            for (word, value) in first.iter().zip(layout.header(epoch)) {
                word.store(value, Relaxed);
            }
        }
        let mut slots = reserved(entries)?;
        let mut free = queue(entries)?;
        for number in (0u16..).take(entries) {
            let pins = Pins::with_room(MAX_BYTES / PAGE_SIZE + 1)?;
            slots.push(Slot { pins, ..Slot::default() });
            free.push_back(number);
        }
        Ok(Self {
            scheme,
            process,
            idle: None,
            layout,
            object,
            pages,
            base: 0,
            kernel_pages,
            daemon_pages,
            producer: SqProducer::new(layout.entries),
            consumer: CqConsumer::new(layout.entries.doubled()),
            slots,
            free,
            waiting: queue(entries)?,
            objects: reserved(MAX_OBJECTS)?,
            closing: None,
            cancels: false,
            events: false,
        })
    }

    /// Where it lies, for its daemon.
    pub fn info(&self) -> RingInfo {
        let Layout { pages, entries, .. } = self.layout;
        let bytes = u64::from(pages).saturating_mul(PAGE);
        RingInfo { base: self.base, bytes, entries: entries.get(), slot_bytes: 4096 }
    }

    /// A slot by its number.
    pub fn slot(&mut self, number: u16) -> Option<&mut Slot> {
        self.slots.get_mut(usize::from(number))
    }

    /// The tag of a slot's current use.
    pub fn tag(&self, number: u16) -> Option<Tag> {
        let generation = self.slots.get(usize::from(number))?.generation;
        Tag::new(generation, number, self.layout.entries)
    }

    /// The slot that a daemon's tag names, if it is posted or a zombie.
    pub fn open_slot(&mut self, raw: u32) -> Option<(u16, &mut Slot)> {
        let tag = Tag::checked(raw, self.layout.entries)?;
        let slot = self.slot(tag.slot())?;
        let open = matches!(slot.state, SlotState::Posted | SlotState::Zombie);
        (open && slot.generation == tag.generation()).then_some((tag.slot(), slot))
    }

    fn page(&self, first: u32, slot: u16) -> Option<(Frame, u64)> {
        let number = first.checked_add(slot.into())?;
        let frame = *self.pages.get(index(number))?;
        Some((frame, self.base.saturating_add(u64::from(number).saturating_mul(PAGE))))
    }

    /// A slot's input page, and its address in the daemon.
    pub fn input(&self, slot: u16) -> Option<(Frame, u64)> {
        self.page(self.layout.ins, slot)
    }

    /// A slot's output page, and its address in the daemon.
    pub fn output(&self, slot: u16) -> Option<(Frame, u64)> {
        self.page(self.layout.outs, slot)
    }
}
