//! A ring from the kernel's side: the truth about every slot.
//!
//! The shared pages are written from here and never believed: indices go through
//! `anode_ring`, an answer is read once and checked against the slot that it names.

use alloc::vec::Vec;
use anode_ring::{CqConsumer, Layout, SqProducer, Tag};

use crate::num::{index, wide};
use crate::{
    DescriptionId, ENOMEM, Errno, Frame, Handle, Id, Machine, Memory, ObjectId, Pins, ProcessId,
    SchemeId, Subscription, ThreadId, Window,
};

/// Objects that a daemon may register with its ring.
pub const MAX_OBJECTS: usize = 16;
/// Bytes that one request may carry.
pub const MAX_BYTES: usize = 1 << 20;

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// The slot has none.
    Free,
    /// Accepted, but the daemon's queue has no room yet.
    Waiting,
    /// The daemon can see it.
    Posted,
    /// Its client is gone; the daemon still owes an answer.
    Zombie,
}

/// What an answer leads to, beyond its value in the client's rax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Nothing more.
    Value,
    /// The bytes answered go to the pinned buffer.
    Data,
    /// As `Data` for reads; and the description's offset moves.
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
#[derive(Debug)]
pub struct Slot {
    /// Where it is.
    pub state: SlotState,
    /// Use count of the slot, the tag's upper half.
    pub generation: u16,
    /// Whether a cancel note is due.
    pub cancel: bool,
    /// Daemons that it was given to.
    pub tries: u8,
    /// Number of the request, stable over replay.
    pub request: u64,
    /// Opcode and flags of the packet.
    pub opcode: u8,
    /// Flags of the packet.
    pub flags: u8,
    /// Arguments of the packet.
    pub args: [u64; 6],
    /// Who waits; none once it gave up.
    pub client: Option<ThreadId>,
    /// The client's process.
    pub process: ProcessId,
    /// Its process id.
    pub caller: u32,
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
    /// Its address in the daemon.
    pub base: u64,
    /// Kernel's control page and request pages.
    pub kernel_pages: Vec<M::Shared>,
    /// Daemon's control page and answer pages.
    pub daemon_pages: Vec<M::Shared>,
    /// Frames of the input and output slots.
    pub buffers: Vec<(Frame, Frame)>,
    /// Queue of requests.
    pub producer: SqProducer,
    /// Queue of answers.
    pub consumer: CqConsumer,
    /// The slots.
    pub slots: Vec<Slot>,
    /// Slots that are free.
    pub free: Fifo,
    /// Objects that answers may name.
    pub objects: Vec<Window>,
    /// Slots that wait for room, in order: a ring buffer of slot numbers.
    pub waiting: Fifo,
    /// Descriptions whose `Close` is due: first and last.
    pub closing: Option<(DescriptionId, DescriptionId)>,
    /// Slots with a cancel note due.
    pub cancels: u32,
    /// Subscriptions with a note due.
    pub events: u32,
    /// Zombie slots.
    pub zombies: u32,
}

/// A bounded queue of slot numbers; each is in it at most once, so it never overflows.
#[derive(Debug)]
pub struct Fifo {
    items: Vec<u16>,
    head: usize,
    len: usize,
}

impl Fifo {
    /// An empty queue for `capacity` numbers.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(capacity: usize) -> Result<Self, Errno> {
        let mut items = Vec::new();
        items.try_reserve_exact(capacity).map_err(|_full| ENOMEM)?;
        items.resize(capacity, 0);
        Ok(Self { items, head: 0, len: 0 })
    }

    /// Appends a number.
    pub fn push(&mut self, number: u16) {
        let at = self.head.wrapping_add(self.len).checked_rem(self.items.len()).unwrap_or(0);
        if let Some(item) = self.items.get_mut(at) {
            *item = number;
            self.len = self.len.wrapping_add(1);
        }
    }

    /// How many it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first number.
    pub fn first(&self) -> Option<u16> {
        if self.len == 0 { None } else { self.items.get(self.head).copied() }
    }

    /// Takes the first number out.
    pub fn pop(&mut self) -> Option<u16> {
        let number = self.first()?;
        self.head = self.head.wrapping_add(1).checked_rem(self.items.len()).unwrap_or(0);
        self.len = self.len.wrapping_sub(1);
        Some(number)
    }

    /// Takes a number out, wherever it is; the order of the rest stays.
    pub fn remove(&mut self, number: u16) {
        for _ in 0..self.len {
            if let Some(first) = self.pop()
                && first != number
            {
                self.push(first);
            }
        }
    }
}

