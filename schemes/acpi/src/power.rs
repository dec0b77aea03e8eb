//! What the FADT and the `_S5_` package say about turning the machine off and on again.

use crate::tables::{word32, word64};

// Offsets in the FADT.
const SMI_COMMAND: usize = 48;
const ACPI_ENABLE: usize = 52;
const PM1A_CONTROL: usize = 64;
const PM1B_CONTROL: usize = 68;
const FLAGS: usize = 112;
const RESET_REGISTER: usize = 116;
const RESET_VALUE: usize = 128;
const X_PM1A_CONTROL: usize = 172;
const X_PM1B_CONTROL: usize = 184;
const SLEEP_CONTROL: usize = 244;

const CAN_RESET: u32 = 1 << 10;
const HARDWARE_REDUCED: u32 = 1 << 20;

/// Bit of PM1 control: ACPI mode is on.
const SCI_ENABLE: u16 = 1;
const SLEEP_TYPE_SHIFT: u32 = 10;
const SLEEP_ENABLE: u16 = 1 << 13;

/// A register that the firmware names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Register {
    /// An I/O port.
    Port(u16),
    /// A physical address.
    Memory(u64),
}

/// Where registers are written and read, one access each.
pub(crate) trait Bus {
    fn read16(&mut self, register: Register) -> u16;
    fn write16(&mut self, register: Register, value: u16);
    fn write8(&mut self, register: Register, value: u8);
    /// Waits for a moment; called between looks at a register.
    fn wait(&mut self);
}

/// The two values that mean "soft off" to the two control registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SoftOff {
    a: u8,
    b: u8,
}

/// What is needed to turn the machine off and to reset it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Power {
    control: [Option<Register>; 2],
    /// Only on machines without the registers above.
    sleep: Option<Register>,
    soft_off: Option<SoftOff>,
    reset: Option<(Register, u8)>,
    /// Port and value that bring the machine into ACPI mode.
    enable: Option<(u16, u8)>,
}

/// How often ACPI mode is looked for after it was asked for.
const ENABLE_LOOKS: u32 = 300;
/// The keyboard controller's command port, and its command to pull the reset line.
const KEYBOARD: Register = Register::Port(0x64);
const PULSE_RESET: u8 = 0xFE;

impl Power {
    /// Reads the FADT, and the AML of the tables that define names, the DSDT first.
    pub(crate) fn new<'a>(fadt: &[u8], aml: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let flags = word32(fadt, FLAGS).unwrap_or(0);
        let reduced = flags & HARDWARE_REDUCED != 0;
        let byte = |at: usize| fadt.get(at).copied();
        let control = |wide: usize, narrow: usize| {
            let port = word32(fadt, narrow).and_then(|port| u16::try_from(port).ok());
            let narrow = port.filter(|port| *port != 0).map(Register::Port);
            register(fadt, wide).or(narrow).filter(|_| !reduced)
        };
        let enable = word32(fadt, SMI_COMMAND).and_then(|port| u16::try_from(port).ok());
        Self {
            control: [control(X_PM1A_CONTROL, PM1A_CONTROL), control(X_PM1B_CONTROL, PM1B_CONTROL)],
            sleep: register(fadt, SLEEP_CONTROL).filter(|_| reduced),
            soft_off: aml.into_iter().find_map(soft_off),
            reset: register(fadt, RESET_REGISTER)
                .filter(|_| flags & CAN_RESET != 0)
                .zip(byte(RESET_VALUE)),
            enable: enable.zip(byte(ACPI_ENABLE)).filter(|(port, value)| *port != 0 && *value != 0),
        }
    }

    /// Whether [`Power::turn_off`] can do anything.
    pub(crate) const fn can_turn_off(&self) -> bool {
        let registers = self.control[0].is_some() || self.sleep.is_some();
        registers && self.soft_off.is_some()
    }

    /// The firmware's reset register, and what to write to it.
    #[cfg(test)]
    pub(crate) const fn reset_register(&self) -> Option<(Register, u8)> {
        self.reset
    }

    /// Turns the machine off; if this returns, it did not work.
    pub(crate) fn turn_off(&self, bus: &mut impl Bus) {
        let Some(SoftOff { a, b }) = self.soft_off else { return };
        if let Some(sleep) = self.sleep {
            bus.write8(sleep, (a & 7) << 2 | 1 << 5);
        }
        if let Some(control) = self.control[0] {
            self.enable_acpi(bus, control);
        }
        for (control, kind) in self.control.into_iter().zip([a, b]) {
            let Some(control) = control else { continue };
            let mask = 7 << SLEEP_TYPE_SHIFT | SLEEP_ENABLE;
            let value = bus.read16(control) & !mask | u16::from(kind & 7) << SLEEP_TYPE_SHIFT;
            bus.write16(control, value);
            bus.write16(control, value | SLEEP_ENABLE);
        }
    }

    /// Resets the machine, by the firmware's register and then by the keyboard controller; if
    /// this returns, it did not work.
    pub(crate) fn reset(&self, bus: &mut impl Bus) {
        if let Some((register, value)) = self.reset {
            bus.write8(register, value);
            bus.wait();
        }
        bus.write8(KEYBOARD, PULSE_RESET);
        bus.wait();
    }

    /// Asks the firmware for ACPI mode, if it is not on yet.
    fn enable_acpi(&self, bus: &mut impl Bus, control: Register) {
        let Some((port, value)) = self.enable else { return };
        if bus.read16(control) & SCI_ENABLE != 0 {
            return;
        }
        bus.write8(Register::Port(port), value);
        for _ in 0..ENABLE_LOOKS {
            if bus.read16(control) & SCI_ENABLE != 0 {
                return;
            }
            bus.wait();
        }
    }
}

