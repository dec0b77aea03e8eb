//! An adapter with two ports made of plain memory, of which the second is empty. It says what
//! the disk is by itself; all other commands end when the test says so.

use std::cell::RefCell;
use std::rc::Rc;

use anode_device::fake::Ram;

// Registers of a port.
const LIST: usize = 0x00;
const INTERRUPTS: usize = 0x10;
const COMMAND: usize = 0x18;
const TASK_FILE: usize = 0x20;
const SIGNATURE: usize = 0x24;
const LINK_STATUS: usize = 0x28;
const LINK_CONTROL: usize = 0x2C;
const LINK_ERRORS: usize = 0x30;
const ACTIVE: usize = 0x34;
const ISSUE: usize = 0x38;

/// A command that the disk has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) slot: u32,
    /// The frame's bytes.
    pub(crate) fis: Vec<u8>,
    /// Where its data is, how long it is, and whether it goes to the disk.
    pub(crate) data: Option<(u64, u32, bool)>,
}

impl Taken {
    pub(crate) fn command(&self) -> u8 {
        self.fis[2]
    }

    pub(crate) fn block(&self) -> u64 {
        let [a, b, c] = [self.fis[4], self.fis[5], self.fis[6]];
        u64::from_le_bytes([a, b, c, self.fis[8], self.fis[9], self.fis[10], 0, 0])
    }

    pub(crate) fn count(&self) -> u16 {
        u16::from_le_bytes([self.fis[12], self.fis[13]])
    }

    pub(crate) fn features(&self) -> u16 {
        u16::from_le_bytes([self.fis[3], self.fis[11]])
    }
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
struct State {
    capabilities: u32,
    control: u32,
    interrupts: u32,
    /// Registers of port 0, by their offsets.
    port: [u32; 32],
    identity: Vec<u8>,
    /// Resets of the link.
    resets: u32,
    /// What has been taken by the test already.
    taken: u32,
    /// What fails when the driver looks at what is unfinished.
    ambush: Option<Taken>,
    gone: bool,
    stuck: bool,
    slow: bool,
    unplugged: bool,
}

/// The adapter. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Chip {
    ram: Ram,
    state: Rc<RefCell<State>>,
}

impl Chip {
    /// One with 32 slots and NCQ, and a disk that says this of itself.
    pub(crate) fn new(identity: Vec<u8>) -> Self {
        let state = State {
            capabilities: 1 << 30 | 31 << 8 | 1,
            control: 0,
            interrupts: 0,
            port: [0; 32],
            identity,
            resets: 0,
            taken: 0,
            ambush: None,
            gone: false,
            stuck: false,
            slow: false,
            unplugged: false,
        };
        let chip = Self { ram: Ram::new(0x4_0000), state: Rc::new(RefCell::new(state)) };
        chip.set(SIGNATURE, 0x0000_0101);
        chip.set(LINK_STATUS, 0x123);
        chip.set(TASK_FILE, 0x50);
        chip
    }

    pub(crate) fn ram(&self) -> &Ram {
        &self.ram
    }

    pub(crate) fn registers(&self) -> Registers {
        Registers(self.clone())
    }

    pub(crate) fn resets(&self) -> u32 {
        self.state.borrow().resets
    }

    /// It has so many slots, and the disk queues nothing.
    pub(crate) fn is_simple(&self, slots: u32) {
        self.state.borrow_mut().capabilities = (slots - 1) << 8 | 1;
    }

    pub(crate) fn set_signature(&self, signature: u32) {
        self.set(SIGNATURE, signature);
    }

    /// All registers are ones.
    pub(crate) fn vanishes(&self) {
        self.state.borrow_mut().gone = true;
    }

    /// It does not reset any more, and its port does not stop.
    pub(crate) fn sticks(&self) {
        self.state.borrow_mut().stuck = true;
    }

    /// The disk takes long to spin up after the next reset.
    pub(crate) fn is_slow(&self) {
        self.state.borrow_mut().slow = true;
    }

