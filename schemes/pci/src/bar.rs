//! Base address registers: how large they are, and which part a driver may have.

use core::ops::Range;

use redox::error::{EACCES, EINVAL, ENXIO, Error, Result};

use crate::access::{Access, Address, read16};
use crate::function::{COMMAND, Function};

/// First of the six registers.
const BARS: u8 = 0x10;
/// Bits of the command register that connect BARs to the bus.
const DECODES: u16 = 0b11;
const PAGE: u64 = 4096;
/// BARs larger than this are no device's we know, but a lie.
const MAX_SIZE: u64 = 1 << 40;

/// What a base address register names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bar {
    /// Memory at a physical address.
    Memory { address: u64, size: u64 },
    /// I/O ports.
    Ports { first: u16, count: u16 },
}

/// Measures all BARs of a function by writing ones and looking which stick. Meanwhile the
/// function does not answer at its addresses, and afterwards everything is as it was.
pub(crate) fn measure(access: &mut impl Access, address: Address) -> [Option<Bar>; 6] {
    let command = read16(access, address, COMMAND);
    // The upper half of that word is the status, which zeroes leave as it is.
    access.write(address, COMMAND, u32::from(command & !DECODES));
    let mut bars = [None; 6];
    let mut number = 0;
    while number < 6 {
        let (bar, registers) = measure_one(access, address, number);
        if let Some(place) = bars.get_mut(usize::from(number)) {
            *place = bar;
        }
        number = number.saturating_add(registers);
    }
    access.write(address, COMMAND, u32::from(command));
    bars
}

/// Measures one BAR; also gives how many registers it takes.
fn measure_one(access: &mut impl Access, function: Address, number: u8) -> (Option<Bar>, u8) {
    let at = BARS.saturating_add(number.saturating_mul(4));
    let (value, mask) = probe(access, function, at);
    if value & 1 == 1 {
        return (ports(value, mask), 1);
    }
    let wide = value >> 1 & 0b11 == 0b10;
    if !wide || number == 5 {
        // The upper half of the mask is as if it had stuck.
        let mask = u64::from(mask & !0xF) | 0xFFFF_FFFF << 32;
        return (if mask << 32 == 0 { None } else { memory(u64::from(value & !0xF), mask) }, 1);
    }
    let (high_value, high_mask) = probe(access, function, at.saturating_add(4));
    let address = u64::from(high_value) << 32 | u64::from(value & !0xF);
    let mask = u64::from(high_mask) << 32 | u64::from(mask & !0xF);
    (memory(address, mask), 2)
}

/// The value of a register, and what it keeps of all ones.
fn probe(access: &mut impl Access, function: Address, at: u8) -> (u32, u32) {
    let value = access.read(function, at);
    access.write(function, at, u32::MAX);
    let mask = access.read(function, at);
    access.write(function, at, value);
    (value, mask)
}

fn memory(address: u64, mask: u64) -> Option<Bar> {
    let size = size_of_mask(mask)?;
    let sound = address != 0 && size <= MAX_SIZE && address.checked_add(size).is_some();
    sound.then_some(Bar::Memory { address, size })
}

fn ports(value: u32, mask: u32) -> Option<Bar> {
    // Old devices implement 16 bits of a port BAR.
    let size = size_of_mask(u64::from(mask & 0xFFFC) | 0xFFFF_FFFF_FFFF_0000)?;
    let first = u16::try_from(value & !3).ok()?;
    let count = u16::try_from(size).ok()?;
    (first != 0 && first.checked_add(count).is_some()).then_some(Bar::Ports { first, count })
}

/// The size that a mask stands for; `None` if it is none: the ones must be contiguous.
fn size_of_mask(mask: u64) -> Option<u64> {
    let size = (!mask).checked_add(1)?;
    (mask != 0 && size.is_power_of_two()).then_some(size)
}

/// The pages of a memory BAR that a driver gets for `part` (all of it for `None`).
///
/// The rule: whole pages, none of which holds a part of the MSI-X table. A BAR with the table is
/// not handed out as a whole; its other pages are, by `barN/OFFSET/LEN`.
///
/// # Errors
///
/// - `ENXIO`: there is no such memory BAR, or the part is outside of it.
/// - `EINVAL`: the part is not whole pages.
/// - `EACCES`: it holds the MSI-X table, or shares its page with another device.
pub(crate) fn pages(
    function: &Function,
    number: usize,
    part: Option<(u64, u64)>,
) -> Result<Range<u64>> {
    let Some(Bar::Memory { address, size }) = function.bars.get(number).copied().flatten() else {
        return Err(Error::new(ENXIO));
    };
    let whole = size.checked_next_multiple_of(PAGE).ok_or(Error::new(ENXIO))?;
    let (offset, len) = part.unwrap_or((0, whole));
    if offset % PAGE != 0 || len % PAGE != 0 || len == 0 {
        return Err(Error::new(EINVAL));
    }
    let end = offset.checked_add(len).filter(|end| *end <= whole).ok_or(Error::new(ENXIO))?;
    let table = function.msix.filter(|msix| usize::from(msix.bar) == number);
    let meets_table = table.is_some_and(|msix| {
        let table = msix.range();
        let first_page = table.start.saturating_sub(table.start % PAGE);
        offset < table.end.next_multiple_of(PAGE) && first_page < end
    });
    if meets_table || address % PAGE != 0 {
        return Err(Error::new(EACCES));
    }
    let start = address.checked_add(offset).ok_or(Error::new(ENXIO))?;
    let end = address.checked_add(end).ok_or(Error::new(ENXIO))?;
    Ok(start..end)
}
