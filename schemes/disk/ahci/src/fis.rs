//! Commands of ATA, as the frame that carries them to the disk.

use anode_block::{Durability, Op};

use crate::hba::Queueing;

/// The type of the frame, and that it holds a command.
const COMMAND_FRAME: u32 = 0x27 | 0x80 << 8;
/// Words of the frame.
pub(crate) const WORDS: usize = 5;

// Commands.
const READ: u8 = 0x25;
const WRITE: u8 = 0x35;
const WRITE_FORCED: u8 = 0x3D;
const READ_QUEUED: u8 = 0x60;
const WRITE_QUEUED: u8 = 0x61;
const DATASET_MANAGEMENT: u8 = 0x06;
const FLUSH: u8 = 0xEA;
const IDENTIFY: u8 = 0xEC;

/// Of the device register: addresses are block numbers.
const BLOCKS: u8 = 0x40;
/// Force unit access, of a queued write.
const FORCE: u8 = 0x80;
/// The feature of dataset management.
const TRIM: u16 = 1;

/// Which way data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To memory.
    In,
    /// To the disk.
    Out,
}

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fis {
    command: u8,
    features: u16,
    block: u64,
    count: u16,
    device: u8,
}

impl Fis {
    const fn new(command: u8) -> Self {
        Self { command, features: 0, block: 0, count: 0, device: BLOCKS }
    }

    /// "Who are you?" The answer has 512 bytes.
    pub(crate) const fn identify() -> Self {
        Self { device: 0, ..Self::new(IDENTIFY) }
    }

    /// The command for an operation of a disk with blocks of `1 << shift` bytes, in `slot`.
    ///
    /// A discard has one block of data, its ranges. There is no command for zeroes.
    pub(crate) fn of(op: Op, shift: u32, slot: u32, queueing: Queueing) -> Option<Self> {
        let (command, queued, block, bytes, durability) = match op {
            Op::Read { block, bytes, .. } => (READ, READ_QUEUED, block, bytes, Durability::Flushed),
            Op::Write { block, bytes, durability: Durability::Forced, .. } => {
                (WRITE_FORCED, WRITE_QUEUED, block, bytes, Durability::Forced)
            }
            Op::Write { block, bytes, durability, .. } => {
                (WRITE, WRITE_QUEUED, block, bytes, durability)
            }
            Op::Flush => return Some(Self::new(FLUSH)),
            Op::Discard { .. } => {
                return Some(Self { features: TRIM, count: 1, ..Self::new(DATASET_MANAGEMENT) });
            }
            Op::Zero { .. } => return None,
        };
        let count = u16::try_from(bytes >> shift).ok()?;
        Some(match (queueing, durability) {
            (Queueing::None, _) => Self { block, count, ..Self::new(command) },
            (Queueing::Native, durability) => Self {
                command: queued,
                features: count,
                block,
                count: u16::try_from(slot << 3).ok()?,
                device: if durability == Durability::Forced { BLOCKS | FORCE } else { BLOCKS },
            },
        })
    }

    /// The frame.
    pub(crate) fn words(self) -> [u32; WORDS] {
        let [b0, b1, b2, b3, b4, b5, ..] = self.block.to_le_bytes();
        let [features, more] = self.features.to_le_bytes();
        [
            COMMAND_FRAME | u32::from(self.command) << 16 | u32::from(features) << 24,
            u32::from_le_bytes([b0, b1, b2, self.device]),
            u32::from_le_bytes([b3, b4, b5, more]),
            self.count.into(),
            0,
        ]
    }
}