    /// It has spun up.
    pub(crate) fn is_up(&self) {
        self.set(TASK_FILE, 0x50);
    }

    /// The disk is pulled out.
    pub(crate) fn is_unplugged(&self) {
        self.state.borrow_mut().unplugged = true;
        self.set(LINK_STATUS, 0);
        self.raises(1 << 22);
    }

    /// Another disk is behind the link after the next reset.
    pub(crate) fn becomes(&self, identity: Vec<u8>) {
        self.state.borrow_mut().identity = identity;
    }

    /// The commands that came since this was asked last, by their slots.
    pub(crate) fn takes(&self) -> Vec<Taken> {
        let new = (self.get(ISSUE) | self.get(ACTIVE)) & !self.state.borrow().taken;
        self.state.borrow_mut().taken |= new;
        (0..32).filter(|slot| new & 1 << slot != 0).map(|slot| self.taken(slot)).collect()
    }

    /// Ends a command well, all of its data moved.
    pub(crate) fn ends(&self, taken: &Taken) {
        let bytes = taken.data.map_or(0, |(_, bytes, _)| bytes);
        self.ends_with(taken, bytes);
    }

    /// Ends a command well, so many of its bytes moved.
    pub(crate) fn ends_with(&self, taken: &Taken, bytes: u32) {
        self.ram.write(self.header(taken.slot) + 4, &bytes.to_le_bytes());
        self.forgets(taken.slot);
        self.set(TASK_FILE, 0x50);
        self.raises(if taken.command() & 0xF0 == 0x60 { 1 << 3 } else { 1 });
    }

    /// A command fails.
    pub(crate) fn fails(&self) {
        self.set(TASK_FILE, 0x4041);
        self.raises(1 << 30);
    }

    /// A command fails, and the adapter calls it done.
    pub(crate) fn fails_and_ends(&self, taken: &Taken) {
        self.forgets(taken.slot);
        self.fails();
    }

    /// A command fails and is called done, but only after the driver has asked for news.
    pub(crate) fn fails_and_ends_late(&self, taken: &Taken) {
        self.state.borrow_mut().ambush = Some(taken.clone());
    }

    /// The link fails.
    pub(crate) fn loses_frames(&self) {
        self.set(LINK_ERRORS, 1 << 8);
        self.raises(1 << 27);
    }

    fn forgets(&self, slot: u32) {
        for at in [ISSUE, ACTIVE] {
            self.set(at, self.get(at) & !(1 << slot));
        }
        self.state.borrow_mut().taken &= !(1 << slot);
    }

    fn raises(&self, bits: u32) {
        self.set(INTERRUPTS, self.get(INTERRUPTS) | bits);
        self.state.borrow_mut().interrupts |= 1;
    }

    fn get(&self, at: usize) -> u32 {
        self.state.borrow().port[at / 4]
    }

    fn set(&self, at: usize, value: u32) {
        self.state.borrow_mut().port[at / 4] = value;
    }

    fn header(&self, slot: u32) -> u64 {
        let list = u64::from(self.get(LIST + 4)) << 32 | u64::from(self.get(LIST));
        list + u64::from(slot) * 32
    }

    fn taken(&self, slot: u32) -> Taken {
        let header = self.header(slot);
        let first = self.ram.word(header, 4);
        assert_eq!(first & 0x1F, 5, "words of the command");
        let table = self.ram.word(header + 8, 8);
        let fis = self.ram.read(table, 20);
        assert_eq!(fis[..2], [0x27, 0x80]);
        let bytes = u32::try_from(self.ram.word(table + 0x8C, 4)).unwrap() + 1;
        let region = (self.ram.word(table + 0x80, 8), bytes, first & 1 << 6 != 0);
        Taken { slot, fis, data: (first >> 16 == 1).then_some(region) }
    }

