//! Interrupt lines and messages: which vector each has, and the I/O APICs' redirection tables. The
//! loader has masked all lines and given them to the first CPU.

use anode_abi::boot_info::{Chip, MAX_LINES, TIMER};
use anode_kernel::machine::IrqOp;
use anode_kernel::num::{index, size};
use anode_kernel::trap::Trap;

use super::apic;
use crate::boot::info;

/// Vectors of lines: line n has the vector `LINES + n`. Behind those of the I/O APICs are those
/// that devices raise by messages.
const LINES: u8 = 0x30;
const BEYOND: u8 = 0xB0;

const TABLE: u32 = 0x10;
const LOW: u32 = 1 << 13;
const LEVEL: u32 = 1 << 15;
const MASKED: u32 = 1 << 16;

/// An entry of a chip's redirection table.
#[derive(Clone, Copy)]
struct Entry {
    chip: &'static Chip,
    register: u32,
}

impl Entry {
    /// That of a line.
    fn of(line: u32) -> Option<Self> {
        let pin = |chip: &Chip| line.checked_sub(chip.first).filter(|pin| *pin < chip.count);
        let found = info().chips.iter().find_map(|chip| Some((chip, pin(chip)?)));
        let (chip, pin) = found.filter(|_| index(line) < MAX_LINES)?;
        Some(Self { chip, register: TABLE.wrapping_add(pin.wrapping_mul(2)) })
    }

    /// Chooses the register; gives where its value is.
    fn select(self) -> *mut u32 {
        let registers: *mut u32 = core::ptr::with_exposed_provenance_mut(size(self.chip.address));
        // SAFETY: the loader has mapped the chip's registers there; whoever calls holds the
        // kernel's lock, so he is the only user of its index and data registers.
        unsafe { registers.write_volatile(self.register) };
        registers.wrapping_add(4)
    }

    fn read(self) -> u32 {
        // SAFETY: as in `select`.
        unsafe { self.select().read_volatile() }
    }

    fn write(self, value: u32) {
        // SAFETY: as in `select`; entries only name vectors that have stubs.
        unsafe { self.select().write_volatile(value) };
    }
}

/// Operates a line; `false`: there is no such line.
pub(crate) fn operate(line: u32, op: IrqOp) -> bool {
    let Some(entry) = Entry::of(line) else { return false };
    let vector = line.wrapping_add(LINES.into());
    let wired = info().wiring.get(index(line)).copied().unwrap_or(0);
    entry.write(match op {
        IrqOp::Mask => entry.read() | MASKED,
        IrqOp::Unmask => entry.read() & !MASKED,
        IrqOp::Level => MASKED | LOW | LEVEL | vector,
        IrqOp::Edge => MASKED | wired | vector,
    });
    true
}

/// Looks at an interrupt that came in, masks its line, and ends it; gives what
/// it is to the core, if it is anything (0 is not).
#[cold]
pub(crate) fn deliver(vector: u8) -> Option<Trap> {
    let trap = match vector {
        TIMER | apic::KICK => Trap::Tick,
        LINES..BEYOND => Trap::Irq { line: vector.wrapping_sub(LINES).into() },
        _ => return None,
    };
    if let Trap::Irq { line } = trap {
        operate(line, IrqOp::Mask);
    }
    apic::end();
    Some(trap)
}

/// Address and data of the message by which a device raises a line, if it is one of those.
pub(crate) fn message(line: u32) -> Option<(u64, u32)> {
    let vector = line.wrapping_add(LINES.into());
    let [first, ..] = info().cpus;
    let is_message = index(line) >= MAX_LINES && vector < BEYOND.into();
    is_message.then_some((0xFEE0_0000 | u64::from(first) << 12, vector))
}
