//! The hardware as the core sees it.

use core::ptr::{copy, copy_nonoverlapping};
use core::sync::atomic::AtomicU64;

use anode_kernel::machine::{Context as ContextId, Cpu, Frame, IrqOp, Machine, Power, Regs};
use anode_kernel::num::index;
use x86_64::VirtAddr;
use x86_64::instructions::port::Port;
use x86_64::instructions::random::RdRand;
use x86_64::instructions::{interrupts, tlb};
use x86_64::registers::control::{Cr4, Cr4Flags};

use crate::arch::fpu::Vector;
use crate::arch::ioapic::Lines;
use crate::arch::percpu::{Context, LENT, PerCpu};
use crate::arch::{apic, idt, paging, tsc};
use crate::log;
use crate::memory::Ram;

/// The pool of contexts, memory that holds nothing else: its address, the bytes from one to the
/// next (both multiples of 64), and how many there are.
pub(crate) type Pool = (*mut u8, usize, u32);

/// The machine; owned by the kernel, so whoever has it holds the lock.
pub(crate) struct Hardware {
    pub(crate) ram: Ram,
    pub(crate) pool: Pool,
    pub(crate) vector: Vector,
    pub(crate) lines: Lines,
    pub(crate) kernel_root: u64,
    pub(crate) hhdm: u64,
    pub(crate) wall: u64,
    pub(crate) seed: [u64; 4],
}

// SAFETY: the pointer in it is to memory that is reached in this way only.
unsafe impl Send for Hardware {}

impl Hardware {
    /// Where a context is; the last one's place if there is no such context.
    #[inline(always)]
    pub(crate) fn context(&self, context: ContextId) -> *mut Context {
        let (base, stride, count) = self.pool;
        let n = index(context.0.min(count.wrapping_sub(1)));
        base.wrapping_add(n.wrapping_mul(stride)).cast()
    }

    /// A context whose state may be read and changed in memory. The core asks for threads that do
    /// not run, or for the one that trapped here; only the entry code of a CPU that runs it would
    /// touch it meanwhile.
    fn lend(&self, context: ContextId) -> *mut Context {
        let context = self.context(context);
        // SAFETY: a context of the pool; it is live here if it is the current one and not lent.
        unsafe {
            if PerCpu::here().current.get() != context {
                (*context).by_iret = 1;
            } else if (*context).by_iret != LENT {
                self.vector.save(context);
                (*context).by_iret = LENT;
            }
        }
        context
    }
}

impl Machine for Hardware {
    type Shared = &'static [AtomicU64; 512];
    fn now(&self) -> u64 {
        tsc::now()
    }

    fn boot_wall(&self) -> u64 {
        self.wall
    }

    fn arm(&mut self, cpu: Cpu, at: u64) {
        if cpu == PerCpu::here().cpu {
            apic::arm((at != u64::MAX).then(|| at.saturating_sub(tsc::now())));
        } else {
            self.kick(cpu);
        }
    }

    fn kick(&mut self, _: Cpu) {
        // There is but this one yet.
        apic::kick(apic::id());
    }

    fn cpus(&self) -> u8 {
        1
    }
    fn share(&self, frame: Frame) -> Option<Self::Shared> {
        // SAFETY: the frame is the core's RAM: mapped for good, aligned, and reached by the
        // kernel only as atomics or by copying (memory.rs, `Ram::words`).
        self.ram.words(frame).map(|at| unsafe { &*at.cast::<[AtomicU64; 512]>() })
    }

    fn zero(&mut self, frame: Frame) {
        if let Some(at) = self.ram.words(frame) {
            // SAFETY: as in `share`; the core zeroes frames that nobody maps.
            unsafe { at.write_bytes(0, 512) };
        }
    }
    fn copy(&mut self, from: (Frame, usize), to: (Frame, usize), len: usize) {
        let Some((source, len)) = self.ram.bytes(from.0, from.1, len) else { return };
        let Some((target, len)) = self.ram.bytes(to.0, to.1, len) else { return };
        // SAFETY: both ranges are within frames that `share` could lend. A user who writes them
        // meanwhile gets what he deserves: bytes of either kind, which nobody trusts.
        unsafe { copy(source, target, len) };
    }

