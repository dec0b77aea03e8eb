//! From the loader's hand-over to the first thread.

use alloc::string::String;
use core::fmt::{self, Write};

use anode_abi::boot_info::{BootInfo, Extent, Framebuffer, Region};
use anode_kernel::kernel::{Boot, Kernel, Loaded};
use anode_kernel::machine::PAGE;
use anode_kernel::madt::{self, Madt};
use anode_kernel::num::{size, wide};
use raw_cpuid::CpuId;
use x86_64::registers::model_specific::Msr;

use crate::arch::fpu::{self, Vector};
use crate::arch::ioapic::Lines;
use crate::arch::paging::Tables;
use crate::arch::percpu::{Context, FIRST};
use crate::arch::{apic, gdt, idt, serial, trap, tsc};
use crate::machine::{Hardware, Pool};
use crate::memory::{self, Block, Ram};
use crate::{heap, log, panic};

const MIB: u64 = 1 << 20;
/// Contexts for each MiB of RAM, and at most.
const CONTEXTS_PER_MIB: u64 = 2;
const MAX_CONTEXTS: u64 = 4096;

/// Entered from entry.s on the first CPU's own stack.
#[expect(clippy::large_stack_frames, reason = "the kernel's value passes through, once")]
pub(crate) extern "sysv64" fn start(info: &'static BootInfo) -> ! {
    serial::init();
    match boot(info) {
        // SAFETY: once, here, when all is set up.
        Ok(kernel) => unsafe { trap::start(kernel) },
        Err(sentence) => panic::give_up(sentence),
    }
}

#[expect(clippy::large_stack_frames, reason = "nothing is on the stack yet, and it has 28 KiB")]
fn boot(info: &'static BootInfo) -> Result<Kernel<Hardware>, &'static str> {
    if !info.is_valid() {
        return Err("the loader is of another version");
    }
    log::init(info.option("log"));
    // SAFETY: the first CPU, for the first time; the stacks are its own.
    unsafe {
        idt::fill();
        gdt::load(&FIRST, gdt::boot_stack_area().0);
    }
    idt::load();
    let elf = loader_memory(info, info.kernel_elf.phys, size(info.kernel_elf.len));
    panic::name_by(elf.unwrap_or(&[]), info.kernel_virt);
    let vector = fpu::enable()?;
    // While the loader's tables are in use, which map the firmware's as well.
    let madt = madt::find(info.rsdp, |phys, len| loader_memory(info, phys, len));
    let mut block = Block::new(info)?;
    let mut tables = Tables::new(info, &mut block)?;
    FIRST.root.set(tables.root);
    make_heap(info, &mut block)?;
    tsc::start(info.tsc_start);
    greet(info, madt.as_ref());
    apic::init(|phys| tables.map_device(&mut block, phys))?;
    let lines = Lines::new(&madt.unwrap_or_default(), |phys| tables.map_device(&mut block, phys))?;
    let pool = make_pool(info, vector, &mut block)?;
    // From here on all memory that the kernel has not taken is the core's.
    let free = memory::free_ranges(info, &block)?;
    let ram = Ram::new(info, &free)?;
    let wall = info.wall_seconds.saturating_mul(1_000_000_000);
    let (kernel_root, hhdm, seed) = (tables.root, info.hhdm, info.seed);
    let machine = Hardware { ram, pool, vector, lines, kernel_root, hhdm, wall, seed };
    let loaded = |extent: Extent| Loaded { address: extent.phys, len: extent.len };
    // The core may give the loader's memory away at once, so what is in it has to be copied.
    let command_line = text(format_args!("{}", info.command_line()))?;
    let facts = facts(info)?;
    let (init, initfs) = (loaded(info.init), loaded(info.initfs));
    Kernel::boot(machine, &Boot { free: &free, init, initfs, command_line, facts })
}

/// Lends memory that the loader has mapped: RAM, and everything below 4 GiB.
fn loader_memory(info: &'static BootInfo, phys: u64, len: usize) -> Option<&'static [u8]> {
    let end = phys.checked_add(wide(len))?;
    let holds =
        |region: &Region| region.kind.is_ram() && region.base <= phys && end <= region.end();
    if phys == 0 || (end > 1 << 32 && !info.regions().iter().any(holds)) {
        return None;
    }
    let at = core::ptr::with_exposed_provenance(size(info.hhdm.wrapping_add(phys)));
    // SAFETY: mapped (above), and nobody writes it: tables of the firmware, or the bundle.
    Some(unsafe { core::slice::from_raw_parts(at, len) })
}

/// 8 MiB, a thirty-second of RAM for tables of what programs use (but no more than 128 MiB), and
/// 16 bytes a frame; the heap rounds large tables up to a power of two.
fn make_heap(info: &BootInfo, block: &mut Block) -> Result<(), &'static str> {
    let ram = memory::total(info);
    let len = (MIB * 8).saturating_add((ram / 32).min(128 * MIB)).saturating_add(ram / 256);
    let len = len & !(PAGE - 1);
    let start = block.take(len / PAGE)?;
    // SAFETY: the pages were just taken, and are only used here.
    unsafe { heap::init(block.address(start), len) };
    Ok(())
}

fn make_pool(info: &BootInfo, vector: Vector, block: &mut Block) -> Result<Pool, &'static str> {
    let stride = size_of::<Context>().saturating_add(vector.size).next_multiple_of(64);
    let count = (memory::total(info) / MIB).saturating_mul(CONTEXTS_PER_MIB);
    let count = u32::try_from(count.clamp(64, MAX_CONTEXTS)).unwrap_or(64);
    let bytes = wide(stride).saturating_mul(count.into());
    let start = block.take(bytes.div_ceil(PAGE))?;
    let base = core::ptr::with_exposed_provenance_mut(size(block.address(start)));
    Ok((base, stride, count))
}

