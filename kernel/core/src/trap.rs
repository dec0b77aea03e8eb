//! What comes into the core from a CPU, and what goes back.

use crate::prelude::*;

/// A system call: the number and its arguments, as the registers held them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Which call ([`anode_abi::number`]).
    pub number: u64,
    /// First argument (rdi).
    pub a: u64,
    /// Second argument (rsi).
    pub b: u64,
    /// Third argument (rdx).
    pub c: u64,
    /// Fourth argument (r10).
    pub d: u64,
    /// Fifth argument (r8).
    pub e: u64,
    /// The page that long work goes on at; 0 where it begins.
    pub from: u64,
}

/// Why the core is entered. The machine has saved the registers of the thread that ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// The running thread made a system call.
    Call(Call),
    /// The running thread touched memory that is not mapped so.
    Fault {
        /// The address.
        address: u64,
        /// What it tried: one of [`MapFlags::ACCESS`].
        access: MapFlags,
    },
    /// The running thread raised another CPU exception.
    Exception {
        /// Its vector (0 divide, 6 opcode, 13 protection, …).
        vector: u8,
    },
    /// An interrupt line fired.
    Irq {
        /// A GSI, or what [`crate::machine::Machine::message`] has one for.
        line: u32,
    },
    /// This CPU's timer, or a kick from another CPU.
    Tick,
    /// The machine comes back after [`Resume::Again`], or starts the CPU.
    Again,
}

/// What the CPU does after a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Run this thread.
    Run {
        /// Its registers and vector state.
        context: Context,
        /// Its page tables.
        root: Frame,
        /// What to put into its rax first.
        value: Option<u64>,
    },
    /// Long work is under way: let go of the lock, let interrupts in, and trap with `Again`.
    Again,
    /// Nothing to run: halt until an interrupt.
    Idle,
}
