//! A disk in memory whose operations end when the test says so, and clients that remember.
#![expect(clippy::arithmetic_side_effects, reason = "in a test an overflow is a failure")]

mod memory;

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use anode_device::Interrupt;
use redox::error::{EFAULT, EIO, Error, Result};

use memory::BASE;
pub(crate) use memory::Memory;

use crate::{Access, Client, Disk, Durability, Engine, Info, Op, Submitted, Task, WriteCache};

/// Operations that the disk holds at once.
const DEPTH: usize = 4;
/// Bytes of a disk with [`info`].
pub(crate) const SIZE: u32 = 256 * 512;

/// A disk of 128 KiB whose limits are small, so that they are met.
pub(crate) fn info() -> Info {
    Info {
        block: 512,
        physical_block: 4096,
        blocks: 256,
        access: Access::ReadWrite,
        cache: WriteCache::Volatile,
        writes: Durability::Flushed,
        max_bytes: 4096,
        max_discard: 10,
        max_zero: 5,
        identity: "fake".to_owned(),
    }
}

/// Bytes that differ from place to place.
pub(crate) fn pattern(seed: u32, len: u32) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(31).wrapping_add(seed) >> 2).to_le_bytes()[0]).collect()
}

/// Numbers below a bound, the same in each run.
pub(crate) fn random(mut seed: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 20) % below
    }
}

#[derive(Debug)]
struct State {
    bytes: Vec<u8>,
    held: Vec<(usize, Op)>,
    ended: Vec<(usize, Result<()>)>,
    submitted: usize,
    dead: bool,
    /// Whether it can drop operations, and which it was told to.
    aborts: bool,
    aborted: Vec<usize>,
    /// The memory of a disk that needs no one to end its operations.
    eager: Option<Memory>,
}

#[derive(Debug)]
pub(crate) struct FakeDisk {
    info: Info,
    state: Rc<RefCell<State>>,
}

fn number(value: impl TryInto<usize>) -> usize {
    value.try_into().ok().unwrap()
}

impl FakeDisk {
    fn new(info: Info, bytes: Vec<u8>) -> (Self, Rc<RefCell<State>>) {
        let (held, ended) = (Vec::new(), Vec::new());
        let state = State {
            bytes,
            held,
            ended,
            submitted: 0,
            dead: false,
            aborts: false,
            aborted: Vec::new(),
            eager: None,
        };
        let state = Rc::new(RefCell::new(state));
        (Self { info, state: Rc::clone(&state) }, state)
    }

    /// A disk of these bytes that ends everything at once, with its memory.
    pub(crate) fn eager(info: Info, bytes: Vec<u8>) -> (Self, Memory, Hand) {
        let memory = Memory::new();
        let (disk, state) = Self::new(info.clone(), bytes);
        state.borrow_mut().eager = Some(memory.clone());
        (disk, memory.clone(), Hand { info, memory, state })
    }

    /// Does what an operation asks for.
    fn acts(info: &Info, memory: &Memory, bytes: &mut [u8], op: Op) {
        let size = number(info.block);
        let disk = |block: u64, len: usize| number(block) * size..number(block) * size + len;
        let ram = |address: u64, len: usize| number(address - BASE)..number(address - BASE) + len;
        match op {
            Op::Read { block, bytes: len, address } => {
                memory.set(ram(address, number(len)).start, &bytes[disk(block, number(len))]);
            }
            Op::Write { block, bytes: len, address, .. } => bytes[disk(block, number(len))]
                .copy_from_slice(&memory.get(ram(address, number(len)))),
            Op::Zero { block, blocks } => bytes[disk(block, number(blocks) * size)].fill(0),
            Op::Flush | Op::Discard { .. } => {}
        }
    }
}

impl Disk for FakeDisk {
    fn info(&self) -> &Info {
        &self.info
    }

    fn submit(&mut self, tag: usize, op: Op) -> Result<Submitted> {
        let mut state = self.state.borrow_mut();
        if state.dead {
            return Err(Error::new(EIO));
        }
        if state.held.len() == DEPTH {
            return Ok(Submitted::Full);
        }
        if let Op::Read { bytes, .. } | Op::Write { bytes, .. } = op {
            assert!(bytes > 0 && bytes <= self.info.max_bytes && bytes.is_multiple_of(512));
        }
        state.submitted += 1;
        match state.eager.clone() {
            Some(memory) => {
                Self::acts(&self.info, &memory, &mut state.bytes, op);
                state.ended.push((tag, Ok(())));
            }
            None => state.held.push((tag, op)),
        }
        Ok(Submitted::Started)
    }

    fn kick(&mut self) {}

    fn finish(&mut self) -> Option<(usize, Result<()>)> {
        self.state.borrow_mut().ended.pop()
    }

    fn abort(&mut self, tag: usize) -> bool {
        let mut state = self.state.borrow_mut();
        state.aborted.push(tag);
        state.aborts
    }

    fn reset(&mut self) {
        let mut state = self.state.borrow_mut();
        let lost = std::mem::take(&mut state.held);
        state.ended.extend(lost.into_iter().map(|(tag, _)| (tag, Err(Error::new(EIO)))));
    }

    fn interrupts(&self) -> &[Interrupt] {
        &[]
    }
}

#[derive(Clone, Debug)]
enum Answer {
    Number(Result<usize>),
    Data(Vec<u8>),
}

/// What a client got; it is answered at most once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked(Rc<RefCell<Option<Answer>>>);

impl Asked {
    pub(crate) fn is_answered(&self) -> bool {
        self.0.borrow().is_some()
    }

