//! Signals: the page that is shared with the kernel, and the trampoline.
//!
//! Masks, actions and what is pending are words of the page, so changing them is no system call,
//! and neither is the return from a handler.

use super::raw::call;
use crate::c::{int, narrow};
use crate::thread;
use anode_abi::number::{FOREVER, SYS_SIGNAL_PAGE, SYS_SLEEP, SYS_YIELD};
use anode_abi::signal::{CAUGHT, IGNORED, PENDING, RED_ZONE, SignalFrame, THREAD_WORDS, THREADS};
use core::ffi::c_int;
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use relibc_core::abi::{Sigaction, Siginfo};
use relibc_core::consts::{PAGE, SA_NODEFER, SIG_DFL, SIG_IGN};
use relibc_core::errno::Result;

/// Words of the page: see [`anode_abi::signal`].
type Page = [AtomicU64; PAGE / 8];
/// Of a thread's word, what it blocks; above is what waits for it alone.
const BLOCKED: u64 = 0xffff_ffff;
const OWN: u32 = 32;
/// Signals that are ignored by default: CHLD, CONT, URG, WINCH, and until there is job control
/// STOP, TSTP, TTIN, TTOU.
const HARMLESS: u64 = 0x7f << 16 | 1 << 27;

static SIGNALS: AtomicPtr<Page> = AtomicPtr::new(ptr::null_mut());
/// Whether each slot is in use; the first is the first thread's.
static SLOTS: [AtomicU32; THREADS] = [const { AtomicU32::new(FREE) }; THREADS];
const FREE: u32 = 0;
const USED: u32 = 1;
/// Bytes of the area that `xsave` fills; 0 where the CPU only knows `fxsave`.
static XSAVE: AtomicUsize = AtomicUsize::new(0);

fn at(index: usize) -> Option<&'static AtomicU64> {
    // SAFETY: null before `begin`, else a page that stays mapped, and is only used atomically.
    unsafe { SIGNALS.load(Ordering::Acquire).as_ref() }.and_then(|page| page.get(index))
}

/// Makes the page, as the program before left it, and then tells the kernel.
pub(super) fn begin(blocked: u64, ignored: u64) {
    XSAVE.store(vector_state_size(), Ordering::Relaxed);
    let Ok(page) = super::map_anonymous(PAGE, crate::sys::Commit::Now) else {
        crate::stdlib::die(b"libc: no memory for signals\n")
    };
    SIGNALS.store(page.cast(), Ordering::Release);
    let slot = claim_slot(blocked).unwrap_or(0);
    thread::current().signals.slot.set(slot);
    if let Some(word) = at(IGNORED) {
        word.store(HARMLESS, Ordering::SeqCst);
    }
    crate::signal::inherit_ignored(ignored);
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
        SIG_DFL => (bit & HARMLESS != 0, false),
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

fn own_word() -> Option<&'static AtomicU64> {
    at(THREAD_WORDS.saturating_add(thread::current().signals.slot.get()))
}

/// The calling thread's blocked signals.
pub(crate) fn mask() -> u64 {
    own_word().map_or(0, |own| own.load(Ordering::SeqCst) & BLOCKED)
}

fn store_mask(mask: u64) {
    let new = |word: u64| Some(word & !BLOCKED | mask & BLOCKED);
    if let Some(own) = own_word() {
        // It always gives a new value.
        let _old = own.fetch_update(Ordering::SeqCst, Ordering::SeqCst, new);
    }
}

/// Replaces the calling thread's blocked signals.
pub(crate) fn set_mask(mask: u64) {
    store_mask(mask);
    if pending() & !mask != 0 {
        // What waited is delivered at the end of any call.
        // SAFETY: no memory is touched.
        let _done = unsafe { call(SYS_YIELD, []) };
    }
}

/// The signals that wait for the thread, or for any.
pub(crate) fn pending() -> u64 {
    let [all, own] =
        [at(PENDING), own_word()].map(|word| word.map_or(0, |word| word.load(Ordering::SeqCst)));
    all | own >> OWN
}

/// Takes a signal off what waits; `false`: another thread was quicker.
fn take(bit: u64) -> bool {
    let taken = [(at(PENDING), bit), (own_word(), bit << OWN)].map(|(word, bit)| {
        word.is_some_and(|word| word.fetch_and(!bit, Ordering::SeqCst) & bit != 0)
    });
    taken.contains(&true)
}

/// Sleeps with `mask` as the blocked signals until a handler has run.
pub(crate) fn suspend(mask: u64) {
    let before = self::mask();
    store_mask(u64::MAX);
    let handled = &thread::current().signals.handled;
    handled.set(false);
    while !handled.get() {
        // The kernel takes the mask and sleeps in one step: nothing slips in between.
        // SAFETY: no memory is touched. It always ends with EINTR.
        let _woken = unsafe { call(SYS_SLEEP, [narrow(FOREVER), narrow(mask & BLOCKED)]) };
        store_mask(u64::MAX);
    }
    set_mask(before);
}

