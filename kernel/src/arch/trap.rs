//! From a trap to the core and back: the one place that takes the kernel's lock.
//!
//! ```text
//!  entry.s saves the registers ─▶ syscall, interrupt ─▶ enter: lock, core, switch, unlock ─▶ resume
//! ```
//!
//! The kernel has interrupts off, but for two windows: when a CPU idles, and when the core lets
//! go of long work. An interrupt that comes in there is only kept, closes the window, and is
//! handled right after; so nothing ever nests on a kernel stack but a fault, which is the end.

use core::arch::global_asm;
use core::mem::{MaybeUninit, offset_of};
use core::ptr::null_mut;

use anode_abi::boot_info::{USER_CODE, USER_DATA};
use anode_kernel::kernel::Kernel;
use anode_kernel::machine::{Context as ContextId, Frame as PageFrame, Regs, USER_END};
use anode_kernel::mem::region::MapFlags;
use anode_kernel::trap::{Call, Resume, Trap};
use spin::mutex::{TicketMutex, TicketMutexGuard};
use x86_64::instructions::interrupts;
use x86_64::registers::control::Cr2;
use x86_64::registers::rflags::RFlags;

use super::context::{Context, LENT};
use super::ioapic;
use super::percpu::PerCpu;
use crate::boot::{info, start as boot};
use crate::machine::Hardware;
use crate::panic;

/// The flags that are the user's: CF PF AF ZF SF TF DF OF AC ID.
const USER_FLAGS: u32 = 0x24_0DD5;
const NMI: u64 = 2;
const PAGE_FAULT: u64 = 14;
/// Vectors below are exceptions.
const EXCEPTIONS: u64 = 32;

global_asm!(
    include_str!("entry.s"),
    rsp = const offset_of!(Regs, rsp),
    rip = const offset_of!(Regs, rip),
    rflags = const offset_of!(Regs, rflags),
    by_iret = const offset_of!(Context, by_iret),
    current = const offset_of!(PerCpu, current),
    scratch = const offset_of!(PerCpu, scratch),
    stack_top = const offset_of!(PerCpu, stack_top),
    user_data = const USER_DATA,
    user_code = const USER_CODE,
    user_flags = const USER_FLAGS,
    user_end = const USER_END,
    start = sym boot,
    syscall = sym syscall,
    interrupt = sym interrupt,
    kernel_interrupt = sym kernel_interrupt,
);

// The entry code counts on these by number.
const _: () = assert!(offset_of!(Context, regs) == 0 && offset_of!(Regs, general) == 0);

/// What an interrupt of the kernel itself left on the stack: rax, rcx, rdx, rsi, rdi, r8 to r11,
/// rbp (9), vector (10), error code, rip, cs, rflags (14), rsp, ss.
pub(crate) type Frame = [u64; 17];

type Guard = TicketMutexGuard<'static, MaybeUninit<Kernel<Hardware>>>;

/// The kernel. Locked only by [`enter`] and [`wait`], whose `assume_init` [`start`] makes true.
static KERNEL: TicketMutex<MaybeUninit<Kernel<Hardware>>> = TicketMutex::new(MaybeUninit::uninit());

/// Hands the kernel over to the traps and runs the first thread.
///
/// # Safety
///
/// Called once, by the first CPU; no thread runs yet, and everything is set up for traps.
#[expect(clippy::large_stack_frames, reason = "the kernel's value passes through, once")]
pub(crate) unsafe fn start(kernel: Kernel<Hardware>) -> ! {
    KERNEL.lock().write(kernel);
    let first = enter(|| Some(Trap::Again));
    // SAFETY: `run` gives a context that is loaded; `resume` of entry.s never returns.
    unsafe {
        core::arch::asm!("jmp resume", in("rax") first, options(noreturn));
    }
}

extern "sysv64" fn syscall(a: u64, b: u64, c: u64, d: u64, e: u64, number: u64) -> *mut Context {
    enter(|| Some(Trap::Call(Call { number, a, b, c, d, e, from: 0 })))
}

