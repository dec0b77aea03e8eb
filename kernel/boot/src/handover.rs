//! The last step but the jump: `BootInfo`, and all texts and lists that it leads to.
//!
//! The firmware is gone by now, so nothing is allocated here.

use crate::facts::{self, Facts};
use crate::field::Text;
use crate::load::{Hardware, Loaded};
use crate::room::DIRECT_MAP;
use crate::slot::COMMAND_LINE_MAX;
use crate::{Error, Memory, machine};
use anode_abi::boot_info::{BootInfo, Chip, Extent, MAX_CHIPS};
use core::fmt::{self, Write};

const SECOND: u64 = 1_000_000_000;

/// What the CPU and the clocks say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    /// CR4 as the kernel is to have it.
    pub cr4: u64,
    /// Ticks of the time stamp counter in a second; `None`: nothing tells.
    pub tsc_hz: Option<u64>,
    /// Ticks of the local timer in a second.
    pub timer_hz: u64,
    /// Number of lines of each I/O APIC.
    pub lines: [u32; MAX_CHIPS],
    /// Whether the CPU is known not to be open to Meltdown.
    pub is_closed: bool,
    /// The CPU's name, padded with zeros.
    pub brand: [[u8; 16]; 3],
}

impl Loaded {
    /// Writes down all that is known.
    ///
    /// # Errors
    ///
    /// `Bug` if it was not loaded into this memory.
    pub fn describe(
        &self,
        memory: &mut impl Memory,
        hardware: &Hardware,
        facts: &Facts,
        measured: &Measured,
    ) -> Result<(), Error> {
        let mut line = [0; COMMAND_LINE_MAX];
        let place = self.command_line();
        for (to, from) in line.iter_mut().zip(memory.bytes(place.phys, place.len)?) {
            *to = *from;
        }
        let line = line.get(..usize::try_from(place.len).unwrap_or(0)).unwrap_or_default();
        let mut room = self.room;
        room.args.len = facts::write_args(line, memory.bytes(room.args.phys, room.args.len)?);
        room.list(memory, [self.init(), self.initfs(), room.args])?;
        write(memory, &mut room.facts, |text| facts.write(&self.origin, text))?;
        let hz = measured.tsc_hz.unwrap_or(SECOND).max(1);
        write(memory, &mut room.notes, |text| self.write_notes(hardware, measured, hz, text))?;
        write(memory, &mut room.warnings, |text| write_warnings(hardware, measured, text))?;
        let chip = |(index, chip): (usize, Option<crate::madt::Chip>)| {
            let Some(chip) = chip else { return Chip::default() };
            let number = u64::try_from(index).unwrap_or(0);
            let count = measured.lines.get(index).copied().unwrap_or(0);
            Chip { address: self.window.chip(number, chip.address), first: chip.first, count }
        };
        let mut chips = [Chip::default(); MAX_CHIPS];
        for (to, from) in chips.iter_mut().zip(hardware.madt.chips.into_iter().enumerate()) {
            *to = chip(from);
        }
        *machine::boot_info(memory, self.window.info)? = BootInfo {
            direct_map: DIRECT_MAP,
            root: self.root,
            stacks: self.window.stacks,
            apic: self.window.apic(),
            cr4: measured.cr4,
            tsc_start: facts.tsc_start,
            tick_ns: scale(SECOND, hz),
            timer_ticks: scale(measured.timer_hz, SECOND),
            wall_ns: facts.wall_seconds.saturating_mul(SECOND),
            seed: facts.seed,
            low_page: facts.low_page,
            log_level: facts::log_level(line),
            cpu_count: hardware.madt.cpu_count,
            cpus: hardware.madt.cpus,
            chips,
            wiring: hardware.madt.wiring,
            heap: room.heap,
            contexts: room.contexts,
            free: room.free,
            ram: room.ram,
            symbols: room.symbols,
            names: room.names,
            facts: room.facts,
            notes: room.notes,
            warnings: room.warnings,
            init: self.init(),
            initfs: self.initfs(),
            args: room.args,
        };
        Ok(())
    }

    /// What the log is to tell of the machine.
    fn write_notes(
        &self,
        hardware: &Hardware,
        measured: &Measured,
        hz: u64,
        text: &mut Text<'_>,
    ) -> fmt::Result {
        let brand =
            measured.brand.as_flattened().utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let brand = Some(brand.trim_matches([' ', '\0'])).filter(|name| !name.is_empty());
        let (mib, mhz) = (self.ram >> 20, hz / 1_000_000);
        let (cpus, brand) = (hardware.madt.cpu_count, brand.unwrap_or("unnamed"));
        writeln!(text, "{mib} MiB of memory, {cpus} CPUs ({brand}, {mhz} MHz)")?;
        writeln!(text, "without an IOMMU in use, drivers are trusted with DMA")
    }
}

fn write_warnings(hardware: &Hardware, measured: &Measured, text: &mut Text<'_>) -> fmt::Result {
    if !measured.is_closed {
        writeln!(text, "this CPU is open to Meltdown: any program may read all memory")?;
    }
    if !hardware.has_madt {
        writeln!(
            text,
            "the firmware describes no interrupt controllers: devices cannot interrupt"
        )?;
    }
    if measured.tsc_hz.is_none() {
        writeln!(text, "neither PIT nor CPU tell the clock's rate: 1 GHz is assumed")?;
    }
    Ok(())
}

/// `part / whole * 2^32`; `whole` is not 0.
fn scale(part: u64, whole: u64) -> u64 {
    let ratio = (u128::from(part) << 32).checked_div(u128::from(whole)).unwrap_or(0);
    u64::try_from(ratio).unwrap_or(u64::MAX)
}

/// Writes a text into its page, which then is as long as the text.
fn write(
    memory: &mut impl Memory,
    page: &mut Extent,
    make: impl FnOnce(&mut Text<'_>) -> fmt::Result,
) -> Result<(), Error> {
    let mut text = Text::new(memory.bytes(page.phys, page.len)?);
    // A page is longer than any of the texts; what would not fit is left out.
    match make(&mut text) {
        Ok(()) | Err(fmt::Error) => page.len = text.len(),
    }
    Ok(())
}
