//! The machine itself: all of the loader core's unsafe code.
//!
//! # Safety
//!
//! The rules that the blocks below cite:
//!
//! 1. The loader runs alone, on one CPU, and what [`Identity`] has taken is RAM that is mapped one to
//!    one and that nobody else touches: [`Identity::new`]'s caller vouches for it.
//! 2. The ports used here are those of a PC: 0x3f8 the first UART, 0x70 and 0x71 the clock. Reading
//!    them changes nothing that anybody relies on.
#![expect(unsafe_code, reason = "this module is the machine")]

use crate::regions::Regions;
use crate::seed::Pool;
use crate::time::Clock;
use crate::{Error, Facts, Loaded, Memory, PAGE, Paging};
use anode_abi::boot_info::{BootInfo, DIRECT_MAP, Region, RegionKind};
use core::arch::naked_asm;
use core::fmt;
use raw_cpuid::CpuId;
use x86_64::instructions::port::Port;
use x86_64::instructions::random::RdRand;
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags, Efer, EferFlags};

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
}

impl Identity {
    /// Memory as `regions` describes it; `taken` is empty and has room for what will be taken.
    ///
    /// # Safety
    ///
    /// All memory that `source` takes is RAM that is mapped one to one, writable, and used by
    /// nobody else.
    #[must_use]
    pub const unsafe fn new(
        regions: Regions<'static>,
        taken: &'static mut [Region],
        source: Source,
    ) -> Self {
        Self { regions, taken: Regions::new(taken), source }
    }

    /// Takes a newer map of the same memory; what was taken stays so.
    pub fn renew(&mut self, mut regions: Regions<'static>) {
        for region in self.taken.as_slice() {
            regions.claim(region.base, region.len, region.kind);
        }
        self.regions = regions;
    }

    /// Fills in the `BootInfo` of `loaded`: the last step before [`enter`].
    ///
    /// # Errors
    ///
    /// `Bug` if `loaded` was not made with this memory.
    pub fn describe(&mut self, loaded: &Loaded, facts: &Facts) -> Result<(), Error> {
        let place = (loaded.info, u64::try_from(size_of::<BootInfo>()).unwrap_or(u64::MAX));
        let line = loaded.command_line();
        let (line, info) = self.pair((line.phys, line.len), place)?;
        loaded.describe(boot_info(info)?, facts, line);
        let count = self.regions.as_slice().len();
        for index in 0..count {
            let region = self.region(index).unwrap_or_default();
            let info = boot_info(self.bytes(place.0, place.1)?)?;
            if let Some(entry) = info.region_table.get_mut(index) {
                *entry = region;
            }
        }
        let info = boot_info(self.bytes(place.0, place.1)?)?;
        info.region_count = u32::try_from(count).unwrap_or(0);
        info.tsc_handover = tsc();
        Ok(())
    }

    fn range(&self, phys: u64, len: u64) -> Result<(*mut u8, usize), Error> {
        let owned = phys != 0 && self.taken.covers(phys, len);
        let address = usize::try_from(phys).ok().zip(usize::try_from(len).ok());
        let (address, len) =
            address.filter(|_| owned).ok_or(Error::Bug("memory that is not the loader's"))?;
        Ok((core::ptr::with_exposed_provenance_mut(address), len))
    }
}

/// The `BootInfo` that `bytes` hold.
fn boot_info(bytes: &mut [u8]) -> Result<&mut BootInfo, Error> {
    let fits = bytes.len() >= size_of::<BootInfo>();
    let pointer: *mut BootInfo = core::ptr::from_mut(bytes).cast();
    (fits && pointer.is_aligned()).then_some(()).ok_or(Error::Bug("no place for BootInfo"))?;
    // SAFETY: `pointer` is aligned and leads to enough bytes (above), which `bytes` borrows for as
    // long as the result lives. Every pattern of bytes is a valid `BootInfo`: it has integers only,
    // and no padding.
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

/// What this CPU can do with page tables, and how many levels are on.
#[must_use]
pub fn paging() -> Paging {
    let cpu = CpuId::new();
    let extended = cpu.get_extended_processor_and_feature_identifiers();
    let five = Cr4::read().contains(Cr4Flags::L5_PAGING);
    Paging {
        levels: if five { 5 } else { 4 },
        no_execute: extended
            .as_ref()
            .is_some_and(raw_cpuid::ExtendedProcessorFeatureIdentifiers::has_execute_disable),
        giant_pages: extended
            .as_ref()
            .is_some_and(raw_cpuid::ExtendedProcessorFeatureIdentifiers::has_1gib_pages),
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

/// The pages that hold the code of the jump: to be mapped one to one.
#[must_use]
#[expect(clippy::as_conversions, reason = "there is no other way to a function's address")]
pub fn jump_pages() -> [u64; 2] {
    let address = u64::try_from(jump as *const () as usize).unwrap_or(0);
    let first = crate::regions::round_down(address, PAGE);
    [first, first.saturating_add(PAGE)]
}

/// Leaves the loader for the kernel.
///
/// # Safety
///
/// `loaded` is of this machine, its `BootInfo` is complete, interrupts are not needed any more, and
/// the front end lies where it is mapped one to one, as [`jump_pages`] were.
pub unsafe fn enter(loaded: &Loaded, paging: Paging) -> ! {
    x86_64::instructions::interrupts::disable();
    // SAFETY: the loader's own pages are all writable or never written, and no entry of its tables
    // has a reserved bit: it may switch both on. Without them the kernel's rights would not be
    // kept.
    unsafe {
        Cr0::update(|flags| flags.insert(Cr0Flags::WRITE_PROTECT));
        if paging.no_execute {
            Efer::update(|flags| flags.insert(EferFlags::NO_EXECUTE_ENABLE));
        }
    }
    // SAFETY: the tables map the jump's code one to one (`jump_pages`), the kernel with its entry,
    // and the stack and `BootInfo` in the direct map; nothing of the loader is used after it.
    unsafe {
        jump(DIRECT_MAP.saturating_add(loaded.info), loaded.cr3, loaded.stack_top, loaded.entry)
    }
}

/// Takes new tables and a new stack and jumps: `BootInfo` in rdi, a return address of 0, a frame
/// pointer of 0.
#[unsafe(naked)]
unsafe extern "sysv64" fn jump(info: u64, cr3: u64, stack: u64, entry: u64) -> ! {
    naked_asm!("cld", "mov cr3, rsi", "mov rsp, rdx", "xor ebp, ebp", "push 0", "jmp rcx")
}

#[cfg(test)]
mod tests;
