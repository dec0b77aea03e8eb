//! What the kernel finds at addresses of its own, below its image: `BootInfo`, descriptors,
//! device registers, stacks.
//!
//! ```text
//!  image                      from its base up
//!  base -  1 page   BootInfo, read-only           base - 4 pages   the local APIC, uncached
//!  base -  2 pages  interrupt gates, read-only    base - 5 … - 8   the I/O APICs, uncached
//!  base -  3 pages  segments of each CPU
//!  base -  2 MiB    stacks of each CPU: four, the first page of each left out
//! ```

use crate::field::put;
use crate::load::Hardware;
use crate::madt::Madt;
use crate::paging::{LARGE, Rights, Tables};
use crate::regions::{RegionKind, round_down};
use crate::{Error, Memory, PAGE};
use anode_abi::boot_info::{MAX_CPUS, STACK};
use x86_64::structures::gdt::DescriptorFlags;

/// A stack with the page that guards it, and the four of a CPU.
const WHOLE: u64 = 0x8000;
const FOUR: u64 = 4 * WHOLE;
const _: () = assert!(STACK == 0x8000);
/// Bytes of a page for the segments of one CPU, and where things lie in them.
const SEGMENTS: u64 = 512;
const TASK: u64 = 64;
/// Operand of LGDT; that of LIDT follows 16 bytes later.
const POINTERS: u64 = 192;
/// Bytes of the gates' stubs, which end at the kernel's entry.
const STUBS: u64 = 4096;
const BREAKPOINT: u64 = 3;

/// Where it all lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// `BootInfo`, physical.
    pub(crate) info: u64,
    /// The first stack, virtual.
    pub(crate) stacks: u64,
    /// Segments of the first CPU, virtual.
    segments: u64,
    /// The image, virtual.
    base: u64,
}

impl Window {
    /// Takes and fills the pages for a kernel whose image and entry are at these addresses.
    pub(crate) fn make(
        memory: &mut impl Memory,
        tables: &Tables,
        (base, entry): (u64, u64),
        madt: &Madt,
    ) -> Result<Self, Error> {
        let pages = memory.allocate(PAGE.saturating_mul(3), RegionKind::KERNEL)?;
        let (info, gates) = (pages, pages.saturating_add(PAGE));
        let segments = gates.saturating_add(PAGE);
        let window =
            Self { info, stacks: base.saturating_sub(LARGE), segments: window_page(base, 3), base };
        tables.map(memory, [window_page(base, 1), info, PAGE], Rights::Read, PAGE)?;
        tables.map(memory, [window_page(base, 2), gates, PAGE], Rights::Read, PAGE)?;
        tables.map(memory, [window_page(base, 3), segments, PAGE], Rights::Write, PAGE)?;
        fill_gates(memory.bytes(gates, PAGE)?, entry);
        let cpus = u64::from(madt.cpu_count).clamp(1, u64::try_from(MAX_CPUS).unwrap_or(1));
        for cpu in 0..cpus {
            let at = segments.saturating_add(cpu.saturating_mul(SEGMENTS));
            window.fill_segments(memory.bytes(at, SEGMENTS)?, cpu);
        }
        let stacks = cpus.saturating_mul(4);
        let used = WHOLE.saturating_sub(PAGE);
        let phys = memory.allocate(stacks.saturating_mul(used), RegionKind::KERNEL)?;
        for stack in 0..stacks {
            let at = window.stacks.saturating_add(stack.saturating_mul(WHOLE)).saturating_add(PAGE);
            let from = phys.saturating_add(stack.saturating_mul(used));
            tables.map(memory, [at, from, used], Rights::Write, PAGE)?;
        }
        Ok(window)
    }

    /// Maps the registers of the interrupt controllers.
    pub(crate) fn map_devices(
        &self,
        memory: &mut impl Memory,
        tables: &Tables,
        hardware: &Hardware,
    ) -> Result<(), Error> {
        tables.map(memory, [self.apic(), hardware.apic, PAGE], Rights::Device, PAGE)?;
        for (index, chip) in (0..).zip(hardware.madt.chips) {
            if let Some(chip) = chip {
                let page = round_down(chip.address.into(), PAGE);
                let at = round_down(self.chip(index, 0), PAGE);
                tables.map(memory, [at, page, PAGE], Rights::Device, PAGE)?;
            }
        }
        Ok(())
    }

