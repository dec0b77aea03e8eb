//! A virtio device made of plain memory, for the host tests of drivers.
//!
//! [`Ram`] is the memory that both sides see; [`Memory`] is a driver's part of it. [`Chip`] has
//! the registers, and takes chains from its queues ([`Chip::take`]) and gives them back
//! ([`Chip::give`]) when the test says so, in whatever order. Misuse of it panics: it is a test.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::missing_panics_doc,
    reason = "code of tests, which are to fail loudly"
)]

use std::cell::RefCell;
use std::rc::Rc;

use anode_device::Registers;
pub use anode_device::fake::{BASE, Memory, Ram};

/// A chain that the device took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its first descriptor.
    pub head: u16,
    /// Buffers to read: address and length.
    pub out: Vec<(u64, u32)>,
    /// Buffers to write: address and length.
    pub into: Vec<(u64, u32)>,
}

/// What the device knows of one queue.
#[derive(Clone, Copy, Debug, Default)]
struct QueueState {
    size: u16,
    vector: u16,
    enabled: bool,
    addresses: [u64; 3],
    taken: u16,
    given: u16,
}

/// State behind the registers.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
struct State {
    offered: u64,
    accepted: u64,
    select: [u32; 2],
    status: u8,
    stuck_in_reset: bool,
    pulled_out: bool,
    line: bool,
    queue: usize,
    queues: Vec<QueueState>,
    rung: u32,
    resets: u32,
    device: Vec<u8>,
}

/// The device. Clones are the same device.
#[derive(Clone, Debug)]
pub struct Chip {
    ram: Ram,
    state: Rc<RefCell<State>>,
}

/// One of the chip's register blocks.
#[derive(Clone, Debug)]
pub struct Block {
    chip: Chip,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Common,
    Notify,
    Device,
    Reason,
}

impl Chip {
    /// A device with these features, one queue of `queue_size`, and this configuration.
    #[must_use]
    pub fn new(ram: &Ram, offered: u64, queue_size: u16, device: Vec<u8>) -> Self {
        let queues = vec![QueueState { size: queue_size, ..QueueState::default() }];
        let state = State {
            offered,
            accepted: 0,
            select: [0; 2],
            status: 0x0F,
            stuck_in_reset: false,
            pulled_out: false,
            line: false,
            queue: 0,
            queues,
            rung: 0,
            resets: 0,
            device,
        };
        Self { ram: ram.clone(), state: Rc::new(RefCell::new(state)) }
    }

    /// A transport on this chip's registers.
    #[must_use]
    pub fn transport(&self) -> crate::Transport<Block> {
        let block = |kind| Block { chip: self.clone(), kind };
        crate::Transport::new(
            block(Kind::Common),
            block(Kind::Notify),
            Some(block(Kind::Device)),
            4,
        )
        .with_line(block(Kind::Reason))
    }

    /// Takes the device off the bus, as QEMU does: its registers are zeroes.
    pub fn pull_out(&self) {
        self.state.borrow_mut().pulled_out = true;
    }

    /// Whether it raises its line. It does from the next [`Chip::give`] on if it may send no
    /// message.
    #[must_use]
    pub fn line(&self) -> bool {
        self.state.borrow().line
    }

    /// Makes each later reset hang.
    pub fn hang_in_reset(&self) {
        self.state.borrow_mut().stuck_in_reset = true;
    }

    /// Features that the driver accepted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.state.borrow().accepted
    }

    /// Device status.
    #[must_use]
    pub fn status(&self) -> u8 {
        self.state.borrow().status
    }

    /// How often the driver rang a doorbell.
    #[must_use]
    pub fn rung(&self) -> u32 {
        self.state.borrow().rung
    }

    /// How often the driver reset the device.
    #[must_use]
    pub fn resets(&self) -> u32 {
        self.state.borrow().resets
    }

    /// The device takes the next chain of queue 0, if there is one.
    #[must_use]
    pub fn take(&self) -> Option<Taken> {
        let mut state = self.state.borrow_mut();
        let queue = &mut state.queues[0];
        let [descriptors, available, _] = queue.addresses;
        if !queue.enabled || self.ram.word(available + 2, 2) as u16 == queue.taken {
            return None;
        }
        let slot = u64::from(queue.taken % queue.size);
        queue.taken = queue.taken.wrapping_add(1);
        let head = self.ram.word(available + 4 + 2 * slot, 2) as u16;
        let mut taken = Taken { head, out: Vec::new(), into: Vec::new() };
        let mut id = u64::from(head);
        loop {
            let at = descriptors + 16 * id;
            let buffer = (self.ram.word(at, 8), self.ram.word(at + 8, 4) as u32);
            let flags = self.ram.word(at + 12, 2);
            if flags & 2 == 0 {
                assert!(taken.into.is_empty(), "what the device reads comes first");
                taken.out.push(buffer);
            } else {
                taken.into.push(buffer);
            }
            if flags & 1 == 0 {
                return Some(taken);
            }
            assert!(taken.out.len() + taken.into.len() <= usize::from(queue.size), "a loop");
            id = self.ram.word(at + 14, 2);
        }
    }

    /// The device returns a chain (or claims to).
    pub fn give(&self, head: u32, written: u32) {
        let mut state = self.state.borrow_mut();
        let queue = &mut state.queues[0];
        let used = queue.addresses[2];
        let at = used + 4 + 8 * u64::from(queue.given % queue.size);
        self.ram.write(at, &head.to_le_bytes());
        self.ram.write(at + 4, &written.to_le_bytes());
        queue.given = queue.given.wrapping_add(1);
        self.ram.write(used + 2, &queue.given.to_le_bytes());
        state.line |= state.queues[0].vector == 0xFFFF;
    }

    /// The device writes a used index out of thin air.
    pub fn claim_index(&self, index: u16) {
        let used = self.state.borrow().queues[0].addresses[2];
        self.ram.write(used + 2, &index.to_le_bytes());
    }
}

