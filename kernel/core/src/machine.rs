//! The seam to the hardware: everything the core may ask of it, and the few types both sides share.
//!
//! The real one is `kernel/src`; tests use a fake whose frames are plain memory. Every method
//! must be sound for *any* argument: ranges are checked there, once.

use core::fmt;
use core::num::NonZeroU32;
use core::ops::Deref;
use core::sync::atomic::AtomicU64;

use crate::trap::Call;

/// Bytes in a page and in a frame.
pub const PAGE_SIZE: usize = 4096;
/// [`PAGE_SIZE`] as an address.
pub const PAGE: u64 = 4096;
/// End of the addresses that userspace may use (exclusive).
pub const USER_END: u64 = 0x0000_7FFF_FFFF_F000;
/// First address that a mapping may have: the first 64 KiB catch null pointers.
pub const USER_START: u64 = 0x1_0000;

/// A physical page: its number, never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame(NonZeroU32);

impl Frame {
    /// The frame with that number (physical address / 4096).
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// The frame that holds a physical address.
    pub fn containing(address: u64) -> Option<Self> {
        u32::try_from(address >> 12).ok().and_then(Self::new)
    }

    /// The frame `count` frames behind it.
    pub fn after(self, count: u64) -> Option<Self> {
        Self::containing(self.address().checked_add(count.checked_mul(PAGE)?)?)
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0.get()
    }

    /// Its physical address.
    pub fn address(self) -> u64 {
        u64::from(self.0.get()) << 12
    }
}

/// A CPU, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu(pub u8);

/// Where the machine keeps a thread's registers and vector state: an index of its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context(pub u32);

/// The integer registers of a thread at the trap that stopped it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Regs {
    /// rax, rbx, rcx, rdx, rsi, rdi, rbp, r8 to r15, in this order.
    pub general: [u64; 15],
    /// Stack pointer.
    pub rsp: u64,
    /// Instruction pointer.
    pub rip: u64,
    /// Flags; the machine forces interrupts on and privilege bits off.
    pub rflags: u64,
    /// FS base: the thread pointer.
    pub fs_base: u64,
}

impl Regs {
    /// The call that they make.
    pub fn call(&self) -> Call {
        let [number, _, _, c, b, a, _, e, _, d, ..] = self.general;
        Call { number, a, b, c, d, e, from: 0 }
    }
}

/// Positions in [`Regs::general`].
pub mod reg {
    /// Number and result of a call.
    pub const RAX: usize = 0;
    /// Second argument.
    pub const RSI: usize = 4;
    /// First argument.
    pub const RDI: usize = 5;
}

/// What may be done with an interrupt line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqOp {
    /// Route it to a CPU, masked; edge-triggered, or as firmware says for ISA lines.
    Edge,
    /// Route it to a CPU, masked; level-triggered, active low.
    Level,
    /// Let it through.
    Unmask,
    /// Hold it back.
    Mask,
}

/// All that the core may ask of the hardware.
pub trait Machine {
    /// A frame of RAM seen as shared words: userspace may change them at any time.
    type Shared: Deref<Target = [AtomicU64; 512]> + Clone;

    /// Time since boot in ns, never going back.
    fn now(&self) -> u64;
    /// Have the timer of `cpu` trap at that time ([`Machine::now`]'s scale); `u64::MAX`: never.
    fn arm(&mut self, cpu: Cpu, at: u64);
    /// Make `cpu` trap soon (another CPU's run queue or TLB generation changed).
    fn kick(&mut self, cpu: Cpu);
    /// Number of CPUs that run.
    fn cpus(&self) -> u8;

    /// The words of a frame of RAM; `None` for anything else.
    fn share(&self, frame: Frame) -> Option<Self::Shared>;
    /// Fill a frame with zeros.
    fn zero(&mut self, frame: Frame);
    /// Copy `len` bytes between frames of RAM; ranges that leave a frame are cut. `None`, here and
    /// below: a frame is something else, and nothing was done.
    fn copy(&mut self, from: (Frame, usize), to: (Frame, usize), len: usize) -> Option<()>;
    /// Read bytes of a frame of RAM; beyond its end nothing is read.
    fn read(&self, frame: Frame, offset: usize, to: &mut [u8]) -> Option<()>;
    /// Write bytes of a frame of RAM; beyond its end nothing is written.
    fn write(&mut self, frame: Frame, offset: usize, from: &[u8]) -> Option<()>;

    /// Prepare a zeroed frame as a top-level page table: its upper half maps the kernel.
    fn adopt_root(&mut self, root: Frame);
    /// Levels of page tables: 4 or 5.
    fn levels(&self) -> u8;
    /// Drop this CPU's cached translations of `root`: of one page, or all (`None`).
    fn flush(&mut self, root: Frame, page: Option<u64>);

    /// Number of contexts in the pool: the most threads there can be.
    fn contexts(&self) -> u32;
    /// The registers of a thread that is not running, or of the one that trapped.
    fn regs(&mut self, context: Context) -> &mut Regs;
    /// The same as its last trap saved them, but for the FS base.
    fn saved(&self, context: Context) -> &Regs;
    /// Give a context fresh vector state.
    fn reset_vector(&mut self, context: Context);
    /// Copy the vector state (which may be live on this CPU) of one context to another.
    fn copy_vector(&mut self, from: Context, to: Context);

    /// Operate an interrupt line (GSI); `false`: there is no such line. One that fires is held back.
    fn irq(&mut self, line: u32, op: IrqOp) -> bool;
    /// By which message (address and data) a device raises the interrupt of that number; `None`:
    /// it is not raised so.
    fn message(&self, line: u32) -> Option<(u64, u32)>;
    /// Read an I/O port; width 1, 2 or 4 bytes.
    fn port_in(&mut self, port: u16, width: usize) -> u32;
    /// Write an I/O port; width 1, 2 or 4 bytes.
    fn port_out(&mut self, port: u16, width: usize, value: u32);

    /// Write to the kernel's console, unless a driver took its port.
    fn console_write(&mut self, bytes: &[u8]);
    /// Add a warning to the kernel's log.
    fn warn(&mut self, text: fmt::Arguments<'_>);
    /// Bytes of the kernel's log from position `at` (counted since boot) on; gives how many.
    fn log_read(&self, at: u64, to: &mut [u8]) -> usize;
    /// Give the console's port up: a driver takes it.
    fn console_release(&mut self);
    /// Start the machine again; returns only if that is not possible.
    fn reboot(&mut self);
}
