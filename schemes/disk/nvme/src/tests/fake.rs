//! A controller made of plain memory: admin commands are done at once, others when the test
//! says so.

use std::cell::RefCell;
use std::rc::Rc;

use anode_device::fake::Ram;

/// What the controller says of itself: "Model", "A1", four namespaces, three aborts, 16 KiB.
pub(crate) fn controller_bytes() -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    bytes[4..24].copy_from_slice(b"A1                  ");
    bytes[24..64].fill(b' ');
    bytes[24..29].copy_from_slice(b"Model");
    (bytes[77], bytes[258], bytes[516], bytes[520], bytes[525]) = (2, 2, 4, 0b1100, 1);
    bytes
}

/// What a namespace of so many blocks of 512 bytes says; it prefers writes of 4096 bytes.
pub(crate) fn namespace_bytes(blocks: u64) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    bytes[..8].copy_from_slice(&blocks.to_le_bytes());
    // Of its two formats the second one is in use.
    (bytes[24], bytes[26], bytes[64]) = (1 << 4, 1, 7);
    (bytes[130], bytes[134]) = (12, 9);
    bytes
}

/// A command that the controller took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) words: [u32; 16],
}

impl Taken {
    pub(crate) fn opcode(&self) -> u32 {
        self.words[0] & 0xFF
    }

    pub(crate) fn id(&self) -> u16 {
        (self.words[0] >> 16).try_into().unwrap()
    }

    pub(crate) fn namespace(&self) -> u32 {
        self.words[1]
    }

    pub(crate) fn block(&self) -> u64 {
        self.pair(10)
    }

    pub(crate) fn data(&self) -> [u64; 2] {
        [self.pair(6), self.pair(8)]
    }

    fn pair(&self, at: usize) -> u64 {
        u64::from(self.words[at + 1]) << 32 | u64::from(self.words[at])
    }
}

/// What the controller knows of a pair of queues.
#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    addresses: [u64; 2],
    entries: u16,
    /// Up to where commands were taken, and completions were posted.
    taken: u16,
    posted: u16,
    phase: u16,
    /// The doorbells.
    tail: u16,
    head: u16,
}

#[derive(Debug, Default)]
struct State {
    capabilities: [u32; 2],
    configuration: u32,
    status: u32,
    sizes: u32,
    admin: [u32; 4],
    queues: [Pair; 2],
    starts: u32,
    hangs: bool,
    /// What its registers read as since it is gone.
    gone: Option<u32>,
    no_list: bool,
    /// An admin opcode that is refused.
    refused: Option<u32>,
}

/// The controller. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Chip {
    ram: Ram,
    state: Rc<RefCell<State>>,
}

impl Chip {
    /// One with queues of 16 entries, that an earlier driver left running.
    pub(crate) fn new() -> Self {
        let state = State {
            capabilities: [0x0100_000F, 1 << 5],
            configuration: 1,
            status: 1,
            ..State::default()
        };
        Self { ram: Ram::new(0x20_0000), state: Rc::new(RefCell::new(state)) }
    }

    pub(crate) fn ram(&self) -> &Ram {
        &self.ram
    }

    pub(crate) fn registers(&self) -> Registers {
        Registers(self.clone())
    }

    pub(crate) fn set_capabilities(&self, low: u32, high: u32) {
        self.state.borrow_mut().capabilities = [low, high];
    }

    /// It neither stops nor starts any more.
    pub(crate) fn hangs(&self) {
        self.state.borrow_mut().hangs = true;
    }

    /// It does what it was told while it hung.
    pub(crate) fn wakes(&self) {
        let mut state = self.state.borrow_mut();
        state.hangs = false;
        let told = state.configuration;
        state.configures(told);
    }

    pub(crate) fn vanishes(&self) {
        self.state.borrow_mut().gone = Some(u32::MAX);
    }

    /// As QEMU has it.
    pub(crate) fn vanishes_to_zeroes(&self) {
        self.state.borrow_mut().gone = Some(0);
    }

    /// It reports a fatal error.
    pub(crate) fn fails(&self) {
        self.state.borrow_mut().status |= 2;
    }

    pub(crate) fn refuses(&self, opcode: u32) {
        self.state.borrow_mut().refused = Some(opcode);
    }

    pub(crate) fn has_no_list(&self) {
        self.state.borrow_mut().no_list = true;
    }

    /// How often it was started.
    pub(crate) fn starts(&self) -> u32 {
        self.state.borrow().starts
    }

    /// Up to where the driver says that it has taken completions.
    pub(crate) fn heads(&self) -> u16 {
        self.state.borrow().queues[1].head
    }

    /// Up to where completions were posted.
    pub(crate) fn posted(&self) -> u16 {
        self.state.borrow().queues[1].posted
    }

    /// Takes the next command for a namespace.
    pub(crate) fn take(&self) -> Option<Taken> {
        self.take_of(1)
    }

    /// Takes the next admin command that was not done at once.
    pub(crate) fn take_admin(&self) -> Option<Taken> {
        self.take_of(0)
    }

    pub(crate) fn completes(&self, taken: &Taken, status: u16) {
        self.posts(taken.id(), 1, status);
    }

    pub(crate) fn completes_admin(&self, taken: &Taken, status: u16) {
        self.post(0, taken.id(), 0, status);
    }