    /// Registers of the local APIC, virtual.
    pub(crate) fn apic(&self) -> u64 {
        window_page(self.base, 4)
    }

    /// Registers of an I/O APIC, virtual, by its number and its physical address.
    pub(crate) fn chip(&self, index: u64, address: u32) -> u64 {
        let page = window_page(self.base, index.saturating_add(5));
        page.saturating_add(u64::from(address) % PAGE)
    }

    /// The end of a CPU's first stack.
    pub(crate) fn stack_top(&self, cpu: u64) -> u64 {
        self.stacks.saturating_add(cpu.saturating_mul(FOUR)).saturating_add(WHOLE)
    }

    /// The operand of LGDT for a CPU, virtual; that of LIDT follows 16 bytes later.
    pub(crate) fn pointers(&self, cpu: u64) -> u64 {
        self.segments.saturating_add(cpu.saturating_mul(SEGMENTS)).saturating_add(POINTERS)
    }

    /// Segments, task and pointers of a CPU.
    fn fill_segments(&self, bytes: &mut [u8], cpu: u64) {
        let table = self.segments.saturating_add(cpu.saturating_mul(SEGMENTS));
        let task = table.saturating_add(TASK);
        // An available task segment of 104 bytes.
        let low = 103 | (task & 0xFF_FFFF) << 16 | 0x89 << 40 | (task >> 24 & 0xFF) << 56;
        let flags = [
            DescriptorFlags::KERNEL_CODE64,
            DescriptorFlags::KERNEL_DATA,
            DescriptorFlags::USER_DATA,
            DescriptorFlags::USER_CODE64,
        ];
        let words = flags.into_iter().map(|flags| flags.bits()).chain([low, task >> 32]);
        for (word, at) in words.zip((8_usize..).step_by(8)) {
            put(bytes, at, &word.to_le_bytes());
        }
        let task = bytes.get_mut(64..).unwrap_or_default();
        let top = |stack: u64| {
            let first = self.stack_top(cpu);
            first.saturating_add(stack.saturating_mul(WHOLE)).to_le_bytes()
        };
        // The stack for traps, then those that gates ask for by 1 to 3; no bitmap of ports.
        for (at, stack) in [(4, 0), (36, 1), (44, 2), (52, 3)] {
            put(task, at, &top(stack));
        }
        put(task, 102, &104_u16.to_le_bytes());
        let pointers = [(192, 55_u16, table), (208, 4095, window_page(self.base, 2))];
        for (at, limit, address) in pointers {
            put(bytes, at, &limit.to_le_bytes());
            put(bytes, at.saturating_add(2), &address.to_le_bytes());
        }
    }
}

/// The page so many below the image.
fn window_page(base: u64, below: u64) -> u64 {
    base.saturating_sub(below.saturating_mul(PAGE))
}

/// Writes interrupt gates that lead to the stubs in front of `entry`.
fn fill_gates(bytes: &mut [u8], entry: u64) {
    let stubs = entry.saturating_sub(STUBS);
    for (vector, gate) in (0_u64..).zip(bytes.as_chunks_mut::<16>().0) {
        let stub = stubs.saturating_add(vector.saturating_mul(16));
        // Present; the user may only raise a breakpoint himself.
        let kind: u64 = if vector == BREAKPOINT { 0xEE00 } else { 0x8E00 };
        // NMI, double fault and machine check must not share a stack.
        let stack: u64 = match vector {
            2 => 1,
            8 => 2,
            18 => 3,
            _ => 0,
        };
        let low =
            (stub & 0xFFFF) | 8 << 16 | stack << 32 | kind << 32 | (stub >> 16 & 0xFFFF) << 48;
        put(gate, 0, &low.to_le_bytes());
        put(gate, 8, &(stub >> 32).to_le_bytes());
    }
}
