//! The local interrupt controller of each CPU: its timer, and interrupts to other CPUs.

use core::sync::atomic::{AtomicU64, Ordering};

use anode_kernel::num::low;
use x86_64::instructions::port::Port;
use x86_64::registers::model_specific::{ApicBase, ApicBaseFlags};

use super::paging::device_word;
use super::tsc;

/// Vector of the timer.
pub(crate) const TIMER: u8 = 0xFD;
/// Vector by which CPUs call each other.
pub(crate) const KICK: u8 = 0xFC;
const SPURIOUS: u32 = 0xFF;
const MASKED: u32 = 1 << 16;

mod register {
    pub(super) const ID: u32 = 0x20;
    pub(super) const PRIORITY: u32 = 0x80;
    pub(super) const END: u32 = 0xB0;
    pub(super) const SPURIOUS: u32 = 0xF0;
    pub(super) const COMMAND: u32 = 0x300;
    pub(super) const COMMAND_HIGH: u32 = 0x310;
    pub(super) const TIMER: u32 = 0x320;
    pub(super) const LINT0: u32 = 0x350;
    pub(super) const ERROR: u32 = 0x370;
    pub(super) const INITIAL: u32 = 0x380;
    pub(super) const CURRENT: u32 = 0x390;
    pub(super) const DIVIDE: u32 = 0x3E0;
}

/// The page of registers, mapped: each CPU finds its own controller there.
static PAGE: AtomicU64 = AtomicU64::new(0);
/// Ticks of the timer in a ns, times 2^32.
static SCALE: AtomicU64 = AtomicU64::new(0);

fn write(register: u32, value: u32) {
    // SAFETY: the page is the controller's, mapped for good by `init`, before which nobody calls;
    // the registers of the module touch no memory.
    unsafe { device_word(PAGE.load(Ordering::Relaxed), register).write_volatile(value) };
}

fn read(register: u32) -> u32 {
    // SAFETY: as in `write`.
    unsafe { device_word(PAGE.load(Ordering::Relaxed), register).read_volatile() }
}

/// Takes the old controllers out of the way and switches this CPU's on; `map` maps a page of
/// registers. The clock runs already.
///
/// # Errors
///
/// A sentence, if it cannot be mapped or its timer does not run.
pub(crate) fn init(map: impl FnOnce(u64) -> Result<u64, &'static str>) -> Result<(), &'static str> {
    silence_pic();
    let (frame, flags) = ApicBase::read();
    // SAFETY: only the mode changes: from x2APIC, where firmware has that on, a CPU gets back to
    // the page of registers by way of switching the controller off.
    unsafe {
        if flags.contains(ApicBaseFlags::X2APIC_ENABLE) {
            ApicBase::write(frame, flags & ApicBaseFlags::BSP);
        }
        ApicBase::write(frame, (flags & ApicBaseFlags::BSP) | ApicBaseFlags::LAPIC_ENABLE);
    }
    PAGE.store(map(frame.start_address().as_u64())?, Ordering::Relaxed);
    write(register::SPURIOUS, 0x100 | SPURIOUS);
    write(register::PRIORITY, 0);
    write(register::LINT0, MASKED);
    write(register::ERROR, MASKED);
    write(register::DIVIDE, 0b1011);
    write(register::TIMER, MASKED | u32::from(TIMER));
    let per_second = tsc::median(|| {
        write(register::INITIAL, u32::MAX);
        let begin = tsc::count();
        tsc::wait(5_000_000);
        let ticks = u64::from(u32::MAX.wrapping_sub(read(register::CURRENT)));
        ticks.checked_mul(tsc::hertz())?.checked_div(tsc::count().wrapping_sub(begin))
    });
    write(register::INITIAL, 0);
    let ticks = per_second.filter(|ticks| *ticks > 0).ok_or("the CPU's timer does not run")?;
    write(register::TIMER, TIMER.into());
    SCALE.store(tsc::scale_of(ticks, 1_000_000_000), Ordering::Relaxed);
    Ok(())
}

/// Moves the two 8259s off the vectors of exceptions and masks all their lines.
fn silence_pic() {
    for (command, vectors, wire) in [(0x20, 0x20, 4), (0xA0, 0x28, 2)] {
        let data = command | 1;
        for (port, value) in
            [(command, 0x11), (data, vectors), (data, wire), (data, 1), (data, 0xFF)]
        {
            // SAFETY: the ports of the 8259s, where there are any; nobody else uses them.
            unsafe { Port::<u8>::new(port).write(value) };
        }
    }
}

/// This CPU's id, as interrupts are addressed.
pub(crate) fn id() -> u32 {
    read(register::ID) >> 24
}

/// Ends the interrupt that is being served.
pub(crate) fn end() {
    write(register::END, 0);
}

/// Lets the timer fire once, in that many ns (or sooner, if that is too far for it); `None`: not.
pub(crate) fn arm(ns: Option<u64>) {
    let ticks = |ns| tsc::scaled(ns, SCALE.load(Ordering::Relaxed)).clamp(1, u32::MAX.into());
    write(register::INITIAL, low(ns.map_or(0, ticks)));
}

/// Interrupts the CPU with that id.
pub(crate) fn kick(target: u32) {
    write(register::COMMAND_HIGH, target << 24);
    write(register::COMMAND, 1 << 14 | u32::from(KICK));
}

/// Sends all other CPUs an interrupt that they cannot hold back.
pub(crate) fn stop_others() {
    if PAGE.load(Ordering::Relaxed) != 0 {
        write(register::COMMAND, 0b11 << 18 | 1 << 14 | 0b100 << 8);
    }
}