extern "sysv64" fn interrupt(vector: u64, error: u64) -> *mut Context {
    let vector8 = u8::try_from(vector).unwrap_or(u8::MAX);
    match vector {
        NMI if panic::is_stopped() => panic::halt(),
        NMI => PerCpu::here().current.get(),
        PAGE_FAULT => {
            let access = match error {
                error if error & 0x10 != 0 => MapFlags::EXECUTE,
                error if error & 2 != 0 => MapFlags::WRITE,
                _ => MapFlags::READ,
            };
            enter(|| Some(Trap::Fault { address: Cr2::read_raw(), access }))
        }
        0..EXCEPTIONS => enter(|| Some(Trap::Exception { vector: vector8 })),
        _ => enter(|| ioapic::deliver(vector8)),
    }
}

/// An interrupt of the kernel itself. GS is only ours in a window, where devices interrupt; the
/// first of them closes it.
extern "sysv64" fn kernel_interrupt(frame: &mut Frame) {
    let [.., vector, _error, _rip, _cs, flags, _rsp, _ss] = frame;
    match *vector {
        NMI if panic::is_stopped() => panic::halt(),
        NMI => {}
        0..EXCEPTIONS => panic::exception(frame),
        _ => {
            *flags &= !RFlags::INTERRUPT_FLAG.bits();
            PerCpu::here().kept.set(u8::try_from(*vector).unwrap_or(u8::MAX));
        }
    }
}

/// Lets the core handle a trap, if it turns out to be one; gives the context to run, which is
/// loaded.
#[inline(always)]
fn enter(trap: impl FnOnce() -> Option<Trap>) -> *mut Context {
    let cpu = PerCpu::here();
    let mut guard = KERNEL.lock();
    let Some(trap) = trap() else { return cpu.current.get() };
    // SAFETY: traps come from userspace, which `start` enters after it put the kernel there.
    let kernel = unsafe { guard.assume_init_mut() };
    match kernel.handle(cpu.cpu, trap) {
        Resume::Run { context, root, value } => switch(cpu, context, root, value),
        rest @ (Resume::Again | Resume::Idle) => wait(cpu, guard, rest),
    }
}

/// Nothing is to run: lets go of the lock and lets interrupts in, until something is.
#[cold]
fn wait(cpu: &PerCpu, mut guard: Guard, mut rest: Resume) -> *mut Context {
    loop {
        // Off this CPU with the thread, and with its page tables, as they may be freed.
        unload(cpu);
        // SAFETY: the kernel's own tables.
        unsafe { cpu.use_root(info().root) };
        drop(guard);
        if rest == Resume::Again {
            interrupts::enable();
            // They come in only after the instruction that follows STI.
            x86_64::instructions::nop();
        } else {
            interrupts::enable_and_hlt();
        }
        interrupts::disable();
        guard = KERNEL.lock();
        // SAFETY: as in `enter`.
        let kernel = unsafe { guard.assume_init_mut() };
        // For the core, any trap is as good as `Again`.
        let trap = ioapic::deliver(cpu.kept.take()).unwrap_or(Trap::Again);
        rest = kernel.handle(cpu.cpu, trap);
        if let Resume::Run { context, root, value } = rest {
            return switch(cpu, context, root, value);
        }
    }
}

/// Makes `context` the one that is loaded on this CPU, and gives it. The lock is held: a thread
/// that another CPU may take up next is saved before the lock is free.
#[inline(always)]
fn switch(cpu: &PerCpu, context: ContextId, root: PageFrame, value: Option<u64>) -> *mut Context {
    let new = Context::of(context);
    // SAFETY: the context is of the pool, and the core runs it on no other CPU; it is loaded if
    // it is not live. The root is a space's that `adopt_root` has prepared.
    unsafe {
        if let Some(value) = value {
            (*new).regs.general[0] = value;
        }
        if new != cpu.current.get() {
            unload(cpu);
            (*new).load();
            cpu.current.set(new);
        } else if (*new).by_iret == LENT {
            (*new).load();
            (*new).by_iret = 1;
        }
        cpu.use_root(root.address());
    }
    new
}

/// Takes the thread off this CPU; its state is in memory then.
#[inline(always)]
fn unload(cpu: &PerCpu) {
    // SAFETY: `current` is a context of the pool whose state is live here, unless it was lent.
    unsafe {
        match cpu.current.replace(null_mut()).as_mut() {
            Some(old) if old.by_iret == LENT => old.by_iret = 1,
            Some(old) => old.save(),
            None => {}
        }
    }
}
