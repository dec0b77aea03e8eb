//! The kernel as one value: all state hangs off [`Kernel`], and a trap is a method of it.

use crate::machine::{Cpu, Machine};
use crate::trap::{Resume, Trap};

/// A range of frames: first frame number and count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRange {
    /// Number of the first frame.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// A range of physical bytes that the loader filled; `address` is page-aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Physical address.
    pub address: u64,
    /// Length in bytes.
    pub len: u64,
}

/// What the core is started with.
#[derive(Clone, Copy, Debug)]
pub struct Boot<'a> {
    /// Free RAM: sorted, disjoint, without whatever the kernel or the loader still uses.
    pub free: &'a [FrameRange],
    /// init's ELF.
    pub init: Loaded,
    /// The initfs image.
    pub initfs: Loaded,
    /// The kernel's command line.
    pub command_line: &'a str,
    /// Text of `sys:boot`: lines `key value` (`rsdp 0x…`, `framebuffer …`, `slot …`).
    pub facts: &'static str,
}

/// The whole kernel.
#[derive(Debug)]
pub struct Kernel<M: Machine> {
    /// The hardware.
    pub machine: M,
}

impl<M: Machine> Kernel<M> {
    /// Makes the kernel and init's first thread.
    ///
    /// # Errors
    ///
    /// A sentence that says what is missing: the machine cannot be started.
    pub fn boot(machine: M, boot: &Boot<'_>) -> Result<Self, &'static str> {
        let _ = boot;
        Ok(Self { machine })
    }

    /// Does what a trap asks for and says what this CPU does next.
    pub fn handle(&mut self, cpu: Cpu, trap: Trap) -> Resume {
        let _ = (cpu, trap);
        Resume::Idle
    }
}
