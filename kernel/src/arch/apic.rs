//! The local interrupt controller of each CPU, as the loader has set it up: its timer, and
//! interrupts to other CPUs.

use anode_kernel::num::{low, size};

use super::clock::scaled;
use crate::boot::info;

/// Vector by which CPUs call each other.
pub(crate) const KICK: u8 = 0xFC;

const END: u64 = 0xB0;
const COMMAND: u64 = 0x300;
const COMMAND_HIGH: u64 = 0x310;
const INITIAL: u64 = 0x380;

fn write(register: u64, value: u32) {
    let at: *mut u32 =
        core::ptr::with_exposed_provenance_mut(size(info().apic.wrapping_add(register)));
    // SAFETY: the loader has mapped the registers of each CPU's own controller there; those above
    // touch no memory.
    unsafe { at.write_volatile(value) };
}

/// Ends the interrupt that is being served.
pub(crate) fn end() {
    write(END, 0);
}

/// Lets the timer fire once, in that many ns (or sooner, if that is too far for it); `None`: not.
pub(crate) fn arm(ns: Option<u64>) {
    let ticks = |ns| scaled(ns, info().timer_ticks).clamp(1, u32::MAX.into());
    write(INITIAL, low(ns.map_or(0, ticks)));
}

/// Interrupts the CPU with that id.
pub(crate) fn kick(target: u32) {
    write(COMMAND_HIGH, target << 24);
    write(COMMAND, 1 << 14 | u32::from(KICK));
}

/// Sends all other CPUs an interrupt that they cannot hold back.
pub(crate) fn stop_others() {
    write(COMMAND, 0b11 << 18 | 1 << 14 | 0b100 << 8);
}
