//! The device: requests in its queue, each with a slot of memory for header and status.

use core::slice;
use std::collections::VecDeque;

use anode_block::{Disk, Info, Op, Submitted};
use anode_device::{Device, Dma, Interrupt, Mmio, Registers, SharedMemory};
use anode_virtio::{Doorbell, Failure, Queue, Segment, Transport, VERSION_1, Violation};
use redox::error::{EIO, EOPNOTSUPP, Error, Result};

use crate::facts::{self, FLUSH, SECTOR, WANTED};

/// Descriptors that are used of what the device offers; a request takes three.
const MAX_QUEUE: u16 = 128;
const DESCRIPTORS: u16 = 3;
const PAGE: usize = 4096;
/// The MSI-X entry, and the queue.
const ENTRY: u16 = 0;
const QUEUE: u16 = 0;
/// Bytes of bounce memory of each disk: four of the largest requests, unaligned.
pub(crate) const BOUNCE: usize = 4 * ((1 << 20) + 8192);
/// After so many resets the device is given up.
const MAX_RESETS: u32 = 16;

// Request types.
const IN: u32 = 0;
const OUT: u32 = 1;
const T_FLUSH: u32 = 4;
const GET_ID: u32 = 8;
const T_DISCARD: u32 = 11;
const T_WRITE_ZEROES: u32 = 13;

const STATUS_OK: u32 = 0;
const STATUS_UNSUPPORTED: u32 = 2;

// A slot of memory: header, range of a discard, status, serial number.
const SLOT_BYTES: usize = 64;
const HEADER_BYTES: u32 = 16;
const RANGE_AT: usize = 16;
const RANGE_BYTES: u32 = 16;
const STATUS_AT: usize = 32;
const IDENTITY_AT: usize = 36;
const IDENTITY_BYTES: u32 = 20;

/// The tag of the request for the serial number; no other has it.
const IDENTIFY: usize = usize::MAX.wrapping_sub(1);

/// What a slot is used for.
#[derive(Clone, Copy, Debug)]
struct Request {
    tag: usize,
    /// The chain that it is, by its first descriptor.
    head: u16,
    /// Bytes that the device must have written, with the status.
    expected: u32,
}

/// What is sent to the device: a header, and what comes between it and the status.
struct Command {
    kind: u32,
    sector: u64,
    data: Option<Segment>,
}

/// How the device says that it did something.
#[derive(Debug)]
pub(crate) enum Signal {
    /// By a message, entry [`ENTRY`] of its table.
    Message(Interrupt),
    /// By its line.
    Line(Interrupt),
    /// Not at all: it is to be polled.
    None,
}

/// A virtio block device.
#[derive(Debug)]
pub(crate) struct VirtioBlk<M, R = Mmio> {
    transport: Transport<R>,
    queue: Queue<M>,
    slots: M,
    requests: Vec<Option<Request>>,
    ended: VecDeque<(usize, Result<()>)>,
    info: Info,
    features: u64,
    doorbell: Option<Doorbell>,
    rings: bool,
    signal: Signal,
    resets: u32,
    dead: bool,
}

impl<M: SharedMemory, R: Registers> VirtioBlk<M, R> {
    /// Bytes of shared memory for the queue and for the slots, of a device with this queue size.
    pub(crate) fn memory_bytes(queue_size: u16) -> (usize, usize) {
        let size = queue_size.min(MAX_QUEUE);
        let slots = usize::from(size.div_euclid(DESCRIPTORS)).saturating_mul(SLOT_BYTES);
        (Queue::<M>::bytes(size), slots)
    }

    /// Resets the device, whatever an earlier driver left in it, and starts it.
    ///
    /// `memory` makes shared memory of at least so many bytes, zeroed.
    ///
    /// # Errors
    ///
    /// Why the device cannot be used.
    pub(crate) fn start(
        mut transport: Transport<R>,
        signal: Signal,
        memory: &mut dyn FnMut(usize) -> Result<M>,
    ) -> Result<Self, Failure> {
        let features = transport.bring_up(WANTED)?;
        let config = transport.configuration().map_err(|_none| Failure::NotModern)?;
        let size = transport.queue_size(QUEUE)?.min(MAX_QUEUE);
        let (queue_bytes, slot_bytes) = Self::memory_bytes(size);
        let mut make = |bytes| memory(bytes).map_err(|error| Failure::Unmapped(error.errno));
        let queue = Queue::new(make(queue_bytes)?, size).ok_or(Failure::Queue(QUEUE))?;
        let slots = make(slot_bytes)?;
        let count = usize::from(size.div_euclid(DESCRIPTORS));
        if count == 0 || slots.size() < slot_bytes {
            return Err(Failure::Queue(QUEUE));
        }
        let mut disk = Self {
            transport,
            queue,
            slots,
            requests: vec![None; count],
            ended: VecDeque::new(),
            info: facts::info(features, &config),
            features,
            doorbell: None,
            rings: false,
            signal,
            resets: 0,
            dead: false,
        };
        disk.start_queue()?;
        Ok(disk)
    }

