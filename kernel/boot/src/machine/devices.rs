//! The interrupt controllers, brought to rest, and the clocks, measured.
//!
//! # Safety
//!
//! What `machine` says, and: the controllers' registers lie below 4 GiB, as [`settle`] makes sure,
//! where they are mapped one to one (rule 3); the firmware is gone, so they are the loader's.

use super::cpu::{Cpu, told_hz};
use super::tsc;
use crate::Error;
use crate::handover::Measured;
use crate::load::Hardware;
use anode_abi::boot_info::TIMER;
use x86_64::instructions::port::Port;
use x86_64::registers::model_specific::{ApicBase, ApicBaseFlags};

const PIT_HZ: u64 = 1_193_182;
/// Ticks of the PIT that a measurement takes: about 3 ms.
const WINDOW: u16 = 4096;
/// How often the PIT is looked at in vain before it counts as missing.
const PATIENCE: u32 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MASKED: u32 = 1 << 16;
/// Vector of an interrupt that went away before it was taken.
const SPURIOUS: u32 = 0xFF;

/// Registers of the local APIC.
mod register {
    pub(super) const PRIORITY: u64 = 0x80;
    pub(super) const SPURIOUS: u64 = 0xF0;
    pub(super) const TIMER: u64 = 0x320;
    pub(super) const LINT0: u64 = 0x350;
    pub(super) const ERROR: u64 = 0x370;
    pub(super) const INITIAL: u64 = 0x380;
    pub(super) const CURRENT: u64 = 0x390;
    pub(super) const DIVIDE: u64 = 0x3E0;
}

/// Where this CPU's local APIC has its registers.
#[must_use]
pub fn apic() -> u64 {
    ApicBase::read().0.start_address().as_u64()
}

/// Brings all interrupt controllers to the state that the kernel finds them in, and measures the
/// clocks.
///
/// # Errors
///
/// `Timer`: the CPU's timer does not run.
///
/// # Safety
///
/// The firmware is gone, or needs neither interrupts nor timers any more.
pub unsafe fn settle(hardware: &Hardware, cpu: &Cpu) -> Result<Measured, Error> {
    let mut measured = Measured::default();
    x86_64::instructions::interrupts::disable();
    cpu.tell(&mut measured);
    silence_pic();
    for (chip, lines) in hardware.madt.chips.iter().zip(&mut measured.lines) {
        if let Some(chip) = chip {
            *lines = mask_lines(chip.address.into(), cpu.id);
        }
    }
    measured.tsc_hz = median(measure_tsc).or_else(told_hz);
    let hz = measured.tsc_hz.unwrap_or(SECOND);
    let registers = hardware.apic;
    (registers < 1 << 32).then_some(()).ok_or(Error::Timer)?;
    enable_apic(registers);
    let timer = median(|| measure_timer(registers, hz)).filter(|ticks| *ticks > 0);
    measured.timer_hz = timer.ok_or(Error::Timer)?;
    write(registers, register::INITIAL, 0);
    write(registers, register::TIMER, TIMER.into());
    Ok(measured)
}

/// A register below 4 GiB.
fn place(page: u64, register: u64) -> *mut u32 {
    let address = usize::try_from(page.saturating_add(register)).unwrap_or(0);
    core::ptr::with_exposed_provenance_mut(address)
}

fn write(page: u64, register: u64, value: u32) {
    // SAFETY: the module's rule; what is written here touches no memory.
    unsafe { place(page, register).write_volatile(value) };
}

fn read(page: u64, register: u64) -> u32 {
    // SAFETY: the module's rule.
    unsafe { place(page, register).read_volatile() }
}

/// Moves the two 8259s off the vectors of exceptions and masks all their lines.
fn silence_pic() {
    for (command, vectors, wire) in [(0x20_u16, 0x20_u8, 4_u8), (0xA0, 0x28, 2)] {
        let data = command | 1;
        for (port, value) in
            [(command, 0x11), (data, vectors), (data, wire), (data, 1), (data, 0xFF)]
        {
            // SAFETY: rule 2.
            unsafe { Port::<u8>::new(port).write(value) };
        }
    }
}

/// Masks all lines of an I/O APIC and gives them to the CPU `to`; gives their number.
fn mask_lines(chip: u64, to: u32) -> u32 {
    let access = |register: u32| write(chip, 0, register);
    access(1);
    let count = (read(chip, 0x10) >> 16 & 0xFF).saturating_add(1);
    for pin in 0..count {
        let entry = pin.saturating_mul(2).saturating_add(0x10);
        access(entry);
        write(chip, 0x10, MASKED);
        access(entry.saturating_add(1));
        write(chip, 0x10, to << 24);
    }
    count
}

/// Switches the local APIC on, with all that it can raise masked.
fn enable_apic(registers: u64) {
    let (frame, flags) = ApicBase::read();
    // SAFETY: only the mode changes: from x2APIC, where firmware has that on, a CPU gets back to
    // the page of registers by way of switching the controller off.
    unsafe {
        if flags.contains(ApicBaseFlags::X2APIC_ENABLE) {
            ApicBase::write(frame, flags & ApicBaseFlags::BSP);
        }
        ApicBase::write(frame, (flags & ApicBaseFlags::BSP) | ApicBaseFlags::LAPIC_ENABLE);
    }
    write(registers, register::SPURIOUS, 0x100 | SPURIOUS);
    write(registers, register::PRIORITY, 0);
    for lines in [register::LINT0, register::ERROR] {
        write(registers, lines, MASKED);
    }
    write(registers, register::DIVIDE, 0b1011);
    write(registers, register::TIMER, MASKED | u32::from(TIMER));
}

/// The middle one of three measurements: a pause of the (virtual) CPU spoils but one.
fn median(measure: impl Fn() -> Option<u64>) -> Option<u64> {
    let mut results = [measure()?, measure()?, measure()?];
    results.sort_unstable();
    let [_, middle, _] = results;
    Some(middle)
}

/// Ticks of the local timer in a second: what it counts in 5 ms.
fn measure_timer(registers: u64, hz: u64) -> Option<u64> {
    write(registers, register::INITIAL, u32::MAX);
    let begin = tsc();
    while tsc().wrapping_sub(begin) < hz / 200 {
        core::hint::spin_loop();
    }
    let ticks = u64::from(u32::MAX.wrapping_sub(read(registers, register::CURRENT)));
    ticks.checked_mul(hz)?.checked_div(tsc().wrapping_sub(begin))
}

/// Ticks of the time stamp counter in a second, by channel 2 of the PIT, which makes no interrupt.
fn measure_tsc() -> Option<u64> {
    let (mut command, mut data, mut gate) =
        (Port::<u8>::new(0x43), Port::<u8>::new(0x42), Port::<u8>::new(0x61));
    // SAFETY: rule 2.
    unsafe {
        let old = gate.read();
        gate.write((old & !2) | 1);
        command.write(0b1011_0000);
        data.write(0xFF);
        data.write(0xFF);
    }
    let mut look = || {
        // SAFETY: rule 2; the value is latched, then read low byte first.
        let value = unsafe {
            command.write(0b1000_0000);
            u16::from_le_bytes([data.read(), data.read()])
        };
        (value, tsc())
    };
    let (first, begin) = look();
    for _ in 0..PATIENCE {
        let (value, end) = look();
        let ticks = first.wrapping_sub(value);
        if ticks >= WINDOW {
            let took = end.wrapping_sub(begin);
            return took.checked_mul(PIT_HZ)?.checked_div(u64::from(ticks)).filter(|hz| *hz > 0);
        }
    }
    None
}
