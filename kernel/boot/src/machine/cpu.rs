//! This CPU: what it can do, the state that the kernel is to find it in, and the jump.

use crate::handover::Measured;
use crate::{Error, Loaded, PAGE, Paging};
use anode_abi::boot_info::{MAGIC, SYSCALL};
use core::arch::naked_asm;
use raw_cpuid::{CpuId, cpuid};
use x86_64::VirtAddr;
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags, Efer, EferFlags};
use x86_64::registers::model_specific::{GsBase, KernelGsBase, LStar, Msr, SFMask, Star};
use x86_64::registers::rflags::RFlags;
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};

/// What entry 1 of PAT is after reset, write-through, becomes write-combining; the others stay:
/// 0 write-back, 2 uncached unless MTRRs say otherwise, 3 uncached.
const PAT: u64 = 0x0007_0406_0007_0106;
/// Bytes that the kernel has for a thread's vector state.
const VECTOR_STATE: u32 = 832;

/// What this CPU can do, as far as the kernel uses it.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    /// How it maps memory.
    pub paging: Paging,
    /// Its local APIC's id.
    pub id: u32,
    cr4: Cr4Flags,
    xcr0: Option<XCr0Flags>,
}

/// Asks this CPU.
///
/// # Errors
///
/// `Cpu`: without NX and SYSCALL there is no kernel.
pub fn cpu() -> Result<Cpu, Error> {
    let id = CpuId::new();
    let extended = id.get_extended_processor_and_feature_identifiers();
    let extended = extended.ok_or(Error::Cpu("the list of its features"))?;
    extended.has_execute_disable().then_some(()).ok_or(Error::Cpu("NX"))?;
    extended.has_syscall_sysret().then_some(()).ok_or(Error::Cpu("SYSCALL"))?;
    let five = Cr4::read().contains(Cr4Flags::L5_PAGING);
    let (levels, giant_pages) = (if five { 5 } else { 4 }, extended.has_1gib_pages());
    let features = id.get_feature_info();
    let avx = features.as_ref().is_some_and(raw_cpuid::FeatureInfo::has_avx);
    let apic = features.map_or(0, |info| info.initial_local_apic_id());
    let state = id.get_extended_state_info().filter(|state| state.has_xsaveopt());
    let xcr0 = state.map(|state| {
        // State 2 is AVX's.
        let fits = |offset: u32, size: u32| offset.saturating_add(size) <= VECTOR_STATE;
        let mut parts = state.iter().filter(|part| part.subleaf == 2);
        let avx = avx && parts.any(|part| fits(part.offset(), part.size()));
        let avx = if avx { XCr0Flags::AVX } else { XCr0Flags::empty() };
        XCr0Flags::X87 | XCr0Flags::SSE | avx
    });
    let mut cr4 = Cr4Flags::PHYSICAL_ADDRESS_EXTENSION | Cr4Flags::PAGE_GLOBAL;
    cr4 |= Cr4Flags::OSFXSR | Cr4Flags::OSXMMEXCPT_ENABLE | Cr4Flags::MACHINE_CHECK_EXCEPTION;
    cr4.set(Cr4Flags::L5_PAGING, five);
    cr4.set(Cr4Flags::OSXSAVE, xcr0.is_some());
    if let Some(more) = id.get_extended_feature_info() {
        cr4.set(Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION, more.has_smep());
        cr4.set(Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION, more.has_smap());
        cr4.set(Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION, more.has_umip());
    }
    Ok(Cpu { paging: Paging { levels, giant_pages }, id: apic.into(), cr4, xcr0 })
}

impl Cpu {
    /// Fills in what the CPU says of itself.
    pub(super) fn tell(&self, measured: &mut Measured) {
        let id = CpuId::new();
        measured.cr4 = self.cr4.bits();
        if let Some(brand) = id.get_processor_brand_string() {
            for (to, from) in
                measured.brand.as_flattened_mut().iter_mut().zip(brand.as_str().bytes())
            {
                *to = from;
            }
        }
        // A CPU of AMD's never was open; another one says so in ARCH_CAPABILITIES, which CPUID
        // announces.
        let amd = id.get_vendor_info().is_some_and(|vendor| vendor.as_str() == "AuthenticAMD");
        let tells = cpuid!(7, 0).edx & 1 << 29 != 0;
        // SAFETY: reads a register that the CPU has.
        measured.is_closed = amd || (tells && unsafe { Msr::new(0x10A).read() } & 1 != 0);
    }
}