    /// Posts a completion out of thin air: id, queue, status.
    pub(crate) fn posts(&self, id: u16, queue: u16, status: u16) {
        self.post(1, id, queue, status);
    }

    fn take_of(&self, queue: usize) -> Option<Taken> {
        let pair = &mut self.state.borrow_mut().queues[queue];
        if pair.taken == pair.tail {
            return None;
        }
        let at = pair.addresses[0] + u64::from(pair.taken) * 64;
        pair.taken = (pair.taken + 1) % pair.entries;
        let words = std::array::from_fn(|word| {
            u32::try_from(self.ram.word(at + u64::try_from(word * 4).unwrap(), 4)).unwrap()
        });
        Some(Taken { words })
    }

    fn post(&self, to: usize, id: u16, queue: u16, status: u16) {
        let pair = &mut self.state.borrow_mut().queues[to];
        let at = pair.addresses[1] + u64::from(pair.posted) * 16;
        let words = [0, 0, 0, queue, id, status << 1 | pair.phase];
        self.ram.write(at + 4, &words.map(u16::to_le_bytes).concat());
        pair.posted = (pair.posted + 1) % pair.entries;
        if pair.posted == 0 {
            pair.phase ^= 1;
        }
    }

    /// Does the admin commands that it can do at once.
    fn works(&self) {
        while let Some(taken) = self.peek_admin() {
            if taken.opcode() == 8 {
                return;
            }
            self.take_admin();
            let refused = self.state.borrow().refused == Some(taken.opcode());
            let status = if refused { 1 } else { self.acts(&taken) };
            self.completes_admin(&taken, status);
        }
    }

    fn peek_admin(&self) -> Option<Taken> {
        let before = self.state.borrow().queues[0].taken;
        let taken = self.take_admin();
        self.state.borrow_mut().queues[0].taken = before;
        taken
    }

    fn acts(&self, taken: &Taken) -> u16 {
        let mut state = self.state.borrow_mut();
        let entries = u16::try_from(taken.words[10] >> 16).unwrap() + 1;
        match taken.opcode() {
            5 => {
                assert_eq!(taken.words[10] & 0xFFFF, 1);
                assert_eq!(taken.words[11], 1, "contiguous, and no interrupts");
                state.queues[1] = Pair { entries, phase: 1, ..Pair::default() };
                state.queues[1].addresses[1] = taken.data()[0];
            }
            1 => {
                assert_eq!((taken.words[10] & 0xFFFF, taken.words[11]), (1, 1 << 16 | 1));
                assert_eq!(state.queues[1].entries, entries);
                state.queues[1].addresses[0] = taken.data()[0];
            }
            6 => return self.identifies(taken, state.no_list),
            _ => {}
        }
        0
    }

    #[expect(clippy::fn_params_excessive_bools, reason = "yes or no")]
    fn identifies(&self, taken: &Taken, no_list: bool) -> u16 {
        let bytes = match (taken.words[10], taken.namespace()) {
            (1, _) => controller_bytes(),
            (2, 0) if no_list => return 2,
            (2, 0) => [1, 4, 0].map(u32::to_le_bytes).concat(),
            (0, id @ (1 | 4)) => namespace_bytes(1000 * u64::from(id)),
            _ => vec![0; 4096],
        };
        self.ram.write(taken.data()[0], &bytes);
        0
    }
}

/// The controller's registers.
#[derive(Debug)]
pub(crate) struct Registers(Chip);

impl anode_device::Registers for Registers {
    fn size(&self) -> usize {
        0x2000
    }

    fn read8(&self, _at: usize) -> u8 {
        unreachable!("registers are of 32 bits")
    }

    fn read16(&self, _at: usize) -> u16 {
        unreachable!("registers are of 32 bits")
    }

    fn read32(&self, at: usize) -> u32 {
        let state = self.0.state.borrow();
        match at {
            _ if state.gone.is_some() => state.gone.unwrap_or(0),
            0 => state.capabilities[0],
            4 => state.capabilities[1],
            0x14 => state.configuration,
            0x1C => state.status,
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
        let mut state = self.0.state.borrow_mut();
        if state.gone.is_some() {
            return;
        }
        let doorbell = u16::try_from(value & 0xFFFF).unwrap();
        match at {
            0x14 => state.configures(value),
            0x24 => state.sizes = value,
            0x28 | 0x2C | 0x30 | 0x34 => state.admin[(at - 0x28) / 4] = value,
            0x1000 => state.queues[0].tail = doorbell,
            0x1004 => state.queues[0].head = doorbell,
            0x1008 => state.queues[1].tail = doorbell,
            0x100C => state.queues[1].head = doorbell,
            _ => unreachable!("no register at {at:#x}"),
        }
        drop(state);
        if at == 0x1000 {
            self.0.works();
        }
    }
}

impl State {
    fn configures(&mut self, value: u32) {
        let starts = value & 1 != 0 && self.configuration & 1 == 0;
        self.configuration = value;
        if self.hangs {
            return;
        }
        self.status = value & 1;
        if starts {
            assert_eq!(value, 6 << 16 | 4 << 20 | 1);
            self.starts += 1;
            let entries = u16::try_from(self.sizes & 0xFFFF).unwrap() + 1;
            let address = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
            let [a, b, c, d] = self.admin;
            let addresses = [address(a, b), address(c, d)];
            let admin = Pair { addresses, entries, phase: 1, ..Pair::default() };
            self.queues = [admin, Pair::default()];
        }
    }
}
