//! From the loader's hand-over to the first thread.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use anode_abi::boot_info::{BootInfo, Extent};
use anode_kernel::kernel::{Boot, Kernel, Loaded};
use anode_kernel::machine::PAGE;
use anode_kernel::madt::{self, Madt};
use anode_kernel::num::{size, wide};
use raw_cpuid::CpuId;

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
    let vector = fpu::enable()?;
    prepare_panic(info);
    // While the loader's tables are in use, which map the firmware's as well.
    let madt = read_madt(info);
    let mut block = Block::new(info)?;
    let mut tables = Tables::new(info, &mut block)?;
    FIRST.root.set(tables.root);
    make_heap(info, &mut block)?;
    tsc::start(info.tsc_start);
    apic::init(|phys| tables.map_device(&mut block, phys))?;
    let lines = Lines::new(&madt, |phys| tables.map_device(&mut block, phys).ok());
    let pool = make_pool(info, vector, &mut block)?;
    greet(info, &madt);
    hand_over(info, Parts { block, tables, lines, pool, vector })
}

/// What was made, on its way to [`Hardware`].
struct Parts {
    block: Block,
    tables: Tables,
    lines: Lines,
    pool: Pool,
    vector: Vector,
}

/// Makes the core, which from here on owns all memory that the kernel has not taken.
#[expect(clippy::large_stack_frames, reason = "see `boot`")]
fn hand_over(info: &'static BootInfo, parts: Parts) -> Result<Kernel<Hardware>, &'static str> {
    let whole = |extent: Extent| Extent { len: extent.len.next_multiple_of(PAGE), ..extent };
    let page = |phys| Extent { phys, len: PAGE };
    let mut holes = [page(0), page(info.low_page), whole(info.kernel), parts.block.extent()];
    holes.sort_unstable_by_key(|hole| hole.phys);
    let free = memory::free_ranges(info, &holes)?;
    let ram = Ram::new(info, &free, &[info.init, info.initfs])?;
    ::log::debug!("{} KiB for programs in {} ranges", ram.len() / 1024, free.len());
    let machine = Hardware {
        ram,
        pool: parts.pool,
        vector: parts.vector,
        lines: parts.lines,
        kernel_root: parts.tables.root,
        hhdm: info.hhdm,
        levels: if info.levels == 5 { 5 } else { 4 },
        wall: info.wall_seconds.saturating_mul(1_000_000_000),
        seed: info.seed,
    };
    let loaded = |extent: Extent| Loaded { address: extent.phys, len: extent.len };
    // The core may give the loader's memory away at once, so what is in it has to be copied.
    let command_line = copied(info.command_line())?;
    Kernel::boot(
        machine,
        &Boot {
            free: &free,
            init: loaded(info.init),
            initfs: loaded(info.initfs),
            command_line,
            facts: facts(info)?,
        },
    )
}

/// Lends memory that the loader has mapped: RAM, and everything below 4 GiB.
fn loader_memory(info: &'static BootInfo, phys: u64, len: usize) -> Option<&'static [u8]> {
    let end = phys.checked_add(wide(len))?;
    let in_ram = |region: &&anode_abi::boot_info::Region| {
        region.kind.is_ram() && region.base <= phys && end <= region.end()
    };
    if phys == 0 || (end > 1 << 32 && info.regions().iter().find(in_ram).is_none()) {
        return None;
    }
    let at = core::ptr::with_exposed_provenance(size(info.hhdm.wrapping_add(phys)));
    // SAFETY: mapped (above), and nobody writes it: tables of the firmware, or the bundle.
    Some(unsafe { core::slice::from_raw_parts(at, len) })
}

fn prepare_panic(info: &'static BootInfo) {
    let elf = loader_memory(info, info.kernel_elf.phys, size(info.kernel_elf.len));
    panic::name_by(elf.unwrap_or(&[]), info.kernel_virt);
    if info.option("panic") == Some("reboot") {
        panic::reset_after();
    }
}

fn read_madt(info: &'static BootInfo) -> Madt {
    let madt = madt::find(info.rsdp, |phys, len| loader_memory(info, phys, len));
    if madt.is_none() {
        ::log::warn!("the firmware describes no interrupt controllers: devices cannot interrupt");
    }
    madt.unwrap_or_default()
}

/// 8 MiB and a thirty-second of RAM: the core's tables are made for that much, and the heap
/// rounds large ones up to a power of two.
fn make_heap(info: &BootInfo, block: &mut Block) -> Result<(), &'static str> {
    let len = (MIB * 8).saturating_add(memory::total(info) / 32) & !(PAGE - 1);
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
    Ok(Pool { base, stride, count })
}

fn greet(info: &BootInfo, madt: &Madt) {
    let brand = CpuId::new().get_processor_brand_string();
    let brand = brand.as_ref().map_or("unnamed", |brand| brand.as_str().trim());
    ::log::info!(
        "Anode {}: {} MiB of memory, 1 of {} CPUs ({brand}, {} MHz)",
        env!("CARGO_PKG_VERSION"),
        memory::total(info) / MIB,
        madt.cpus.max(1),
        tsc::hertz() / 1_000_000
    );
    ::log::info!("without an IOMMU in use, drivers are trusted with DMA");
}

fn reserved(len: usize) -> Result<String, &'static str> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_full| "the kernel's heap is too small")?;
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

fn copied(text: &str) -> Result<&'static str, &'static str> {
    let mut copy = reserved(text.len())?;
    copy.push_str(text);
    Ok(copy.leak())
}

/// The text of `sys:boot`.
fn facts(info: &BootInfo) -> Result<&'static str, &'static str> {
    let screen = &info.framebuffer;
    let mut text = reserved(1024)?;
    let written = write!(
        text,
        "method {}\nslot {}\ngeneration {}\ntries {}\npartition {:02x?}\ndisk {:02x?}\n\
         rsdp {:#x}\nsmbios {:#x}\nefi {:#x}\nframebuffer {:#x} {} {} {} {} {} {} {}\n",
        info.method.0,
        info.slot,
        info.generation,
        info.tries_left,
        info.partition_guid,
        info.disk_guid,
        info.rsdp,
        info.smbios,
        info.efi_system_table,
        screen.phys,
        screen.width,
        screen.height,
        screen.pitch,
        screen.bits_per_pixel,
        screen.red.position,
        screen.green.position,
        screen.blue.position,
    );
    written.map_err(|_full| "the facts about the machine are too long")?;
    Ok(text.leak())
}