fn greet(info: &BootInfo, madt: Option<&Madt>) {
    let id = CpuId::new();
    let brand = id.get_processor_brand_string();
    let brand = brand.as_ref().map_or("unnamed", |brand| brand.as_str().trim());
    let (version, memory) = (env!("CARGO_PKG_VERSION"), memory::total(info) / MIB);
    let (cpus, mhz) = (madt.map_or(1, |madt| madt.cpus.max(1)), tsc::hertz() / 1_000_000);
    ::log::info!("Anode {version}: {memory} MiB of memory, 1 of {cpus} CPUs ({brand}, {mhz} MHz)");
    ::log::info!("without an IOMMU in use, drivers are trusted with DMA");
    // A CPU of AMD's never was; another one says so in ARCH_CAPABILITIES, which CPUID announces.
    let amd = id.get_vendor_info().is_some_and(|vendor| vendor.as_str() == "AuthenticAMD");
    let tells = raw_cpuid::cpuid!(7, 0).edx & 1 << 29 != 0;
    // SAFETY: reads a register that the CPU has.
    let closed = amd || (tells && unsafe { Msr::new(0x10A).read() } & 1 != 0);
    if !closed {
        ::log::warn!("this CPU is open to Meltdown: any program may read all memory");
    }
    if madt.is_none() {
        ::log::warn!("the firmware describes no interrupt controllers: devices cannot interrupt");
    }
}

/// Text that stays.
fn text(content: fmt::Arguments<'_>) -> Result<&'static str, &'static str> {
    let mut text = String::new();
    text.try_reserve_exact(1024).map_err(|_full| "the kernel's heap is too small")?;
    text.write_fmt(content).map_err(|_full| "a text of the loader's is too long")?;
    Ok(text.leak())
}

/// The text of `sys:boot`.
fn facts(info: &BootInfo) -> Result<&'static str, &'static str> {
    let BootInfo { method, slot, generation, tries_left, rsdp, smbios, .. } = info;
    let BootInfo { partition_guid, disk_guid, efi_system_table, framebuffer, .. } = info;
    let Framebuffer { phys, width, height, pitch, bits_per_pixel, red, green, blue, .. } =
        framebuffer;
    text(format_args!(
        "method {}\nslot {slot}\ngeneration {generation}\ntries {tries_left}\n\
         partition {:032x}\ndisk {:032x}\n\
         rsdp {rsdp:#x}\nsmbios {smbios:#x}\nefi {efi_system_table:#x}\n\
         framebuffer {phys:#x} {width} {height} {pitch} {bits_per_pixel} {} {} {}\n",
        method.0,
        u128::from_be_bytes(*partition_guid),
        u128::from_be_bytes(*disk_guid),
        red.position,
        green.position,
        blue.position
    ))
}
