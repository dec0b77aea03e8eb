//! What a port and its driver share: the list of commands, their tables, what is received.

use anode_device::SharedMemory;

use crate::failure::Failure;
use crate::fis::{Fis, Way};

/// Slots of a port, at most.
pub(crate) const MAX_SLOTS: u32 = 32;

// Where things lie. A header is 32 bytes; a slot has a table and room for the ranges of a discard.
const HEADER_BYTES: usize = 32;
const RECEIVED_AT: usize = 0x400;
const ANSWER_AT: usize = 0x800;
const SLOTS_AT: usize = 0x1000;
const SLOT_BYTES: usize = 0x400;
const REGIONS_IN_TABLE: usize = 0x80;
const RANGES_IN_SLOT: usize = 0x200;

/// Bytes of an answer, and of the ranges of a discard.
pub(crate) const BLOCK: u32 = 512;
/// Ranges of a discard, and blocks of a range.
const RANGES: u32 = 64;
const MAX_RANGE: u32 = 0xFFFF;
/// The most blocks that a discard can name.
pub(crate) const MAX_DISCARD: u32 = RANGES * MAX_RANGE;

// A header's first word: length of the command in words, direction, number of regions.
const COMMAND_WORDS: u32 = 5;
const TO_DISK: u32 = 1 << 6;
const ONE_REGION: u32 = 1 << 16;

/// Memory of a port.
#[derive(Debug)]
pub(crate) struct Tables<M>(M);

/// Data of a command: where it lies, how long it is, which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Data {
    pub(crate) address: u64,
    /// Not 0.
    pub(crate) bytes: u32,
    pub(crate) way: Way,
}

impl<M: SharedMemory> Tables<M> {
    /// Bytes that a port with so many slots needs.
    pub(crate) fn bytes(slots: u32) -> usize {
        let slots = usize::try_from(slots.min(MAX_SLOTS)).unwrap_or(0);
        SLOTS_AT.saturating_add(slots.saturating_mul(SLOT_BYTES))
    }

    /// In this memory, which is page aligned.
    ///
    /// # Errors
    ///
    /// [`Failure::Memory`] if it is too small.
    pub(crate) fn new(memory: M, slots: u32) -> Result<Self, Failure> {
        if memory.size() < Self::bytes(slots) {
            return Err(Failure::Memory(redox::error::ENOMEM));
        }
        Ok(Self(memory))
    }

    /// Where the list is, and where what is received goes.
    pub(crate) fn addresses(&self) -> [u64; 2] {
        [self.address(0), self.address(RECEIVED_AT)]
    }

    /// Puts a command into a slot.
    pub(crate) fn put(&mut self, slot: u32, fis: Fis, data: Option<Data>) {
        let (header, table) = (header(slot), table(slot));
        let way = data.map_or(0, |data| match data.way {
            Way::In => ONE_REGION,
            Way::Out => ONE_REGION | TO_DISK,
        });
        let address = self.address(table);
        self.0.write32(header, COMMAND_WORDS | way);
        self.0.write32(header.saturating_add(4), 0);
        self.0.write64(header.saturating_add(8), address);
        for (word, value) in fis.words().into_iter().enumerate() {
            self.0.write32(table.saturating_add(word.saturating_mul(4)), value);
        }
        if let Some(data) = data {
            let region = table.saturating_add(REGIONS_IN_TABLE);
            self.0.write64(region, data.address);
            self.0.write32(region.saturating_add(8), 0);
            self.0.write32(region.saturating_add(12), data.bytes.saturating_sub(1));
        }
    }

    /// Puts the ranges of a discard into a slot; gives them as its data.
    pub(crate) fn put_ranges(&mut self, slot: u32, block: u64, blocks: u32) -> Data {
        let base = table(slot).saturating_add(RANGES_IN_SLOT);
        let (mut next, mut left) = (block, blocks);
        for range in 0..usize::try_from(RANGES).unwrap_or(0) {
            let count = left.min(MAX_RANGE);
            let word = if count == 0 { 0 } else { next | u64::from(count) << 48 };
            self.0.write64(base.saturating_add(range.saturating_mul(8)), word);
            next = next.saturating_add(count.into());
            left = left.saturating_sub(count);
        }
        Data { address: self.address(base), bytes: BLOCK, way: Way::Out }
    }

    /// Puts the command for an answer of one block into slot 0.
    pub(crate) fn put_question(&mut self, fis: Fis) {
        let data = Data { address: self.address(ANSWER_AT), bytes: BLOCK, way: Way::In };
        self.put(0, fis, Some(data));
    }

    /// The answer.
    ///
    /// # Errors
    ///
    /// [`Failure::Memory`].
    pub(crate) fn answer(&mut self) -> Result<Vec<u8>, Failure> {
        let len = usize::try_from(BLOCK).unwrap_or(0);
        let mut bytes = vec![0; len];
        let copied = self.0.with(ANSWER_AT..ANSWER_AT.saturating_add(len), &mut |from| {
            bytes.copy_from_slice(from);
            Ok(len)
        });
        copied.map_err(|error| Failure::Memory(error.errno))?;
        Ok(bytes)
    }

    /// How many bytes a command that was not queued has moved.
    pub(crate) fn moved(&self, slot: u32) -> u32 {
        self.0.read32(header(slot).saturating_add(4))
    }

    fn address(&self, at: usize) -> u64 {
        self.0.physical().saturating_add(u64::try_from(at).unwrap_or(u64::MAX))
    }
}

fn header(slot: u32) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX).saturating_mul(HEADER_BYTES)
}

fn table(slot: u32) -> usize {
    let offset = usize::try_from(slot).unwrap_or(usize::MAX).saturating_mul(SLOT_BYTES);
    SLOTS_AT.saturating_add(offset)
}