    /// Answers the question what the disk is.
    fn answers(&self) {
        for slot in (0..32).filter(|slot| self.get(ISSUE) & 1 << slot != 0) {
            let taken = self.taken(slot);
            if taken.command() == 0xEC {
                let identity = self.state.borrow().identity.clone();
                self.ram.write(taken.data.unwrap().0, &identity);
                self.ends(&taken);
            }
        }
    }

    fn commands(&self, value: u32) {
        let stuck = self.state.borrow().stuck;
        let value = value & !(1 << 15 | 1 << 14);
        let mirror = (value & 1) << 15 | (value & 1 << 4) << 10;
        let old = self.get(COMMAND);
        self.set(COMMAND, if stuck { value | old & (1 << 15 | 1 << 14) } else { value | mirror });
        if value & 1 == 0 {
            self.set(ISSUE, 0);
            self.set(ACTIVE, 0);
            self.state.borrow_mut().taken = 0;
        }
    }

    fn controls_link(&self, value: u32) {
        let resets = self.get(LINK_CONTROL) & 1 != 0 && value & 1 == 0;
        self.set(LINK_CONTROL, value);
        let unplugged = self.state.borrow().unplugged;
        if resets {
            self.state.borrow_mut().resets += 1;
            self.set(LINK_STATUS, if unplugged { 0 } else { 0x123 });
            let slow = self.state.borrow().slow;
            self.set(TASK_FILE, if slow { 0xD0 } else { 0x50 });
            self.raises(1 << 22);
        }
    }
}

/// The adapter's registers.
#[derive(Clone, Debug)]
pub(crate) struct Registers(Chip);

impl anode_device::Registers for Registers {
    fn size(&self) -> usize {
        0x200
    }

    fn read8(&self, _at: usize) -> u8 {
        unreachable!("registers are of 32 bits")
    }

    fn read16(&self, _at: usize) -> u16 {
        unreachable!("registers are of 32 bits")
    }

    fn read32(&self, at: usize) -> u32 {
        let looks = at == 0x100 + ACTIVE;
        let ambush = self.0.state.borrow_mut().ambush.take_if(|_| looks);
        if let Some(taken) = ambush {
            self.0.fails_and_ends(&taken);
        }
        let state = self.0.state.borrow();
        match at {
            _ if state.gone => u32::MAX,
            0x00 => state.capabilities,
            0x04 => state.control,
            0x08 => state.interrupts,
            // More than there are registers for.
            0x0C => 0xFF,
            0x100..0x180 => state.port[(at - 0x100) / 4],
            _ => 0,
        }
    }

    fn write8(&mut self, _at: usize, _value: u8) {
        unreachable!("registers are of 32 bits")
    }

    fn write16(&mut self, _at: usize, _value: u16) {
        unreachable!("registers are of 32 bits")
    }

    fn write32(&mut self, at: usize, value: u32) {
        let chip = &self.0;
        if chip.state.borrow().gone {
            return;
        }
        let register = at.saturating_sub(0x100);
        match (at, register) {
            (0x04, _) => {
                let stuck = chip.state.borrow().stuck;
                chip.state.borrow_mut().control = if stuck { value } else { value & !1 };
            }
            (0x08, _) => chip.state.borrow_mut().interrupts &= !value,
            (0x100..0x180, COMMAND) => chip.commands(value),
            (0x100..0x180, LINK_CONTROL) => chip.controls_link(value),
            (0x100..0x180, INTERRUPTS | LINK_ERRORS) => {
                chip.set(register, chip.get(register) & !value);
            }
            (0x100..0x180, ACTIVE) => chip.set(ACTIVE, chip.get(ACTIVE) | value),
            (0x100..0x180, ISSUE) => {
                assert_eq!(self.read32(0x100 + COMMAND) & 1, 1, "the port runs");
                chip.set(ISSUE, chip.get(ISSUE) | value);
                chip.answers();
            }
            (0x100..0x180, _) => chip.set(register, value),
            _ => {}
        }
    }
}
