//! The local interrupt controller of each CPU: its timer, and interrupts to other CPUs.

use anode_kernel::num::low;
use spin::Once;
use x86_64::instructions::port::Port;
use x86_64::registers::model_specific::{ApicBase, ApicBaseFlags, Msr};

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

/// How its registers are reached: both ways reach those of the CPU that runs.
#[derive(Clone, Copy, Debug)]
enum Access {
    /// A page of registers at a virtual address.
    Page(u64),
    /// By MSR, if the firmware has switched to x2APIC; that cannot simply be undone.
    Msr,
}

#[derive(Debug)]
struct Lapic {
    access: Access,
    /// Ticks of the timer in a ns, times 2^32.
    scale: u64,
}

static LAPIC: Once<Lapic> = Once::new();

impl Access {
    fn write(self, register: u32, value: u32) {
        // SAFETY: the page is the controller's, mapped for good by `init`; in the other case the
        // CPU is in x2APIC mode and has the MSR. The registers of the module touch no memory.
        unsafe {
            match self {
                Self::Page(base) => device_word(base, register).write_volatile(value),
                Self::Msr => Msr::new(0x800 | register >> 4).write(value.into()),
            }
        }
    }

    fn read(self, register: u32) -> u32 {
        // SAFETY: as in `write`.
        unsafe {
            match self {
                Self::Page(base) => device_word(base, register).read_volatile(),
                Self::Msr => low(Msr::new(0x800 | register >> 4).read()),
            }
        }
    }

    /// Sends a command to the CPU with that id, or to whom the command itself names.
    fn command(self, target: u32, command: u32) {
        match self {
            Self::Page(_) => {
                self.write(register::COMMAND_HIGH, target << 24);
                self.write(register::COMMAND, command);
            }
            // SAFETY: as in `write`; in this mode the register has 64 bits.
            Self::Msr => unsafe {
                Msr::new(0x830).write(u64::from(target) << 32 | u64::from(command));
            },
        }
    }
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
    let access = if flags.contains(ApicBaseFlags::X2APIC_ENABLE) {
        Access::Msr
    } else {
        // SAFETY: only the enable bit changes.
        unsafe { ApicBase::write(frame, flags | ApicBaseFlags::LAPIC_ENABLE) };
        Access::Page(map(frame.start_address().as_u64())?)
    };
    access.write(register::SPURIOUS, 0x100 | SPURIOUS);
    access.write(register::PRIORITY, 0);
    access.write(register::LINT0, MASKED);
    access.write(register::ERROR, MASKED);
    access.write(register::DIVIDE, 0b1011);
    access.write(register::TIMER, MASKED | u32::from(TIMER));
    let per_5_ms = tsc::median(|| {
        access.write(register::INITIAL, u32::MAX);
        let begin = tsc::count();
        tsc::wait(5_000_000);
        let ticks = u64::from(u32::MAX.wrapping_sub(access.read(register::CURRENT)));
        // As if it had been 5 ms to the tick.
        let took = tsc::count().wrapping_sub(begin).max(1);
        ticks.checked_mul(tsc::hertz())?.checked_div(took.checked_mul(200)?)
    });
    access.write(register::INITIAL, 0);
    let ticks = per_5_ms.filter(|ticks| *ticks > 0).ok_or("the CPU's timer does not run")?;
    access.write(register::TIMER, TIMER.into());
    LAPIC.call_once(|| Lapic { access, scale: tsc::scale_of(ticks, 5_000_000) });
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
    LAPIC.get().map_or(0, |lapic| match lapic.access {
        Access::Page(_) => lapic.access.read(register::ID) >> 24,
        Access::Msr => lapic.access.read(register::ID),
    })
}

/// Ends the interrupt that is being served.
#[inline]
pub(crate) fn end() {
    if let Some(lapic) = LAPIC.get() {
        lapic.access.write(register::END, 0);
    }
}

/// Lets the timer fire once, in that many ns (or sooner, if that is too far for it); `None`: not.
pub(crate) fn arm(ns: Option<u64>) {
    if let Some(lapic) = LAPIC.get() {
        let ticks = ns.map_or(0, |ns| tsc::clamp(tsc::scaled(ns, lapic.scale)));
        lapic.access.write(register::INITIAL, ticks);
    }
}

/// Interrupts the CPU with that id.
pub(crate) fn kick(target: u32) {
    if let Some(lapic) = LAPIC.get() {
        lapic.access.command(target, 1 << 14 | u32::from(KICK));
    }
}

/// Sends all other CPUs an interrupt that they cannot hold back.
pub(crate) fn stop_others() {
    if let Some(lapic) = LAPIC.get() {
        lapic.access.command(0, 0b11 << 18 | 1 << 14 | 0b100 << 8);
    }
}
