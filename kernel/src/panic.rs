//! The end: bugs of the kernel, and what it cannot start without.
//!
//! Nothing here takes a lock, allocates, or touches the kernel's state; output is by bounded
//! polling of the serial port, whoever owns it.

use core::arch::asm;
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use anode_abi::boot_info::{MAX_CPUS, STACK, Symbol};
use anode_kernel::num::{index, size};
use x86_64::instructions::{hlt, interrupts};
use x86_64::registers::control::Cr2;

use crate::arch::trap::Frame;
use crate::arch::{apic, serial};
use crate::boot::{info, lend};

/// Deepest backtrace that is printed.
const DEPTH: usize = 32;

static STOPPED: AtomicBool = AtomicBool::new(false);

struct Out;

impl Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        serial::send_text(text.as_bytes());
        Ok(())
    }
}

/// Prints; a failure has nobody to be told to.
fn print(text: fmt::Arguments<'_>) {
    let _never = Out.write_fmt(text);
}

/// Whether the machine was stopped: an NMI then means to halt.
pub(crate) fn is_stopped() -> bool {
    STOPPED.load(Ordering::Acquire)
}

/// Halts this CPU for good.
pub(crate) fn halt() -> ! {
    loop {
        interrupts::disable();
        hlt();
    }
}

/// Ends with a sentence: the machine cannot be started.
pub(crate) fn give_up(sentence: &str) -> ! {
    print(format_args!("\nAnode cannot start: {sentence}.\n"));
    halt()
}

/// Stops the other CPUs; a second one that gets here halts.
fn stop() {
    interrupts::disable();
    if STOPPED.swap(true, Ordering::AcqRel) {
        print(format_args!("\n(and again, in the end itself)\n"));
        halt();
    }
    apic::stop_others();
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    stop();
    print(format_args!("\nkernel panic: {}\n", info.message()));
    if let Some(place) = info.location() {
        print(format_args!("  at {}:{}\n", place.file(), place.line()));
    }
    let frame: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack, preserves_flags)) };
    end(frame)
}

/// Ends with what an exception in the kernel left.
pub(crate) fn exception(frame: &Frame) -> ! {
    let [.., rbp, vector, error, rip, _cs, _flags, _rsp, _ss] = *frame;
    stop();
    let address = Cr2::read_raw();
    print(format_args!("\nkernel panic: exception {vector} ({error:#x}, address {address:#x})\n"));
    print(format_args!("  {frame:x?}\n"));
    entry(rip);
    end(rbp)
}

fn end(frame: u64) -> ! {
    backtrace(frame);
    print(format_args!("The machine is halted.\n"));
    halt()
}

/// Follows frame pointers, which the build forces, as long as they lead up one of the stacks.
fn backtrace(mut frame: u64) {
    let stacks = index(info().cpu_count).min(MAX_CPUS).wrapping_mul(4);
    for _ in 0..DEPTH {
        let into = size(frame.wrapping_sub(info().stacks));
        let in_stack = into % STACK;
        let is_sound = frame.is_multiple_of(8) && into / STACK < stacks && in_stack >= 4096;
        if !is_sound || in_stack > STACK - 16 {
            return;
        }
        let at = core::ptr::with_exposed_provenance::<[u64; 2]>(size(frame));
        // SAFETY: 16 bytes within a stack (above) and not in its guard page.
        let [next, back] = unsafe { at.read() };
        // The call is before the address that it returns to.
        entry(back.wrapping_sub(1));
        if next <= frame {
            return;
        }
        frame = next;
    }
}

/// Prints an address and the function that it is in.
fn entry(address: u64) {
    match name_of(address) {
        Some((name, into)) => print(format_args!("  {address:#x} {name}+{into:#x}\n")),
        None => print(format_args!("  {address:#x}\n")),
    }
}

/// The function that an address is in, and how far in.
fn name_of(address: u64) -> Option<(&'static str, u64)> {
    // SAFETY: `BootInfo` says what lies in each, and nobody writes there.
    let (symbols, names) = unsafe { (lend::<Symbol>(info().symbols), lend(info().names)) };
    let after = symbols.partition_point(|symbol| symbol.address <= address);
    let symbol = symbols.get(after.checked_sub(1)?)?;
    let name = names.get(index(symbol.name)..)?.get(..index(symbol.len))?;
    Some((core::str::from_utf8(name).ok()?, address.wrapping_sub(symbol.address)))
}
