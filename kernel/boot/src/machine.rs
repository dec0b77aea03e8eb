//! The machine itself: all of the loader core's unsafe code.
//!
//! # Safety
//!
//! The rules that the blocks below cite:
//!
//! 1. The loader runs alone, on one CPU, and what [`Identity`] has taken is RAM that is mapped one to
//!    one and that nobody else touches: [`Identity::new`]'s caller vouches for it.
//! 2. The ports used here are those of a PC: 0x3f8 the first UART, 0x70 and 0x71 the clock, 0x20,
//!    0x21, 0xa0 and 0xa1 the interrupt controllers, 0x40 to 0x43 and 0x61 the timer. What is done
//!    to them changes nothing that anybody relies on at that time.
//! 3. The first 4 GiB are mapped one to one: by `start.s` of the BIOS front end, and by UEFI, which
//!    reaches its own devices so.
#![expect(unsafe_code, reason = "this module is the machine")]

mod cpu;
mod devices;

use crate::regions::{Region, RegionKind, Regions};
use crate::seed::Pool;
use crate::time::Clock;
use crate::{Error, Memory, PAGE, madt};
use anode_abi::boot_info::BootInfo;
use core::fmt;
use x86_64::instructions::port::Port;
use x86_64::instructions::random::RdRand;

pub use cpu::{Cpu, cpu, enter, jump_pages};
pub use devices::{apic, settle};