    pub(crate) fn number(&self) -> std::result::Result<usize, i32> {
        match self.0.borrow().clone().unwrap() {
            Answer::Number(result) => result.map_err(|error| error.errno),
            Answer::Data(_) => panic!("data"),
        }
    }

    pub(crate) fn data(&self) -> Vec<u8> {
        match self.0.borrow().clone().unwrap() {
            Answer::Data(data) => data,
            Answer::Number(result) => vec![0; result.unwrap()],
        }
    }

    fn set(&self, answer: Answer) {
        assert!(self.0.borrow_mut().replace(answer).is_none(), "answered twice");
    }
}

#[derive(Debug)]
pub(crate) struct FakeClient {
    data: Option<Vec<u8>>,
    memory: Memory,
    asked: Asked,
}

impl Client for FakeClient {
    fn pull(&mut self, at: usize, into: &mut [u8]) -> Result<usize> {
        let data = self.data.as_ref().ok_or(Error::new(EFAULT))?;
        into.copy_from_slice(&data[at..at + into.len()]);
        Ok(into.len())
    }

    fn answer(self, result: Result<usize>) {
        self.asked.set(Answer::Number(result));
    }

    fn answer_range(self, range: Range<usize>) {
        let data = self.memory.get(range);
        self.asked.set(Answer::Data(data));
    }
}

/// A disk, its engine, and the test's hold on both.
pub(crate) struct World {
    pub(crate) engine: Engine<FakeDisk, Memory, FakeClient>,
    info: Info,
    memory: Memory,
    state: Rc<RefCell<State>>,
}

impl World {
    pub(crate) fn new(info: Info) -> Self {
        Self::try_new(info).unwrap()
    }

    pub(crate) fn try_new(info: Info) -> Option<Self> {
        let memory = Memory::new();
        let size = u32::try_from(info.bytes().unwrap_or(0)).unwrap_or(0);
        let (disk, state) = FakeDisk::new(info.clone(), pattern(1, size));
        let engine = Engine::new(disk, memory.clone()).ok()?;
        Some(Self { engine, info, memory, state })
    }

    pub(crate) fn asks(&mut self, task: Task, data: &[u8]) -> Asked {
        self.asks_with(task, Some(data.to_vec()))
    }

    pub(crate) fn asks_without_data(&mut self, task: Task) -> Asked {
        self.asks_with(task, None)
    }

    fn asks_with(&mut self, task: Task, data: Option<Vec<u8>>) -> Asked {
        let asked = Asked::default();
        let client = FakeClient { data, memory: self.memory.clone(), asked: asked.clone() };
        self.engine.ask(client, task);
        asked
    }

    /// Operations that the disk holds.
    pub(crate) fn started(&self) -> Vec<Op> {
        self.state.borrow().held.iter().map(|(_, op)| *op).collect()
    }

    pub(crate) fn submitted(&self) -> usize {
        self.state.borrow().submitted
    }

    #[expect(clippy::fn_params_excessive_bools, reason = "yes or no")]
    pub(crate) fn aborts(&mut self, able: bool) {
        self.state.borrow_mut().aborts = able;
    }

    pub(crate) fn aborted(&self) -> Vec<usize> {
        self.state.borrow().aborted.clone()
    }

    pub(crate) fn dies(&mut self) {
        self.state.borrow_mut().dead = true;
    }

    /// The test's hold on the disk alone.
    pub(crate) fn hand(&self) -> Hand {
        Hand { info: self.info.clone(), memory: self.memory.clone(), state: Rc::clone(&self.state) }
    }

    /// The disk ends the operation at this place of those that it holds.
    pub(crate) fn ends(&mut self, index: usize, result: std::result::Result<(), i32>) {
        self.hand().ends(index, result);
    }

    /// The disk ends one operation, if it holds any.
    pub(crate) fn ends_one(&mut self, choice: usize) {
        let held = self.state.borrow().held.len();
        if held > 0 {
            self.ends(choice % held, Ok(()));
        }
    }

    /// Lets the disk end all that it holds and gets, the youngest first.
    pub(crate) fn runs(&mut self) {
        self.engine.turn();
        while !self.state.borrow().held.is_empty() {
            self.ends_one(usize::MAX);
            self.engine.turn();
        }
    }

    pub(crate) fn disk_bytes(&self, start: u64, len: u32) -> Vec<u8> {
        self.state.borrow().bytes[number(start)..number(start) + number(len)].to_vec()
    }
}

/// Ends operations of the disk.
pub(crate) struct Hand {
    info: Info,
    memory: Memory,
    state: Rc<RefCell<State>>,
}

impl Hand {
    fn ends(&self, index: usize, result: std::result::Result<(), i32>) {
        let mut state = self.state.borrow_mut();
        let (tag, op) = state.held.remove(index);
        if result.is_ok() {
            FakeDisk::acts(&self.info, &self.memory, &mut state.bytes, op);
        }
        state.ended.push((tag, result.map_err(Error::new)));
    }

    /// The disk is quick no more: its operations wait to be ended.
    pub(crate) fn slows(&self) {
        self.state.borrow_mut().eager = None;
    }

    /// What the disk holds.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.state.borrow().bytes.clone()
    }

    /// Writes to the disk behind everyone's back.
    pub(crate) fn put(&self, at: usize, bytes: &[u8]) {
        self.state.borrow_mut().bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Ends the newest operation.
    pub(crate) fn ends_newest(&self) {
        let newest = self.state.borrow().held.len() - 1;
        self.ends(newest, Ok(()));
    }

    /// Ends the oldest operation; `false` if there is none.
    pub(crate) fn ends_one(&self) -> bool {
        let any = !self.state.borrow().held.is_empty();
        if any {
            self.ends(0, Ok(()));
        }
        any
    }
}
