//! Interrupt lines and messages: which vector each has, and the I/O APICs' redirection tables. The
//! loader has masked all lines and given them to the first CPU.

use anode_abi::boot_info::{Chip, MAX_LINES, TIMER};
use anode_kernel::machine::IrqOp;
use anode_kernel::num::{index, size};
use anode_kernel::trap::Trap;

use super::apic;
use crate::boot::info;

/// Vectors of lines: line n has the vector `LINES + n`.
const LINES: u8 = 0x30;
/// Vectors of messages begin where those of lines end.
const MESSAGES: u8 = 0x70;
const MESSAGE_COUNT: u32 = 64;
const BEYOND: u8 = 0xB0;
/// What the first message is called as a line.
const MESSAGE_LINE: u32 = 0x1000;
const _: () = assert!(LINES as usize + MAX_LINES == MESSAGES as usize);

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

/// Looks at an interrupt that came in, masks its line if that is a level, and ends it; gives what
/// it is to the core, if it is anything (0 is not).
#[cold]
pub(crate) fn deliver(vector: u8) -> Option<Trap> {
    let trap = match vector {
        TIMER | apic::KICK => Trap::Tick,
        LINES..MESSAGES => Trap::Irq { line: vector.wrapping_sub(LINES).into() },
        MESSAGES..BEYOND => {
            Trap::Irq { line: MESSAGE_LINE | u32::from(vector.wrapping_sub(MESSAGES)) }
        }
        _ => return None,
    };
    if let Trap::Irq { line } = trap
        && let Some(entry) = Entry::of(line)
        && let old = entry.read()
        && old & LEVEL != 0
    {
        entry.write(old | MASKED);
    }
    apic::end();
    Some(trap)
}

/// Messages in use, a bit each.
#[derive(Default)]
pub(crate) struct Messages(u64);

impl Messages {
    /// Takes a message: address, data and line.
    pub(crate) fn take(&mut self) -> Option<(u64, u32, u32)> {
        let free = self.0.trailing_ones();
        if free >= MESSAGE_COUNT {
            return None;
        }
        self.0 |= 1 << free;
        let [first, ..] = info().cpus;
        let address = 0xFEE0_0000 | u64::from(first) << 12;
        Some((address, u32::from(MESSAGES).wrapping_add(free), MESSAGE_LINE | free))
    }

    /// Gives a message back.
    pub(crate) fn give(&mut self, line: u32) {
        let bit = line.wrapping_sub(MESSAGE_LINE);
        self.0 &= !1u64.checked_shl(bit).unwrap_or(0);
    }
}