    fn read(&self, frame: Frame, offset: usize, to: &mut [u8]) {
        if let Some((source, len)) = self.ram.bytes(frame, offset, to.len()) {
            // SAFETY: as in `copy`; `to` is the kernel's own memory, so it does not overlap.
            unsafe { copy_nonoverlapping(source, to.as_mut_ptr(), len) };
        }
    }

    fn write(&mut self, frame: Frame, offset: usize, from: &[u8]) {
        if let Some((target, len)) = self.ram.bytes(frame, offset, from.len()) {
            // SAFETY: as in `read`.
            unsafe { copy_nonoverlapping(from.as_ptr(), target, len) };
        }
    }

    fn adopt_root(&mut self, root: Frame) {
        if self.ram.words(root).is_some() {
            let from = paging::upper_half(self.hhdm, self.kernel_root);
            let to = paging::upper_half(self.hhdm, root.address());
            // SAFETY: the kernel's root does not change any more, and the core's frame is RAM
            // that nobody else uses.
            unsafe { copy_nonoverlapping(from, to, 1) };
        }
    }

    fn levels(&self) -> u8 {
        if Cr4::read().contains(Cr4Flags::L5_PAGING) { 5 } else { 4 }
    }

    fn flush(&mut self, root: Frame, page: Option<u64>) {
        if PerCpu::here().root.get() != root.address() {
            return;
        }
        match page {
            Some(page) => tlb::flush(VirtAddr::new_truncate(page)),
            // SAFETY: the root is the one that is loaded.
            None => unsafe { paging::write_root(root.address()) },
        }
    }

    fn contexts(&self) -> u32 {
        self.pool.2
    }

    fn regs(&mut self, context: ContextId) -> &mut Regs {
        // SAFETY: the context is of the pool, and lent.
        unsafe { &mut (*self.lend(context)).regs }
    }

    fn reset_vector(&mut self, context: ContextId) {
        // SAFETY: as in `regs`.
        unsafe { self.vector.reset(self.lend(context)) };
    }

    fn copy_vector(&mut self, from: ContextId, to: ContextId) {
        let (from, to) = (self.lend(from), self.lend(to));
        if from != to {
            // SAFETY: as in `regs`, for both.
            unsafe { self.vector.copy(from, to) };
        }
    }

    fn irq(&mut self, line: u32, op: IrqOp) -> bool {
        self.lines.operate(line, op)
    }

    fn take_msi(&mut self) -> Option<(u64, u32, u32)> {
        self.lines.take_message()
    }

    fn give_msi(&mut self, line: u32) {
        self.lines.give_message(line);
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

    fn entropy(&mut self) -> [u8; 32] {
        let hardware = RdRand::new();
        let mut bytes = [0; 32];
        for (word, to) in self.seed.iter_mut().zip(bytes.as_chunks_mut::<8>().0) {
            let drawn = hardware.and_then(RdRand::get_u64).unwrap_or(0);
            // The loader's words never leave as they are: each is stirred with what comes now.
            *word =
                word.wrapping_add(tsc::count()).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
            *to = (*word ^ drawn).to_le_bytes();
        }
        bytes
    }

    fn console_write(&mut self, bytes: &[u8]) {
        log::console(bytes);
    }

    fn console_read(&mut self) -> Option<u8> {
        log::console_read()
    }

    fn log_read(&self, at: u64, to: &mut [u8]) -> usize {
        log::read(at, to)
    }

    fn console_release(&mut self) {
        log::release();
    }

    fn power(&mut self, power: Power) {
        if power == Power::Reboot {
            reset();
        }
    }
}

/// Resets the machine: by the keyboard controller, by the chipset, by a triple fault.
pub(crate) fn reset() -> ! {
    interrupts::disable();
    for (port, value) in [(0x64, 0xFE), (0xCF9, 2), (0xCF9, 6)] {
        // SAFETY: what these do is what we want; where they are nobody's, nothing happens.
        unsafe { Port::<u8>::new(port).write(value) };
        tsc::wait(10_000_000);
    }
    idt::unload();
    interrupts::int3();
    crate::panic::halt()
}