impl State {
    fn read(&self, at: usize) -> u32 {
        let queue = self.queues.get(self.queue).copied().unwrap_or_default();
        match at {
            4 if self.select[0] == 0 => self.offered as u32,
            4 if self.select[0] == 1 => (self.offered >> 32) as u32,
            18 => self.queues.len() as u32,
            20 => u32::from(self.status),
            24 => u32::from(queue.size),
            26 => u32::from(queue.vector),
            28 => u32::from(queue.enabled),
            30 => self.queue as u32,
            _ => 0,
        }
    }

    fn write(&mut self, at: usize, value: u32) {
        match at {
            0 => self.select[0] = value,
            8 => self.select[1] = value,
            12 if self.select[1] == 0 => self.accepted = u64::from(value),
            12 if self.select[1] == 1 => self.accepted |= u64::from(value) << 32,
            20 => self.write_status(value as u8),
            22 => self.queue = value as usize,
            _ => self.write_queue(at, value),
        }
    }

    fn write_status(&mut self, status: u8) {
        if status == 0 {
            self.resets += 1;
            for queue in &mut self.queues {
                *queue = QueueState { size: queue.size, ..QueueState::default() };
            }
        }
        let hung = status == 0 && self.stuck_in_reset;
        let refused = status & 8 != 0 && self.accepted & !self.offered != 0;
        if !hung {
            self.status = if refused { status & !8 } else { status };
        }
    }

    fn write_queue(&mut self, at: usize, value: u32) {
        let Some(queue) = self.queues.get_mut(self.queue) else { return };
        match at {
            24 => queue.size = value as u16,
            26 => queue.vector = value as u16,
            28 => queue.enabled = value == 1,
            32 | 40 | 48 => queue.addresses[(at - 32) / 8] = u64::from(value),
            36 | 44 | 52 => queue.addresses[(at - 36) / 8] |= u64::from(value) << 32,
            _ => {}
        }
    }
}

impl Block {
    fn read(&self, at: usize) -> u32 {
        let mut state = self.chip.state.borrow_mut();
        match self.kind {
            _ if state.pulled_out => 0,
            Kind::Common => state.read(at),
            Kind::Notify => 0,
            Kind::Reason => u32::from(core::mem::take(&mut state.line)),
            Kind::Device => state.device.get(at).copied().map_or(0xFF, u32::from),
        }
    }

    fn write(&self, at: usize, value: u32) {
        let mut state = self.chip.state.borrow_mut();
        match self.kind {
            _ if state.pulled_out => {}
            Kind::Common => state.write(at, value),
            Kind::Notify => state.rung += 1,
            Kind::Device | Kind::Reason => {}
        }
    }
}

impl Registers for Block {
    fn size(&self) -> usize {
        match self.kind {
            Kind::Common => 56,
            Kind::Notify => 4,
            Kind::Reason => 1,
            Kind::Device => self.chip.state.borrow().device.len(),
        }
    }

    fn read8(&self, at: usize) -> u8 {
        self.read(at) as u8
    }

    fn read16(&self, at: usize) -> u16 {
        self.read(at) as u16
    }

    fn read32(&self, at: usize) -> u32 {
        self.read(at)
    }

    fn write8(&mut self, at: usize, value: u8) {
        self.write(at, u32::from(value));
    }

    fn write16(&mut self, at: usize, value: u16) {
        self.write(at, u32::from(value));
    }

    fn write32(&mut self, at: usize, value: u32) {
        self.write(at, value);
    }
}

/// Configuration space of a function with the four virtio capabilities in BAR 4, and MSI-X.
#[must_use]
pub fn configuration() -> [u8; 256] {
    let mut config = [0; 256];
    config[..4].copy_from_slice(&[0xF4, 0x1A, 0x42, 0x10]);
    config[6] = 0x10;
    config[0x34] = 0x40;
    for (at, next, kind, offset) in [
        (0x40, 0x50, 1, 0_u32),
        (0x50, 0x64, 2, 0x3000),
        (0x64, 0x74, 3, 0x1000),
        (0x74, 0x84, 4, 0x2000),
    ] {
        config[at..at + 5].copy_from_slice(&[9, next, 16, kind, 4]);
        config[at + 8..at + 12].copy_from_slice(&offset.to_le_bytes());
        config[at + 12..at + 16].copy_from_slice(&0x1000_u32.to_le_bytes());
    }
    config[0x60] = 4;
    config[0x84..0x88].copy_from_slice(&[0x11, 0, 3, 0]);
    config
}
