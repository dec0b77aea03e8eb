//! Signals: the page that is shared with the kernel, and the trampoline.
//!
//! Masks and actions are words of the page, so changing them is no system call.

use super::raw::call;
use crate::c::{int, narrow};
use crate::thread;
use anode_abi::number::{SYS_SIGNAL_PAGE, SYS_SIGNAL_RETURN, SYS_SIGNAL_WAIT, SYS_YIELD};
use anode_abi::signal::{MASK_WORD, SignalFrame, THREADS};
use core::ffi::c_int;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use relibc_core::abi::{Sigaction, Siginfo};
use relibc_core::consts::{PAGE, SA_NODEFER, SIG_DFL, SIG_IGN};
use relibc_core::errno::Result;

/// Words of the page: `ignored`, `caught`, six reserved, then the masks.
type Page = [AtomicU64; PAGE / 8];
const IGNORED: usize = 0;
const CAUGHT: usize = 1;

static SIGNALS: AtomicPtr<Page> = AtomicPtr::new(ptr::null_mut());
/// Slots in use, a bit each; the first is the first thread's.
static SLOTS: [AtomicU64; THREADS.div_ceil(64)] =
    [const { AtomicU64::new(0) }; THREADS.div_ceil(64)];
/// Bytes of the area that `xsave` fills; 0 where the CPU only knows `fxsave`.
static XSAVE: AtomicUsize = AtomicUsize::new(0);

fn at(index: usize) -> Option<&'static AtomicU64> {
    // SAFETY: null before `begin`, else a page that stays mapped, and is only used atomically.
    unsafe { SIGNALS.load(Ordering::Acquire).as_ref() }.and_then(|page| page.get(index))
}

/// Makes the page and tells the kernel.
pub(super) fn begin(blocked: u64) {
    XSAVE.store(vector_state_size(), Ordering::Relaxed);
    let Ok(page) = super::map_anonymous(PAGE, crate::sys::Commit::Now) else {
        crate::stdlib::die(b"libc: no memory for signals\n")
    };
    SIGNALS.store(page.cast(), Ordering::Release);
    let slot = claim_slot(blocked).unwrap_or(0);
    thread::current().signals.slot.set(slot);
    let entry: unsafe extern "C" fn() -> ! = trampoline;
    // SAFETY: the page is ours for good, and the trampoline does what the kernel wants.
    let _done = unsafe { call(SYS_SIGNAL_PAGE, [page.addr(), (entry as *const ()).addr()]) };
}

/// Bytes of the enabled vector state, as the CPU tells.
fn vector_state_size() -> usize {
    use core::arch::x86_64::{__cpuid, __cpuid_count};
    const OSXSAVE: u32 = 1 << 27;
    if __cpuid(1).ecx & OSXSAVE == 0 {
        return 0;
    }
    usize::try_from(__cpuid_count(0xd, 0).ebx).unwrap_or(0)
}

/// Makes the kernel act on `signal` as `action` says.
pub(crate) fn set_action(signal: c_int, action: &Sigaction) -> Result<()> {
    let bit = crate::signal::bit(signal)?;
    let (ignored, caught) = match action.sa_sigaction {
        SIG_DFL => (false, false),
        SIG_IGN => (true, false),
        _ => (false, true),
    };
    for (index, on) in [(IGNORED, ignored), (CAUGHT, caught)] {
        if let Some(word) = at(index) {
            if on {
                word.fetch_or(bit, Ordering::SeqCst);
            } else {
                word.fetch_and(!bit, Ordering::SeqCst);
            }
        }
    }
    Ok(())
}

/// The ignored signals, for the next program.
pub(super) fn ignored() -> u64 {
    at(IGNORED).map_or(0, |word| word.load(Ordering::SeqCst))
}

fn own_mask() -> Option<&'static AtomicU64> {
    at(MASK_WORD.saturating_add(thread::current().signals.slot.get()))
}

/// The calling thread's blocked signals.
pub(crate) fn mask() -> u64 {
    own_mask().map_or(0, |mask| mask.load(Ordering::SeqCst))
}

/// Replaces the calling thread's blocked signals.
pub(crate) fn set_mask(mask: u64) {
    let before = own_mask().map_or(0, |own| own.swap(mask, Ordering::SeqCst));
    if before & !mask != 0 {
        // What waited is delivered at the end of any call.
        // SAFETY: no memory is touched.
        let _done = unsafe { call(SYS_YIELD, []) };
    }
}