/// Ticks of the time stamp counter in a second, as CPUID tells them.
pub(super) fn told_hz() -> Option<u64> {
    let id = CpuId::new();
    let exact = id.get_tsc_info().and_then(|info| info.tsc_frequency());
    let nominal = || Some(u64::from(id.get_processor_frequency_info()?.processor_base_frequency()));
    exact.or_else(|| nominal()?.checked_mul(1_000_000)).filter(|hz| *hz > 0)
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
pub unsafe fn enter(loaded: &Loaded, cpu: &Cpu) -> ! {
    x86_64::instructions::interrupts::disable();
    let cr0 = Cr0Flags::PROTECTED_MODE_ENABLE | Cr0Flags::PAGING | Cr0Flags::WRITE_PROTECT;
    let efer = EferFlags::NO_EXECUTE_ENABLE | EferFlags::SYSTEM_CALL_EXTENSIONS;
    let off = RFlags::INTERRUPT_FLAG | RFlags::DIRECTION_FLAG | RFlags::TRAP_FLAG;
    // SAFETY: the loader's own pages are all writable or never written, and no entry of its tables
    // has a reserved bit, so it runs on with all of this; what SYSCALL, GS and XSAVE do, it does
    // not use. Without global pages nothing of its tables stays cached when they go. The selectors
    // are those of `window`: SYSRET makes data = base + 8 and code = base + 16, of privilege 3.
    unsafe {
        Efer::update(|flags| flags.insert(efer));
        Cr0::write(cr0 | Cr0Flags::MONITOR_COPROCESSOR | Cr0Flags::NUMERIC_ERROR);
        Cr4::update(|flags| {
            flags.remove(Cr4Flags::PAGE_GLOBAL);
            flags.set(Cr4Flags::OSXSAVE, cpu.xcr0.is_some());
        });
        if let Some(xcr0) = cpu.xcr0 {
            XCr0::write(xcr0);
        }
        Msr::new(0x277).write(PAT);
        Star::write_raw(0x13, 8);
    }
    LStar::write(VirtAddr::new_truncate(loaded.entry.saturating_add(SYSCALL)));
    SFMask::write(off | RFlags::NESTED_TASK | RFlags::ALIGNMENT_CHECK);
    GsBase::write(VirtAddr::zero());
    KernelGsBase::write(VirtAddr::zero());
    // SAFETY: the tables map the jump's code one to one (`jump_pages`), the kernel with its entry,
    // and all that the window holds; nothing of the loader is used after it.
    unsafe {
        jump(
            loaded.jump_root,
            loaded.entry,
            loaded.window.stack_top(0),
            cpu.cr4.bits(),
            loaded.window.pointers(0),
        )
    }
}

/// Takes new tables, segments, gates and a new stack and jumps: see `anode_abi::boot_info`.
#[unsafe(naked)]
unsafe extern "sysv64" fn jump(root: u64, entry: u64, stack: u64, cr4: u64, pointers: u64) -> ! {
    naked_asm!(
        "cld",
        "mov cr3, rdi",
        "mov cr4, rcx",
        "lgdt [r8]",
        "lidt [r8 + 16]",
        "mov rsp, rdx",
        "xor ebp, ebp",
        "xor eax, eax",
        "mov ds, eax",
        "mov es, eax",
        "mov fs, eax",
        "mov gs, eax",
        "mov eax, 16",
        "mov ss, eax",
        "mov eax, 40",
        "ltr ax",
        "movabs rdi, {magic}",
        "push 0",
        "push 8",
        "push rsi",
        "retfq",
        magic = const MAGIC,
    )
}