/// The generic address at `at`, if it is a port or memory that this daemon can reach.
fn register(fadt: &[u8], at: usize) -> Option<Register> {
    let address = word64(fadt, at.checked_add(4)?).filter(|address| *address != 0)?;
    match *fadt.get(at)? {
        0 => Some(Register::Memory(address)),
        1 => u16::try_from(address).ok().map(Register::Port),
        _ => None,
    }
}

/// Finds `Name (_S5_, Package () {a, b, …})` among the bytes of an AML table.
///
/// AML is not interpreted. Firmware writes this package as constants, as the standard asks; one
/// that is something else is not found, and then the machine is not turned off.
pub(crate) fn soft_off(aml: &[u8]) -> Option<SoftOff> {
    const NAME_OP: u8 = 0x08;
    let mut from = 0;
    while let Some(rest) = aml.get(from..) {
        let at = rest.windows(4).position(|name| name == b"_S5_")?;
        let before = rest.get(..at).unwrap_or_default();
        let named = matches!(before, [.., NAME_OP] | [.., NAME_OP, b'\\']);
        let package = rest.get(at.checked_add(4)?..).filter(|_| named).and_then(package);
        if package.is_some() {
            return package;
        }
        from = from.checked_add(at)?.checked_add(1)?;
    }
    None
}

/// The first two numbers of a package.
fn package(aml: &[u8]) -> Option<SoftOff> {
    const PACKAGE_OP: u8 = 0x12;
    let (&op, rest) = aml.split_first()?;
    let (&lead, rest) = rest.split_first()?;
    // The length has 0 to 3 further bytes; the elements bound themselves.
    let rest = rest.get(usize::from(lead >> 6)..)?;
    let (&count, rest) = rest.split_first()?;
    if op != PACKAGE_OP || count == 0 {
        return None;
    }
    let (a, rest) = small_number(rest)?;
    let b = if count > 1 { small_number(rest)?.0 } else { a };
    Some(SoftOff { a, b })
}

/// A constant of AML that fits in a byte, and what follows it.
fn small_number(aml: &[u8]) -> Option<(u8, &[u8])> {
    let (&op, rest) = aml.split_first()?;
    let size = match op {
        0x00 | 0x01 => return Some((op, rest)),
        0x0A => 1,
        0x0B => 2,
        0x0C => 4,
        _ => return None,
    };
    let (number, rest) = rest.split_at_checked(size)?;
    let (&low, high) = number.split_first()?;
    high.iter().all(|byte| *byte == 0).then_some((low, rest))
}