/// Where a front end's memory comes from: takes `len` bytes, whole pages, of the map or of the
/// firmware, for `kind`.
pub type Source = fn(&mut Regions<'static>, len: u64, kind: RegionKind) -> Option<u64>;

/// Physical memory, mapped one to one.
#[derive(Debug)]
pub struct Identity {
    regions: Regions<'static>,
    /// What `source` has given out: all that may be touched.
    taken: Regions<'static>,
    source: Source,
    /// Where the memory ends that is mapped at all.
    end: u64,
}

impl Identity {
    /// Memory as `regions` describes it; `taken` is empty and has room for what will be taken.
    ///
    /// # Safety
    ///
    /// All memory that `source` takes is RAM that is mapped one to one, writable, and used by
    /// nobody else; what `regions` has of the firmware's memory is mapped one to one below `end`,
    /// and the first 4 GiB are.
    #[must_use]
    pub const unsafe fn new(
        regions: Regions<'static>,
        taken: &'static mut [Region],
        source: Source,
        end: u64,
    ) -> Self {
        Self { regions, taken: Regions::new(taken), source, end }
    }

    /// Takes a newer map of the same memory; what was taken stays so. What the kernel's tables do
    /// not map, as it was no memory in the older one, is none.
    pub fn renew(&mut self, mut regions: Regions<'static>) {
        regions.limit_to(&self.regions);
        for region in self.taken.as_slice() {
            regions.claim(region.base, region.len, region.kind);
        }
        self.regions = regions;
    }

    /// Reads the table of interrupt controllers that ACPI's root pointer leads to, on the CPU with
    /// that id; tells whether there is one.
    #[must_use]
    pub fn madt(&self, rsdp: u64, this: u32) -> (madt::Madt, bool) {
        madt::find(rsdp, this, |phys, len| self.firmware(phys, len))
    }

    /// Lends memory of the firmware's.
    fn firmware(&self, phys: u64, len: usize) -> Option<&[u8]> {
        let size = u64::try_from(len).ok()?;
        let end = phys.checked_add(size)?;
        let is_mapped = end <= 1 << 32 || (end <= self.end && self.regions.covers(phys, size));
        let address = usize::try_from(phys).ok().filter(|_| is_mapped && phys != 0)?;
        // SAFETY: it is mapped one to one (above, by the word of `new`'s caller); it is not what
        // `bytes` lends, which needs `&mut self`, and nobody else runs.
        Some(unsafe {
            core::slice::from_raw_parts(core::ptr::with_exposed_provenance(address), len)
        })
    }

    fn range(&self, phys: u64, len: u64) -> Result<(*mut u8, usize), Error> {
        let owned = phys != 0 && self.taken.covers(phys, len);
        let address = usize::try_from(phys).ok().zip(usize::try_from(len).ok());
        let (address, len) =
            address.filter(|_| owned).ok_or(Error::Bug("memory that is not the loader's"))?;
        Ok((core::ptr::with_exposed_provenance_mut(address), len))
    }
}

/// The `BootInfo` at `phys`.
pub(crate) fn boot_info(memory: &mut impl Memory, phys: u64) -> Result<&mut BootInfo, Error> {
    let bytes = memory.bytes(phys, PAGE)?;
    let pointer: *mut BootInfo = core::ptr::from_mut(bytes).cast();
    pointer.is_aligned().then_some(()).ok_or(Error::Bug("no place for BootInfo"))?;
    // SAFETY: `pointer` is aligned (above) and leads to a page, in which a `BootInfo` fits, which
    // `bytes` borrows for as long as the result lives. Every pattern of bytes is a valid one: it
    // has integers only.
    Ok(unsafe { &mut *pointer })
}

impl Memory for Identity {
    fn allocate(&mut self, len: u64, kind: RegionKind) -> Result<u64, Error> {
        let size = len.checked_next_multiple_of(PAGE).ok_or(Error::Memory(len))?;
        let phys = (self.source)(&mut self.regions, size, kind).ok_or(Error::Memory(len))?;
        self.regions.claim(phys, size, kind);
        self.taken.claim(phys, size, kind);
        self.bytes(phys, size)?.fill(0);
        Ok(phys)
    }

    fn bytes(&mut self, phys: u64, len: u64) -> Result<&mut [u8], Error> {
        let (pointer, len) = self.range(phys, len)?;
        // SAFETY: rule 1. `range` has checked that all bytes are the loader's own, so they are
        // mapped one to one and writable, and `&mut self` is the only way to them.
        Ok(unsafe { core::slice::from_raw_parts_mut(pointer, len) })
    }

    fn pair(&mut self, from: (u64, u64), to: (u64, u64)) -> Result<(&[u8], &mut [u8]), Error> {
        let end = |(phys, len): (u64, u64)| phys.saturating_add(len);
        let apart = end(from) <= to.0 || end(to) <= from.0;
        apart.then_some(()).ok_or(Error::Bug("two ranges overlap"))?;
        let (from, to) = (self.range(from.0, from.1)?, self.range(to.0, to.1)?);
        // SAFETY: as in `bytes`; the two ranges have no byte in common (above).
        Ok(unsafe {
            (
                core::slice::from_raw_parts(from.0, from.1),
                core::slice::from_raw_parts_mut(to.0, to.1),
            )
        })
    }

    fn region(&self, index: usize) -> Option<Region> {
        self.regions.as_slice().get(index).copied()
    }
}

/// The time stamp counter.
#[must_use]
pub fn tsc() -> u64 {
    // SAFETY: every CPU with long mode has the counter, and reading it changes nothing.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Stirs the CPU's own randomness and the jitter of its counter into `pool`.
pub fn stir(pool: &mut Pool) {
    let generator = RdRand::new();
    for _ in 0..64 {
        pool.add(tsc());
        if let Some(word) = generator.and_then(RdRand::get_u64) {
            pool.add(word);
        }
    }
}

/// Reads the clock chip; the same answer twice in a row, so that no update fell into it.
#[must_use]
pub fn clock() -> Option<Clock> {
    let mut last = None;
    for _ in 0..1000 {
        // Bit 7 of status register A: an update is under way.
        if read_clock(0x0a) & 0x80 != 0 {
            continue;
        }
        let registers = [0, 2, 4, 7, 8, 9, 0x32].map(read_clock);
        let now = Some(Clock { registers, status_b: read_clock(0x0b) });
        if now == last {
            return now;
        }
        last = now;
    }
    None
}

/// Reads one register of the clock; bit 7 keeps NMIs off, as they are in the loader anyway.
fn read_clock(register: u8) -> u8 {
    let (mut index, mut data) = (Port::new(0x70), Port::new(0x71));
    // SAFETY: rule 2.
    unsafe {
        index.write(register | 0x80);
        data.read()
    }
}

/// The first serial port, at 115,200 baud.
#[derive(Debug)]
pub struct Serial {
    present: bool,
}

impl Serial {
    const BASE: u16 = 0x3f8;
    /// How often a full transmitter is asked before a byte is dropped.
    const PATIENCE: u32 = 100_000;

    /// Sets the port up, if there is one.
    #[must_use]
    pub fn new() -> Self {
        // Interrupts off; divisor 1; 8 bits, no parity; FIFO on and empty; DTR, RTS.
        for (register, value) in [(1, 0), (3, 0x80), (0, 1), (1, 0), (3, 3), (2, 7), (4, 3)] {
            Self::write_register(register, value);
        }
        Self { present: Self::status() != 0xff }
    }

    fn register(register: u16) -> Port<u8> {
        Port::new(Self::BASE.wrapping_add(register))
    }

    fn write_register(register: u16, value: u8) {
        // SAFETY: rule 2.
        unsafe { Self::register(register).write(value) };
    }

    fn status() -> u8 {
        // SAFETY: rule 2.
        unsafe { Self::register(5).read() }
    }
}

impl Default for Serial {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes().filter(|_| self.present) {
            let ready = (0..Self::PATIENCE).any(|_| Self::status() & 0x20 != 0);
            if ready {
                Self::write_register(0, byte);
            }
        }
        Ok(())
    }
}

/// Stops the CPU for good.
pub fn halt() -> ! {
    loop {
        x86_64::instructions::interrupts::disable();
        x86_64::instructions::hlt();
    }
}

#[cfg(test)]
mod tests;