/// The kernel keeps what is pending to itself.
pub(crate) fn pending() -> u64 {
    0
}

/// Sleeps with `mask` as the blocked signals until a handler has run.
pub(crate) fn suspend(mask: u64) {
    let Some(own) = own_mask() else { return };
    let interrupted = &thread::current().signals.handled;
    let before = own.swap(mask, Ordering::SeqCst);
    interrupted.set(false);
    while !interrupted.get() {
        // SAFETY: no memory is touched. It always ends with EINTR.
        let _woken = unsafe { call(SYS_SIGNAL_WAIT, []) };
    }
    set_mask(before);
}

/// A new thread's slot, with the mask that it begins with; `None` if there are too many.
pub(crate) fn claim_slot(inherited: u64) -> Option<usize> {
    for (index, word) in SLOTS.iter().enumerate() {
        let lowest_free = |bits: u64| (bits != u64::MAX).then(|| bits | bits.wrapping_add(1));
        let claimed = word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lowest_free);
        if let Ok(before) = claimed {
            let bit = usize::try_from(before.trailing_ones()).ok()?;
            let slot = index.checked_mul(64)?.checked_add(bit)?;
            if slot >= THREADS {
                release_slot(slot);
                return None;
            }
            if let Some(mask) = at(MASK_WORD.checked_add(slot)?) {
                mask.store(inherited, Ordering::SeqCst);
            }
            return Some(slot);
        }
    }
    None
}

/// Gives a slot back.
pub(crate) fn release_slot(slot: usize) {
    if let Some(word) = SLOTS.get(slot / 64) {
        word.fetch_and(!(1_u64 << (slot % 64)), Ordering::SeqCst);
    }
}

/// After `fork` only the calling thread is left.
pub(super) fn forget_other_threads() {
    let own = thread::current().signals.slot.get();
    for (index, word) in SLOTS.iter().enumerate() {
        word.store(if own / 64 == index { 1 << (own % 64) } else { 0 }, Ordering::SeqCst);
    }
}

/// Blocks what the action wants blocked while its handler runs; the kernel has blocked the
/// signal itself, and puts the old mask back afterwards.
pub(crate) fn begin_handler(signal: c_int, action: &Sigaction) {
    let Some(own) = own_mask() else { return };
    let bit = crate::signal::bit(signal).unwrap_or(0);
    own.fetch_or(action.sa_mask, Ordering::SeqCst);
    if action.sa_flags & SA_NODEFER != 0 && action.sa_mask & bit == 0 {
        own.fetch_and(!bit, Ordering::SeqCst);
    }
}

/// Where the kernel goes with a caught signal: rdi is its number, rsi the frame to return to.
///
/// The frame holds all general registers, so only the vector state is saved here.
#[unsafe(naked)]
unsafe extern "C" fn trampoline() -> ! {
    core::arch::naked_asm!(
        "cld",
        "mov rbx, rsi",
        "mov r13, [rip + {size}]",
        "test r13, r13",
        "jz 2f",
        "sub rsp, r13",
        "and rsp, -64",
        // The header of the area must be zero.
        "xor eax, eax",
        "mov ecx, 8",
        "mov r14, rdi",
        "lea rdi, [rsp + 512]",
        "rep stosq",
        "mov rdi, r14",
        "mov eax, -1",
        "mov edx, -1",
        "xsave64 [rsp]",
        "mov rsi, rbx",
        "call {enter}",
        "mov eax, -1",
        "mov edx, -1",
        "xrstor64 [rsp]",
        "jmp 3f",
        "2:",
        "sub rsp, 512",
        "and rsp, -64",
        "fxsave64 [rsp]",
        "mov rsi, rbx",
        "call {enter}",
        "fxrstor64 [rsp]",
        "3:",
        "mov rdi, rbx",
        "mov eax, {signal_return}",
        "syscall",
        "ud2",
        size = sym XSAVE,
        enter = sym enter,
        signal_return = const SYS_SIGNAL_RETURN,
    )
}

/// # Safety
///
/// Called by the trampoline with what the kernel gave.
unsafe extern "C" fn enter(signal: usize, frame: *mut SignalFrame) {
    let mut info = Siginfo::of(int(signal));
    // SAFETY: the frame lies on this stack until `signal_return`.
    info.si_addr = narrow(unsafe { (*frame).address });
    crate::signal::deliver(info.si_signo, &info, frame.cast());
}