    /// Asks for the serial number; `wait` is called until it came, and gives up with `false`.
    pub(crate) fn identify(&mut self, wait: &mut dyn FnMut() -> bool) {
        let Some(slot) = self.free_slot() else { return };
        let address = self.slot_address(slot, IDENTITY_AT);
        let data = Some(Segment::In { address, len: IDENTITY_BYTES });
        if !self.send(IDENTIFY, slot, &Command { kind: GET_ID, sector: 0, data }) {
            return;
        }
        self.kick();
        let result = loop {
            match self.finish() {
                Some((IDENTIFY, result)) => break result,
                Some(_) => {}
                None if wait() => {}
                None => return self.reset(),
            }
        };
        let at = slot.saturating_mul(SLOT_BYTES).saturating_add(IDENTITY_AT);
        let words = (0..5).map(|word: usize| at.saturating_add(word.saturating_mul(4)));
        let bytes = words.flat_map(|at| self.slots.read32(at).to_le_bytes());
        let text: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
        if result.is_ok() && text.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
            String::from_utf8_lossy(&text).trim().clone_into(&mut self.info.identity);
        }
    }

    /// Gives a device that was brought up its queue.
    fn start_queue(&mut self) -> Result<(), Failure> {
        let vector = matches!(self.signal, Signal::Message(_)).then_some(ENTRY);
        let (size, addresses) = (self.queue.size(), self.queue.addresses());
        self.doorbell = Some(self.transport.start_queue(QUEUE, size, addresses, vector)?);
        self.transport.start();
        Ok(())
    }

    fn free_slot(&self) -> Option<usize> {
        self.requests.iter().position(Option::is_none)
    }

    fn slot_address(&self, slot: usize, at: usize) -> u64 {
        let offset = slot.saturating_mul(SLOT_BYTES).saturating_add(at);
        self.slots.physical().saturating_add(u64::try_from(offset).unwrap_or(u64::MAX))
    }

    /// Puts a command into the queue; `false` if there is no room.
    fn send(&mut self, tag: usize, slot: usize, command: &Command) -> bool {
        let base = slot.saturating_mul(SLOT_BYTES);
        self.slots.write32(base, command.kind);
        self.slots.write32(base.saturating_add(4), 0);
        self.slots.write64(base.saturating_add(8), command.sector);
        self.slots.write32(base.saturating_add(STATUS_AT), u32::MAX);
        let header = Segment::Out { address: self.slot_address(slot, 0), len: HEADER_BYTES };
        let status = Segment::In { address: self.slot_address(slot, STATUS_AT), len: 1 };
        let (head, expected) = match command.data {
            None => (self.queue.push(&[header, status]), 1),
            Some(data @ Segment::Out { .. }) => (self.queue.push(&[header, data, status]), 1),
            Some(data @ Segment::In { len, .. }) => {
                (self.queue.push(&[header, data, status]), len.saturating_add(1))
            }
        };
        let (Some(head), Some(place)) = (head, self.requests.get_mut(slot)) else { return false };
        *place = Some(Request { tag, head, expected });
        self.rings = true;
        true
    }

    /// The command for an operation. The range of a discard goes into the slot.
    fn command(&mut self, slot: usize, op: Op) -> Result<Command> {
        let command = |kind, block, data| Command { kind, sector: self.sector(block), data };
        Ok(match op {
            Op::Read { block, bytes, address } => {
                command(IN, block, Some(Segment::In { address, len: bytes }))
            }
            Op::Write { block, bytes, address, .. } => {
                command(OUT, block, Some(Segment::Out { address, len: bytes }))
            }
            Op::Flush if self.features & FLUSH != 0 => command(T_FLUSH, 0, None),
            Op::Discard { block, blocks } if self.info.max_discard != 0 => {
                self.range_command(slot, T_DISCARD, block, blocks)
            }
            Op::Zero { block, blocks } if self.info.max_zero != 0 => {
                self.range_command(slot, T_WRITE_ZEROES, block, blocks)
            }
            Op::Flush | Op::Discard { .. } | Op::Zero { .. } => {
                return Err(Error::new(EOPNOTSUPP));
            }
        })
    }

    fn range_command(&mut self, slot: usize, kind: u32, block: u64, blocks: u32) -> Command {
        let at = slot.saturating_mul(SLOT_BYTES).saturating_add(RANGE_AT);
        let sectors = u32::try_from(self.sector(blocks.into())).unwrap_or(u32::MAX);
        self.slots.write64(at, self.sector(block));
        self.slots.write32(at.saturating_add(8), sectors);
        self.slots.write32(at.saturating_add(12), 0);
        let address = self.slot_address(slot, RANGE_AT);
        Command { kind, sector: 0, data: Some(Segment::Out { address, len: RANGE_BYTES }) }
    }

    /// A number of blocks in the device's sectors.
    fn sector(&self, block: u64) -> u64 {
        block.saturating_mul(self.info.block.div_euclid(SECTOR).into())
    }

    /// Takes one request back from the device.
    fn take(&mut self) -> Result<Option<(usize, Result<()>)>, Violation> {
        let Some(used) = self.queue.pop()? else { return Ok(None) };
        let mine = |request: &Option<Request>| request.is_some_and(|it| it.head == used.head);
        let slot = self.requests.iter().position(mine);
        let request = slot.and_then(|slot| self.requests.get_mut(slot)).and_then(Option::take);
        let (Some(slot), Some(request)) = (slot, request) else {
            return Err(Violation::Head(used.head.into()));
        };
        let at = slot.saturating_mul(SLOT_BYTES).saturating_add(STATUS_AT);
        let result = match self.slots.read32(at) & 0xFF {
            // A read that is short would show a client what was in the memory before.
            STATUS_OK if used.written >= request.expected => Ok(()),
            STATUS_UNSUPPORTED => Err(Error::new(EOPNOTSUPP)),
            _ => Err(Error::new(EIO)),
        };
        Ok(Some((request.tag, result)))
    }

    /// Resets the device and starts it again; what it held ends with `EIO`.
    ///
    /// If that fails it is dead: nothing is read from its memory any more.
    fn recover(&mut self) {
        self.resets = self.resets.saturating_add(1);
        let up = self.transport.bring_up(self.features & !VERSION_1);
        for request in self.requests.iter_mut().filter_map(Option::take) {
            self.ended.push_back((request.tag, Err(Error::new(EIO))));
        }
        let alive = up == Ok(self.features) && self.resets <= MAX_RESETS;
        if alive {
            self.queue.forget_all();
        }
        if !alive || self.start_queue().is_err() {
            self.dead = true;
            eprintln!("virtio-blk: {}: the device is given up", self.info.identity);
        }
    }
}

