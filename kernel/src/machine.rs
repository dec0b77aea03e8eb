//! The hardware as the core sees it.

use core::fmt;
use core::ptr::{copy, copy_nonoverlapping};
use core::sync::atomic::AtomicU64;

use anode_abi::boot_info::FrameRange;
use anode_kernel::machine::{Context as ContextId, Cpu, Frame, IrqOp, Machine, PAGE_SIZE, Regs};
use x86_64::VirtAddr;
use x86_64::instructions::port::Port;
use x86_64::instructions::tables::lidt;
use x86_64::instructions::{interrupts, tlb};
use x86_64::registers::control::Cr4Flags;
use x86_64::structures::DescriptorTablePointer;

use crate::arch::context::{Context, LENT};
use crate::arch::ioapic;
use crate::arch::percpu::PerCpu;
use crate::arch::{apic, clock};
use crate::boot::{direct, info};
use crate::log;

/// The machine; owned by the kernel, so whoever has it holds the lock.
pub(crate) struct Hardware {
    /// The frames that the core may name, the largest range first, as it is asked for most.
    pub(crate) ram: &'static [FrameRange],
}

impl Hardware {
    /// Where a frame lies in the direct map: 512 words that are mapped and writable, and that the
    /// kernel uses by atomics or by copying only. `None`: the frame is not the core's.
    fn words(&self, frame: Frame) -> Option<*mut u64> {
        let holds = |range: &FrameRange| frame.number().wrapping_sub(range.first) < range.count;
        self.ram.iter().any(holds).then(|| direct(frame.address()))
    }

    /// Where `len` bytes from `offset` on lie in a frame, and how many of them are in it.
    fn bytes(&self, frame: Frame, offset: usize, len: usize) -> Option<(*mut u8, usize)> {
        let left = PAGE_SIZE.checked_sub(offset)?;
        Some((self.words(frame)?.cast::<u8>().wrapping_add(offset), len.min(left)))
    }
}

/// A context whose state may be read and changed in memory. The core asks for threads that do not
/// run, or for the one that trapped here; only the entry code of a CPU that runs it would touch it
/// meanwhile.
fn lend(context: ContextId) -> *mut Context {
    let context = Context::of(context);
    // SAFETY: a context of the pool; it is live here if it is the current one and not lent.
    unsafe {
        if PerCpu::here().current.get() != context {
            (*context).by_iret = 1;
        } else if (*context).by_iret != LENT {
            (*context).save();
            (*context).by_iret = LENT;
        }
    }
    context
}

impl Machine for Hardware {
    type Shared = &'static [AtomicU64; 512];

    fn now(&self) -> u64 {
        clock::now()
    }

    fn arm(&mut self, cpu: Cpu, at: u64) {
        if cpu == PerCpu::here().cpu {
            apic::arm((at != u64::MAX).then(|| at.saturating_sub(clock::now())));
        } else {
            self.kick(cpu);
        }
    }

    fn kick(&mut self, cpu: Cpu) {
        if let Some(id) = info().cpus.get(usize::from(cpu.0)) {
            apic::kick(*id);
        }
    }

    fn cpus(&self) -> u8 {
        1
    }

    fn share(&self, frame: Frame) -> Option<Self::Shared> {
        // SAFETY: the frame is the core's RAM: mapped for good, aligned, and reached by the
        // kernel only as atomics or by copying (`words`).
        self.words(frame).map(|at| unsafe { &*at.cast::<[AtomicU64; 512]>() })
    }

    fn zero(&mut self, frame: Frame) {
        if let Some(at) = self.words(frame) {
            // SAFETY: as in `share`; the core zeroes frames that nobody maps.
            unsafe { at.write_bytes(0, 512) };
        }
    }

    fn copy(&mut self, from: (Frame, usize), to: (Frame, usize), len: usize) -> Option<()> {
        let (source, len) = self.bytes(from.0, from.1, len)?;
        let (target, len) = self.bytes(to.0, to.1, len)?;
        // SAFETY: both ranges are within frames that `share` could lend. A user who writes them
        // meanwhile gets what he deserves: bytes of either kind, which nobody trusts.
        unsafe { copy(source, target, len) };
        Some(())
    }

