//! Interrupt lines and messages: which vector each has, and the I/O APICs' redirection tables.

use anode_kernel::machine::IrqOp;
use anode_kernel::madt::{Chip, ISA_LINES, MAX_CHIPS, Madt, Wire};
use anode_kernel::trap::Trap;

use super::apic;
use super::paging::device_word;

/// Vectors of lines: line n has the vector `LINES + n`.
const LINES: u8 = 0x30;
const LINE_COUNT: u32 = 64;
/// Vectors of messages begin where those of lines end.
const MESSAGES: u8 = 0x70;
const MESSAGE_COUNT: u32 = 64;
const BEYOND: u8 = 0xB0;
/// What the first message is called as a line.
const MESSAGE_LINE: u32 = 0x1000;

const VERSION: u32 = 1;
const TABLE: u32 = 0x10;
const LOW: u32 = 1 << 13;
const LEVEL: u32 = 1 << 15;
const MASKED: u32 = 1 << 16;

/// The registers of an I/O APIC, mapped.
#[derive(Clone, Copy)]
struct Mapped {
    /// Virtual address.
    base: u64,
    /// Its lines.
    first: u32,
    count: u32,
}

impl Mapped {
    fn read(self, register: u32) -> u32 {
        // SAFETY: the page is the chip's, mapped for good; `Lines`, under the kernel's lock, is
        // the only user of its index and data registers.
        unsafe {
            device_word(self.base, 0).write_volatile(register);
            device_word(self.base, 0x10).read_volatile()
        }
    }

    fn write(self, register: u32, value: u32) {
        // SAFETY: as in `read`; entries only name vectors that idt.rs has.
        unsafe {
            device_word(self.base, 0).write_volatile(register);
            device_word(self.base, 0x10).write_volatile(value);
        }
    }
}

/// All lines and messages of the machine.
#[derive(Default)]
pub(crate) struct Lines {
    chips: [Option<Mapped>; MAX_CHIPS],
    wires: [Option<Wire>; ISA_LINES],
    /// Messages in use, a bit each.
    messages: u64,
}

impl Lines {
    /// Maps the I/O APICs by `map`, gives all their lines to this CPU and masks them.
    ///
    /// # Errors
    ///
    /// What `map` says.
    pub(crate) fn new(
        madt: &Madt,
        mut map: impl FnMut(u64) -> Result<u64, &'static str>,
    ) -> Result<Self, &'static str> {
        let mut lines = Self { wires: madt.wires, ..Self::default() };
        for (slot, chip) in lines.chips.iter_mut().zip(madt.chips) {
            let Some(Chip { address, first }) = chip else { continue };
            let mut mapped = Mapped { base: map(address.into())?, first, count: 0 };
            mapped.count = (mapped.read(VERSION) >> 16 & 0xFF).wrapping_add(1);
            for pin in 0..mapped.count {
                mapped.write(entry(pin).wrapping_add(1), apic::id() << 24);
                mapped.write(entry(pin), MASKED | vector(first.saturating_add(pin)));
            }
            *slot = Some(mapped);
        }
        Ok(lines)
    }

    /// The chip of a line and the register of its entry.
    fn entry(&self, line: u32) -> Option<(Mapped, u32)> {
        let pin = |chip: &Mapped| line.checked_sub(chip.first).filter(|pin| *pin < chip.count);
        let found = self.chips.iter().flatten().find_map(|chip| Some((*chip, pin(chip)?)));
        found.filter(|_| line < LINE_COUNT).map(|(chip, pin)| (chip, entry(pin)))
    }

    /// Operates a line; `false`: there is no such line.
    pub(crate) fn operate(&self, line: u32, op: IrqOp) -> bool {
        let Some((chip, register)) = self.entry(line) else { return false };
        let old = chip.read(register);
        let wire = self.wires.iter().flatten().find(|wire| wire.line == line);
        let low = wire.filter(|wire| wire.low).map_or(0, |_| LOW);
        let level = wire.filter(|wire| wire.level).map_or(0, |_| LEVEL);
        let new = match op {
            IrqOp::Mask => old | MASKED,
            IrqOp::Unmask => old & !MASKED,
            IrqOp::Level => MASKED | LOW | LEVEL | vector(line),
            IrqOp::Edge => MASKED | low | level | vector(line),
        };
        chip.write(register, new);
        true
    }

    /// Looks at an interrupt that came in, masks its line if that is a level, and ends it; gives
    /// what it is to the core, if it is anything.
    pub(crate) fn deliver(&self, vector: u8) -> Option<Trap> {
        let trap = match vector {
            apic::TIMER | apic::KICK => Trap::Tick,
            LINES..MESSAGES => Trap::Irq { line: vector.wrapping_sub(LINES).into() },
            MESSAGES..BEYOND => {
                Trap::Irq { line: MESSAGE_LINE | u32::from(vector.wrapping_sub(MESSAGES)) }
            }
            _ => return None,
        };
        if let Trap::Irq { line } = trap
            && let Some((chip, register)) = self.entry(line)
            && let old = chip.read(register)
            && old & LEVEL != 0
        {
            chip.write(register, old | MASKED);
        }
        apic::end();
        Some(trap)
    }

    /// Takes a message: address, data and line.
    pub(crate) fn take_message(&mut self) -> Option<(u64, u32, u32)> {
        let free = self.messages.trailing_ones();
        if free >= MESSAGE_COUNT {
            return None;
        }
        self.messages |= 1 << free;
        let address = 0xFEE0_0000 | u64::from(apic::id()) << 12;
        let vector = u32::from(MESSAGES).wrapping_add(free);
        Some((address, vector, MESSAGE_LINE | free))
    }

    /// Gives a message back.
    pub(crate) fn give_message(&mut self, line: u32) {
        let bit = line.wrapping_sub(MESSAGE_LINE);
        self.messages &= !1u64.checked_shl(bit).unwrap_or(0);
    }
}

fn entry(pin: u32) -> u32 {
    TABLE.wrapping_add(pin.wrapping_mul(2))
}

/// The vector of a line; that of noise for one beyond the range, which stays masked.
fn vector(line: u32) -> u32 {
    if line < LINE_COUNT { line.wrapping_add(LINES.into()) } else { 0xFF }
}
