//! Why the machine cannot be started, each as a sentence for the screen.

use crate::elf::ElfError;
use crate::slot::SlotError;
use crate::{DiskError, gpt::GptError};
use core::fmt;

/// What ends a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The disk failed while the loader looked for its partition.
    Disk(DiskError),
    /// There is no boot partition.
    Partition(GptError),
    /// Neither slot can be booted.
    NoSlot(SlotError, SlotError),
    /// The chosen kernel is not one.
    Kernel(ElfError),
    /// The CPU lacks something without which there is no protection, or hides it.
    Cpu(&'static str),
    /// The CPU's timer does not run.
    Timer,
    /// So many bytes of RAM in one piece are not free.
    Memory(u64),
    /// The loader asked for memory that is not its own, or mapped a page twice.
    Bug(&'static str),
}

impl From<DiskError> for Error {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl From<ElfError> for Error {
    fn from(error: ElfError) -> Self {
        Self::Kernel(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => write!(f, "the boot disk failed: {error}"),
            Self::Partition(error) => write!(f, "no anode-boot partition: {error}"),
            Self::NoSlot(a, b) => write!(f, "no boot slot is valid (A: {a}; B: {b})"),
            Self::Kernel(error) => write!(f, "the kernel cannot be loaded: {error}"),
            Self::Cpu(what) => write!(f, "the CPU lacks {what}, or the firmware hides it"),
            Self::Timer => f.write_str("the CPU's timer does not run"),
            Self::Memory(bytes) => {
                write!(f, "not enough memory: {} KiB are needed in one piece", bytes.div_ceil(1024))
            }
            Self::Bug(what) => write!(f, "the loader is at fault: {what}"),
        }
    }
}

impl core::error::Error for Error {}
