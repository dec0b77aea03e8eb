//! A ring from the kernel's side: the truth about every slot.
//!
//! The shared pages are written from here and never believed: indices go through
//! `anode_ring`, an answer is read once and checked against the slot that it names.

use anode_ring::{CqConsumer, Layout, Page, SqProducer, Violation};
use redox::schemev2::{Cqe, Sqe};

use crate::prelude::*;

/// Bytes that are copied before the lock is let go of.
pub const COPY_BYTES: usize = 16 << 10;
/// Bytes that one request may carry.
pub const MAX_BYTES: usize = 1 << 20;

/// What an answer leads to, beyond its bytes and its value in the client's rax.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// Nothing more.
    #[default]
    Value,
    /// The description's offset moves by the value.
    Advance(DescriptionId),
    /// A new description, and a handle on it with these open flags.
    Open(u64),
    /// Readiness for a subscription.
    Subscribe(Id<Subscription>),
    /// The end of a handle that the daemon may take before; it keeps its description.
    Pass(Handle),
}

/// A slot: one request of the ring.
#[derive(Debug, Default)]
pub struct Slot {
    /// Whether a cancel note is due.
    pub cancel: bool,
    /// The packet.
    pub sqe: Sqe,
    /// Who waits; none once it gave up.
    pub client: Option<ThreadId>,
    /// The client's process, while the daemon owes an answer, be the client there or gone.
    pub process: Option<ProcessId>,
    /// Pages of the client's buffer.
    pub pins: Pins,
    /// Whether `pins` is the answer's buffer (else a big input).
    pub output: bool,
    /// What the answer leads to.
    pub finish: Finish,
    /// Bytes of a long answer that the client has.
    pub done: usize,
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
    /// Slots that are free; it has room for all, so it never grows.
    pub free: Vec<u16>,
    /// The first description whose `Close` is due.
    pub closing: Option<DescriptionId>,
    /// A long answer of which the client has but a part.
    pub unfinished: Option<Cqe>,
    /// Whether a note may be due.
    pub notes: bool,
    /// Whether clients may wait for a slot or for room in the queue.
    pub crowded: bool,
}

impl<M: Machine> Ring<M> {
    /// A ring over `object`, which is `layout.pages` long; it is not mapped yet (`base` 0).
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(
        (scheme, process): (SchemeId, ProcessId),
        layout: Layout,
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
        let (mut slots, mut free) = (reserved(entries)?, reserved(entries)?);
        for number in (0u16..).take(entries) {
            let pins = Pins::with_room(MAX_BYTES / PAGE_SIZE + 1)?;
            let sqe = Sqe { tag: number.into(), ..Sqe::default() };
            slots.push(Slot { pins, sqe, ..Slot::default() });
            free.push(number);
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
            closing: None,
            unfinished: None,
            notes: false,
            crowded: false,
        })
    }

    /// A slot by its number.
    pub fn slot(&mut self, number: u16) -> Option<&mut Slot> {
        self.slots.get_mut(usize::from(number))
    }

    /// A free slot for a user's process, if there is room for its packet: while half of them are
    /// free nobody counts, then each process has its share (0: a quarter of all); the last eighth
    /// is root's.
    ///
    /// # Errors
    ///
    /// The daemon's head of the queue is impossible.
    #[inline]
    pub fn slot_for(
        &mut self,
        (process, uid): (ProcessId, u32),
        share: usize,
    ) -> Result<Option<u16>, Violation> {
        if !self.producer.has_room() {
            self.look()?;
        }
        let entries = self.slots.len();
        let crowded = self.free.len() < entries / 2 && {
            let kept = if uid == 0 { 0 } else { entries / 8 };
            let share = if share == 0 { entries / 4 } else { share };
            self.slots.iter().filter(|slot| slot.process == Some(process)).count() >= share
                || self.free.len() <= kept
        };
        Ok(self.free.last().copied().filter(|_| !crowded && self.producer.has_room()))
    }

    /// How much room the daemon left in its queue.
    ///
    /// # Errors
    ///
    /// Its head of the queue is impossible.
    pub fn look(&mut self) -> Result<u32, Violation> {
        let control: Option<&Page> = self.daemon_pages.first().map(Deref::deref);
        control.map_or(Ok(0), |control| self.producer.refresh(control))
    }

    /// Lets the daemon see all that is in its queue. Gives its sleeping thread, if there is one
    /// and something new for it: it is to run now, is in no queue, and must be given to the CPU
    /// or enqueued.
    #[inline]
    pub fn show(&mut self, threads: &mut Threads) -> Option<ThreadId> {
        let control: &Page = self.kernel_pages.first()?;
        if !self.producer.publish(control) {
            return None;
        }
        let daemon = self.idle.take()?;
        let thread = threads.get_mut(daemon)?;
        (thread.then, thread.deadline) = (Then::give(self.producer.tail().into()), u64::MAX);
        Some(daemon)
    }

    /// The slot that a daemon's tag names, if an answer is owed, and its number.
    #[inline]
    pub fn open_slot(&mut self, tag: u32) -> Option<(u16, &mut Slot)> {
        let number = u16::try_from(tag & 0xFFFF).ok()?;
        let slot = self.slots.get_mut(usize::from(number))?;
        (slot.process.is_some() && slot.sqe.tag == tag).then_some((number, slot))
    }

    /// A slot's pages for input and output, each with its address in the daemon.
    pub fn pages_of(&self, slot: u16) -> Option<((Frame, u64), (Frame, u64))> {
        let page = |first: u32| {
            let number = first.checked_add(slot.into())?;
            let frame = *self.pages.get(index(number))?;
            Some((frame, self.base.wrapping_add(u64::from(number) << 12)))
        };
        page(self.layout.ins).zip(page(self.layout.outs))
    }
}