    fn read(&self, frame: Frame, offset: usize, to: &mut [u8]) -> Option<()> {
        let (source, len) = self.bytes(frame, offset, to.len())?;
        // SAFETY: as in `copy`; `to` is the kernel's own memory, so it does not overlap.
        unsafe { copy_nonoverlapping(source, to.as_mut_ptr(), len) };
        Some(())
    }

    fn write(&mut self, frame: Frame, offset: usize, from: &[u8]) -> Option<()> {
        let (target, len) = self.bytes(frame, offset, from.len())?;
        // SAFETY: as in `read`.
        unsafe { copy_nonoverlapping(from.as_ptr(), target, len) };
        Some(())
    }

    fn adopt_root(&mut self, root: Frame) {
        if let Some(to) = self.words(root) {
            let from = direct::<u64>(info().root);
            // SAFETY: the kernel's root does not change any more, and the core's frame is RAM
            // that nobody else uses.
            unsafe { copy_nonoverlapping(from.wrapping_add(256), to.wrapping_add(256), 256) };
        }
    }

    fn levels(&self) -> u8 {
        if info().cr4 & Cr4Flags::L5_PAGING.bits() == 0 { 4 } else { 5 }
    }

    fn flush(&mut self, root: Frame, page: Option<u64>) {
        if PerCpu::here().root.get() != root.address() {
            return;
        }
        match page {
            Some(page) => tlb::flush(VirtAddr::new_truncate(page)),
            None => tlb::flush_all(),
        }
    }

    fn contexts(&self) -> u32 {
        Context::count()
    }

    fn regs(&mut self, context: ContextId) -> &mut Regs {
        // SAFETY: the context is of the pool, and lent.
        unsafe { &mut (*lend(context)).regs }
    }

    fn saved(&self, context: ContextId) -> &Regs {
        // SAFETY: the context is of the pool; the entry code of another CPU would write it only
        // while its thread runs there, and the core does not ask then.
        unsafe { &(*Context::of(context)).regs }
    }

    fn reset_vector(&mut self, context: ContextId) {
        // SAFETY: as in `regs`.
        unsafe { (*lend(context)).reset() };
    }

    fn copy_vector(&mut self, from: ContextId, to: ContextId) {
        let (from, to) = (lend(from), lend(to));
        if from != to {
            // SAFETY: as in `regs`, for both.
            unsafe { (*to).copy_vector(&*from) };
        }
    }

    fn irq(&mut self, line: u32, op: IrqOp) -> bool {
        ioapic::operate(line, op)
    }

    fn message(&self, line: u32) -> Option<(u64, u32)> {
        ioapic::message(line)
    }

    fn port_in(&mut self, port: u16, width: usize) -> u32 {
        // SAFETY: whoever may use a port got that right from init; the kernel's own ports are
        // the interrupt controllers', which no line of the machine handle hands out by accident.
        unsafe {
            match width {
                1 => Port::<u8>::new(port).read().into(),
                2 => Port::<u16>::new(port).read().into(),
                _ => Port::<u32>::new(port).read(),
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the width says how much is meant")]
    fn port_out(&mut self, port: u16, width: usize, value: u32) {
        // SAFETY: as in `port_in`.
        unsafe {
            match width {
                1 => Port::new(port).write(value as u8),
                2 => Port::new(port).write(value as u16),
                _ => Port::new(port).write(value),
            }
        }
    }

    fn console_write(&mut self, bytes: &[u8]) {
        log::console(bytes);
    }

    fn log_read(&self, at: u64, to: &mut [u8]) -> usize {
        log::read(at, to)
    }

    fn console_release(&mut self) {
        log::release();
    }

    fn warn(&mut self, text: fmt::Arguments<'_>) {
        log::line(log::WARN, text);
    }

    fn reboot(&mut self) {
        interrupts::disable();
        for (port, value) in [(0x64, 0xFE), (0xCF9, 2), (0xCF9, 6)] {
            // SAFETY: what these do is what we want; where they are nobody's, nothing happens.
            unsafe { Port::<u8>::new(port).write(value) };
            clock::wait(10_000_000);
        }
        // SAFETY: the machine is to end: without gates, the next trap resets it.
        unsafe { lidt(&DescriptorTablePointer { limit: 0, base: VirtAddr::zero() }) };
        interrupts::int3();
    }
}
