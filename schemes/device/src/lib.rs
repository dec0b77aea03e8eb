//! A driver's device, as handles: registers, DMA memory, interrupts, and the machine itself.
//!
//! ```text
//!  ANODE_DEVICE=5 ──▶ Device ──┬─ bar, window ──▶ Mmio │ Ports   trait Registers
//!  (directory of pci:)         ├─ dma ──────────▶ Dma            trait SharedMemory
//!                              └─ irq, msix, msi ▶ Interrupt ──▶ a note in the driver's ring
//!  ANODE_MACHINE="machine=6" ─▶ Machine ──▶ Ports, Interrupt, physical memory
//! ```
//!
//! A driver holds these handles and nothing else of the machine. The two traits are where a
//! host test puts a fake device instead.
//!
//! # Safety
//!
//! All unsafe code of this crate is in `mapping`, and rests on two points:
//!
//! 1. A `Mapping` owns `base..base + len`: the kernel mapped it for us alone (or, in
//!    tests, the heap lent it), and it is unmapped in `drop` only.
//! 2. Each access checks its range against `len` first. Registers are reached by volatile
//!    accesses only, and never by reference.
#![deny(unsafe_code)]

#[cfg(feature = "copied")]
pub mod copied;
mod dma;
mod env;
#[cfg(feature = "fake")]
pub mod fake;
mod interrupt;
mod machine;
#[expect(unsafe_code, reason = "registers and DMA memory are reached by address")]
mod mapping;
mod pci;
mod ports;
#[cfg(feature = "qtest")]
pub mod qtest;
mod registers;

pub use dma::{Dma, SharedMemory};
pub use interrupt::Interrupt;
pub use machine::{Cache, Machine, Trigger};
pub use pci::{BarKind, Device, Facts};
pub use ports::Ports;
pub use registers::{Bar, Mmio, Registers};