/// A new thread's slot, with the mask that it begins with; `None` if there are too many.
pub(crate) fn claim_slot(inherited: u64) -> Option<usize> {
    let claims = |word: &AtomicU32| {
        word.compare_exchange(FREE, USED, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    };
    let slot = SLOTS.iter().position(claims)?;
    if let Some(word) = at(THREAD_WORDS.checked_add(slot)?) {
        word.store(inherited & BLOCKED, Ordering::SeqCst);
    }
    Some(slot)
}

/// Gives back the slot of a thread that is gone: as long as it is there, another one with the
/// same slot would share its mask.
pub(crate) fn release_slot(slot: usize) {
    if let Some(word) = SLOTS.get(slot) {
        word.store(FREE, Ordering::SeqCst);
    }
}

/// The word that gives the slot back once it is cleared: what a thread passes to
/// [`exit_thread`](super::exit_thread) that nobody will join.
pub(crate) fn slot_word(slot: usize) -> *const AtomicU32 {
    SLOTS.get(slot).map_or(ptr::null(), ptr::from_ref)
}

/// After `fork` only the calling thread is left, and what waited for its parent is not for it.
pub(super) fn forget_others(waiting: u64) {
    let own = thread::current().signals.slot.get();
    for (slot, word) in SLOTS.iter().enumerate() {
        word.store(if slot == own { USED } else { FREE }, Ordering::SeqCst);
    }
    take(waiting);
}

/// Blocks what the action wants blocked while its handler runs, besides the signal itself.
pub(crate) fn begin_handler(signal: c_int, action: &Sigaction) {
    let bit = crate::signal::bit(signal).unwrap_or(0);
    let own = if action.sa_flags & SA_NODEFER == 0 { bit } else { action.sa_mask & bit };
    store_mask(thread::current().signals.outer.get() | action.sa_mask | own);
}

/// Where the kernel goes with a caught signal: rsp is the frame, all else as it was.
///
/// It saves what a C function may change, the vector state too, and two registers for itself.
#[unsafe(naked)]
unsafe extern "C" fn trampoline() -> ! {
    core::arch::naked_asm!(
        "push rax",
        "push rcx",
        "push rdx",
        "push rsi",
        "push rdi",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "push rbx",
        "push r12",
        "lea rbx, [rsp + {saved}]",
        "mov r12, [rip + {size}]",
        "test r12, r12",
        "jz 2f",
        "sub rsp, r12",
        "and rsp, -64",
        // The header of the area must be zero.
        "xor eax, eax",
        "mov ecx, 8",
        "lea rdi, [rsp + 512]",
        "rep stosq",
        "mov eax, -1",
        "mov edx, -1",
        "xsave64 [rsp]",
        "mov rdi, rbx",
        "call {enter}",
        "mov eax, -1",
        "mov edx, -1",
        "xrstor64 [rsp]",
        "jmp 3f",
        "2:",
        "sub rsp, 512",
        "and rsp, -64",
        "fxsave64 [rsp]",
        "mov rdi, rbx",
        "call {enter}",
        "fxrstor64 [rsp]",
        "3:",
        "lea rsp, [rbx - {saved}]",
        "pop r12",
        "pop rbx",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "pop rax",
        "add rsp, {rflags}",
        "popfq",
        "ret {red_zone}",
        saved = const SAVED,
        rflags = const offset_of!(SignalFrame, rflags),
        red_zone = const RED_ZONE,
        size = sym XSAVE,
        enter = sym enter,
    )
}

/// Bytes of the registers that the trampoline pushes.
const SAVED: usize = 11 * 8;

/// Handles the signal of a frame. What comes meanwhile is handled here too and not on top, so
/// that no storm of signals fills the stack.
///
/// # Safety
///
/// Called by the trampoline with what the kernel gave.
unsafe extern "C" fn enter(frame: *mut SignalFrame) {
    // SAFETY: the frame lies on this stack until the trampoline has gone back.
    let SignalFrame { signal, address, .. } = unsafe { *frame };
    let mut info = Siginfo::of(int(narrow(signal)));
    info.si_addr = narrow(address);
    let before = mask() & !crate::signal::bit(info.si_signo).unwrap_or(0);
    loop {
        // Until the handler runs: it is looked up under a lock.
        store_mask(u64::MAX);
        thread::current().signals.outer.set(before);
        crate::signal::deliver(info.si_signo, &info, frame.cast());
        let caught = at(CAUGHT).map_or(0, |word| word.load(Ordering::SeqCst));
        let due = pending() & caught & !before;
        if !take(due & due.wrapping_neg()) {
            break;
        }
        info = Siginfo::of(c_int::try_from(due.trailing_zeros()).unwrap_or(0).saturating_add(1));
    }
    set_mask(before);
}