fn reserved<T>(count: usize) -> Result<Vec<T>, Errno> {
    let mut list = Vec::new();
    list.try_reserve_exact(count).map_err(|_full| ENOMEM)?;
    Ok(list)
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
        epoch: u32,
        object: ObjectId,
        memory: &mut Memory<M>,
    ) -> Result<Self, Errno> {
        let entries = index(layout.entries.get());
        let Memory { machine, frames, objects } = memory;
        let whole = objects.get(object).ok_or(ENOMEM)?;
        let mut frame = |page: u32| whole.page(u64::from(page), frames, machine);
        let mut pages = reserved::<Frame>(index(layout.pages))?;
        for page in 0..layout.pages {
            pages.push(frame(page)?);
        }
        let shared = |from: u32, to: u32| -> Result<Vec<M::Shared>, Errno> {
            let part = pages.get(index(from)..index(to)).ok_or(ENOMEM)?;
            let mut list = reserved(part.len())?;
            for frame in part {
                list.push(machine.share(*frame).ok_or(ENOMEM)?);
            }
            Ok(list)
        };
        let kernel_pages = shared(0, layout.ins)?;
        let daemon_pages = shared(layout.control, layout.outs)?;
        let mut buffers = reserved(entries)?;
        for slot in 0..entries {
            let input = pages.get(index(layout.ins).saturating_add(slot)).ok_or(ENOMEM)?;
            let output = pages.get(index(layout.outs).saturating_add(slot)).ok_or(ENOMEM)?;
            buffers.push((*input, *output));
        }
        let mut slots = reserved(entries)?;
        let mut free = Fifo::new(entries)?;
        for number in (0u16..).take(entries) {
            slots.push(Slot::new(process)?);
            free.push(number);
        }
        if let Some(first) = kernel_pages.first() {
            let words: &[_; 512] = first;
            for (word, value) in words.iter().zip(layout.header(epoch)) {
                word.store(value, core::sync::atomic::Ordering::Relaxed);
            }
        }
        Ok(Self {
            scheme,
            process,
            idle: None,
            layout,
            object,
            base: 0,
            kernel_pages,
            daemon_pages,
            buffers,
            producer: SqProducer::new(layout.entries),
            consumer: CqConsumer::new(layout.entries.doubled()),
            slots,
            free,
            objects: reserved(MAX_OBJECTS)?,
            waiting: Fifo::new(entries)?,
            closing: None,
            cancels: 0,
            events: 0,
            zombies: 0,
        })
    }

    /// The tag of a slot's current use.
    pub fn tag(&self, slot: u16) -> Option<Tag> {
        let generation = self.slots.get(usize::from(slot))?.generation;
        Tag::new(generation, slot, self.layout.entries)
    }

    /// The slot that a daemon's tag names, if it is posted or a zombie.
    pub fn open_slot(&mut self, raw: u32) -> Option<(u16, &mut Slot)> {
        let tag = Tag::checked(raw, self.layout.entries)?;
        let slot = self.slots.get_mut(usize::from(tag.slot()))?;
        let open = matches!(slot.state, SlotState::Posted | SlotState::Zombie);
        (open && slot.generation == tag.generation()).then_some((tag.slot(), slot))
    }

    /// Address of a slot's input page in the daemon.
    pub fn input_address(&self, slot: u16) -> u64 {
        let page = u64::from(self.layout.ins).saturating_add(u64::from(slot));
        self.base.saturating_add(page.saturating_mul(4096))
    }

    /// Address of a slot's output page in the daemon.
    pub fn output_address(&self, slot: u16) -> u64 {
        let page = u64::from(self.layout.outs).saturating_add(u64::from(slot));
        self.base.saturating_add(page.saturating_mul(4096))
    }

    /// Length of the whole ring in bytes.
    pub fn bytes(&self) -> u64 {
        wide(index(self.layout.pages)).saturating_mul(4096)
    }
}

impl Slot {
    fn new(process: ProcessId) -> Result<Self, Errno> {
        Ok(Self {
            state: SlotState::Free,
            generation: 0,
            cancel: false,
            tries: 0,
            request: 0,
            opcode: 0,
            flags: 0,
            args: [0; 6],
            client: None,
            process,
            caller: 0,
            pins: Pins::with_room(MAX_BYTES / 4096 + 1)?,
            output: false,
            passed: None,
            finish: Finish::Value,
        })
    }
}