impl<M: SharedMemory, R: Registers> Disk for VirtioBlk<M, R> {
    fn info(&self) -> &Info {
        &self.info
    }

    fn submit(&mut self, tag: usize, op: Op) -> Result<Submitted> {
        if self.dead {
            return Err(Error::new(EIO));
        }
        let Some(slot) = self.free_slot() else { return Ok(Submitted::Full) };
        let command = self.command(slot, op)?;
        Ok(if self.send(tag, slot, &command) { Submitted::Started } else { Submitted::Full })
    }

    fn kick(&mut self) {
        let rings = core::mem::take(&mut self.rings) && self.queue.wants_ring();
        if let Some(doorbell) = self.doorbell.filter(|_| rings && !self.dead) {
            self.transport.ring(doorbell);
        }
    }

    fn finish(&mut self) -> Option<(usize, Result<()>)> {
        if let Some(ended) = self.ended.pop_front() {
            return Some(ended);
        }
        if self.dead {
            return None;
        }
        match self.take() {
            Ok(ended) => ended,
            Err(violation) => {
                eprintln!("virtio-blk: {}: {violation}; resetting it", self.info.identity);
                self.recover();
                self.ended.pop_front()
            }
        }
    }

    fn look(&mut self) {
        if !self.dead && !self.transport.is_well() {
            eprintln!("virtio-blk: {}: it is gone or has failed; resetting it", self.info.identity);
            self.recover();
        }
    }

    fn reset(&mut self) {
        if !self.dead {
            eprintln!("virtio-blk: {}: no answer; resetting it", self.info.identity);
            self.recover();
        }
    }

    fn interrupts(&self) -> &[Interrupt] {
        match &self.signal {
            Signal::Message(interrupt) | Signal::Line(interrupt) => slice::from_ref(interrupt),
            Signal::None => &[],
        }
    }

    fn quiet(&mut self) {
        if matches!(self.signal, Signal::Line(_)) {
            self.transport.lower_line();
        }
    }
}

/// Starts the device behind a PCI function, and makes the memory for its transfers.
///
/// # Errors
///
/// A sentence.
#[expect(clippy::large_stack_frames, reason = "once per disk, on the main thread's stack")]
pub(crate) fn open(device: &Device) -> Result<(VirtioBlk<Dma>, Dma), String> {
    let transport = Transport::open(device).map_err(|failure| failure.to_string())?;
    let line = |_none| device.line().map(Signal::Line);
    let signal = device.msix(ENTRY).map(Signal::Message).or_else(line);
    let signal = signal.unwrap_or_else(|error| {
        eprintln!("virtio-blk: neither MSI-X nor a line ({error}): the device is polled");
        Signal::None
    });
    let mut memory = |bytes: usize| device.dma(bytes.next_multiple_of(PAGE));
    let started = VirtioBlk::start(transport, signal, &mut memory);
    let mut disk = started.map_err(|failure| failure.to_string())?;
    disk.identify(&mut anode_block::patience());
    let bounce = device.dma(BOUNCE.next_multiple_of(PAGE));
    Ok((disk, bounce.map_err(|error| format!("no memory for its transfers: {error}"))?))
}
