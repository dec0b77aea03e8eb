//! The loader's UEFI front end.
//!
//! ```text
//!  main.rs ─┬─ memory.rs  pages and the memory map, before and after the firmware leaves
//!           ├─ disk.rs    the disk that this program came from, by BlockIO
//!           └─ facts.rs   screen, tables, clock, randomness
//! ```
//!
//! Protocols are opened only to look (`GetProtocol`): opening one exclusively would throw out the
//! firmware's drivers.
#![no_std]
#![no_main]
#![expect(clippy::large_stack_frames, reason = "UEFI gives 128 KiB of stack")]

extern crate alloc;

mod disk;
mod facts;
mod memory;

use anode_loader::machine::{self, Cpu, Identity, Serial};
use anode_loader::{Error, Facts, Hardware, Loaded, load};
use core::convert::Infallible;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};
use uefi::boot::{self, OpenProtocolAttributes, OpenProtocolParams, ScopedProtocol};
use uefi::proto::ProtocolPointer;
use uefi::{Handle, Status, entry};

/// Whether the firmware still answers; afterwards there is only the serial port.
static FIRMWARE: AtomicBool = AtomicBool::new(true);

#[entry]
fn main() -> Status {
    let tsc_start = machine::tsc();
    match run(tsc_start) {
        Ok(never) => match never {},
        Err(error) => stop(format_args!("{error}")),
    }
}

/// Loads the kernel, sends the firmware away and enters the kernel.
fn run(tsc_start: u64) -> Result<Infallible, Error> {
    // Else the firmware starts the machine again after five minutes, which are not enough for a
    // debugger.
    match boot::set_watchdog_timer(0, 0x1_0000, None) {
        Ok(()) | Err(_) => {}
    }
    let mut memory = memory::detect()?;
    let low_page = memory::low_page();
    let cpu = machine::cpu()?;
    let facts = Facts { tsc_start, low_page, ..facts::gather() };
    let (madt, has_madt) = memory.madt(facts.rsdp, cpu.id);
    let hardware = Hardware { paging: cpu.paging, madt, has_madt, apic: machine::apic() };
    let loaded = {
        let mut disk = disk::boot_disk(&mut memory)?;
        load(&mut disk, &mut memory, &hardware, &machine::jump_pages())?
    };
    say(&mut Serial::new(), format_args!("anode: loader (UEFI): {loaded}"));
    leave(memory, &loaded, &hardware, (&facts, &cpu))
}

/// Ends boot services and goes.
fn leave(
    mut memory: Identity,
    loaded: &Loaded,
    hardware: &Hardware,
    (facts, cpu): (&Facts, &Cpu),
) -> Result<Infallible, Error> {
    let table = memory::table();
    FIRMWARE.store(false, Ordering::Relaxed);
    memory.renew(memory::exit(table));
    // The firmware had it last.
    let _again = Serial::new();
    // SAFETY: the firmware is gone.
    let measured = unsafe { machine::settle(hardware, cpu)? };
    loaded.describe(&mut memory, hardware, facts, &measured)?;
    // SAFETY: `loaded` was made by `run` and its `BootInfo` is complete; the firmware is gone, and
    // its tables, which are still in use, map all of RAM one to one, as UEFI demands.
    unsafe { machine::enter(loaded, cpu) }
}

/// Opens a protocol to look at it, without taking it from anybody.
fn look<P: ProtocolPointer + ?Sized>(handle: Handle) -> uefi::Result<ScopedProtocol<P>> {
    let params = OpenProtocolParams { handle, agent: boot::image_handle(), controller: None };
    // SAFETY: the loader runs alone and calls no firmware function that would remove a protocol of
    // a handle while it is open; all are dropped before boot services end.
    unsafe { boot::open_protocol(params, OpenProtocolAttributes::GetProtocol) }
}

/// Writes a line; neither the screen nor the serial port ever refuses one.
fn say(to: &mut impl Write, line: fmt::Arguments<'_>) {
    match write!(to, "{line}\r\n") {
        Ok(()) | Err(fmt::Error) => {}
    }
}

/// Says on the screen and the serial port why the machine cannot be started, and stops.
fn stop(why: fmt::Arguments<'_>) -> ! {
    if FIRMWARE.load(Ordering::Relaxed) {
        // On many machines the firmware's console is the serial port too; then it is said twice.
        uefi::println!("anode: {why}; the machine cannot be started.");
    }
    say(&mut Serial::new(), format_args!("anode: {why}; the machine cannot be started."));
    machine::halt()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    stop(format_args!("the loader is at fault: {info}"))
}
